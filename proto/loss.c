#include "loss.h"

static const uint64_t never = UINT64_MAX;

void loss_init(struct loss *l)
{
    *l = (struct loss){
        .lost_at = never,
        .run_start = never,
        .rtt_since = never,
        .threshold = LOSS_THRESHOLD,
        .time_shift = LOSS_TIME_SHIFT,
    };
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* How much older than an acknowledged packet an unacknowledged one is lost. */
static uint64_t reordering_time(const struct loss *l, const struct rtt *r)
{
    uint64_t rtt = larger(r->latest, r->smoothed);

    return larger(rtt + (rtt >> l->time_shift), RTT_GRANULARITY_US);
}

/* Follow the run of lost packets into p: is it long enough for persistent congestion? Runs begin
 * after the first RTT sample, and break where a packet was acknowledged. */
static bool run_persists(struct loss *l, const struct rtt *r, const struct sent_packet *p)
{
    if (p->flags & SENT_AFTER_ACKED)
        l->run_start = never;
    if (p->sent_at < l->rtt_since || (p->flags & SENT_MTU_PROBE))
        return false;
    if (l->run_start == never)
        l->run_start = p->sent_at;
    if (p->sent_at - l->run_start <= LOSS_PERSISTENT * rtt_pto(r))
        return false;
    l->run_start = never;
    return true;
}

static void detect(struct loss *l, struct sent *s, struct rtt *r, uint64_t now,
                   struct loss_event *ev)
{
    uint64_t wait = reordering_time(l, r);

    ev->lost = sent_lose(s, l->threshold, now >= wait ? now - wait + 1 : 0);
    for (struct sent_packet *p = ev->lost; p != s->live; p = p->next)
        ev->persistent |= run_persists(l, r, p);
    if (ev->persistent)
        rtt_forget_min(r);
    l->lost_at = s->live && s->live->order < s->acked_end ? s->live->sent_at + wait : never;
}

/* What was declared lost came after all. */
static void tolerate(struct loss *l)
{
    l->threshold = l->threshold < LOSS_THRESHOLD_MAX ? l->threshold * 2 : l->threshold;
    l->time_shift -= l->time_shift > 0;
    l->run_start = never;
}

int loss_on_ack(struct loss *l, struct sent *s, struct rtt *r, const struct frame_ack_range *ranges,
                unsigned n, uint64_t delay_us, uint64_t now, struct loss_event *ev)
{
    const struct sent_packet *newest = NULL;
    int rc;

    *ev = (struct loss_event){0};
    rc = sent_ack(s, ranges, n, &ev->acked);
    if (rc < 0)
        return rc;
    for (const struct sent_packet *p = ev->acked; p; p = p->next) {
        ev->reordered |= (p->flags & SENT_LOST) != 0;
        newest = p;
    }
    if (newest) {
        l->probe_count = 0;
        if (newest->pn == ranges[0].last) {
            rtt_update(r, now - newest->sent_at, delay_us);
            if (l->rtt_since == never)
                l->rtt_since = now;
        }
    }
    if (ev->reordered)
        tolerate(l);
    detect(l, s, r, now, ev);
    return 0;
}

/* When the next probe is due; something is in flight. */
static uint64_t probe_at(const struct loss *l, const struct sent *s, const struct rtt *r)
{
    unsigned doublings = l->probe_count < 16 ? l->probe_count : 16;
    uint64_t wait = rtt_pto(r) << doublings;

    if (wait > LOSS_BACKOFF_MAX_US)
        wait = larger(LOSS_BACKOFF_MAX_US, rtt_pto(r));
    return larger(s->last_sent_at, l->probed_at) + wait;
}

void loss_on_timeout(struct loss *l, struct sent *s, struct rtt *r, uint64_t now,
                     struct loss_event *ev)
{
    *ev = (struct loss_event){.lost = s->live};
    if (now < loss_deadline(l, s, r))
        return;
    if (l->lost_at != never) {
        detect(l, s, r, now, ev);
        return;
    }
    l->probe_count++;
    l->probed_at = now;
    ev->probes = LOSS_PROBES;
}

void loss_done(const struct rtt *r, struct sent *s, struct pool *pool, uint64_t now,
               struct loss_event *ev)
{
    uint64_t keep = LOSS_PERSISTENT * rtt_pto(r);

    sent_release(s, pool, ev->acked, now > keep ? now - keep : 0);
    *ev = (struct loss_event){.lost = s->live};
}

uint64_t loss_deadline(const struct loss *l, const struct sent *s, const struct rtt *r)
{
    if (!s->live)
        return never;
    return l->lost_at != never ? l->lost_at : probe_at(l, s, r);
}
