/* The histogram against the sorted values themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "histogram.h"
#include "rng.h"

enum { VALUES = 20000 };

static struct histogram h, other;
static uint64_t values[VALUES];

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static int clear(void **state)
{
    (void)state;
    memset(&h, 0, sizeof(h));
    memset(&other, 0, sizeof(other));
    return 0;
}

static void is_near(uint64_t found, uint64_t exact)
{
    assert_in_range(found, exact - exact / 128, exact + exact / 128);
}

static void every_value_is_near_its_slot(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < HISTOGRAM_TOP; bits++)
        for (int off = -3; off <= 3; off++) {
            uint64_t v = (UINT64_C(1) << bits) + (uint64_t)(int64_t)off;

            if (v >> HISTOGRAM_TOP)
                continue;
            clear(NULL);
            histogram_add(&h, v);
            histogram_add(&h, UINT64_C(1) << HISTOGRAM_TOP); /* so that the maximum hides nothing */
            is_near(histogram_quantile(&h, 0.5), v);
        }
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t v = 0; v < 256; v++) {
        clear(NULL);
        histogram_add(&h, v);
        histogram_add(&h, 100000);
        assert_int_equal(histogram_quantile(&h, 0.5), v);
    }
}

static void slots_are_used_in_order(void **state)
{
    unsigned last = 0;

    (void)state;
    for (uint64_t v = 0; v < 1 << 20; v++) {
        assert_in_range(histogram_slot(v), last, last + 1);
        last = histogram_slot(v);
    }
    assert_int_equal(histogram_slot((UINT64_C(1) << HISTOGRAM_TOP) - 1), HISTOGRAM_SLOTS - 1);
    assert_int_equal(histogram_slot(UINT64_MAX), HISTOGRAM_SLOTS - 1);
}

static void quantiles_are_those_of_the_values(void **state)
{
    static const double q[] = {0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
    struct rng r = rng_new(1);

    (void)state;
    for (unsigned i = 0; i < VALUES; i++) { /* of every magnitude */
        values[i] = rng_next(&r) >> (64 - 1 - rng_below(&r, HISTOGRAM_TOP - 1));
        histogram_add(&h, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare);
    for (unsigned i = 0; i < sizeof(q) / sizeof(q[0]); i++) {
        unsigned rank = (unsigned)(q[i] * VALUES + 0.999999);

        is_near(histogram_quantile(&h, q[i]), values[rank > 0 ? rank - 1 : 0]);
    }
    assert_int_equal(h.max, values[VALUES - 1]);
    assert_int_equal(h.count, VALUES);
}

static void nothing_is_never_above_the_maximum(void **state)
{
    (void)state;
    assert_int_equal(histogram_quantile(&h, 0.5), 0);
    histogram_add(&h, 1000001);
    assert_int_equal(histogram_quantile(&h, 0.5), 1000001);
    assert_int_equal(histogram_quantile(&h, 1), 1000001);
}

static void merging_adds_and_subtracting_takes_back(void **state)
{
    static struct histogram sum;

    (void)state;
    for (uint64_t v = 0; v < 1000; v++)
        histogram_add(v % 4 ? &h : &other, v * v);
    memset(&sum, 0, sizeof(sum));
    histogram_merge(&sum, &h);
    histogram_merge(&sum, &other);
    assert_int_equal(sum.count, 1000);
    assert_int_equal(sum.max, 999 * 999);
    is_near(histogram_quantile(&sum, 0.5), 499 * 499);
    histogram_subtract(&sum, &other);
    assert_int_equal(sum.count, h.count);
    assert_memory_equal(sum.slot, h.slot, sizeof(h.slot));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_value_is_near_its_slot, clear),
        cmocka_unit_test_setup(small_values_are_exact, clear),
        cmocka_unit_test_setup(slots_are_used_in_order, clear),
        cmocka_unit_test_setup(quantiles_are_those_of_the_values, clear),
        cmocka_unit_test_setup(nothing_is_never_above_the_maximum, clear),
        cmocka_unit_test_setup(merging_adds_and_subtracting_takes_back, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
