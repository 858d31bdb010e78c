#include "resync.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"

enum {
    CHECK_US = 10 * CLOCK_SECOND,
    DRIFT_MIN = 256, /* installs and notices under way make less */
};

static void ask(struct resync *r, uint64_t cursor);

void resync_init(struct resync *r, struct dp *dp, struct queries *queries,
                 struct sessions *sessions)
{
    *r = (struct resync){.dp = dp, .queries = queries, .sessions = sessions};
}

static void stop(struct resync *r, const char *why)
{
    sessions_refill_cancel(r->sessions);
    r->running = false;
    r->check_at = clock_us() + CLOCK_SECOND;
    log_warning("resynchronising stopped: %s", why);
}

static void on_session(void *arg, const struct jp_ipc_session *session)
{
    struct resync *r = arg;

    sessions_add(r->sessions, session->server_spi);
}

static void on_end(void *arg, int result, uint64_t cursor)
{
    struct resync *r = arg;

    if (result < 0) {
        stop(r, strerror(-result));
    } else if (cursor != 0) {
        ask(r, cursor);
    } else {
        sessions_refill_end(r->sessions);
        r->running = false;
        r->done = true;
        r->completed++;
        r->check_at = clock_us() + CHECK_US;
        log_info("resynchronised: %u sessions in %llu ms", r->sessions->known.count,
                 (unsigned long long)(clock_us() - r->began) / 1000);
    }
}

static void ask(struct resync *r, uint64_t cursor)
{
    static const struct query_user user = {.session = on_session, .end = on_end};
    int rc = queries_list(r->queries, cursor, JP_IPC_LIST_MAX, &user, r);

    if (rc < 0)
        stop(r, strerror(-rc));
}

void resync_start(struct resync *r)
{
    r->began = clock_us();
    r->running = true;
    r->done = false;
    if (sessions_refill_begin(r->sessions) < 0)
        stop(r, "no memory");
    else
        ask(r, 0);
}

void resync_tick(struct resync *r, uint64_t now)
{
    uint64_t known, there, drift;

    if (r->dp->state != DP_UP || r->running || now < r->check_at)
        return;
    r->check_at = now + CHECK_US;
    known = r->sessions->known.count;
    there = dp_counter_sum(r->dp, JP_sessions);
    drift = known > there ? known - there : there - known;
    if (!r->done || drift > DRIFT_MIN + known / 64)
        resync_start(r);
}
