/* Congestion control: what all algorithms share, and the rules of NewReno and CUBIC; BBR's are
 * test_bbr's. How they do on a network is tests/sim's. */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "congestion_fixture.h"
#include "loss.h"
#include "pacer.h"

static_assert(sizeof(struct rtt) + sizeof(struct loss) + sizeof(struct congestion) +
                      sizeof(struct pacer) <=
                  512,
              "an idle session is small");

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
