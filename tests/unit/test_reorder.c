/* Reordering: every order of arrival, gaps that time out or overflow, streams that do not wait for
 * each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reorder.h"
#include "rng.h"

enum { TIMEOUT = 1000 };
static const struct reorder_limits limits = {.max_held = 100, .timeout_us = TIMEOUT};

/* One stream and what it delivered, as fragment numbers. */
struct rx {
    struct reorder_stream s;
    struct reorder_node *delivered[64];
    unsigned n;
};

static void deliver(struct rx *rx, struct reorder_node *list)
{
    for (struct reorder_node *n = list; n; n = n->next) {
        assert_in_range(rx->n, 0, 63);
        rx->delivered[rx->n++] = n;
    }
}

static enum reorder_verdict push(struct rx *rx, uint32_t *held, const struct reorder_limits *lim,
                                 struct reorder_node *node, uint64_t now)
{
    struct reorder_node *out;
    enum reorder_verdict verdict = reorder_push(&rx->s, held, lim, node, now, &out);

    if (verdict == REORDER_HELD || verdict == REORDER_DUPLICATE)
        assert_null(out);
    deliver(rx, out);
    return verdict;
}

static struct reorder_node fragment(uint64_t seq, uint32_t offset, uint32_t len, bool fin)
{
    return (struct reorder_node){.seq = seq, .offset = offset, .len = len, .fin = fin};
}

/* Three messages in seven fragments, in order. */
enum { FRAGMENTS = 7 };
static void make_fragments(struct reorder_node f[FRAGMENTS])
{
    f[0] = fragment(0, 0, 10, false);
    f[1] = fragment(0, 10, 10, false);
    f[2] = fragment(0, 20, 5, true);
    f[3] = fragment(1, 0, 7, true);
    f[4] = fragment(2, 0, 10, false);
    f[5] = fragment(2, 10, 10, false);
    f[6] = fragment(2, 20, 0, true);
}

/* Push the fragments that are not lost in this order, then let time pass: what was not lost comes
 * out once, in order, flagged exactly where something is missing in front of it. */
static void arrive(const unsigned order[FRAGMENTS], unsigned lost)
{
    struct reorder_node f[FRAGMENTS];
    struct rx rx = {0};
    uint32_t held = 0;
    unsigned n = 0;

    make_fragments(f);
    for (unsigned i = 0; i < FRAGMENTS; i++)
        if (!(lost & 1u << order[i]))
            assert_in_range(push(&rx, &held, &limits, &f[order[i]], i), REORDER_RELEASED,
                            REORDER_HELD);
    if (lost == 0)
        assert_int_equal(rx.n, FRAGMENTS); /* nothing waits for time */
    deliver(&rx, reorder_expire(&rx.s, &held, &limits, FRAGMENTS + TIMEOUT));
    for (unsigned i = 0; i < FRAGMENTS; i++) {
        if (lost & 1u << i)
            continue;
        assert_ptr_equal(rx.delivered[n++], &f[i]);
        assert_int_equal(f[i].gap, i > 0 ? (lost >> (i - 1)) & 1 : 0);
    }
    assert_int_equal(rx.n, n);
    assert_int_equal(held, 0);
    assert_int_equal(rx.s.held, 0);
    assert_int_equal(reorder_deadline(&rx.s, &limits), UINT64_MAX);
}

/* All permutations, by Heap's algorithm, each with losses. */
static void permute(unsigned order[FRAGMENTS], unsigned k)
{
    if (k == 1) {
        for (unsigned lost = 0; lost < 1u << FRAGMENTS; lost++)
            arrive(order, lost);
        return;
    }
    for (unsigned i = 0; i < k; i++) {
        permute(order, k - 1);
        unsigned at = k % 2 ? 0 : i, swapped = order[at];

        order[at] = order[k - 1];
        order[k - 1] = swapped;
    }
}

static void every_order_and_loss(void **state)
{
    unsigned order[FRAGMENTS] = {0, 1, 2, 3, 4, 5, 6};

    (void)state;
    permute(order, FRAGMENTS);
}

static void duplicates(void **state)
{
    struct reorder_node f[FRAGMENTS], again[FRAGMENTS];
    struct rx rx = {0};
    uint32_t held = 0;

    (void)state;
    make_fragments(f);
    make_fragments(again);
    assert_int_equal(push(&rx, &held, &limits, &f[0], 0), REORDER_RELEASED);
    assert_int_equal(push(&rx, &held, &limits, &again[0], 0), REORDER_DUPLICATE); /* delivered */
    assert_int_equal(push(&rx, &held, &limits, &f[4], 0), REORDER_HELD);
    assert_int_equal(push(&rx, &held, &limits, &again[4], 0), REORDER_DUPLICATE); /* held */
    assert_int_equal(held, 1);
    deliver(&rx, reorder_expire(&rx.s, &held, &limits, TIMEOUT));
    assert_int_equal(push(&rx, &held, &limits, &f[1], TIMEOUT), REORDER_DUPLICATE); /* skipped */
    assert_int_equal(push(&rx, &held, &limits, &f[3], TIMEOUT), REORDER_DUPLICATE);
    assert_int_equal(rx.n, 2);
}

/* What no honest sender sends: fragments that overlap, or follow their message's end. */
static void contradictions(void **state)
{
    static const struct {
        struct reorder_node held, pushed;
    } cases[] = {
        {{.seq = 1, .offset = 10, .len = 10}, {.seq = 1, .offset = 15, .len = 10}},
        {{.seq = 1, .offset = 10, .len = 10}, {.seq = 1, .offset = 5, .len = 6}},
        {{.seq = 1, .offset = 10, .len = 10}, {.seq = 1, .offset = 10, .len = 5}},
        {{.seq = 1, .offset = 10, .len = 10}, {.seq = 1, .offset = 10, .len = 10, .fin = true}},
        {{.seq = 1, .offset = 10, .len = 10, .fin = true}, {.seq = 1, .offset = 20, .len = 10}},
        {{.seq = 1, .offset = 10, .len = 10}, {.seq = 1, .offset = 0, .len = 10, .fin = true}},
        {{.seq = 1, .offset = 10, .len = 0, .fin = true}, {.seq = 1, .offset = 10, .len = 1}},
        {{.seq = 1, .offset = 10, .len = 10}, {.seq = 0, .offset = 10, .len = 0}},
        /* the fragment that is due */
        {{.seq = 0, .offset = 10, .len = 10}, {.seq = 0, .offset = 0, .len = 11}},
        {{.seq = 0, .offset = 10, .len = 10}, {.seq = 0, .offset = 0, .len = 10, .fin = true}},
        {{.seq = 0, .offset = 10, .len = 10}, {.seq = 0, .offset = 0, .len = 0}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct reorder_node a = cases[i].held, b = cases[i].pushed;
        struct rx rx = {0};
        uint32_t held = 0;

        assert_int_equal(push(&rx, &held, &limits, &a, 0), REORDER_HELD);
        assert_int_equal(push(&rx, &held, &limits, &b, 0), REORDER_DUPLICATE);
        assert_int_equal(held, 1);
        assert_ptr_equal(reorder_drain(&rx.s, &held), &a);
        assert_int_equal(held, 0);
    }
}

static void gap_waits_its_time(void **state)
{
    struct reorder_node f[FRAGMENTS];
    struct rx rx = {0};
    uint32_t held = 0;

    (void)state;
    make_fragments(f);
    assert_int_equal(reorder_deadline(&rx.s, &limits), UINT64_MAX);
    push(&rx, &held, &limits, &f[2], 100);
    push(&rx, &held, &limits, &f[1], 300); /* in front of what waits since 100 */
    assert_int_equal(reorder_deadline(&rx.s, &limits), 100 + TIMEOUT);
    assert_null(reorder_expire(&rx.s, &held, &limits, 99 + TIMEOUT));
    deliver(&rx, reorder_expire(&rx.s, &held, &limits, 100 + TIMEOUT));
    assert_int_equal(rx.n, 2);
    assert_ptr_equal(rx.delivered[0], &f[1]);
    assert_true(f[1].gap);
    assert_false(f[2].gap);
    assert_int_equal(push(&rx, &held, &limits, &f[0], 200 + TIMEOUT), REORDER_DUPLICATE);
    assert_int_equal(push(&rx, &held, &limits, &f[3], 200 + TIMEOUT), REORDER_RELEASED);
    assert_false(f[3].gap);
}

static void each_gap_has_its_own_time(void **state)
{
    struct reorder_node f[FRAGMENTS];
    struct rx rx = {0};
    uint32_t held = 0;

    (void)state;
    make_fragments(f);
    push(&rx, &held, &limits, &f[1], 100);
    push(&rx, &held, &limits, &f[3], 200);
    push(&rx, &held, &limits, &f[5], 300);
    deliver(&rx, reorder_expire(&rx.s, &held, &limits, 150 + TIMEOUT));
    assert_int_equal(rx.n, 1); /* only the first gap is given up */
    assert_int_equal(reorder_deadline(&rx.s, &limits), 200 + TIMEOUT);
    push(&rx, &held, &limits, &f[2], 160 + TIMEOUT); /* the second fills */
    assert_int_equal(rx.n, 3);
    assert_false(f[3].gap);
    assert_int_equal(reorder_deadline(&rx.s, &limits), 300 + TIMEOUT);
    deliver(&rx, reorder_expire(&rx.s, &held, &limits, 300 + TIMEOUT));
    assert_int_equal(rx.n, 4);
    assert_true(f[5].gap);
    assert_int_equal(held, 0);
}

static void overflow_skips(void **state)
{
    static const struct reorder_limits tight = {.max_held = 3, .timeout_us = TIMEOUT};
    struct reorder_node f[FRAGMENTS];
    struct rx rx = {0};
    uint32_t held = 0;

    (void)state;
    make_fragments(f);
    assert_int_equal(push(&rx, &held, &tight, &f[2], 0), REORDER_HELD);
    assert_int_equal(push(&rx, &held, &tight, &f[4], 0), REORDER_HELD);
    assert_int_equal(push(&rx, &held, &tight, &f[6], 0), REORDER_HELD);
    assert_int_equal(push(&rx, &held, &tight, &f[5], 0), REORDER_OVERFLOW); /* itself held */
    assert_int_equal(rx.n, 1);
    assert_ptr_equal(rx.delivered[0], &f[2]);
    assert_true(f[2].gap);
    assert_int_equal(held, 3);
    assert_int_equal(push(&rx, &held, &tight, &f[3], 0), REORDER_RELEASED);
    assert_int_equal(rx.n, 5);
    assert_int_equal(held, 0);
}

static void nothing_may_be_held(void **state)
{
    static const struct reorder_limits none = {.max_held = 0, .timeout_us = TIMEOUT};
    struct reorder_node f[FRAGMENTS];
    struct rx rx = {0};
    uint32_t held = 0;

    (void)state;
    make_fragments(f);
    assert_int_equal(push(&rx, &held, &none, &f[3], 0), REORDER_OVERFLOW);
    assert_int_equal(push(&rx, &held, &none, &f[4], 0), REORDER_RELEASED);
    assert_int_equal(push(&rx, &held, &none, &f[0], 0), REORDER_DUPLICATE);
    assert_int_equal(rx.n, 2);
    assert_int_equal(held, 0);
}

static void streams_are_independent(void **state)
{
    static const struct reorder_limits tight = {.max_held = 3, .timeout_us = TIMEOUT};
    struct reorder_node a[FRAGMENTS], b[FRAGMENTS], c[FRAGMENTS];
    struct rx ra = {0}, rb = {0}, rc = {0};
    uint32_t held = 0;

    (void)state;
    make_fragments(a);
    make_fragments(b);
    make_fragments(c);
    push(&ra, &held, &tight, &a[1], 0);
    push(&ra, &held, &tight, &a[2], 0);
    for (unsigned i = 0; i < 3; i++) /* a's gap does not hold b */
        assert_int_equal(push(&rb, &held, &tight, &b[i], 10), REORDER_RELEASED);
    push(&rb, &held, &tight, &b[4], 10);
    assert_int_equal(held, 3);
    assert_int_equal(push(&rc, &held, &tight, &c[1], 20),
                     REORDER_OVERFLOW); /* c pays, not a or b */
    assert_int_equal(rc.n, 1);
    assert_int_equal(ra.n, 0);
    assert_int_equal(rb.n, 3);
    assert_int_equal(held, 3);
    deliver(&ra, reorder_expire(&ra.s, &held, &tight, TIMEOUT));
    assert_int_equal(ra.n, 2);
    assert_null(reorder_expire(&rb.s, &held, &tight, TIMEOUT));
    assert_int_equal(reorder_deadline(&rb.s, &tight), 10 + TIMEOUT);
}

static void drain_takes_all(void **state)
{
    struct reorder_node f[FRAGMENTS];
    struct rx rx = {0};
    uint32_t held = 0;

    (void)state;
    make_fragments(f);
    assert_null(reorder_drain(&rx.s, &held));
    push(&rx, &held, &limits, &f[6], 0);
    push(&rx, &held, &limits, &f[2], 0);
    push(&rx, &held, &limits, &f[3], 0);
    deliver(&rx, reorder_drain(&rx.s, &held));
    assert_int_equal(rx.n, 3);
    assert_ptr_equal(rx.delivered[0], &f[2]);
    assert_ptr_equal(rx.delivered[1], &f[3]);
    assert_ptr_equal(rx.delivered[2], &f[6]);
    assert_true(f[2].gap && !f[3].gap && f[6].gap);
    assert_int_equal(held, 0);
}

/* What is no later than all that is held is placed or refused without a walk: a node in the middle
 * has its way to the head broken off, and who walks it ends at the decoy. */
static void early_ones_do_not_walk(void **state)
{
    struct reorder_node f[5], again, decoy = fragment(0, 0, 1, true);
    struct rx rx = {0};
    uint32_t held = 0;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        f[i] = fragment(2 + i, 0, 10, true);
        assert_int_equal(push(&rx, &held, &limits, &f[i], 0), REORDER_HELD);
    }
    f[2].prev = &decoy;
    again = fragment(2, 0, 10, true);
    assert_int_equal(push(&rx, &held, &limits, &again, 0), REORDER_DUPLICATE);
    again = fragment(1, 0, 10, true);
    assert_int_equal(push(&rx, &held, &limits, &again, 0), REORDER_HELD);
    assert_ptr_equal(rx.s.head, &again);
    assert_ptr_equal(again.next, &f[0]);
    assert_null(decoy.next);
    f[2].prev = &f[1];
    deliver(&rx, reorder_drain(&rx.s, &held));
    assert_int_equal(rx.n, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_and_loss),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(contradictions),
        cmocka_unit_test(gap_waits_its_time),
        cmocka_unit_test(each_gap_has_its_own_time),
        cmocka_unit_test(overflow_skips),
        cmocka_unit_test(nothing_may_be_held),
        cmocka_unit_test(streams_are_independent),
        cmocka_unit_test(drain_takes_all),
        cmocka_unit_test(early_ones_do_not_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
