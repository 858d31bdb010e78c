#include "congestion.h"

static void init(struct congestion *c, uint64_t now)
{
    (void)now;
    c->newreno = (struct cc_newreno){.ssthresh = UINT32_MAX};
}

static void reduce(struct congestion *c, struct cc_newreno *n)
{
    n->was_cwnd = c->cwnd;
    n->was_ssthresh = n->ssthresh;
    c->cwnd /= 2;
    if (c->cwnd < congestion_min_window(c))
        c->cwnd = congestion_min_window(c);
    n->ssthresh = c->cwnd;
}

static void undo(struct congestion *c, struct cc_newreno *n)
{
    if (c->cwnd < n->was_cwnd)
        c->cwnd = n->was_cwnd;
    n->ssthresh = n->was_ssthresh;
}

static void grow(struct congestion *c, struct cc_newreno *n, uint32_t acked)
{
    if (c->cwnd < n->ssthresh) {
        c->cwnd += acked;
        return;
    }
    n->credit += acked;
    while (n->credit >= c->cwnd) {
        n->credit -= c->cwnd;
        c->cwnd += c->packet;
    }
}

static void update(struct congestion *c, const struct congestion_sample *s, const struct rtt *r)
{
    struct cc_newreno *n = &c->newreno;

    if (s->undo)
        undo(c, n);
    if (congestion_event(c, s))
        reduce(c, n);
    else
        grow(c, n, s->growing);
    if (s->persistent)
        c->cwnd = congestion_min_window(c);
    c->pacing_rate = congestion_window_rate(c, r, c->cwnd < n->ssthresh);
}

const struct congestion_ops cc_newreno = {.name = "newreno", .init = init, .update = update};
