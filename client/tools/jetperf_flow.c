/* The data of a test: sending as much as the path takes, and checking what comes. */
#include <stdlib.h>
#include <string.h>

#include "jetperf.h"

static struct test *tests; /* under way */
static unsigned n_tests;

const uint8_t *pattern(uint32_t size)
{
    static uint8_t bytes[JP_MESSAGE_MAX + 256];
    static size_t filled; /* only as far as it is used */

    for (; filled < (size_t)size + 256; filled++)
        bytes[filled] = (uint8_t)filled;
    return bytes;
}

unsigned test_count(void)
{
    return n_tests;
}

static bool has_salt(const struct test *t)
{
    return !t->plan.service;
}

/* What message n of a stream consists of. */
static const uint8_t *content(const struct test *t, jp_stream *stream, uint64_t n, size_t size)
{
    return pattern((uint32_t)size) + (n + (has_salt(t) ? jp_stream_id(stream) : 0)) % 256;
}

/* ---- sending ---- */

static uint64_t under_way(const struct test *t)
{
    return t->tally.queued - t->tally.acked - t->tally.given_up * t->plan.size;
}

static void released(void *argument, enum jp_fate fate)
{
    struct test *t = argument;

    if (fate == JP_DELIVERED) {
        t->tally.acked += t->plan.size;
        t->tally.acked_messages++;
        t->sent_at = jp_loop_now(jp_session_loop(t->session));
    } else {
        t->tally.given_up++;
    }
}

struct numbered {
    struct test *test;
    uint8_t data[];
};

static void released_numbered(void *argument, enum jp_fate fate)
{
    struct numbered *m = argument;

    released(m->test, fate);
    free(m);
}

static int send_numbered(struct test *t, jp_stream *stream, const uint8_t *data, uint64_t number)
{
    struct numbered *m = malloc(sizeof(*m) + t->plan.size);
    int error;

    if (!m)
        return JP_NO_MEMORY;
    m->test = t;
    put64(m->data, number);
    memcpy(m->data + NUMBER_HEADER, data + NUMBER_HEADER, t->plan.size - NUMBER_HEADER);
    error = jp_stream_send_reference(stream, m->data, t->plan.size, released_numbered, m);
    if (error)
        free(m);
    return error;
}

/* Three times what the congestion controller lets out: enough to never run dry, and soon drained.
 */
static uint64_t find_cap(struct test *t, uint64_t now)
{
    enum { AGAIN = 10000, LEAST = 256 << 10 };
    jp_figures figures;
    uint64_t window = 0;

    if (t->cap && now - t->cap_at < AGAIN)
        return t->cap;
    if (jp_session_figures(t->session, &figures, sizeof(figures)) == 0)
        for (unsigned i = 0; i < figures.paths && i < JP_PATHS_MAX; i++)
            window += figures.path[i].window;
    t->cap = (3 * window > LEAST ? 3 * window : LEAST) + (uint64_t)t->plan.size * t->plan.streams;
    t->cap_at = now;
    return t->cap;
}

/* One message more on a stream; false: not now. */
static bool send_one(struct test *t, jp_stream *stream)
{
    struct lane *lane = lane_of(stream);
    const uint8_t *data = content(t, stream, lane->next, t->plan.size);
    int error = is_numbered(&t->plan)
                    ? send_numbered(t, stream, data, lane->next)
                    : jp_stream_send_reference(stream, data, t->plan.size, released, t);

    if (error) {
        test_refused(t, error);
        return false;
    }
    lane->next++;
    t->tally.queued += t->plan.size;
    return true;
}

static bool is_all_sent(const struct test *t)
{
    return t->plan.bytes && t->tally.queued >= t->plan.bytes;
}

bool test_is_due(const struct test *t, uint64_t now)
{
    return !t->plan.rate ||
           t->tally.queued / t->plan.size * 1000000 <= t->plan.rate * (now - t->began);
}

/* Around all streams, until none takes more. */
static void pump(struct test *t)
{
    uint64_t now = jp_loop_now(jp_session_loop(t->session)), cap = find_cap(t, now);

    for (unsigned refused = 0;
         refused < t->n_lanes && !is_all_sent(t) && test_is_due(t, now) && under_way(t) < cap;) {
        if (send_one(t, t->lanes[t->turn]))
            refused = 0;
        else
            refused++;
        t->turn = (t->turn + 1) % t->n_lanes;
    }
    if (is_all_sent(t))
        test_drain(t);
}

void test_drain(struct test *t)
{
    if (t->phase != PHASE_RUN)
        return;
    t->phase = PHASE_DRAIN;
    for (unsigned i = 0; i < t->n_lanes && t->sends; i++) {
        lane_of(t->lanes[i])->stopped = true;
        if (!t->plan.echo)
            jp_stream_finish(t->lanes[i]);
    }
}

/* ---- going on ---- */

static bool echoes_wait(const struct test *t)
{
    for (unsigned i = 0; i < t->n_lanes; i++)
        if (lane_of(t->lanes[i])->waiting)
            return true;
    return false;
}

static bool is_sent(const struct test *t)
{
    if (!t->sends)
        return true;
    if (t->phase == PHASE_RUN)
        return false;
    return t->plan.echo ? !echoes_wait(t) : under_way(t) == 0;
}

static bool is_received(const struct test *t)
{
    if (!t->receives || t->plan.echo)
        return true;
    return t->plan.service ? t->phase != PHASE_RUN : t->ended == t->plan.streams;
}

static void advance(struct test *t)
{
    if (t->sends && t->plan.echo)
        echo_pump(t);
    else if (t->sends && t->phase == PHASE_RUN)
        pump(t);
    if (!jp_session_is_open(t->session)) /* a send was refused */
        return;
    if (!is_sent(t) || !is_received(t))
        return;
    if (t->plan.service || (t->client && t->result && t->result_told))
        test_done(t);
    else if (!t->result_told && (t->client || !t->plan.echo || t->result))
        control_tell_result(t);
}

void test_advance_all(jp_loop *loop)
{
    (void)loop;
    for (struct test *t = tests, *next; t; t = next) {
        next = t->next;
        if (t->phase == PHASE_RUN || t->phase == PHASE_DRAIN)
            advance(t);
    }
}

static int open_lanes(struct test *t)
{
    int error = 0;

    t->lanes = calloc(t->plan.streams, sizeof(*t->lanes));
    if (!t->lanes)
        return JP_NO_MEMORY;
    while (!error && t->n_lanes < t->plan.streams) {
        error = jp_stream_open(&t->lanes[t->n_lanes], t->session, JP_STREAM_ANY, &t->plan.options);
        if (!error)
            *lane_of(t->lanes[t->n_lanes++]) = (struct lane){.test = t, .ours = true};
    }
    return error;
}

/* A source sends on each stream that it gets data on, whatever that is. */
static int wake_source(struct test *t)
{
    jp_stream *stream;
    int error = 0;

    for (unsigned i = 0; i < t->plan.streams && !error; i++)
        if (!(error = jp_stream_open(&stream, t->session, JP_STREAM_ANY, NULL)))
            error = jp_stream_send(stream, "", 1);
    return error;
}

int test_run(struct test *t)
{
    bool unknown = t->plan.service && t->receives;
    int error;

    t->phase = PHASE_RUN;
    t->began = t->sent_at = t->last_at = jp_loop_now(jp_session_loop(t->session));
    t->tally.rtt_min = UINT64_MAX;
    error = t->sends ? open_lanes(t) : unknown ? wake_source(t) : 0;
    if (error)
        return error;
    t->next = tests;
    t->link = &tests;
    if (tests)
        tests->link = &t->next;
    tests = t;
    n_tests++;
    return jp_session_set_timeout(t->session, t->plan.bytes ? 0 : t->plan.time);
}

void test_end(struct test *t)
{
    if (t->link) {
        n_tests--;
        *t->link = t->next;
        if (t->next)
            t->next->link = t->link;
    }
    while (!LIST_EMPTY(&t->held))
        echo_release(LIST_FIRST(&t->held));
    json_decref(t->result);
    free(t->lanes);
}

/* ---- what comes ---- */

void flow_stream_open(jp_stream *stream)
{
    struct test *t = test_of(jp_stream_session(stream));
    struct lane *lane = lane_of(stream);

    if (t->phase == PHASE_AGREE && !t->client && !t->control) {
        t->control = stream;
        return;
    }
    lane->test = t;
    if (!t->plan.echo && !t->plan.service)
        jp_stream_finish(stream); /* we send on streams of our own */
}

static void check(struct test *t, jp_stream *stream, const uint8_t *data, size_t size,
                  uint64_t sequence)
{
    struct lane *lane = lane_of(stream);
    size_t header = is_numbered(&t->plan) && size >= NUMBER_HEADER ? NUMBER_HEADER : 0;
    uint64_t number = header ? get64(data) : sequence;
    bool ordered = !t->plan.options.unordered || t->plan.service;
    bool whole = t->plan.service ? size <= JP_MESSAGE_MAX : size == t->plan.size;

    t->tally.received += size;
    t->tally.received_messages++;
    t->last_at = jp_loop_now(jp_session_loop(t->session));
    if (!whole || number < sequence || (ordered && number < lane->end) ||
        memcmp(data + header, content(t, stream, number, size) + header, size - header) != 0) {
        t->tally.wrong++;
    } else {
        lane->got++;
        lane->end = number >= lane->end ? number + 1 : lane->end;
    }
    if (t->plan.service && t->plan.bytes && t->tally.received >= t->plan.bytes)
        test_drain(t);
}

void flow_message(jp_stream *stream, const void *data, size_t size, const jp_message *message)
{
    struct test *t = test_of(jp_stream_session(stream));

    if (stream == t->control) {
        control_message(stream, data, size);
    } else if (t->plan.echo && !t->client) {
        echo_answer(stream, data, size);
    } else if (t->plan.echo) {
        echo_check(stream, data, size);
    } else if (t->receives) {
        check(t, stream, data, size, message->sequence);
    }
}

void flow_writable(jp_stream *stream)
{
    if (lane_of(stream)->held)
        echo_go_on(stream);
}

static void forget_lane(struct test *t, const jp_stream *stream)
{
    for (unsigned i = 0; i < t->n_lanes; i++)
        if (t->lanes[i] == stream)
            t->lanes[i] = t->lanes[--t->n_lanes];
    t->turn = 0;
}

void flow_stream_close(jp_stream *stream, enum jp_stream_end how)
{
    struct test *t = test_of(jp_stream_session(stream));
    struct lane *lane = lane_of(stream);

    if (how == JP_STREAM_CLOSED) {
        echo_release(lane->held);
        lane->held = NULL;
        forget_lane(t, stream);
    } else if (!lane->ours && stream != t->control) {
        t->ended++;
        t->tally.missing += lane->end - lane->got;
    }
}
