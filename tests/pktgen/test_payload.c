/* What a message carries: nothing of it may change unnoticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "payload.h"
#include "rng.h"

static struct payload_pattern pattern, other_pattern;

static int make_patterns(void **state)
{
    (void)state;
    payload_pattern_init(&pattern, 1);
    payload_pattern_init(&other_pattern, 2);
    return 0;
}

static struct payload any(uint16_t len)
{
    return (struct payload){.counter = UINT64_C(0x123456789ab),
                            .sent_at = UINT64_C(0xfedcba987654321),
                            .session = 0x123456,
                            .stream = 77,
                            .phase = 3,
                            .flags = PAYLOAD_LOST,
                            .len = len};
}

static void what_is_put_is_got(void **state)
{
    uint8_t bytes[PAYLOAD_MAX];
    struct payload got;

    (void)state;
    for (uint32_t len = PAYLOAD_MIN; len <= PAYLOAD_MAX; len++) {
        struct payload p = any((uint16_t)len);
        uint8_t *copy;

        payload_put(&pattern, &p, bytes);
        copy = exact_copy(bytes, len);
        assert_true(payload_get(&pattern, &got, copy, len));
        assert_memory_equal(&got, &p, sizeof(p));
        free(copy);
    }
}

static void every_bit_counts(void **state)
{
    uint8_t bytes[200];
    struct payload p = any(sizeof(bytes)), got;

    (void)state;
    payload_put(&pattern, &p, bytes);
    for (unsigned bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(payload_get(&pattern, &got, bytes, sizeof(bytes)));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(payload_get(&pattern, &got, bytes, sizeof(bytes)));
}

static void every_length_but_its_own_is_wrong(void **state)
{
    uint8_t bytes[300] = {0};
    struct payload p = any(200), got;

    (void)state;
    payload_put(&pattern, &p, bytes);
    for (uint32_t len = 0; len <= sizeof(bytes); len++) {
        uint8_t *copy = exact_copy(bytes, len);

        assert_int_equal(payload_get(&pattern, &got, copy, len), len == 200);
        free(copy);
    }
}

static void bytes_of_another_message_are_wrong(void **state)
{
    uint8_t bytes[1000], others[1000];
    struct payload p = any(sizeof(bytes)), got;

    (void)state;
    payload_put(&pattern, &p, bytes);
    p.counter++;
    payload_put(&pattern, &p, others);
    memcpy(bytes + PAYLOAD_MIN, others + PAYLOAD_MIN, sizeof(bytes) - PAYLOAD_MIN);
    assert_false(payload_get(&pattern, &got, bytes, sizeof(bytes)));
    assert_false(payload_get(&other_pattern, &got, others, sizeof(others)));
    assert_true(payload_get(&pattern, &got, others, sizeof(others)));
}

static void random_bytes_are_never_right(void **state)
{
    struct rng r = rng_new(4);
    uint8_t bytes[400];
    struct payload got;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t len = (uint32_t)rng_below(&r, sizeof(bytes));
        struct payload p = any(200);

        payload_put(&pattern, &p, bytes);
        rng_fill(&r, bytes + rng_below(&r, PAYLOAD_MIN - 8), 8);
        assert_false(payload_get(&pattern, &got, bytes, len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_got),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(every_length_but_its_own_is_wrong),
        cmocka_unit_test(bytes_of_another_message_are_wrong),
        cmocka_unit_test(random_bytes_are_never_right),
    };

    return cmocka_run_group_tests(tests, make_patterns, NULL);
}
