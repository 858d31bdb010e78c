/* source: what comes is discarded; messages go out on each stream that the client opens, in turns.
 * Message n of a stream is the 256-byte pattern from byte n on, so all point into one table. */
#include <errno.h>

#include "state.h"

enum {
    LAG_US = 4000, /* what is overdue by more is never made up for */
    MESSAGES_A_TURN = 64,
};

enum verdict { WRITTEN, STREAM_GONE, STREAM_FULL };

static void source_opened(struct transport *t, uint32_t stream)
{
    if (t->n_readers == 0)
        t->write_at = t->lc->now;
    reader_new(t, stream);
    service_wait(t);
}

static void source_readable(struct transport *t, uint32_t stream)
{
    service_discard.readable(t, stream);
}

static void source_datagram(struct transport *t, const uint8_t *data, uint32_t len)
{
    int stream;

    service_discard.datagram(t, data, len);
    if (t->n_readers > 0)
        return;
    stream = conn_open(conn_of(t), CONN_STREAM_ANY, &conn_stream_default, t->lc->now);
    if (stream >= 0)
        source_opened(t, (uint32_t)stream);
}

/* It goes on sending. */
static void source_finished(struct transport *t, uint32_t stream)
{
    (void)t;
    (void)stream;
}

static void source_released(struct transport *t, void *user)
{
    (void)user;
    t->queued--;
    if (t->write_at == UINT64_MAX)
        service_wait(t);
}

/* Nobody takes more than a quarter of what is left for all. */
static bool has_room(const struct transport *t)
{
    return t->queued < pool_left(&t->lc->transports->pools.sendq.messages) / 4;
}

static enum verdict write_message(struct transport *t, struct reader *r, uint32_t size)
{
    const uint8_t *data = &t->lc->transports->pattern[r->written % SOURCE_PERIOD];
    int rc = conn_write(conn_of(t), r->stream, data, size, false, NULL, t->lc->now);

    if (rc == -ENOBUFS)
        return STREAM_FULL;
    if (rc != 0) /* it is over, or takes no messages of this size */
        return STREAM_GONE;
    t->queued++;
    r->written++;
    return WRITTEN;
}

/* A message on each stream after the other, max at most. Returns how many: less when none takes any
 * more. */
static unsigned write_some(struct transport *t, uint32_t size, unsigned max)
{
    unsigned written = 0;

    for (uint32_t full = 0; written < max && full < t->n_readers && has_room(t);) {
        struct reader *r = reader_pop(t);
        enum verdict verdict = write_message(t, r, size);

        if (verdict == STREAM_GONE)
            reader_free(t, r);
        else
            reader_push(t, r);
        full = verdict == STREAM_FULL ? full + 1 : 0;
        written += verdict == WRITTEN;
    }
    return written;
}

static bool source_run(struct transport *t)
{
    const struct config_listener *listener = &t->lc->dp->config.listener[t->session->listener];
    uint64_t now = t->lc->now, rate = listener->source_rate, due;

    if (rate == 0) {
        t->write_at = UINT64_MAX;
        if (write_some(t, listener->source_size, MESSAGES_A_TURN) == MESSAGES_A_TURN)
            return true;
        return t->n_readers > 0 && t->queued == 0; /* then none will be released */
    }
    if (t->write_at > now)
        return false;
    if (t->write_at + LAG_US < now)
        t->write_at = now - LAG_US;
    due = RTE_MIN(1 + (now - t->write_at) * rate / US_PER_S, (uint64_t)MESSAGES_A_TURN);
    write_some(t, listener->source_size, (unsigned)due);
    t->write_at = t->n_readers > 0 ? t->write_at + due * US_PER_S / rate : UINT64_MAX;
    return t->write_at <= now;
}

const struct service service_source = {
    .readable = source_readable,
    .opened = source_opened,
    .finished = source_finished,
    .datagram = source_datagram,
    .released = source_released,
    .run = source_run,
};
