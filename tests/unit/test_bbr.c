/* BBR on a modelled bottleneck: what it finds, and what it does then. Its shares of a network are
 * tests/sim's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "congestion_fixture.h"
#include "pacer.h"

/* What packets leave through, and when they are acknowledged. */
static struct {
    struct pacer pacer;
    uint64_t free_at;
    uint64_t detour; /* us more than RTT */
    uint64_t queue;  /* us of it that the bottleneck holds; 0: any */
    bool dropped[PACKETS];
    uint64_t acked_at[PACKETS];
} bottleneck;

static struct flow *begin(void)
{
    memset(&bottleneck, 0, sizeof(bottleneck));
    return flow_of("bbr");
}

/* A packet leaves through a bottleneck of `rate` bytes per second. */
static void depart(struct flow *f, uint64_t rate)
{
    unsigned i = f->next % PACKETS;

    pacer_on_sent(&bottleneck.pacer, f->c.pacing_rate, PACKET, f->now);
    if (bottleneck.free_at < f->now)
        bottleneck.free_at = f->now;
    bottleneck.dropped[i] = bottleneck.queue > 0 && bottleneck.free_at > f->now + bottleneck.queue;
    if (!bottleneck.dropped[i])
        bottleneck.free_at += PACKET * 1000000ull / rate;
    bottleneck.acked_at[i] = bottleneck.free_at + RTT + bottleneck.detour;
    send(f);
}

/* Send through that bottleneck for `us`; each lose_one_in-th packet is lost, 0: none. What was
 * lost is known when it would have been acknowledged. */
static void drive(struct flow *f, uint64_t rate, uint64_t us, unsigned lose_one_in)
{
    uint64_t end = f->now + us, ack, pace;

    while (f->now < end) {
        unsigned i = f->first % PACKETS;

        ack = f->first < f->next ? bottleneck.acked_at[i] : UINT64_MAX;
        pace = congestion_has_room(&f->c) ? pacer_deadline(&bottleneck.pacer, f->c.pacing_rate)
                                          : UINT64_MAX;
        if (pace < ack) {
            f->now = pace > f->now ? pace : f->now;
            depart(f, rate);
        } else {
            bool lost = bottleneck.dropped[i] ||
                        (lose_one_in > 0 && f->first % lose_one_in == lose_one_in - 1);

            f->now = ack;
            rtt_update(&f->rtt, ack - f->p[i].sent_at, 0);
            feedback(f, lost, !lost);
        }
    }
}

enum { RATE = 1000000 }; /* 1000 packets a second, 100 a round trip */

static void bbr_finds_the_path(void **state)
{
    struct flow *f = begin();
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
    struct flow *f = begin();
    unsigned seen = 0, least = UINT32_MAX;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        drive(f, RATE, 5 * MS, 0);
        bottleneck.detour = i > 500 ? 20 * MS : 0;
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
    struct flow *f = begin();

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
    struct flow *f = begin();

    (void)state;
    bottleneck.queue = 50 * MS;
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
    struct flow *f = begin();
    unsigned cruises = 0;

    (void)state;
    bottleneck.queue = 20 * MS;
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
    struct flow *f = begin();

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
    struct flow *f = begin();
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
    struct flow *f = begin();
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

/* An application that never fills the window never ends the startup: its window stays at what the
 * path carried, and grows on once there is more to send. */
static void bbr_waits_for_the_application(void **state)
{
    struct flow *f = begin();

    (void)state;
    congestion_app_limited(&f->c);
    send(f);
    f->now += RTT;
    feedback(f, 0, 1);
    assert_int_equal(window(f), 11); /* an initial window's worth says little about the path */
    for (int n = 0; n < 1000; n++) {
        congestion_app_limited(&f->c);
        for (int k = 0; k < 5; k++)
            send(f);
        f->now += RTT;
        feedback(f, 0, 5);
    }
    assert_int_equal(f->c.bbr.phase, BBR_STARTUP);
    assert_in_range(window(f), 10, 30);
    bottleneck.free_at = f->now;
    drive(f, RATE, 20 * RTT, 0);
    assert_true(f->c.bbr.full);
    assert_in_range(window(f), 100, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bbr_finds_the_path),
        cmocka_unit_test(bbr_visits_every_phase),
        cmocka_unit_test(bbr_follows_the_path),
        cmocka_unit_test(bbr_falls_back_at_once),
        cmocka_unit_test(bbr_leaves_headroom),
        cmocka_unit_test(bbr_bears_some_loss),
        cmocka_unit_test(bbr_heeds_marks),
        cmocka_unit_test(bbr_persistent_congestion),
        cmocka_unit_test(bbr_waits_for_the_application),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
