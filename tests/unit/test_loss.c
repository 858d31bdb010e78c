/* Loss detection and probe timeouts: RFC 9002's rules, one by one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ack.h"
#include "loss.h"
#include "sent_fixture.h"

enum { MS = 1000, RTT = 100 * MS, PTO = RTT + 2 * RTT + ACK_DELAY_US }; /* var is half the RTT */

/* A sender whose first packet, number 0, was sent at 0 and acknowledged at RTT. */
struct sender {
    struct sent_fixture f;
    struct rtt rtt;
    struct loss loss;
    struct loss_event ev;
};

static void done(struct sender *s, uint64_t now)
{
    loss_done(&s->rtt, &s->f.sent, &s->f.pool, now, &s->ev);
}

/* Acknowledge [first, last]; leaves s->ev for reading. */
static int ack(struct sender *s, uint64_t first, uint64_t last, uint64_t now)
{
    done(s, now);
    return loss_on_ack(&s->loss, &s->f.sent, &s->rtt, &(struct frame_ack_range){first, last}, 1, 0,
                       now, &s->ev);
}

static void timeout(struct sender *s, uint64_t now)
{
    done(s, now);
    loss_on_timeout(&s->loss, &s->f.sent, &s->rtt, now, &s->ev);
}

static uint64_t deadline(const struct sender *s)
{
    return loss_deadline(&s->loss, &s->f.sent, &s->rtt);
}

static unsigned lost(const struct sender *s)
{
    return sent_list_count(s->ev.lost, s->f.sent.live);
}

static void setup(struct sender *s)
{
    *s = (struct sender){0};
    sent_fixture_init(&s->f, 1000, 1000);
    rtt_init(&s->rtt);
    loss_init(&s->loss);
    sent_fixture_send(&s->f, 1, 0, 0);
    assert_int_equal(ack(s, 0, 0, RTT), 0);
    assert_int_equal(s->rtt.smoothed, RTT);
    done(s, RTT);
}

static void teardown(struct sender *s)
{
    done(s, 0);
    sent_fixture_fini(&s->f);
}

static void three_later_ones(void **state)
{
    struct sender s;

    (void)state;
    setup(&s);
    sent_fixture_send(&s.f, 5, RTT, 0); /* 1-5 */
    ack(&s, 3, 3, 2 * RTT);
    assert_int_equal(lost(&s), 0);
    ack(&s, 4, 4, 2 * RTT);
    assert_int_equal(lost(&s), 1);
    assert_int_equal(s.ev.lost->pn, 1);
    teardown(&s);
}

static void an_eighth_of_an_rtt_later(void **state)
{
    struct sender s;
    uint64_t sent = RTT + 5 * MS;

    (void)state;
    setup(&s);
    sent_fixture_send(&s.f, 2, sent, 0);
    ack(&s, 2, 2, sent + RTT);
    assert_int_equal(lost(&s), 0);
    assert_int_equal(deadline(&s), sent + RTT + RTT / 8);
    timeout(&s, deadline(&s) - 1);
    assert_int_equal(lost(&s), 0);
    assert_int_equal(s.ev.probes, 0);
    timeout(&s, deadline(&s));
    assert_int_equal(lost(&s), 1);
    assert_int_equal(s.ev.probes, 0);
    assert_int_equal(deadline(&s), UINT64_MAX); /* nothing in flight */
    teardown(&s);
}

static void probes_back_off(void **state)
{
    struct sender s;
    uint64_t sent = 5 * RTT, at = sent;

    (void)state;
    setup(&s);
    assert_int_equal(deadline(&s), UINT64_MAX);
    sent_fixture_send(&s.f, 3, sent - 2, 1);
    for (int i = 0; i < 7; i++) { /* nothing was sent for any of them */
        assert_int_equal(deadline(&s), at + ((uint64_t)PTO << i));
        at = deadline(&s);
        timeout(&s, at - 1);
        assert_int_equal(s.ev.probes, 0);
        timeout(&s, at);
        assert_int_equal(s.ev.probes, LOSS_PROBES);
        assert_int_equal(lost(&s), 0); /* a probe timeout declares nothing lost */
    }
    sent_fixture_send(&s.f, 1, at + 10, 0);
    assert_int_equal(deadline(&s), at + 10 + ((uint64_t)PTO << 7));
    for (int i = 0; i < 30; i++)
        timeout(&s, deadline(&s));
    at = deadline(&s);
    timeout(&s, at);
    assert_int_equal(deadline(&s), at + LOSS_BACKOFF_MAX_US);
    teardown(&s);
}

static void an_ack_ends_the_backoff(void **state)
{
    struct sender s;

    (void)state;
    setup(&s);
    sent_fixture_send(&s.f, 2, RTT, 0);
    timeout(&s, deadline(&s));
    timeout(&s, deadline(&s));
    assert_int_equal(s.loss.probe_count, 2);
    ack(&s, 0, 0, 10 * RTT); /* nothing new */
    assert_int_equal(s.loss.probe_count, 2);
    ack(&s, 1, 1, 10 * RTT);
    assert_int_equal(s.loss.probe_count, 0);
    teardown(&s);
}

static void samples_only_of_the_largest(void **state)
{
    struct sender s;

    (void)state;
    setup(&s);
    sent_fixture_send(&s.f, 3, RTT, 0);
    ack(&s, 2, 2, RTT + 50 * MS);
    assert_int_equal(s.rtt.latest, 50 * MS);
    ack(&s, 1, 2, RTT + 80 * MS); /* 1 is new, but not the largest */
    assert_int_equal(s.rtt.latest, 50 * MS);
    ack(&s, 2, 3, RTT + 90 * MS);
    assert_int_equal(s.rtt.latest, 90 * MS);
    teardown(&s);
}

static void lies_change_nothing(void **state)
{
    struct sender s;
    struct loss before;

    (void)state;
    setup(&s);
    sent_fixture_send(&s.f, 3, RTT, 0);
    before = s.loss;
    assert_int_equal(ack(&s, 2, 4, 2 * RTT), -EPROTO);
    assert_memory_equal(&before, &s.loss, sizeof(before));
    assert_int_equal(s.f.sent.count, 3);
    assert_int_equal(s.rtt.latest, RTT);
    teardown(&s);
}

static void reordering_is_learnt(void **state)
{
    struct sender s;

    (void)state;
    setup(&s);
    sent_fixture_send(&s.f, 20, RTT, 0); /* 1-20 */
    ack(&s, 4, 4, 2 * RTT);
    assert_int_equal(lost(&s), 1);
    assert_false(s.ev.reordered);
    ack(&s, 1, 1, 2 * RTT);
    assert_true(s.ev.reordered);
    assert_int_equal(lost(&s), 0);
    ack(&s, 7, 7, 2 * RTT); /* would have cost 2, 3 */
    assert_int_equal(lost(&s), 0);
    ack(&s, 8, 8, 2 * RTT); /* 6 before it */
    assert_int_equal(lost(&s), 1);
    assert_int_equal(deadline(&s), RTT + RTT + RTT / 4);
    for (int i = 0; i < 10; i++) { /* only so much */
        done(&s, 0);
        sent_fixture_send(&s.f, 200, 2 * RTT, 0);
        ack(&s, s.f.sent.next_pn - 1, s.f.sent.next_pn - 1, 3 * RTT);
        assert_true(lost(&s) > 0);
        uint64_t pn = s.f.sent.live->pn - 1;

        ack(&s, pn, pn, 3 * RTT);
        ack(&s, 1, s.f.sent.next_pn - 1, 3 * RTT);
    }
    assert_int_equal(s.loss.threshold, LOSS_THRESHOLD_MAX);
    assert_int_equal(s.loss.time_shift, 0);
    teardown(&s);
}

/* ---- persistent congestion ---- */

/* Send 1, ... at the given times after RTT, then acknowledge the last of them. */
static bool persists(struct sender *s, const uint64_t *times, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sent_fixture_send(&s->f, 1, RTT + times[i], 0);
    ack(s, s->f.sent.next_pn - 1, s->f.sent.next_pn - 1, RTT + times[n - 1] + 500 * MS);
    return s->ev.persistent;
}

/* Three probe timeouts, after a second RTT sample of 500 ms: smoothed 150, deviation 137.5. */
enum { PERSISTENT = 3 * (150 * MS + 4 * 137500 + ACK_DELAY_US) };

static void everything_lost_for_three_timeouts(void **state)
{
    static const uint64_t times[] = {
        1, 2, PERSISTENT + 2, PERSISTENT + 3, PERSISTENT + 4, PERSISTENT + 5};
    struct sender s;

    (void)state;
    setup(&s);
    assert_true(persists(&s, times, 6));
    assert_int_equal(lost(&s), 3);
    assert_int_equal(s.rtt.min, 500 * MS); /* starts again */
    teardown(&s);
}

static void less_is_not_persistent(void **state)
{
    static const uint64_t times[] = {
        1, 2, PERSISTENT + 1, PERSISTENT + 2, PERSISTENT + 3, PERSISTENT + 4};
    struct sender s;

    (void)state;
    setup(&s);
    assert_false(persists(&s, times, 6));
    assert_int_equal(lost(&s), 3);
    assert_int_equal(s.rtt.min, RTT);
    teardown(&s);
}

static void one_that_arrived_between_breaks_it(void **state)
{
    static const uint64_t times[] = {1 * RTT, 2 * RTT, 30 * RTT, 31 * RTT, 32 * RTT, 33 * RTT};
    struct sender s;

    (void)state;
    setup(&s);
    sent_fixture_send(&s.f, 1, RTT + 1, 0); /* 1, lost; 2 arrives; the rest is lost */
    sent_fixture_send(&s.f, 1, RTT + 2, 0);
    ack(&s, 2, 2, 2 * RTT + 2);
    assert_int_equal(lost(&s), 0);
    done(&s, 2 * RTT);
    assert_true(persists(&s, times, 6)); /* from 3 on */
    teardown(&s);

    setup(&s);
    for (unsigned i = 0; i < 6; i++) /* 1 and 3-6; 2, between the first two, arrives */
        sent_fixture_send(&s.f, 1, RTT + (i < 2 ? i : 30 + i) * RTT, 0);
    ack(&s, 2, 2, RTT + 31 * RTT);
    done(&s, 40 * RTT);
    ack(&s, 6, 6, RTT + 36 * RTT);
    assert_int_equal(lost(&s), 2); /* 3, 4 */
    assert_false(s.ev.persistent);
    teardown(&s);
}

static void not_before_the_first_sample(void **state)
{
    static const uint64_t times[] = {0, 10000 * MS, 10001 * MS, 10002 * MS, 10003 * MS};
    struct sender s = {0};

    (void)state;
    sent_fixture_init(&s.f, 1000, 1000);
    rtt_init(&s.rtt);
    loss_init(&s.loss);
    assert_false(persists(&s, times, 5));
    assert_true(lost(&s) > 0);
    teardown(&s);
}

static void found_over_several_acks(void **state)
{
    struct sender s;
    uint64_t at = 2 * RTT;

    (void)state;
    setup(&s);
    sent_fixture_send(&s.f, 4, at, 0); /* 1-4: 1 is lost first ... */
    ack(&s, 4, 4, at + RTT);
    assert_int_equal(lost(&s), 1);
    assert_false(s.ev.persistent);
    done(&s, at + RTT);
    for (int i = 1; i < 30; i++) /* ... then all but the last: 2-33, none acknowledged between */
        sent_fixture_send(&s.f, 1, at + (uint64_t)i * RTT, 0);
    ack(&s, 33, 33, at + 30 * RTT);
    assert_true(s.ev.persistent);
    teardown(&s);
}

static void mtu_probes_do_not_count(void **state)
{
    struct sender s;

    (void)state;
    setup(&s);
    for (unsigned i = 0; i < 6; i++) {
        struct sent_packet *p = sent_fixture_send(&s.f, 1, RTT + i * 10 * RTT, 0);

        p->flags |= i < 4 ? SENT_MTU_PROBE : 0;
    }
    ack(&s, 6, 6, 60 * RTT);
    assert_int_equal(lost(&s), 5);
    assert_false(s.ev.persistent);
    teardown(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_later_ones),
        cmocka_unit_test(an_eighth_of_an_rtt_later),
        cmocka_unit_test(probes_back_off),
        cmocka_unit_test(an_ack_ends_the_backoff),
        cmocka_unit_test(samples_only_of_the_largest),
        cmocka_unit_test(lies_change_nothing),
        cmocka_unit_test(reordering_is_learnt),
        cmocka_unit_test(everything_lost_for_three_timeouts),
        cmocka_unit_test(less_is_not_persistent),
        cmocka_unit_test(one_that_arrived_between_breaks_it),
        cmocka_unit_test(not_before_the_first_sample),
        cmocka_unit_test(found_over_several_acks),
        cmocka_unit_test(mtu_probes_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
