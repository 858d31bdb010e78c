#include "congestion.h"

static const uint64_t us_per_s = 1000000;
static const uint64_t no_rate = UINT64_MAX; /* no bound */
static const uint32_t no_bytes = UINT32_MAX;

enum {
    UNIT = 256,              /* gains are in 1/256 */
    BETA = 179,              /* 0.7: what is left after too much loss */
    HEADROOM = 218,          /* 0.85 of inflight_hi: the rest is for others */
    PACING_MARGIN = 253,     /* 0.99: so that no queue builds up from rounding */
    STARTUP_GROWTH = 320,    /* 1.25 per round, or the pipe is full */
    STARTUP_FULL_ROUNDS = 3, /* so many times */
    UP_FULL_ROUNDS = 2,      /* probing up */
    BBR_LOSS_SHARE = 20,     /* too much: more than 1/20 ... */
    BBR_LOSS_PACKETS = 2,    /* ... and two packets */
    MIN_PACKETS = 4,         /* of window: less starves the ACK clock */
    MIN_RTT_US = 10000000,   /* how long a minimum RTT is believed */
    PROBE_RTT_US = 200000,
    PROBE_WAIT_US = 2000000, /* between probes for bandwidth, and up to a second more ... */
    PROBE_ROUNDS = 63,       /* ... but no more rounds than NewReno would need to grow as much */
    EXTRA_ROUNDS = 5,
    ALPHA_UNIT = 1024,
    ALPHA_SHIFT = 4, /* the new round's weight in ecn_alpha: 1/16 */
};

static const struct {
    uint16_t pacing, window;
} gains[] = {
    [BBR_STARTUP] = {709, 709},   [BBR_DRAIN] = {92, 709},   [BBR_DOWN] = {230, 512},
    [BBR_CRUISE] = {256, 512},    [BBR_REFILL] = {256, 512}, [BBR_UP] = {320, 576},
    [BBR_PROBE_RTT] = {256, 128},
};

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max_bw(const struct cc_bbr *b)
{
    return larger(b->bw[0], b->bw[1]);
}

/* What fills the path `gain` times: bytes. */
static uint32_t bdp(const struct congestion *c, unsigned gain)
{
    const struct cc_bbr *b = &c->bbr;
    uint64_t bytes = smaller(max_bw(b), b->bw_lo) * b->min_rtt / us_per_s * gain / UNIT;

    return (uint32_t)smaller(larger(bytes, MIN_PACKETS * c->packet), UINT32_MAX / 4);
}

static bool too_much(const struct congestion *c, uint32_t lost, uint32_t sent)
{
    return lost > sent / BBR_LOSS_SHARE + BBR_LOSS_PACKETS * c->packet;
}

static bool probes_bw(const struct cc_bbr *b)
{
    return b->phase >= BBR_DOWN && b->phase <= BBR_UP;
}

/* ---- phases ---- */

static void enter(struct congestion *c, enum cc_bbr_phase phase, uint64_t now)
{
    c->bbr.phase = (uint8_t)phase;
    c->bbr.phase_at = now;
    c->bbr.rounds = 0;
    c->bbr.round_end = c->delivered;
}

static void forget_lower_bounds(struct cc_bbr *b)
{
    b->bw_lo = no_rate;
    b->inflight_lo = no_bytes;
}

static void enter_down(struct congestion *c, uint64_t now)
{
    uint64_t noise = (now ^ c->delivered) * UINT64_C(0x9e3779b97f4a7c15) >> 32;

    c->bbr.probe_at = now + PROBE_WAIT_US + noise % us_per_s;
    enter(c, BBR_DOWN, now);
}

static void enter_refill(struct congestion *c, uint64_t now)
{
    forget_lower_bounds(&c->bbr);
    enter(c, BBR_REFILL, now);
}

static void enter_up(struct congestion *c, uint64_t now)
{
    c->bbr.probing = c->bbr.probed = true;
    c->bbr.full_bw = c->bbr.bw_latest;
    c->bbr.full_rounds = 0;
    enter(c, BBR_UP, now);
}

/* Startup ends when the rate stops growing, or when too much is lost or marked. */
static void check_startup(struct congestion *c, const struct congestion_sample *s)
{
    struct cc_bbr *b = &c->bbr;

    if (!b->round_start || s->app_limited)
        return;
    if (max_bw(b) * UNIT >= b->full_bw * STARTUP_GROWTH) {
        b->full_bw = max_bw(b);
        b->full_rounds = 0;
    } else if (++b->full_rounds >= STARTUP_FULL_ROUNDS) {
        b->full = true;
    }
    if (too_much(c, b->round_lost, b->round_acked + b->round_lost) ||
        b->round_ce_packets * 2 > b->round_acked_packets) {
        b->full = true;
        b->inflight_hi = (uint32_t)larger(bdp(c, UNIT), b->inflight_latest);
    }
    if (b->full)
        enter(c, BBR_DRAIN, s->now);
}

static bool time_to_probe(const struct congestion *c, uint64_t now)
{
    uint32_t packets = bdp(c, UNIT) / c->packet;

    return now >= c->bbr.probe_at || c->bbr.rounds >= smaller(packets, PROBE_ROUNDS);
}

static uint32_t with_headroom(const struct cc_bbr *b)
{
    return (uint32_t)((uint64_t)b->inflight_hi * HEADROOM / UNIT);
}

/* The probe's last packets are acknowledged: what it found is of the last cycle now. */
static void end_cycle(struct cc_bbr *b)
{
    b->probing = b->probed = false;
    if (b->bw[0] > 0) {
        b->bw[1] = b->bw[0];
        b->bw[0] = 0;
    }
}

static void check_down(struct congestion *c)
{
    struct cc_bbr *b = &c->bbr;

    if (c->in_flight <= smaller(bdp(c, UNIT), with_headroom(b)))
        b->phase = BBR_CRUISE; /* rounds go on */
}

/* Probing up ends when a few rounds brought no more; those that inflight_hi held back do not count,
 * and end with too much loss. Were what is in flight to end it, a session among others' queues
 * could not grow. */
static void check_up(struct congestion *c, const struct congestion_sample *s)
{
    struct cc_bbr *b = &c->bbr;

    if (!b->round_start)
        return;
    if (b->bw_latest * UNIT >= b->full_bw * STARTUP_GROWTH || b->raised) {
        b->raised = false;
        b->full_bw = b->bw_latest;
        b->full_rounds = 0;
    } else if (++b->full_rounds >= UP_FULL_ROUNDS) {
        enter_down(c, s->now);
    }
}

static void step(struct congestion *c, const struct congestion_sample *s)
{
    struct cc_bbr *b = &c->bbr;

    switch ((enum cc_bbr_phase)b->phase) {
    case BBR_STARTUP:
        check_startup(c, s);
        break;
    case BBR_DRAIN:
        if (c->in_flight <= bdp(c, UNIT))
            enter_down(c, s->now);
        break;
    case BBR_DOWN:
        check_down(c);
        /* fall through */
    case BBR_CRUISE:
        if (b->probed && b->round_start)
            end_cycle(b);
        if (time_to_probe(c, s->now))
            enter_refill(c, s->now);
        break;
    case BBR_REFILL:
        if (b->round_start)
            enter_up(c, s->now);
        break;
    case BBR_UP:
        check_up(c, s);
        break;
    case BBR_PROBE_RTT:
        break;
    }
}

/* ---- the path's model ---- */

static void count_round(struct congestion *c, const struct congestion_sample *s)
{
    struct cc_bbr *b = &c->bbr;

    b->round_acked += s->acked;
    b->round_acked_packets += s->acked_packets;
    b->round_ce_packets += s->ce_packets;
    b->round_start = s->acked_packets > 0 && s->was_delivered >= b->round_end;
    if (b->round_start) {
        b->round_end = c->delivered;
        b->rounds += b->rounds < UINT8_MAX;
    }
    b->bw_latest = larger(b->bw_latest, s->rate);
    b->inflight_latest = (uint32_t)larger(b->inflight_latest, s->delivered);
    if (s->rate > 0 && (!s->app_limited || s->rate >= max_bw(b)))
        b->bw[0] = larger(b->bw[0], s->rate);
}

/* How much more than the rate gives is acknowledged at once: receivers delay their ACKs, and the
 * window must cover that. */
static void measure_aggregation(struct congestion *c, const struct congestion_sample *s)
{
    struct cc_bbr *b = &c->bbr;
    uint64_t expected = smaller(max_bw(b), b->bw_lo) * (s->now - b->extra_since) / us_per_s;

    if (b->extra_bytes <= expected) {
        b->extra_bytes = 0;
        b->extra_since = s->now;
        expected = 0;
    }
    b->extra_bytes += s->acked;
    if (b->round_start && ++b->extra_rounds >= EXTRA_ROUNDS) {
        b->extra_rounds = 0;
        b->extra[1] = b->extra[0];
        b->extra[0] = 0;
    }
    b->extra[0] = (uint32_t)larger(b->extra[0], smaller(b->extra_bytes - expected, c->cwnd));
}

static void measure_rtt(struct congestion *c, const struct congestion_sample *s)
{
    struct cc_bbr *b = &c->bbr;

    if (b->min_rtt == 0 || s->rtt <= b->min_rtt ||
        (s->now - b->min_rtt_at > MIN_RTT_US && s->sent_in_flight <= bdp(c, UNIT / 2))) {
        b->min_rtt = s->rtt;
        b->min_rtt_at = s->now;
    }
}

/* At the end of a round: fall back to what the path just carried when it lost or marked too
 * much. Not while probing, which has its own answer. */
static void adapt_lower_bounds(struct congestion *c)
{
    struct cc_bbr *b = &c->bbr;
    bool lossy = too_much(c, b->round_lost, b->round_acked + b->round_lost);
    bool marked = b->round_ce_packets > 0;

    if (b->round_acked_packets > 0) {
        uint32_t share = b->round_ce_packets * ALPHA_UNIT / b->round_acked_packets;

        share = share < ALPHA_UNIT ? share : ALPHA_UNIT;
        b->ecn_alpha =
            (uint16_t)(b->ecn_alpha - (b->ecn_alpha >> ALPHA_SHIFT) + (share >> ALPHA_SHIFT));
    }
    if ((!lossy && !marked) || b->phase == BBR_STARTUP || b->phase == BBR_REFILL ||
        b->phase == BBR_UP)
        return;
    if (b->inflight_lo == no_bytes)
        b->inflight_lo = c->cwnd;
    if (marked)
        b->inflight_lo -= (uint32_t)((uint64_t)b->inflight_lo * b->ecn_alpha / (3 * ALPHA_UNIT));
    if (lossy) {
        uint64_t bw = b->bw_lo == no_rate ? max_bw(b) : b->bw_lo;

        b->bw_lo = larger(b->bw_latest, bw * BETA / UNIT);
        b->inflight_lo =
            (uint32_t)larger(b->inflight_latest, (uint64_t)b->inflight_lo * BETA / UNIT);
    }
}

static void end_round(struct congestion *c)
{
    struct cc_bbr *b = &c->bbr;

    adapt_lower_bounds(c);
    b->bw_latest = 0;
    b->inflight_latest = 0;
    b->round_acked = b->round_lost = 0;
    b->round_acked_packets = b->round_ce_packets = 0;
}

/* The probe went too far: with `in_flight` bytes in flight, too much was lost or marked. */
static void too_high(struct congestion *c, uint32_t in_flight, bool app_limited, uint64_t now)
{
    struct cc_bbr *b = &c->bbr;

    /* A part of what was in flight, down to what fills the path even with headroom: of sessions
     * that share a queue all give up the same part, but gain the same number of packets, so that
     * they become equal. */
    b->probing = false;
    if (!app_limited)
        b->inflight_hi = (uint32_t)larger((uint64_t)in_flight * BETA / UNIT,
                                          larger(smaller(in_flight, bdp(c, UNIT * UNIT / HEADROOM)),
                                                 smaller(bdp(c, UNIT), c->cwnd) * BETA / UNIT));
    if (b->phase == BBR_UP)
        enter_down(c, now);
}

/* Probing up, the bound rises by 1, 2, 4 ... packets a round while it is what holds us back. */
static void raise_bound(struct congestion *c, const struct congestion_sample *s)
{
    struct cc_bbr *b = &c->bbr;
    uint64_t packets = UINT64_C(1) << smaller(b->rounds, 20);

    if (b->inflight_hi == no_bytes)
        return;
    if (s->sent_in_flight > b->inflight_hi)
        b->inflight_hi = s->sent_in_flight;
    if (b->phase == BBR_UP && s->was_in_flight + c->packet > c->cwnd && c->cwnd >= b->inflight_hi) {
        b->inflight_hi += (uint32_t)smaller(s->acked * packets * c->packet / c->cwnd, s->acked);
        b->raised = true;
    }
}

static void adapt_upper_bound(struct congestion *c, const struct congestion_sample *s)
{
    if (!c->bbr.probing || s->acked_packets == 0)
        return;
    if (s->ce_packets * 2 > s->acked_packets)
        too_high(c, s->sent_in_flight, s->app_limited, s->now);
    else if (!too_much(c, s->lost_since, s->sent_in_flight))
        raise_bound(c, s);
}

/* ---- the minimum RTT ---- */

static void leave_probe_rtt(struct congestion *c, uint64_t now)
{
    struct cc_bbr *b = &c->bbr;

    b->min_rtt_at = now;
    c->cwnd = (uint32_t)larger(c->cwnd, b->was_cwnd);
    forget_lower_bounds(b);
    if (b->full)
        enter_down(c, now);
    else
        enter(c, BBR_STARTUP, now);
}

static void probe_rtt(struct congestion *c, const struct congestion_sample *s)
{
    struct cc_bbr *b = &c->bbr;

    if (b->phase != BBR_PROBE_RTT) {
        if (s->now - b->min_rtt_at <= MIN_RTT_US)
            return;
        b->was_cwnd = c->cwnd;
        b->probe_rtt_until = 0;
        b->probing = false;
        enter(c, BBR_PROBE_RTT, s->now);
    }
    if (b->probe_rtt_until == 0 && c->in_flight <= bdp(c, gains[BBR_PROBE_RTT].window)) {
        b->probe_rtt_until = s->now + PROBE_RTT_US;
        b->rounds = 0;
        b->round_end = c->delivered;
    } else if (b->probe_rtt_until > 0 && s->now >= b->probe_rtt_until && b->rounds > 0) {
        leave_probe_rtt(c, s->now);
    }
}

/* ---- what follows from the model ---- */

static void set_rate(struct congestion *c, const struct rtt *r)
{
    struct cc_bbr *b = &c->bbr;
    unsigned gain = gains[b->phase].pacing;
    uint64_t rate = smaller(max_bw(b), b->bw_lo) * gain / UNIT * PACING_MARGIN / UNIT;

    if (c->pacing_rate == 0 && rtt_known(r)) /* a first guess; the first samples are low */
        c->pacing_rate = c->cwnd * us_per_s / r->smoothed * gain / UNIT;
    if (rate > 0 && (b->full || rate > c->pacing_rate))
        c->pacing_rate = rate;
}

static void set_window(struct congestion *c, const struct congestion_sample *s)
{
    struct cc_bbr *b = &c->bbr;
    uint64_t target = bdp(c, gains[b->phase].window) + larger(b->extra[0], b->extra[1]);
    uint64_t cwnd = (uint64_t)c->cwnd + s->acked;
    uint64_t bound = no_bytes;

    if (b->full)
        cwnd = smaller(cwnd, target);
    else if (c->cwnd >= target && c->delivered >= congestion_initial_window(c->packet))
        cwnd = c->cwnd;
    if (b->phase == BBR_PROBE_RTT)
        bound = bdp(c, gains[BBR_PROBE_RTT].window);
    else if (b->phase == BBR_CRUISE)
        bound = with_headroom(b);
    else if (probes_bw(b))
        bound = b->inflight_hi;
    cwnd = smaller(smaller(cwnd, bound), b->inflight_lo);
    c->cwnd = (uint32_t)larger(cwnd, MIN_PACKETS * c->packet);
}

/* ---- the interface ---- */

static void init(struct congestion *c, uint64_t now)
{
    c->bbr = (struct cc_bbr){
        .min_rtt_at = now,
        .extra_since = now,
        .inflight_hi = no_bytes,
        .ecn_alpha = ALPHA_UNIT,
    };
    forget_lower_bounds(&c->bbr);
    enter(c, BBR_STARTUP, now);
}

/* What was in flight when the loss since p's sending became too much, spread evenly. */
static uint32_t tolerable(const struct congestion *c, const struct sent_packet *p, uint32_t lost)
{
    uint32_t before = p->in_flight - p->bytes;
    uint32_t allowed = before / BBR_LOSS_SHARE + BBR_LOSS_PACKETS * c->packet;
    uint32_t lost_before = lost - p->bytes;

    return before + (allowed > lost_before ? smaller(allowed - lost_before, p->bytes) : 0);
}

static void lost(struct congestion *c, const struct congestion_sample *s,
                 const struct sent_packet *p)
{
    uint32_t since = c->lost - p->lost;

    c->bbr.round_lost += p->bytes;
    if (c->bbr.probing && too_much(c, since, p->in_flight))
        too_high(c, tolerable(c, p, since), (p->flags & SENT_APP_LIMITED) != 0, s->now);
}

static void update(struct congestion *c, const struct congestion_sample *s, const struct rtt *r)
{
    if (s->acked_packets > 0) {
        count_round(c, s);
        measure_aggregation(c, s);
        measure_rtt(c, s);
        adapt_upper_bound(c, s);
        step(c, s);
        probe_rtt(c, s);
        if (c->bbr.round_start)
            end_round(c);
    }
    if (s->persistent) { /* begin again with the smallest window; the model stands */
        c->cwnd = MIN_PACKETS * c->packet;
        forget_lower_bounds(&c->bbr);
        c->bbr.round_lost = 0;
    }
    set_rate(c, r);
    set_window(c, s);
}

const struct congestion_ops cc_bbr = {.name = "bbr", .init = init, .lost = lost, .update = update};
