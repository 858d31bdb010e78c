/* source: what comes is discarded; from the first of it on, messages go out on its stream. Message
 * n is the 256-byte pattern from byte n on, so all point into one table. */
#include "state.h"

enum { LAG_US = 4000 /* what is overdue by more is never made up for */ };

static void start(struct transport *t, int stream)
{
    if (t->stream >= 0 || stream < 0)
        return;
    t->stream = stream;
    t->write_at = t->lc->now;
    service_wait(t);
}

static void source_readable(struct transport *t, uint32_t stream)
{
    service_discard.readable(t, stream);
    start(t, (int)stream);
}

static void source_datagram(struct transport *t, const uint8_t *data, uint32_t len)
{
    service_discard.datagram(t, data, len);
    if (t->stream < 0)
        start(t, conn_open(conn_of(t), CONN_STREAM_ANY, &conn_stream_default, t->lc->now));
}

/* It goes on sending on the stream where it began. */
static void source_finished(struct transport *t, uint32_t stream)
{
    if ((int)stream != t->stream)
        service_discard.finished(t, stream);
}

static void source_released(struct transport *t, void *user)
{
    (void)user;
    if (t->write_at == UINT64_MAX)
        service_wait(t);
}

/* Messages on their way; UINT32_MAX: there is no stream. */
static uint32_t queued(const struct transport *t)
{
    struct conn_stream_info info;

    return conn_stream_info(conn_of(t), (uint32_t)t->stream, &info) ? info.queued : UINT32_MAX;
}

/* Nobody takes more than a quarter of what is left for all. */
static bool write_message(struct transport *t, uint32_t size)
{
    const uint8_t *data = &t->lc->transports->pattern[t->written % SOURCE_PERIOD];

    if (queued(t) >= pool_left(&t->lc->transports->pools.sendq.messages) / 4 ||
        conn_write(conn_of(t), (uint32_t)t->stream, data, size, false, NULL, t->lc->now) != 0)
        return false;
    t->written++;
    return true;
}

static bool source_run(struct transport *t)
{
    const struct config_listener *listener = &t->lc->dp->config.listener[t->session->listener];
    uint64_t now = t->lc->now, rate = listener->source_rate;

    if (rate == 0) {
        t->write_at = UINT64_MAX;
        while (write_message(t, listener->source_size))
            ;
        return queued(t) == 0; /* then none will be released */
    }
    if (t->write_at + LAG_US < now)
        t->write_at = now - LAG_US;
    if (t->write_at <= now) {
        uint64_t n = 1 + (now - t->write_at) * rate / US_PER_S;

        for (uint64_t i = 0; i < n && write_message(t, listener->source_size); i++)
            ;
        t->write_at += n * US_PER_S / rate;
    }
    return false;
}

const struct service service_source = {
    .readable = source_readable,
    .finished = source_finished,
    .datagram = source_datagram,
    .released = source_released,
    .run = source_run,
};
