/* RFC 9000 section 16 and its examples in appendix A.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rng.h"
#include "varint.h"

/* Loads the varint in exactly n bytes; the size it took, 0 when it is cut. */
static size_t load(const uint8_t *bytes, size_t n, uint64_t *v)
{
    uint8_t *copy = exact_copy(bytes, n);
    const uint8_t *p = copy;
    bool ok = varint_get(&p, copy + n, v);
    size_t size = (size_t)(p - copy);

    assert_true(ok || size == 0);
    free(copy);
    return ok ? size : 0;
}

static void rfc_examples(void **state)
{
    static const struct {
        uint8_t bytes[8];
        size_t size;
        uint64_t v;
    } examples[] = {
        {{0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c}, 8, 151288809941952652},
        {{0x9d, 0x7f, 0x3e, 0x7d}, 4, 494878333},
        {{0x7b, 0xbd}, 2, 15293},
        {{0x25}, 1, 37},
        {{0x40, 0x25}, 2, 37}, /* longer than needed */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
        uint64_t v = 0;

        assert_int_equal(load(examples[i].bytes, examples[i].size, &v), examples[i].size);
        assert_int_equal(v, examples[i].v);
    }
}

/* Stored in the fewest bytes, loaded with anything or nothing behind it, refused at every cut. */
static void round_trip(uint64_t v, size_t size)
{
    uint8_t buf[16];
    uint64_t got = 0;

    memset(buf, 0xa5, sizeof(buf));
    assert_int_equal(varint_size(v), size);
    assert_ptr_equal(varint_put(buf, v), buf + size);
    for (size_t i = size; i < sizeof(buf); i++)
        assert_int_equal(buf[i], 0xa5);
    for (size_t n = 0; n < size; n++)
        assert_int_equal(load(buf, n, &got), 0);
    for (size_t n = size; n <= sizeof(buf); n++) {
        got = ~v;
        assert_int_equal(load(buf, n, &got), size);
        assert_int_equal(got, v);
    }
}

static void boundaries(void **state)
{
    (void)state;
    round_trip(0, 1);
    round_trip(63, 1);
    round_trip(64, 2);
    round_trip(16383, 2);
    round_trip(16384, 4);
    round_trip((1 << 30) - 1, 4);
    round_trip(1 << 30, 8);
    round_trip(VARINT_MAX, 8);
}

static void random_values(void **state)
{
    struct rng rng = rng_new(1);

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t v = rng_next(&rng) >> (2 + rng_below(&rng, 62));

        round_trip(v, v < 64 ? 1 : v < 16384 ? 2 : v < 1073741824 ? 4 : 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_examples),
        cmocka_unit_test(boundaries),
        cmocka_unit_test(random_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
