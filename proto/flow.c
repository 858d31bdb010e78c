#include "flow.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

bool flow_tx_raise(struct flow_tx *f, uint64_t limit)
{
    if (limit <= f->limit)
        return false;
    f->limit = limit;
    return true;
}

const struct flow_tx *flow_tx_take(struct flow_tx *stream, struct flow_tx *session, uint32_t len,
                                   uint64_t *want)
{
    uint64_t cost = flow_cost(len), reserve = len > FLOW_LONG ? FLOW_RESERVE : 0;

    if (cost > flow_tx_left(stream)) {
        *want = stream->used + cost;
        return stream;
    }
    if (cost + reserve > flow_tx_left(session)) {
        *want = session->used + cost + reserve;
        return session;
    }
    stream->used += cost;
    session->used += cost;
    return NULL;
}

void flow_rx_init(struct flow_rx *f, uint64_t window, uint64_t window_max, uint64_t now)
{
    assert(window <= window_max && window_max < UINT64_C(1) << 61);
    *f = (struct flow_rx){
        .limit = window, .told_at = now, .window = window, .window_max = window_max};
}

int flow_rx_count(struct flow_rx *stream, struct flow_rx *session, uint64_t n)
{
    if (n > stream->limit - stream->counted || n > session->limit - session->counted)
        return -EDQUOT;
    stream->counted += n;
    session->counted += n;
    return 0;
}

int flow_rx_reach(struct flow_rx *f, uint64_t n)
{
    if (n > f->limit)
        return -EDQUOT;
    if (n > f->counted)
        f->counted = n;
    return 0;
}

void flow_rx_consume(struct flow_rx *f, uint64_t n)
{
    assert(n <= f->counted - f->consumed);
    f->consumed += n;
}

static void grow(struct flow_rx *f, uint64_t window)
{
    window = window < f->window_max ? window : f->window_max;
    if (window > f->window)
        f->window = window;
}

void flow_rx_want(struct flow_rx *f, uint64_t want)
{
    if (want > f->wanted)
        f->wanted = want;
    if (want > f->consumed)
        grow(f, want - f->consumed);
}

void flow_rx_shrink(struct flow_rx *f, uint64_t window)
{
    if (f->wanted > f->consumed && f->wanted - f->consumed > window)
        window = f->wanted - f->consumed;
    if (window < f->window)
        f->window = window;
}

uint64_t flow_rx_update(struct flow_rx *f, uint64_t rtt_us, uint64_t now)
{
    uint64_t granted = f->limit - f->consumed; /* and not yet consumed */

    if (granted >= f->window || (granted > f->window / 2 && f->limit >= f->wanted))
        return 0;
    if (granted <= f->window / 2 && now - f->told_at < 2 * rtt_us)
        grow(f, 2 * f->window);
    f->limit = f->consumed + f->window;
    f->told_at = now;
    return f->limit;
}
