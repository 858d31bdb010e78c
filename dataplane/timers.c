/* One timer a session. It is armed for the earliest of what waits and never pushed back while that
 * happens: it may fire early, finds what is due, and is armed anew. So the hot path only ever
 * compares. Sessions that only wait to idle out are on a wheel of longer ticks: one turn of the
 * other would visit each of them every second. Full sessions pace what they send: they have one of
 * shorter ticks. */
#include <rte_common.h>

#include "egress/egress.h"
#include "ingress/ingress.h"
#include "session.h"
#include "sinks/sink.h"
#include "transport/transport.h"

enum { TIMERS_A_TURN = 64 };

void session_wake(struct lcore *lc, struct session *s, uint64_t at)
{
    uint64_t tick = at / TIMER_TICK_US + (at % TIMER_TICK_US != 0);
    uint64_t fine = at / TIMER_FINE_TICK_US + 1;

    if (wheel_armed(&s->timer) && s->timer_at <= at)
        return;
    s->timer_at = at;
    if (s->full && fine < lc->fine->now + WHEEL_SLOTS)
        wheel_arm(lc->fine, &s->timer, fine);
    else if (tick < lc->wheel->now + WHEEL_SLOTS)
        wheel_arm(lc->wheel, &s->timer, tick);
    else
        wheel_arm(lc->far, &s->timer,
                  at / TIMER_FAR_TICK_US); /* a little early, to change wheels */
}

/* When the client has been silent for too long. Full sessions see to it themselves. */
static uint64_t silence_deadline(const struct lcore *lc, const struct session *s)
{
    if (s->full && s->confirmed)
        return UINT64_MAX;
    uint64_t timeout_ms = s->confirmed ? s->idle_timeout_ms : lc->dp->config.confirm_timeout_ms;

    return s->last_rx + timeout_ms * 1000;
}

static uint64_t flush_deadline(const struct lcore *lc, const struct session *s)
{
    return s->enc && s->enc->count > 0 ? s->enc->opened_at + lc->dp->config.fec_flush_us
                                       : UINT64_MAX;
}

static uint64_t fec_deadline(const struct lcore *lc, const struct session *s)
{
    uint64_t oldest = s->dec ? fec_dec_oldest(s->dec) : UINT64_MAX;

    return oldest != UINT64_MAX ? oldest + lc->dp->config.fec_expire_us + 1 : UINT64_MAX;
}

static uint64_t gap_deadline(const struct lcore *lc, struct session *s)
{
    struct streams_walk at = {0};
    uint64_t earliest = UINT64_MAX;

    if (s->held == 0)
        return UINT64_MAX;
    for (const struct stream *st; (st = streams_next(&s->streams, &at));)
        earliest = RTE_MIN(earliest, reorder_deadline(&st->rx, &lc->reorder));
    return earliest;
}

void session_schedule(struct lcore *lc, struct session *s)
{
    uint64_t at = silence_deadline(lc, s);

    if (s->full) {
        session_wake(lc, s, RTE_MIN(at, transport_deadline(lc, s)));
        return;
    }
    at = RTE_MIN(at, ack_deadline(&s->ack));
    at = RTE_MIN(at, flush_deadline(lc, s));
    at = RTE_MIN(at, fec_deadline(lc, s));
    at = RTE_MIN(at, gap_deadline(lc, s));
    if (s->source_next != 0)
        at = RTE_MIN(at, s->source_next);
    session_wake(lc, s, at);
}

static void skip_gaps(struct lcore *lc, struct session *s)
{
    struct streams_walk at = {0};
    uint32_t held = s->held;

    for (struct stream *st; (st = streams_next(&s->streams, &at));)
        reorder_release(lc, st, reorder_expire(&st->rx, &s->held, &lc->reorder, lc->now));
    lc->counter[JP_held] += (uint64_t)s->held - held;
}

static void run_due(struct lcore *lc, struct session *s)
{
    if (s->full) {
        transport_timeout(lc, s);
        return;
    }
    if (ack_deadline(&s->ack) <= lc->now)
        session_ack(lc, s);
    if (flush_deadline(lc, s) <= lc->now)
        egress_fec_flush(lc, s);
    if (fec_deadline(lc, s) <= lc->now)
        count(lc, JP_fec_lost,
              fec_dec_expire(s->dec, &lc->fec, lc->now, lc->dp->config.fec_expire_us));
    if (gap_deadline(lc, s) <= lc->now)
        skip_gaps(lc, s);
    if (s->source_next != 0 && s->source_next <= lc->now)
        s->source_next = sink_of(lc, s)->tick(lc, s);
}

static void fire(struct lcore *lc, struct session *s)
{
    if (s->doom)
        return;
    if (silence_deadline(lc, s) > lc->now) {
        run_due(lc, s);
        session_schedule(lc, s);
    } else if (s->confirmed) {
        session_doom(lc, s, JP_RETIRED_IDLE, CLOSE_IDLE);
    } else {
        session_doom(lc, s, JP_RETIRED_UNCONFIRMED, CLOSE_NONE);
    }
}

static unsigned run_wheel(struct lcore *lc, struct wheel *wheel, uint64_t tick)
{
    struct wheel_entry *due[TIMERS_A_TURN];
    unsigned n = wheel_expire(wheel, tick, due, TIMERS_A_TURN);

    for (unsigned i = 0; i < n; i++)
        fire(lc, container_of(due[i], struct session, timer));
    return n;
}

unsigned timers_run(struct lcore *lc)
{
    unsigned n = run_wheel(lc, lc->far, lc->now / TIMER_FAR_TICK_US) +
                 run_wheel(lc, lc->wheel, lc->now / TIMER_TICK_US);

    return lc->transports ? n + run_wheel(lc, lc->fine, lc->now / TIMER_FINE_TICK_US) : n;
}
