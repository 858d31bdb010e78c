/* Congestion control: what all algorithms share, and the rules of each. How they do on a network
 * is tests/sim's. */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "congestion.h"
#include "loss.h"
#include "pacer.h"

static_assert(sizeof(struct rtt) + sizeof(struct loss) + sizeof(struct congestion) +
                      sizeof(struct pacer) <=
                  512,
              "an idle session is small");

enum { MS = 1000, PACKET = 1000, RTT = 100 * MS, PACKETS = 8192 };

/* A sender of full packets and what it has in flight, [first, next). */
struct flow {
    struct congestion c;
    struct rtt rtt;
    uint64_t now;
    uint64_t link_free; /* bottleneck's, see drive */
    uint64_t detour;    /* us more than RTT */
    uint64_t queue;     /* us of it that the bottleneck holds; 0: any */
    bool dropped[PACKETS];
    struct pacer pacer;
    unsigned first, next;
    struct sent_packet p[PACKETS];
    uint64_t acked_at[PACKETS];
};

static struct flow flow;

static struct flow *flow_of(const char *algorithm)
{
    flow = (struct flow){.now = 1000 * MS};
    rtt_init(&flow.rtt);
    rtt_update(&flow.rtt, RTT, 0);
    congestion_init(&flow.c, congestion_find(algorithm), PACKET, flow.now);
    return &flow;
}

static struct sent_packet *send(struct flow *f)
{
    struct sent_packet *p = &f->p[f->next % PACKETS];

    *p = (struct sent_packet){.order = f->next++, .sent_at = f->now, .bytes = PACKET};
    congestion_on_sent(&f->c, p, f->now);
    return p;
}

static void fill(struct flow *f)
{
    while (congestion_has_room(&f->c))
        send(f);
}

/* The oldest n packets are lost and the next m acknowledged, at once. */
static struct congestion_sample feedback(struct flow *f, unsigned n, unsigned m)
{
    struct congestion_sample s = congestion_begin(&f->c, f->now);

    for (unsigned i = 0; i < n + m; i++) {
        struct sent_packet *p = &f->p[f->first++ % PACKETS];

        if (i < n)
            congestion_lost(&f->c, &s, p);
        else
            congestion_acked(&f->c, &s, p);
        p->flags |= i < n ? SENT_LOST : 0;
    }
    congestion_update(&f->c, &s, &f->rtt);
    return s;
}

/* Fill the window; a round trip later n are lost and the others acknowledged. */
static void round_trip(struct flow *f, unsigned n)
{
    fill(f);
    f->now += RTT;
    feedback(f, n, f->next - f->first - n);
}

static unsigned window(const struct flow *f)
{
    return f->c.cwnd / PACKET;
}

/* ---- what all share ---- */

static void names(void **state)
{
    (void)state;
    assert_ptr_equal(congestion_find("newreno"), &cc_newreno);
    assert_ptr_equal(congestion_find("cubic"), &cc_cubic);
    assert_ptr_equal(congestion_find("bbr"), &cc_bbr);
    assert_null(congestion_find("vegas"));
    assert_null(congestion_find(""));
}

static void initial_window(void **state)
{
    struct congestion c;

    (void)state;
    for (unsigned i = 0; i < CONGESTION_ALGORITHMS; i++) {
        congestion_init(&c, congestion_algorithms[i], 1200, 0);
        assert_int_equal(c.cwnd, 12000);
        congestion_init(&c, congestion_algorithms[i], 1472, 0);
        assert_int_equal(c.cwnd, 14720);
        congestion_init(&c, congestion_algorithms[i], 8972, 0);
        assert_int_equal(c.cwnd, 2 * 8972);
        assert_int_equal(c.pacing_rate, 0);
    }
}

static void bytes_in_flight(void **state)
{
    struct flow *f = flow_of("newreno");
    struct sent_packet *probe;

    (void)state;
    fill(f);
    assert_int_equal(f->c.in_flight, 10 * PACKET);
    assert_false(congestion_has_room(&f->c));
    f->now += RTT;
    feedback(f, 2, 3);
    assert_int_equal(f->c.in_flight, 5 * PACKET);
    assert_int_equal(f->c.delivered, 3 * PACKET);
    assert_int_equal(f->c.lost, 2 * PACKET);
    feedback(f, 0, 5);
    assert_int_equal(f->c.in_flight, 0);

    uint32_t cwnd = f->c.cwnd;

    f->now += RTT;
    probe = send(f);
    probe->flags |= SENT_MTU_PROBE;
    feedback(f, 1, 0);
    assert_int_equal(f->c.in_flight, 0);
    assert_int_equal(f->c.cwnd, cwnd); /* the path's MTU, not congestion */
    assert_int_equal(f->c.lost, 2 * PACKET);
}

static void delivery_rate(void **state)
{
    struct flow *f = flow_of("newreno");
    struct congestion_sample s;

    (void)state;
    for (int i = 0; i < 10; i++, f->now += 10 * MS) /* a packet every 10 ms */
        send(f);
    for (int i = 0; i < 9; i++) { /* RTT 100 ms: acknowledged as they were sent */
        s = feedback(f, 0, 1);
        send(f);
        f->now += 10 * MS;
    }
    s = feedback(f, 0, 1);
    assert_int_equal(s.was_delivered, 0);
    assert_int_equal(s.delivered, 10 * PACKET);
    assert_int_equal(s.send_us, 90 * MS);
    assert_int_equal(s.ack_us, 190 * MS); /* from the first's sending on */
    f->now += 10 * MS;
    s = feedback(f, 0, 1); /* sent when the first was acknowledged */
    assert_int_equal(s.delivered, 10 * PACKET);
    assert_int_equal(s.ack_us, 100 * MS);
    assert_int_equal(s.rate, 10 * PACKET * 10);
}

static void squeezed_acks_are_no_rate(void **state)
{
    struct flow *f = flow_of("newreno");
    struct congestion_sample s;

    (void)state;
    send(f);
    f->now += RTT;
    feedback(f, 0, 1);
    for (int i = 0; i < 10; i++, f->now += 20 * MS)
        send(f);
    f->now += RTT;
    s = feedback(f, 0, 10); /* all at once */
    assert_true(s.rate <= 10 * PACKET * 1000000ull / (180 * MS));
    f->now += 1;
    send(f);
    f->now += RTT / 2; /* faster than any RTT: not believed */
    s = feedback(f, 0, 1);
    assert_int_equal(s.rate, 0);
}

static void squeezed_sends_are_no_rate(void **state)
{
    struct flow *f = flow_of("newreno");
    struct congestion_sample s;

    (void)state;
    for (int i = 0; i < 10; i++, f->now += 20 * MS)
        send(f);
    feedback(f, 0, 5); /* of which the last was sent at 80 ms, at 200 ms */
    for (int i = 0; i < 5; i++, f->now += MS)
        send(f); /* the last at 204 ms */
    f->now += 96 * MS;
    s = feedback(f, 0, 10);
    assert_int_equal(s.delivered, 10 * PACKET);
    assert_int_equal(s.send_us, 124 * MS);
    assert_int_equal(s.ack_us, 101 * MS);
    assert_int_equal(s.rate, 10 * PACKET * 1000 / 124);
}

static void app_limited_is_marked(void **state)
{
    struct flow *f = flow_of("newreno");
    struct congestion_sample s;
    uint32_t cwnd = f->c.cwnd;

    (void)state;
    for (int i = 0; i < 8; i++)
        send(f);
    congestion_app_limited(&f->c);
    assert_false(f->p[7].flags & SENT_APP_LIMITED);
    assert_true(send(f)->flags & SENT_APP_LIMITED);
    f->now += RTT;
    feedback(f, 0, 8); /* these were not */
    assert_int_equal(f->c.cwnd, cwnd + 8 * PACKET);
    s = feedback(f, 0, 1);
    assert_true(s.app_limited);
    assert_int_equal(f->c.cwnd, cwnd + 8 * PACKET);
    assert_false(send(f)->flags & SENT_APP_LIMITED); /* the limited ones are through */
}

/* Half of the window is not used, though nobody says that it is the application: it stays. */
static void unused_windows_stay(void **state)
{
    static const char *const algorithms[] = {"newreno", "cubic"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct flow *f = flow_of(algorithms[i]);
        unsigned before;

        while (window(f) < 100)
            round_trip(f, 0);
        for (int n = 0; n < 50; n++) {
            before = window(f);
            for (int k = 0; k < 30; k++)
                send(f);
            f->now += RTT;
            feedback(f, 0, 30);
        }
        assert_int_equal(window(f), before);
        assert_in_range(before, 100, 200);
        send(f);
        congestion_paced(&f->c); /* that is another matter */
        feedback(f, 0, 1);
        assert_true(window(f) > before);
        round_trip(f, 0);
        assert_true(window(f) > before);
    }
}

/* What was in flight when the application paused is all lost: that prolongs no pause. */
static void losses_prolong_no_pause(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CONGESTION_ALGORITHMS; i++) {
        struct flow *f = flow_of(congestion_algorithms[i]->name);
        uint32_t least;

        for (int n = 0; n < 4; n++)
            round_trip(f, 0);
        fill(f);
        f->c.in_flight -= PACKET; /* there is room, but nothing to send */
        congestion_app_limited(&f->c);
        f->c.in_flight += PACKET;
        f->now += RTT;
        feedback(f, f->next - f->first, 0);
        f->c.cwnd = least = congestion_min_window(&f->c);
        round_trip(f, 0); /* these were sent in the pause */
        round_trip(f, 0);
        assert_true(f->c.cwnd > least);
        assert_false(send(f)->flags & SENT_APP_LIMITED);
    }
}

/* The smallest window is two packets, however large packets become. */
static void larger_packets_fit_the_window(void **state)
{
    struct flow *f = flow_of("cubic");

    (void)state;
    f->c.cwnd = congestion_min_window(&f->c);
    congestion_resize(&f->c, 3 * PACKET);
    assert_int_equal(f->c.cwnd, 6 * PACKET);
    congestion_resize(&f->c, PACKET);
    assert_int_equal(f->c.cwnd, 6 * PACKET);
}

static void one_event_per_round_trip(const char *algorithm)
{
    struct flow *f = flow_of(algorithm);
    uint32_t once;

    round_trip(f, 0);
    round_trip(f, 0);
    fill(f);
    f->now += RTT;
    feedback(f, 1, 1);
    once = f->c.cwnd;
    feedback(f, 3, 1); /* sent before that */
    feedback(f, 0, 1);
    assert_int_equal(f->c.cwnd, once);
    feedback(f, 0, f->next - f->first);
    assert_int_equal(f->c.cwnd, once);
    send(f);
    send(f);
    f->now += RTT;
    feedback(f, 1, 1); /* sent after it */
    assert_true(f->c.cwnd < once);
}

static void losses_of_one_round_are_one_event(void **state)
{
    (void)state;
    one_event_per_round_trip("newreno");
    one_event_per_round_trip("cubic");
}

static void marks_are_as_losses(void **state)
{
    static const char *const names_of[] = {"newreno", "cubic"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct flow *f = flow_of(names_of[i]);

        fill(f);
        f->now += RTT;
        for (int j = 0; j < 3; j++) { /* one event */
            struct congestion_sample s = congestion_begin(&f->c, f->now);

            congestion_acked(&f->c, &s, &f->p[f->first++]);
            s.ce_packets = 1;
            congestion_update(&f->c, &s, &f->rtt);
            assert_int_equal(f->c.cwnd, i == 0 ? 5 * PACKET : 7 * PACKET);
        }
    }
}

static void late_packets_undo_the_event(void **state)
{
    static const char *const names_of[] = {"newreno", "cubic"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct flow *f = flow_of(names_of[i]);
        struct congestion_sample s;

        for (int j = 0; j < 3; j++)
            round_trip(f, 0);
        fill(f);
        f->now += RTT;
        feedback(f, 2, 1);
        feedback(f, 1, 1); /* of the same event */
        assert_true(window(f) < 60);
        for (unsigned j = f->first - 5; j < f->first - 1; j++) {
            if (!(f->p[j].flags & SENT_LOST))
                continue;
            assert_true(window(f) < 60);
            s = congestion_begin(&f->c, f->now);
            congestion_acked(&f->c, &s, &f->p[j]);
            congestion_update(&f->c, &s, &f->rtt);
        }
        assert_int_equal(window(f), 80);
        round_trip(f, 0); /* and in slow start as before */
        assert_true(window(f) > 150);
    }
    assert_int_equal(flow.c.cubic.w_max, 0);
}

/* Packet i came late. */
static void late(struct flow *f, unsigned i)
{
    struct congestion_sample s = congestion_begin(&f->c, f->now);

    assert_true(f->p[i].flags & SENT_LOST);
    congestion_acked(&f->c, &s, &f->p[i]);
    congestion_update(&f->c, &s, &f->rtt);
}

static void only_their_own_event(void **state)
{
    struct flow *f = flow_of("newreno");

    (void)state;
    round_trip(f, 0); /* packets 0-9 */
    round_trip(f, 1); /* 10 */
    assert_int_equal(window(f), 10);
    round_trip(f, 1); /* 30 */
    assert_int_equal(window(f), 5);
    late(f, 10);
    assert_int_equal(window(f), 5);
    late(f, 30);
    assert_int_equal(window(f), 10);
}

static void not_an_event_of_marks(void **state)
{
    struct flow *f = flow_of("newreno");
    struct congestion_sample s;

    (void)state;
    fill(f);
    f->now += RTT;
    s = congestion_begin(&f->c, f->now);
    congestion_lost(&f->c, &s, &f->p[f->first]);
    f->p[f->first++].flags |= SENT_LOST;
    congestion_acked(&f->c, &s, &f->p[f->first++]);
    s.ce_packets = 1;
    congestion_update(&f->c, &s, &f->rtt);
    assert_int_equal(window(f), 5);
    late(f, 0); /* the mark was real */
    assert_int_equal(window(f), 5);
}

/* ---- NewReno ---- */

static void newreno_slow_start_doubles(void **state)
{
    struct flow *f = flow_of("newreno");

    (void)state;
    for (unsigned expected = 20; expected <= 640; expected *= 2) {
        round_trip(f, 0);
        assert_int_equal(window(f), expected);
    }
    assert_int_equal(f->c.pacing_rate, 2ull * f->c.cwnd * 1000000 / f->rtt.smoothed);
}

static void newreno_halves_and_adds_one(void **state)
{
    struct flow *f = flow_of("newreno");

    (void)state;
    round_trip(f, 0);
    round_trip(f, 0); /* 40 */
    round_trip(f, 1);
    assert_int_equal(window(f), 20);
    for (unsigned expected = 21; expected < 40; expected++) {
        round_trip(f, 0);
        assert_int_equal(window(f), expected);
    }
}

static void newreno_collapses(void **state)
{
    struct flow *f = flow_of("newreno");
    struct congestion_sample s;

    (void)state;
    for (int i = 0; i < 10; i++)
        round_trip(f, 2);
    assert_int_equal(window(f), CONGESTION_MIN_PACKETS);

    f = flow_of("newreno");
    round_trip(f, 0);
    round_trip(f, 0); /* 40 */
    fill(f);
    f->now += 60 * RTT;
    s = congestion_begin(&f->c, f->now);
    congestion_lost(&f->c, &s, &f->p[f->first++]);
    s.persistent = true;
    congestion_update(&f->c, &s, &f->rtt);
    assert_int_equal(window(f), CONGESTION_MIN_PACKETS);
    f->now += RTT;
    feedback(f, f->next - f->first, 0);
    round_trip(f, 0);
    round_trip(f, 0);
    assert_int_equal(window(f), 8); /* slow start ... */
    for (int i = 0; i < 3; i++)
        round_trip(f, 0);
    assert_in_range(window(f), 20, 34); /* ... up to half of what was */
}

/* ---- CUBIC ---- */

static void cubic_root_is_exact(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3000; i++) {
        assert_int_equal(cc_cubic_root(i * i * i), i);
        assert_int_equal(cc_cubic_root(i * i * i + 3 * i * i + 3 * i), i);
    }
    assert_int_equal(cc_cubic_root(UINT64_MAX), 2642245);
    assert_int_equal(cc_cubic_root(UINT64_C(2642245) * 2642245 * 2642245 - 1), 2642244);
}

/* 1280 packets when the loss came; from then on so many acknowledged at once, which may leave the
 * window `lag` packets behind. */
static void follow_curve(unsigned at_once, unsigned lag)
{
    struct flow *f = flow_of("cubic");
    uint64_t epoch;

    while (window(f) < 1000)
        round_trip(f, 0); /* 1280 */
    round_trip(f, 1);
    assert_int_equal(window(f), 896); /* 0.7 */
    round_trip(f, 0);
    epoch = f->c.cubic.epoch;
    assert_int_equal(f->c.cubic.k_ms, 9864); /* (384 / 0.4)^(1/3) */
    while (f->now < epoch + 9864 * MS) {
        double t = (double)(f->now - epoch) / 1e6 - 9.764; /* where it is a round trip later */
        double curve = 1280 + .4 * t * t * t;

        if (t > -9) /* at first NewReno would be faster, and is followed */
            assert_in_range(window(f), (unsigned)curve - lag, (unsigned)curve + 1);
        fill(f);
        f->now += RTT;
        for (unsigned n = f->next - f->first; n > 0; n -= at_once < n ? at_once : n)
            feedback(f, 0, at_once < n ? at_once : n);
    }
    assert_in_range(window(f), 1278, 1280);
    while (f->now < epoch + 14864 * MS)
        round_trip(f, 0);
    assert_in_range(window(f), 1280 + 47, 1280 + 54); /* 0.4 * 5^3 */
}

static void cubic_follows_its_curve(void **state)
{
    (void)state;
    follow_curve(UINT32_MAX, 2);
    follow_curve(1, 7);
}

static void cubic_does_not_leap(void **state)
{
    struct flow *f = flow_of("cubic");
    unsigned before;

    (void)state;
    while (window(f) < 1000)
        round_trip(f, 0);
    round_trip(f, 1);
    round_trip(f, 0);
    before = window(f);
    f->now += 50000 * MS; /* the curve would be at tens of thousands */
    round_trip(f, 0);
    assert_in_range(window(f), before, before * 3 / 2);
}

static void cubic_leaves_room(void **state)
{
    struct flow *f = flow_of("cubic");

    (void)state;
    while (window(f) < 1000)
        round_trip(f, 0);
    round_trip(f, 1); /* 896 */
    assert_int_equal(f->c.cubic.w_max / PACKET, 1280);
    round_trip(f, 0);
    round_trip(f, 1); /* below the last: 0.85 of it */
    assert_in_range(f->c.cubic.w_max / PACKET, 762, 790);
}

static void cubic_is_no_slower_than_newreno(void **state)
{
    struct flow *f = flow_of("cubic");
    unsigned rounds = 0;

    (void)state;
    round_trip(f, 0); /* 20 */
    round_trip(f, 1);
    assert_int_equal(window(f), 14);
    for (; window(f) < 20; rounds++) /* the curve alone would take 2.5 s */
        round_trip(f, 0);
    assert_in_range(rounds, 10, 13);
    for (int i = 0; i < 5; i++, rounds++)
        round_trip(f, 0); /* alpha is 1 from there on */
    assert_in_range(window(f), 24, 25);
}

static void cubic_pauses_with_the_application(void **state)
{
    struct flow *f = flow_of("cubic");
    unsigned before;

    (void)state;
    while (window(f) < 1000)
        round_trip(f, 0);
    round_trip(f, 1);
    for (int i = 0; i < 5; i++)
        round_trip(f, 0);
    before = window(f);
    for (int i = 0; i < 200; i++) { /* 20 s of a packet each */
        congestion_app_limited(&f->c);
        send(f);
        f->now += RTT;
        feedback(f, 0, 1);
    }
    assert_int_equal(window(f), before);
    round_trip(f, 0);
    round_trip(f, 0);
    assert_in_range(window(f), before, before + 60); /* not 1.5 times that */
}

/* ---- BBR ---- */

/* A packet leaves through a bottleneck of `rate` bytes per second. */
static void depart(struct flow *f, uint64_t rate)
{
    unsigned i = f->next % PACKETS;

    pacer_on_sent(&f->pacer, f->c.pacing_rate, PACKET, f->now);
    if (f->link_free < f->now)
        f->link_free = f->now;
    f->dropped[i] = f->queue > 0 && f->link_free > f->now + f->queue;
    if (!f->dropped[i])
        f->link_free += PACKET * 1000000ull / rate;
    f->acked_at[i] = f->link_free + RTT + f->detour;
    send(f);
}

/* Send through that bottleneck for `us`; each lose_one_in-th packet is lost, 0: none. What was
 * lost is known when it would have been acknowledged. */
static void drive(struct flow *f, uint64_t rate, uint64_t us, unsigned lose_one_in)
{
    uint64_t end = f->now + us, ack, pace;

    while (f->now < end) {
        unsigned i = f->first % PACKETS;

        ack = f->first < f->next ? f->acked_at[i] : UINT64_MAX;
        pace =
            congestion_has_room(&f->c) ? pacer_deadline(&f->pacer, f->c.pacing_rate) : UINT64_MAX;
        if (pace < ack) {
            f->now = pace > f->now ? pace : f->now;
            depart(f, rate);
        } else {
            bool lost =
                f->dropped[i] || (lose_one_in > 0 && f->first % lose_one_in == lose_one_in - 1);

            f->now = ack;
            rtt_update(&f->rtt, ack - f->p[i].sent_at, 0);
            feedback(f, lost, !lost);
        }
    }
}

enum { RATE = 1000000 }; /* 1000 packets a second, 100 a round trip */

static void bbr_finds_the_path(void **state)
{
    struct flow *f = flow_of("bbr");
    struct cc_bbr *b = &f->c.bbr;

    (void)state;
    drive(f, RATE, 4 * RTT, 0);
    assert_int_equal(b->phase, BBR_STARTUP);
    drive(f, RATE, 2000 * MS, 0);
    assert_true(b->full);
    assert_in_range(b->bw[0] > b->bw[1] ? b->bw[0] : b->bw[1], RATE * 97 / 100, RATE * 103 / 100);
    assert_in_range(b->min_rtt, RTT, RTT + 2 * MS);
    for (int i = 0; i < 40; i++) {
        drive(f, RATE, 100 * MS, 0);
        assert_in_range(f->c.pacing_rate, RATE * 70 / 100, RATE * 130 / 100);
        assert_in_range(f->c.in_flight, 80 * PACKET, 160 * PACKET);
    }
}

static void bbr_visits_every_phase(void **state)
{
    struct flow *f = flow_of("bbr");
    unsigned seen = 0, least = UINT32_MAX;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        drive(f, RATE, 5 * MS, 0);
        f->detour = i > 500 ? 20 * MS : 0;
        seen |= 1u << f->c.bbr.phase;
        if (f->c.bbr.phase == BBR_PROBE_RTT && f->c.in_flight < least)
            least = f->c.in_flight;
    }
    assert_int_equal(seen, (1u << (BBR_PROBE_RTT + 1)) - 1);
    assert_in_range(least / PACKET, 40, 55); /* half the path */
    assert_in_range(f->c.bbr.min_rtt, RTT + 20 * MS, RTT + 22 * MS);
}

static void bbr_follows_the_path(void **state)
{
    struct flow *f = flow_of("bbr");

    (void)state;
    drive(f, RATE, 3000 * MS, 0);
    drive(f, RATE / 4, 12000 * MS, 0);
    assert_in_range(f->c.pacing_rate, RATE / 4 * 70 / 100, RATE / 4 * 130 / 100);
    assert_true(f->rtt.smoothed < 2 * RTT); /* the queue is gone */
    drive(f, RATE, 30000 * MS, 0);
    assert_in_range(f->c.pacing_rate, RATE * 70 / 100, RATE * 130 / 100);
}

static void bbr_falls_back_at_once(void **state)
{
    struct flow *f = flow_of("bbr");

    (void)state;
    f->queue = 50 * MS;
    drive(f, RATE, 1500 * MS, 0);
    while (f->c.bbr.phase != BBR_CRUISE)
        drive(f, RATE, 5 * MS, 0);
    drive(f, RATE / 4, 1200 * MS, 0); /* does not wait for the next probe */
    assert_int_equal(f->c.bbr.phase, BBR_CRUISE);
    assert_in_range(f->c.bbr.bw_lo, RATE * 24 / 100, RATE * 26 / 100);
    assert_in_range(f->c.pacing_rate, RATE * 23 / 100, RATE * 26 / 100);
}

static void bbr_leaves_headroom(void **state)
{
    struct flow *f = flow_of("bbr");
    unsigned cruises = 0;

    (void)state;
    f->queue = 20 * MS;
    drive(f, RATE, 3000 * MS, 0);
    assert_true(f->c.bbr.inflight_hi < UINT32_MAX); /* startup lost too much */
    for (int i = 0; i < 1000; i++) {
        drive(f, RATE, 10 * MS, 0);
        if (f->c.bbr.phase != BBR_CRUISE)
            continue;
        cruises++;
        assert_true(f->c.cwnd <= f->c.bbr.inflight_hi * 86ull / 100);
    }
    assert_true(cruises > 100);
}

static void bbr_bears_some_loss(void **state)
{
    struct flow *f = flow_of("bbr");

    (void)state;
    drive(f, RATE, 10000 * MS, 40); /* 2.5 % */
    assert_int_equal(f->c.bbr.bw_lo, UINT64_MAX);
    assert_true(f->c.pacing_rate > RATE * 70 / 100);
    drive(f, RATE, 1000 * MS, 5); /* 20 % */
    assert_true(f->c.bbr.bw_lo < RATE || f->c.bbr.inflight_hi < 300 * PACKET);
    drive(f, RATE, 10000 * MS, 5);
    assert_true(f->c.bbr.inflight_hi < 300 * PACKET);
}

static void bbr_heeds_marks(void **state)
{
    struct flow *f = flow_of("bbr");
    struct congestion_sample s;
    uint32_t before;

    (void)state;
    drive(f, RATE, 1500 * MS, 0);
    while (f->c.bbr.phase != BBR_CRUISE)
        drive(f, RATE, 5 * MS, 0);
    before = f->c.cwnd;
    s = congestion_begin(&f->c, f->now);
    while (f->first < f->next)
        congestion_acked(&f->c, &s, &f->p[f->first++ % PACKETS]);
    s.ce_packets = s.acked_packets / 2;
    congestion_update(&f->c, &s, &f->rtt);
    assert_true(f->c.bbr.ecn_alpha > 512);
    assert_true(f->c.bbr.inflight_lo < before);
    assert_true(f->c.cwnd < before);
    for (int i = 0; i < 20; i++)
        drive(f, RATE, 200 * MS, 0);
    assert_true(f->c.bbr.ecn_alpha < 512); /* forgets */
    assert_int_equal(f->c.bbr.inflight_lo, UINT32_MAX);
}

static void bbr_persistent_congestion(void **state)
{
    struct flow *f = flow_of("bbr");
    struct congestion_sample s;

    (void)state;
    drive(f, RATE, 3000 * MS, 0);
    s = congestion_begin(&f->c, f->now);
    while (f->first < f->next)
        congestion_lost(&f->c, &s, &f->p[f->first++ % PACKETS]);
    s.persistent = true;
    congestion_update(&f->c, &s, &f->rtt);
    assert_int_equal(window(f), 4);
    drive(f, RATE, 10 * RTT, 0);
    assert_true(window(f) > 100); /* the model is still good */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(initial_window),
        cmocka_unit_test(bytes_in_flight),
        cmocka_unit_test(delivery_rate),
        cmocka_unit_test(squeezed_acks_are_no_rate),
        cmocka_unit_test(squeezed_sends_are_no_rate),
        cmocka_unit_test(app_limited_is_marked),
        cmocka_unit_test(unused_windows_stay),
        cmocka_unit_test(losses_prolong_no_pause),
        cmocka_unit_test(larger_packets_fit_the_window),
        cmocka_unit_test(losses_of_one_round_are_one_event),
        cmocka_unit_test(marks_are_as_losses),
        cmocka_unit_test(late_packets_undo_the_event),
        cmocka_unit_test(only_their_own_event),
        cmocka_unit_test(not_an_event_of_marks),
        cmocka_unit_test(newreno_slow_start_doubles),
        cmocka_unit_test(newreno_halves_and_adds_one),
        cmocka_unit_test(newreno_collapses),
        cmocka_unit_test(cubic_root_is_exact),
        cmocka_unit_test(cubic_follows_its_curve),
        cmocka_unit_test(cubic_does_not_leap),
        cmocka_unit_test(cubic_leaves_room),
        cmocka_unit_test(cubic_is_no_slower_than_newreno),
        cmocka_unit_test(cubic_pauses_with_the_application),
        cmocka_unit_test(bbr_finds_the_path),
        cmocka_unit_test(bbr_visits_every_phase),
        cmocka_unit_test(bbr_follows_the_path),
        cmocka_unit_test(bbr_falls_back_at_once),
        cmocka_unit_test(bbr_leaves_headroom),
        cmocka_unit_test(bbr_bears_some_loss),
        cmocka_unit_test(bbr_heeds_marks),
        cmocka_unit_test(bbr_persistent_congestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
