/* The rate limit per source prefix: what it lets through, and what many prefixes together cannot
 * do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bytes.h"
#include "limit.h"

enum { RATE = 1000, BURST = 50, BUCKETS = 4096, SECOND_US = 1000000 };

static struct prefix_limit *new_limit(uint32_t per_second)
{
    struct prefix_limit *limit = malloc(sizeof(*limit));

    assert_non_null(limit);
    prefix_limit_init(limit, (struct rate){per_second, BURST});
    return limit;
}

/* IPv4 address n, v4-mapped. */
static const uint8_t *ip4(uint32_t n)
{
    static uint8_t ip[16] = {[10] = 0xff, [11] = 0xff};

    be32_store(ip + 12, n);
    return ip;
}

/* Address 1 of IPv6 /64 number n. */
static const uint8_t *ip6(uint64_t n)
{
    static uint8_t ip[16] = {[15] = 1};

    be64_store(ip, n);
    return ip;
}

/* How many of n packets at one time pass. */
static unsigned passing(struct prefix_limit *limit, const uint8_t ip[16], unsigned n, uint64_t now)
{
    unsigned passed = 0;

    for (unsigned i = 0; i < n; i++)
        passed += prefix_limit_pass(limit, ip, now);
    return passed;
}

static void burst_and_refill(void **state)
{
    struct prefix_limit *limit = new_limit(RATE);

    (void)state;
    assert_int_equal(passing(limit, ip4(0xc6120001), 1000, 0), BURST);
    assert_int_equal(passing(limit, ip4(0xc6120001), 1000, 999), 0);
    assert_int_equal(passing(limit, ip4(0xc6120001), 1000, 1000), 1);
    assert_int_equal(passing(limit, ip4(0xc6120001), 1000, 11000), 10);
    /* a long silence fills the bucket and no more */
    assert_int_equal(passing(limit, ip4(0xc6120001), 1000, UINT64_C(1) << 40), BURST);
    free(limit);
}

static void steady_rate(void **state)
{
    struct prefix_limit *limit = new_limit(RATE);
    unsigned passed = 0;

    (void)state;
    for (uint64_t now = 0; now < 10 * SECOND_US; now += 100) /* ten times the rate */
        passed += prefix_limit_pass(limit, ip4(0xc6120001), now);
    assert_in_range(passed, 10 * RATE + BURST - 1, 10 * RATE + BURST);
    free(limit);
}

static void prefixes(void **state)
{
    struct prefix_limit *limit = new_limit(RATE);

    (void)state;
    assert_int_equal(passing(limit, ip4(0xc6120001), BURST, 0), BURST);
    assert_int_equal(passing(limit, ip4(0xc61200fe), 1, 0), 0); /* the same /24 */
    assert_int_equal(passing(limit, ip4(0xc6120101), BURST, 0), BURST);
    assert_int_equal(passing(limit, ip6(0xfd00000000000000), BURST, 0), BURST);
    assert_int_equal(passing(limit, ip6(0xfd000000000000ff), 1, 0), 0); /* the same /56 */
    assert_int_equal(passing(limit, ip6(0xfd00000000000100), BURST, 0), BURST);
    free(limit);
}

static void unlimited(void **state)
{
    struct prefix_limit *limit = new_limit(0);

    (void)state;
    assert_int_equal(passing(limit, ip4(0xc6120001), 100000, 0), 100000);
    free(limit);
}

/* Coming from a million prefixes gains no more than the table's buckets. */
static void many_prefixes(void **state)
{
    struct prefix_limit *limit = new_limit(RATE);
    unsigned passed = 0, seconds = 2;

    (void)state;
    for (uint64_t now = 0, n = 0; now < seconds * SECOND_US; now += 100000)
        for (unsigned i = 0; i < 1000000; i++, n++)
            passed += prefix_limit_pass(limit, ip6(n << 8), now);
    assert_in_range(passed, 0, BUCKETS * (BURST + seconds * RATE));
    free(limit);
}

/* While a flood from ever new prefixes takes a twentieth of what the table lets through, an honest
 * prefix hardly notices; when a flood beyond the table's rate ends, it passes again at once. */
static void honest_among_many(void **state)
{
    struct prefix_limit *limit = new_limit(RATE);
    uint64_t n = 1, now = 0;
    unsigned passed = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++, now += 10000) { /* 100 packets a second */
        for (unsigned j = 0; j < BUCKETS * RATE / 20 / 100; j++)
            prefix_limit_pass(limit, ip6(n++ << 8), now);
        passed += prefix_limit_pass(limit, ip4(0xc6120001), now);
    }
    assert_in_range(passed, 990, 1000);

    for (unsigned i = 0; i < 4000000; i++)
        prefix_limit_pass(limit, ip6(n++ << 8), now);
    now += BURST * SECOND_US / RATE;
    assert_int_equal(passing(limit, ip4(0xc6120001), BURST, now), BURST);
    free(limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_and_refill), cmocka_unit_test(steady_rate),
        cmocka_unit_test(prefixes),         cmocka_unit_test(unlimited),
        cmocka_unit_test(many_prefixes),    cmocka_unit_test(honest_among_many),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
