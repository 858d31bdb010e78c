/* RTT estimation: the rules of RFC 9002 section 5, one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ack.h"
#include "rng.h"
#include "rtt.h"

static struct rtt fresh(void)
{
    struct rtt r;

    rtt_init(&r);
    return r;
}

static void before_the_first_sample(void **state)
{
    struct rtt r = fresh();

    (void)state;
    assert_false(rtt_known(&r));
    assert_int_equal(r.smoothed, 333000);
    assert_int_equal(r.var, 166500);
    assert_int_equal(rtt_pto(&r), 333000 + 4 * 166500 + ACK_DELAY_US);
}

static void first_sample_is_taken_whole(void **state)
{
    struct rtt r = fresh();

    (void)state;
    rtt_update(&r, 40000, 10000); /* its delay is not believed yet */
    assert_true(rtt_known(&r));
    assert_int_equal(r.latest, 40000);
    assert_int_equal(r.min, 40000);
    assert_int_equal(r.smoothed, 40000);
    assert_int_equal(r.var, 20000);
}

static void averages(void **state)
{
    struct rtt r = fresh();

    (void)state;
    rtt_update(&r, 40000, 0);
    rtt_update(&r, 48000, 0);
    assert_int_equal(r.smoothed, 41000);   /* 7/8 and 1/8 */
    assert_int_equal(r.var, 20000 - 3000); /* 3/4 and 1/4 of 8000 */
    assert_int_equal(r.min, 40000);
    assert_int_equal(rtt_pto(&r), 41000 + 4 * 17000 + ACK_DELAY_US);
    rtt_update(&r, 33000, 0);
    assert_int_equal(r.smoothed, 40000);
    assert_int_equal(r.var, 17000 - 2250);
    assert_int_equal(r.min, 33000);
}

static void delay_is_subtracted(void **state)
{
    struct rtt r = fresh();

    (void)state;
    rtt_update(&r, 40000, 0);
    rtt_update(&r, 60000, 20000);
    assert_int_equal(r.latest, 60000);
    assert_int_equal(r.smoothed, 40000);
    rtt_update(&r, 48000, 10000); /* would be below the minimum: ignored */
    assert_int_equal(r.smoothed, 41000);
    rtt_update(&r, 41000 + 2 * ACK_DELAY_US, UINT64_MAX); /* no more than a peer may wait */
    assert_int_equal(r.smoothed, 41000 + ACK_DELAY_US / 8);
}

static void minimum_starts_again(void **state)
{
    struct rtt r = fresh();

    (void)state;
    rtt_update(&r, 40000, 0);
    rtt_update(&r, 90000, 0);
    rtt_forget_min(&r);
    assert_int_equal(r.min, 90000);
    rtt_update(&r, 80000, 0);
    assert_int_equal(r.min, 80000);
}

static void timeout_has_a_floor(void **state)
{
    struct rtt r = fresh();

    (void)state;
    for (int i = 0; i < 100; i++)
        rtt_update(&r, 50, 0);
    assert_in_range(r.var, 0, 10);
    assert_int_equal(rtt_pto(&r), r.smoothed + RTT_GRANULARITY_US + ACK_DELAY_US);
}

static void absurd_samples(void **state)
{
    struct rng rng = rng_new(1);
    struct rtt r = fresh();

    (void)state;
    rtt_update(&r, 0, 0);
    assert_true(rtt_known(&r));
    for (int i = 0; i < 100000; i++) {
        rtt_update(&r, rng_next(&rng) >> rng_below(&rng, 64),
                   rng_next(&rng) >> rng_below(&rng, 64));
        assert_in_range(r.smoothed, 0, INT32_MAX);
        assert_in_range(r.var, 0, INT32_MAX);
        assert_in_range(r.min, 1, r.latest);
    }
}

static void settles_on_a_steady_path(void **state)
{
    struct rtt r = fresh();
    struct rng rng = rng_new(2);

    (void)state;
    rtt_update(&r, 500000, 0);
    rtt_update(&r, 30000, 0);
    for (int i = 0; i < 200; i++) {
        uint64_t delay = rng_below(&rng, ACK_DELAY_US + 1);

        rtt_update(&r, 30000 + delay, delay);
    }
    assert_in_range(r.smoothed, 29990, 30010);
    assert_in_range(r.var, 0, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_first_sample),
        cmocka_unit_test(first_sample_is_taken_whole),
        cmocka_unit_test(averages),
        cmocka_unit_test(delay_is_subtracted),
        cmocka_unit_test(minimum_starts_again),
        cmocka_unit_test(timeout_has_a_floor),
        cmocka_unit_test(absurd_samples),
        cmocka_unit_test(settles_on_a_steady_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
