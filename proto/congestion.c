#include "congestion.h"

#include <string.h>

static const uint64_t us_per_s = 1000000;
static const uint32_t window_max = 1 << 30; /* sums of windows stay below 2^32 */

const struct congestion_ops *const congestion_algorithms[CONGESTION_ALGORITHMS] = {
    &cc_newreno,
    &cc_cubic,
    &cc_bbr,
};

const struct congestion_ops *congestion_find(const char *name)
{
    for (unsigned i = 0; i < CONGESTION_ALGORITHMS; i++)
        if (strcmp(congestion_algorithms[i]->name, name) == 0)
            return congestion_algorithms[i];
    return NULL;
}

uint32_t congestion_initial_window(uint32_t packet)
{
    uint32_t limit = 14720 > 2 * packet ? 14720 : 2 * packet;
    uint32_t window = 10 * packet;

    return window < limit ? window : limit;
}

void congestion_init(struct congestion *c, const struct congestion_ops *ops, uint32_t packet,
                     uint64_t now)
{
    *c = (struct congestion){
        .ops = ops, .packet = packet, .cwnd = congestion_initial_window(packet)};
    ops->init(c, now);
}

void congestion_resize(struct congestion *c, uint32_t packet)
{
    c->packet = packet;
    if (c->cwnd < congestion_min_window(c))
        c->cwnd = congestion_min_window(c);
}

void congestion_on_sent(struct congestion *c, struct sent_packet *p, uint64_t now)
{
    if (c->in_flight == 0)
        c->first_sent_at = c->delivered_at = now;
    c->in_flight += p->bytes;
    if (c->in_flight > c->peak)
        c->peak = c->in_flight;
    c->sent_end = p->order + 1;
    p->delivered = c->delivered;
    p->delivered_age = (uint32_t)(now - c->delivered_at);
    p->first_sent_age = (uint32_t)(now - c->first_sent_at);
    p->in_flight = c->in_flight;
    p->lost = c->lost;
    if (c->app_limited > 0)
        p->flags |= SENT_APP_LIMITED;
}

void congestion_app_limited(struct congestion *c)
{
    c->app_limited = c->sent_end + 1;
}

struct congestion_sample congestion_begin(const struct congestion *c, uint64_t now)
{
    return (struct congestion_sample){.now = now, .was_in_flight = c->in_flight};
}

/* p, acknowledged now, may be the first of a new round trip. */
static void follow_peak(struct congestion *c, const struct sent_packet *p)
{
    if (p->order < c->peak_end)
        return;
    c->was_peak = c->peak;
    c->peak = c->in_flight;
    c->peak_end = c->sent_end;
}

/* RFC 9002 section 7.8: a window half of which was never used for a round trip or two, because of
 * the peer's limits or this machine's, says nothing about the path, and does not grow. */
static bool is_used(const struct congestion *c)
{
    return c->cwnd <= 2 * (c->peak > c->was_peak ? c->peak : c->was_peak);
}

void congestion_acked(struct congestion *c, struct congestion_sample *s,
                      const struct sent_packet *p)
{
    follow_peak(c, p);
    c->delivered += p->bytes;
    c->delivered_at = s->now;
    c->first_sent_at = p->sent_at;
    s->acked += p->bytes;
    s->acked_packets++;
    s->newest_acked = p->order;
    s->rtt = (uint32_t)(s->now - p->sent_at);
    s->was_delivered = p->delivered;
    s->sent_in_flight = p->in_flight;
    s->lost_since = c->lost - p->lost;
    s->send_us = p->first_sent_age;
    s->ack_us = s->rtt + p->delivered_age;
    s->app_limited = (p->flags & SENT_APP_LIMITED) != 0;
    if (!(p->flags & SENT_LOST)) {
        c->in_flight -= p->bytes;
        if (is_used(c) && !s->app_limited && p->order >= c->event_end)
            s->growing += p->bytes;
    } else if (p->order >= c->event_start && c->event_lost > 0 && --c->event_lost == 0) {
        s->undo = true;
        c->event_end = c->event_start;
    }
}

void congestion_lost(struct congestion *c, struct congestion_sample *s, const struct sent_packet *p)
{
    c->in_flight -= p->bytes;
    if (p->flags & SENT_MTU_PROBE)
        return;
    c->lost += p->bytes;
    s->lost_packets++;
    s->newest_lost = p->order;
    if (c->ops->lost)
        c->ops->lost(c, s, p);
}

/* The slower of how fast it was sent and how fast it was acknowledged: either alone may be
 * squeezed. Less than a round trip says nothing. */
static void measure_rate(struct congestion *c, struct congestion_sample *s, const struct rtt *r)
{
    uint32_t us = s->send_us > s->ack_us ? s->send_us : s->ack_us;

    if (s->newest_acked + 1 >= c->app_limited)
        c->app_limited = 0;
    s->delivered = (uint32_t)(c->delivered - s->was_delivered);
    if (us > 0 && us >= r->min)
        s->rate = s->delivered * us_per_s / us;
}

void congestion_update(struct congestion *c, struct congestion_sample *s, const struct rtt *r)
{
    if (s->acked_packets > 0)
        measure_rate(c, s, r);
    c->ops->update(c, s, r);
    if (c->cwnd > window_max)
        c->cwnd = window_max;
}

bool congestion_event(struct congestion *c, const struct congestion_sample *s)
{
    bool lost = s->lost_packets > 0 && s->newest_lost >= c->event_end;
    bool marked = s->ce_packets > 0 && s->acked_packets > 0 && s->newest_acked >= c->event_end;

    if (!lost && !marked) {
        if (c->event_lost > 0)
            c->event_lost += s->lost_packets;
        return false;
    }
    c->event_start = c->event_end;
    c->event_end = c->sent_end;
    c->event_lost = marked ? 0 : s->lost_packets;
    return true;
}

uint64_t congestion_window_rate(const struct congestion *c, const struct rtt *r, bool slow_start)
{
    uint64_t rate = c->cwnd * us_per_s / r->smoothed;

    return !rtt_known(r) ? 0 : slow_start ? 2 * rate : rate + rate / 4;
}
