/* When an ACK is due, and its ranges against a naive reading of the window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ack.h"
#include "rng.h"

static void due_after_64(void **state)
{
    struct ack a = {0};
    struct replay r = {0};
    uint8_t buf[ACK_FRAME_MAX];

    (void)state;
    replay_commit(&r, 0);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 1; i < ACK_EVERY; i++)
            assert_false(ack_note(&a, 1000 + i));
        assert_true(ack_note(&a, 2000));
        assert_true(ack_deadline(&a) <= 2000);
        assert_ptr_not_equal(ack_put(&a, &r, 2000, buf), buf);
    }
}

static void due_after_25_ms(void **state)
{
    struct ack a = {0};
    struct replay r = {0};
    uint8_t buf[ACK_FRAME_MAX];

    (void)state;
    assert_int_equal(ack_deadline(&a), UINT64_MAX);
    ack_note(&a, 7000);
    ack_note(&a, 9000);
    assert_int_equal(ack_deadline(&a), 7000 + ACK_DELAY_US); /* the oldest counts */
    replay_commit(&r, 0);
    ack_put(&a, &r, 9500, buf);
    assert_int_equal(ack_deadline(&a), UINT64_MAX);
}

static struct frame parse(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = exact_copy(bytes, n);
    const uint8_t *p = copy;
    struct frame f;

    assert_int_equal(frame_next(&p, copy + n, false, &f), 1);
    assert_ptr_equal(p, copy + n);
    assert_int_equal(f.type, FRAME_ACK);
    free(copy);
    return f;
}

static void frame_says_it(void **state)
{
    struct ack a = {0};
    struct replay r = {0};
    uint8_t buf[ACK_FRAME_MAX];

    (void)state;
    assert_ptr_equal(ack_put(&a, &r, 5, buf), buf); /* nothing came */
    replay_commit(&r, 10);
    replay_commit(&r, 11);
    replay_commit(&r, 14);
    ack_note(&a, 100);
    ack_note(&a, 400);
    struct frame f = parse(buf, (size_t)(ack_put(&a, &r, 1000, buf) - buf));

    assert_int_equal(f.u.ack.delay_us, 600);
    assert_int_equal(f.u.ack.largest, 14);
    assert_int_equal(f.u.ack.n, 2);
    assert_int_equal(f.u.ack.ranges[0].first, 14);
    assert_int_equal(f.u.ack.ranges[1].first, 10);
    assert_int_equal(f.u.ack.ranges[1].last, 11);
    f = parse(buf, (size_t)(ack_put(&a, &r, 2000, buf) - buf)); /* again, nothing pending */
    assert_int_equal(f.u.ack.delay_us, 0);
    assert_int_equal(f.u.ack.largest, 14);
}

static void longest_frame_fits(void **state)
{
    struct ack a = {0};
    struct replay r = {0};
    uint8_t buf[ACK_FRAME_MAX];
    uint64_t base = (UINT64_C(1) << 61) - 1000;

    (void)state;
    for (uint64_t i = 0; i < 40; i++) /* runs of 60, gaps of 30: more ranges than an ACK takes */
        for (uint64_t j = 0; j < 60; j++)
            replay_commit(&r, base + 90 * i + j);
    ack_note(&a, 0);
    uint8_t *end = ack_put(&a, &r, UINT64_C(1) << 40, buf);

    assert_true(end <= buf + sizeof(buf));
    struct frame f = parse(buf, (size_t)(end - buf));
    assert_int_equal(f.u.ack.n, FRAME_ACK_RANGES_MAX);
    assert_int_equal(f.u.ack.largest, base + 90 * 39 + 59);
    assert_int_equal(f.u.ack.ranges[31].first, base + 90 * 8);
    assert_int_equal(f.u.ack.ranges[31].last, base + 90 * 8 + 59);
}

/* The ranges, number by number. */
static unsigned naive_ranges(const struct replay *r, struct frame_ack_range *ranges, unsigned max)
{
    uint64_t low = r->end > REPLAY_WINDOW ? r->end - REPLAY_WINDOW : 0;
    unsigned n = 0;
    bool inside = false;

    for (uint64_t pn = r->end; pn-- > low;) {
        bool seen = replay_check(r, pn) == REPLAY_SEEN;

        if (seen && !inside) {
            if (n == max)
                break;
            ranges[n++].last = pn;
        }
        if (seen)
            ranges[n - 1].first = pn;
        inside = seen;
    }
    return n;
}

static void ranges_match(const struct replay *r, unsigned max)
{
    struct frame_ack_range got[FRAME_ACK_RANGES_MAX], expected[FRAME_ACK_RANGES_MAX];
    unsigned n = ack_ranges(r, got, max);

    assert_int_equal(n, naive_ranges(r, expected, max));
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(got[i].first, expected[i].first);
        assert_int_equal(got[i].last, expected[i].last);
    }
}

static void ranges_of_random_windows(void **state)
{
    struct rng rng = rng_new(3);

    (void)state;
    for (int i = 0; i < 1500; i++) {
        struct replay r = {0};
        uint64_t pn = rng_below(&rng, 2) ? 0 : rng_next(&rng) >> 3;
        uint64_t packets = rng_below(&rng, 6000), one_in = 1 + rng_below(&rng, 200);

        ranges_match(&r, FRAME_ACK_RANGES_MAX);
        for (uint64_t j = 0; j < packets; j++, pn++)
            if (rng_below(&rng, one_in) > 0 || one_in == 1)
                replay_commit(&r, pn);
            else
                pn += rng_below(&rng, 3) ? 0 : rng_below(&rng, 200);
        ranges_match(&r, FRAME_ACK_RANGES_MAX);
        ranges_match(&r, (unsigned)rng_below(&rng, FRAME_ACK_RANGES_MAX + 1));
    }
}

static void ranges_at_the_window_edge(void **state)
{
    (void)state;
    for (uint64_t top = REPLAY_WINDOW - 70; top < REPLAY_WINDOW + 200; top++) {
        struct replay r = {0};

        for (uint64_t pn = 0; pn <= top; pn++)
            replay_commit(&r, pn);
        ranges_match(&r, 4); /* one range, the window */
        replay_commit(&r, top + 2);
        ranges_match(&r, 4);
        replay_commit(&r, top + REPLAY_WINDOW);
        ranges_match(&r, 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due_after_64),
        cmocka_unit_test(due_after_25_ms),
        cmocka_unit_test(frame_says_it),
        cmocka_unit_test(longest_frame_fits),
        cmocka_unit_test(ranges_of_random_windows),
        cmocka_unit_test(ranges_at_the_window_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
