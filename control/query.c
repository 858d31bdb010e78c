#include "query.h"

#include <errno.h>
#include <string.h>

#include "clock.h"

enum { PATIENCE_US = 2 * CLOCK_SECOND };

void queries_init(struct queries *q, struct dp *dp)
{
    memset(q, 0, sizeof(*q));
    q->dp = dp;
}

/* Send a LIST or QUERY whose request id is the one to be used next. */
static int ask(struct queries *q, const void *msg, size_t len, const struct query_user *user,
               void *arg)
{
    struct query *free_one = NULL;
    int rc;

    if (q->dp->state != DP_UP)
        return -ENOTCONN;
    for (unsigned i = 0; i < QUERIES_MAX && !free_one; i++)
        if (!q->query[i].user)
            free_one = &q->query[i];
    if (!free_one)
        return -EAGAIN;
    rc = dp_send(q->dp, msg, len);
    if (rc == 0)
        *free_one = (struct query){
            .user = user,
            .arg = arg,
            .id = ++q->last_id,
            .deadline = clock_us() + PATIENCE_US,
        };
    return rc;
}

int queries_list(struct queries *q, uint64_t cursor, uint32_t max, const struct query_user *user,
                 void *arg)
{
    struct jp_ipc_list list = {
        .h = {JP_IPC_MAGIC, JP_IPC_VERSION, JP_IPC_LIST},
        .request = q->last_id + 1,
        .cursor = cursor,
        .max = max,
    };

    return ask(q, &list, sizeof(list), user, arg);
}

int queries_find(struct queries *q, uint32_t spi, const struct query_user *user, void *arg)
{
    struct jp_ipc_query query = {
        .h = {JP_IPC_MAGIC, JP_IPC_VERSION, JP_IPC_QUERY},
        .request = q->last_id + 1,
        .server_spi = spi,
    };

    return ask(q, &query, sizeof(query), user, arg);
}

void queries_cancel(struct queries *q, const void *arg)
{
    for (unsigned i = 0; i < QUERIES_MAX; i++)
        if (q->query[i].arg == arg)
            q->query[i] = (struct query){0};
}

static struct query *find(struct queries *q, uint64_t id)
{
    for (unsigned i = 0; i < QUERIES_MAX; i++)
        if (q->query[i].user && q->query[i].id == id)
            return &q->query[i];
    return NULL;
}

static void finish(struct query *query, int result, uint64_t cursor)
{
    struct query done = *query;

    *query = (struct query){0};
    done.user->end(done.arg, result, cursor);
}

void queries_session(struct queries *q, const struct jp_ipc_session *session)
{
    struct query *query = find(q, session->request);

    if (query && query->sessions++ < JP_IPC_LIST_MAX)
        query->user->session(query->arg, session);
}

void queries_list_end(struct queries *q, const struct jp_ipc_list_end *end)
{
    struct query *query = find(q, end->request);

    if (query)
        finish(query, 0, end->cursor);
}

void queries_tick(struct queries *q, uint64_t now)
{
    for (unsigned i = 0; i < QUERIES_MAX; i++)
        if (q->query[i].user && now > q->query[i].deadline)
            finish(&q->query[i], -ETIMEDOUT, 0);
}

void queries_down(struct queries *q)
{
    for (unsigned i = 0; i < QUERIES_MAX; i++)
        if (q->query[i].user)
            finish(&q->query[i], -ENOTCONN, 0);
}
