/* echo: a message is copied from the blocks it came in to a buffer, which goes back on the same
 * stream. What finds no buffer is not read yet, so that the peer's credit runs out: streams with
 * messages to read take turns, and wait for buffers that come back. */
#include <string.h>

#include "state.h"

enum {
    MESSAGES_A_TURN = 64,
    QUEUE_MAX = 256, /* messages of a stream on their way back: less than conn_write takes */
};
static_assert((int)QUEUE_MAX < (int)CONN_MESSAGES_MAX, "conn_write always has room");

enum verdict { ECHOED, DRAINED, STREAM_FULL, NO_BUFFER };

/* ---- buffers ---- */

/* Nobody takes more than a quarter of what is left for all. */
static struct echo_buffer *buffer_get(struct transport *t, enum echo_size size)
{
    struct pool *pool = &t->lc->transports->echo[size];
    struct echo_buffer *b = NULL;

    if (t->held[size] == 0 || t->held[size] < pool_left(pool) / 4)
        b = pool_get(pool);
    if (!b)
        return NULL;
    b->size = (uint8_t)size;
    t->held[size]++;
    return b;
}

static void buffer_put(struct transport *t, struct echo_buffer *b)
{
    t->held[b->size]--;
    pool_put(&t->lc->transports->echo[b->size], b);
}

/* For a message of this length: *spare, which is a large one, or a small one instead. */
static struct echo_buffer *buffer_for(struct transport *t, struct echo_buffer *spare, uint32_t len)
{
    struct echo_buffer *small = len <= ECHO_SMALL_MAX ? buffer_get(t, ECHO_SMALL) : NULL;

    if (!small)
        return spare;
    buffer_put(t, spare);
    return small;
}

static void echo_released(struct transport *t, void *user)
{
    buffer_put(t, user);
    if (t->readers)
        service_wait(t);
}

/* ---- streams ---- */

static void echo_readable(struct transport *t, uint32_t stream)
{
    struct conn_stream_config config = conn_stream_default;
    struct conn_stream_info info;

    if (conn_stream_info(conn_of(t), stream, &info) && info.unordered) {
        config.unordered = true;
        conn_configure(conn_of(t), stream, &config);
    }
    reader_new(t, stream);
    service_wait(t);
}

static void echo_finished(struct transport *t, uint32_t stream)
{
    if (t->echoing == (int32_t)stream)
        t->finished = true; /* once its last message is written */
    else
        conn_finish(conn_of(t), stream, t->lc->now);
}

/* ---- messages ---- */

static void copy_out(uint8_t *out, const struct reassembly_message *m)
{
    const uint8_t *data;

    for (uint32_t at = 0, n; at < m->len; at += n) {
        n = reassembly_read(m, at, &data);
        memcpy(out + at, data, n);
    }
}

static void send_back(struct transport *t, uint32_t stream, struct reassembly_message *m,
                      struct echo_buffer *b)
{
    struct conn *c = conn_of(t);
    uint32_t len = m->len;
    bool compressed = m->compressed;

    b = buffer_for(t, b, len);
    copy_out(b->data, m);
    count_delivered(t, len);
    t->echoing = (int32_t)stream;
    t->finished = false;
    conn_release(c, stream, m, t->lc->now);
    if (conn_write(c, stream, b->data, len, compressed, b, t->lc->now) != 0) {
        count(t->lc, JP_tx_refused, 1); /* longer than the peer takes */
        buffer_put(t, b);
    }
    t->echoing = -1;
    if (t->finished)
        conn_finish(c, stream, t->lc->now);
}

/* The next message of a stream. */
static enum verdict echo_next(struct transport *t, uint32_t stream)
{
    struct reassembly_message *m;
    struct conn_stream_info info;
    struct echo_buffer *b;

    if (!conn_stream_info(conn_of(t), stream, &info))
        return DRAINED;
    if (info.queued >= QUEUE_MAX)
        return STREAM_FULL;
    if (pool_left(&t->lc->transports->pools.sendq.messages) <= info.queued ||
        !(b = buffer_get(t, ECHO_LARGE)))
        return NO_BUFFER;
    m = conn_read(conn_of(t), stream);
    if (!m) {
        buffer_put(t, b);
        return DRAINED;
    }
    send_back(t, stream, m, b);
    return ECHOED;
}

/* One stream after the other, a message each, until all are drained or wait. */
static bool echo_run(struct transport *t)
{
    uint32_t waiting = 0;

    for (unsigned i = 0; i < MESSAGES_A_TURN && waiting < t->n_readers; i++) {
        struct reader *r = reader_pop(t);
        enum verdict verdict = echo_next(t, r->stream);

        if (verdict == DRAINED)
            reader_free(t, r);
        else
            reader_push(t, r);
        if (verdict == NO_BUFFER) /* its own that come back wake it, or else it asks again */
            return t->held[ECHO_LARGE] == 0;
        waiting = verdict == STREAM_FULL ? waiting + 1 : 0;
    }
    return waiting < t->n_readers;
}

/* There is no waiting for datagrams. */
static void echo_datagram(struct transport *t, const uint8_t *data, uint32_t len)
{
    struct echo_buffer *b = buffer_get(t, len <= ECHO_SMALL_MAX ? ECHO_SMALL : ECHO_LARGE);

    count_delivered(t, len);
    if (!b) {
        count(t->lc, JP_tx_refused, 1);
        return;
    }
    memcpy(b->data, data, len);
    if (conn_datagram(conn_of(t), b->data, len, DRR_MEDIA, b) != 0) {
        count(t->lc, JP_tx_refused, 1);
        buffer_put(t, b);
    }
}

const struct service service_echo = {
    .readable = echo_readable,
    .finished = echo_finished,
    .datagram = echo_datagram,
    .released = echo_released,
    .run = echo_run,
};
