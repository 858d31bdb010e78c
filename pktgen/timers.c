/* One timer a session, armed for the earliest of what waits: it may fire early, finds what is due,
 * and is armed anew. */
#include "handshakes.h"
#include "send.h"

enum { TIMERS_A_TURN = 64 };

void session_wake(struct worker *w, struct session *s, uint64_t at)
{
    uint64_t tick = at / TIMER_TICK_US + (at % TIMER_TICK_US != 0);

    if (!wheel_armed(&s->timer) || tick < s->timer.deadline)
        wheel_arm(&w->wheel, &s->timer, tick);
}

static uint64_t flush_at(const struct worker *w, const struct session *s)
{
    return s->enc && s->enc->count > 0 ? s->enc->opened_at + w->g->open.fec_flush_us : UINT64_MAX;
}

static uint64_t expire_at(const struct worker *w, const struct session *s)
{
    uint64_t oldest = s->dec ? fec_dec_oldest(s->dec) : UINT64_MAX;

    return oldest != UINT64_MAX ? oldest + w->g->open.fec_expire_us + 1 : UINT64_MAX;
}

static uint64_t earliest(const struct worker *w, const struct session *s)
{
    uint64_t at = RTE_MIN(ack_deadline(&s->ack), flush_at(w, s));

    at = RTE_MIN(at, expire_at(w, s));
    if (s->held)
        at = RTE_MIN(at, s->held_until);
    if (!s->confirmed)
        at = RTE_MIN(at, s->ping_at);
    return at;
}

static void run_due(struct worker *w, struct session *s)
{
    if (ack_deadline(&s->ack) <= w->now)
        send_ack(w, s);
    if (flush_at(w, s) <= w->now)
        fec_flush(w, s);
    if (expire_at(w, s) <= w->now)
        fec_dec_expire(s->dec, &w->fec, w->now, w->g->open.fec_expire_us);
    if (s->held && s->held_until <= w->now)
        send_held(w, s);
    if (!s->confirmed && s->ping_at <= w->now)
        session_ping(w, s);
}

static void fire(struct worker *w, struct session *s)
{
    uint64_t at;

    if (s->state == SESSION_HELLO) {
        handshake_timer(w, s);
    } else if (s->state == SESSION_UP) {
        run_due(w, s);
        at = earliest(w, s);
        if (at != UINT64_MAX)
            session_wake(w, s, at);
    }
}

void timers_run(struct worker *w)
{
    struct wheel_entry *due[TIMERS_A_TURN];
    unsigned n = wheel_expire(&w->wheel, w->now / TIMER_TICK_US, due, TIMERS_A_TURN);

    for (unsigned i = 0; i < n; i++)
        fire(w, container_of(due[i], struct session, timer));
}
