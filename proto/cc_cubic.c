#include "congestion.h"

/* C = 0.4 packets/s^3, beta = 0.7; the curve is cut off a minute from its flat part, far beyond
 * any window, so that nothing overflows. */
enum { BETA_NUM = 7, BETA_DEN = 10, CURVE_MS_MAX = 60000 };

static void init(struct congestion *c, uint64_t now)
{
    (void)now;
    c->cubic = (struct cc_cubic){.ssthresh = UINT32_MAX};
}

/* Digit by digit, in base 2. */
uint32_t cc_cubic_root(uint64_t x)
{
    uint64_t root = 0;

    for (int bit = 21; bit >= 0; bit--) {
        uint64_t higher = root | UINT64_C(1) << bit;

        if (higher * higher <= x / higher)
            root = higher;
    }
    return (uint32_t)root;
}

/* C * ms^3, in bytes. */
static int64_t curve(const struct congestion *c, int64_t ms)
{
    ms = ms > CURVE_MS_MAX ? CURVE_MS_MAX : ms < -CURVE_MS_MAX ? -CURVE_MS_MAX : ms;
    return ms * ms * ms / 10 * (4 * (int64_t)c->packet) / 1000000000;
}

static void reduce(struct congestion *c, struct cc_cubic *q)
{
    q->was_cwnd = c->cwnd;
    q->was_ssthresh = q->ssthresh;
    q->was_w_max = q->w_max;
    q->epoch = 0;
    q->reached = c->cwnd;
    q->w_max = c->cwnd;
    if (c->cwnd < q->was_w_max) /* fast convergence: leave room for whoever came */
        q->w_max = (uint32_t)((uint64_t)c->cwnd * (BETA_DEN + BETA_NUM) / (2 * BETA_DEN));
    c->cwnd = (uint32_t)((uint64_t)c->cwnd * BETA_NUM / BETA_DEN);
    if (c->cwnd < congestion_min_window(c))
        c->cwnd = congestion_min_window(c);
    q->ssthresh = c->cwnd;
}

static void undo(struct congestion *c, struct cc_cubic *q)
{
    if (c->cwnd < q->was_cwnd)
        c->cwnd = q->was_cwnd;
    q->ssthresh = q->was_ssthresh;
    q->w_max = q->was_w_max;
    q->epoch = 0;
}

/* Congestion avoidance begins. */
static void begin(struct congestion *c, struct cc_cubic *q, uint64_t now)
{
    uint64_t below;

    if (q->w_max < c->cwnd)
        q->w_max = c->cwnd;
    below = (q->w_max - c->cwnd) / c->packet;
    q->k_ms = cc_cubic_root(below * 5 / 2 * 1000000000);
    q->epoch = now;
    q->reno = (uint64_t)c->cwnd * 256;
}

/* RFC 9438 sections 4.2 to 4.5 */
static void avoid(struct congestion *c, struct cc_cubic *q, uint32_t acked, uint64_t now,
                  const struct rtt *r)
{
    int64_t ms = (int64_t)((now - q->epoch) / 1000) - q->k_ms;
    int64_t reno, target;

    /* alpha makes up for beta being above 1/2, until what was lost is regained */
    q->reno +=
        (uint64_t)c->packet * acked * 256 / c->cwnd * (q->reno / 256 < q->reached ? 9 : 17) / 17;
    reno = (int64_t)(q->reno / 256);
    if (q->w_max + curve(c, ms) < reno) {
        if (c->cwnd < reno)
            c->cwnd = (uint32_t)reno;
        return;
    }
    target = q->w_max + curve(c, ms + r->smoothed / 1000);
    if (target > c->cwnd + c->cwnd / 2)
        target = c->cwnd + c->cwnd / 2;
    if (target > c->cwnd)
        c->cwnd += (uint32_t)((uint64_t)(target - c->cwnd) * acked / c->cwnd);
}

static void grow(struct congestion *c, struct cc_cubic *q, uint32_t acked, uint64_t now,
                 const struct rtt *r)
{
    if (c->cwnd < q->ssthresh) {
        c->cwnd += acked;
        return;
    }
    if (q->epoch == 0)
        begin(c, q, now);
    avoid(c, q, acked, now, r);
}

static void update(struct congestion *c, const struct congestion_sample *s, const struct rtt *r)
{
    struct cc_cubic *q = &c->cubic;

    if (s->undo)
        undo(c, q);
    if (congestion_event(c, s))
        reduce(c, q);
    else if (s->growing > 0)
        grow(c, q, s->growing, s->now, r);
    else if (s->acked > 0 && q->epoch > 0) /* the application's pause is no time on the curve */
        q->epoch += s->now - q->last_at;
    if (s->acked > 0)
        q->last_at = s->now;
    if (s->persistent) {
        c->cwnd = congestion_min_window(c);
        q->epoch = 0;
    }
    c->pacing_rate = congestion_window_rate(c, r, c->cwnd < q->ssthresh);
}

const struct congestion_ops cc_cubic = {.name = "cubic", .init = init, .update = update};
