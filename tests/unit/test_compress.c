/* Compression: round trips, when it stops and resumes, and what a hostile peer may claim. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compress.h"
#include "frame.h"
#include "rng.h"
#include "varint.h"

static uint64_t workspace[COMPRESS_WORKSPACE / 8];

/* Compress into exactly n bytes on the heap and expand again; the compressed size. */
static size_t round_trip(struct compress *c, const uint8_t *src, size_t n)
{
    uint8_t *packed = malloc(n), *raw;
    size_t size = compress_message(c, workspace, src, n, packed);

    if (size > 0) {
        uint8_t *exact = exact_copy(packed, size);

        assert_true(size <= n - n / 8);
        assert_int_equal(compress_raw_length(exact, size, n), n);
        assert_int_equal(compress_raw_length(exact, size, n - 1), -EMSGSIZE);
        raw = malloc(n);
        assert_int_equal(compress_expand(exact, size, raw, n), 0);
        assert_memory_equal(raw, src, n);
        free(raw);
        free(exact);
    }
    free(packed);
    return size;
}

static void off_by_default(void **state)
{
    struct compress c = {0};
    uint8_t zeros[4096] = {0};

    (void)state;
    assert_int_equal(round_trip(&c, zeros, sizeof(zeros)), 0);
    c.on = true;
    assert_true(round_trip(&c, zeros, sizeof(zeros)) > 0);
}

static void short_ones_go_as_they_are(void **state)
{
    struct compress c = {.on = true};
    uint8_t zeros[COMPRESS_MIN] = {0};

    (void)state;
    assert_int_equal(round_trip(&c, zeros, 0), 0);
    assert_int_equal(round_trip(&c, zeros, COMPRESS_MIN - 1), 0);
    assert_true(round_trip(&c, zeros, COMPRESS_MIN) > 0);
    assert_int_equal(c.backoff, 0); /* and short ones are no failures */
}

/* Half random, half not: messages of every compressibility. */
static void round_trips(void **state)
{
    struct rng rng = rng_new(71);
    uint8_t *message = malloc(100000);
    unsigned packed = 0, bare = 0;

    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        struct compress c = {.on = true};
        size_t n = COMPRESS_MIN + rng_below(&rng, i % 10 ? 4000 : 99000);
        unsigned variety = 1u << rng_below(&rng, 9);

        for (size_t j = 0; j < n; j++)
            message[j] = (uint8_t)(rng_next(&rng) % variety);
        *(round_trip(&c, message, n) > 0 ? &packed : &bare) += 1;
    }
    assert_true(packed > 50 && bare > 50);
    free(message);
}

static void the_longest_message(void **state)
{
    struct compress c = {.on = true};
    uint8_t *message = calloc(1, FRAME_MESSAGE_MAX);

    (void)state;
    assert_true(round_trip(&c, message, FRAME_MESSAGE_MAX) > 0);
    free(message);
}

static void stops_and_resumes(void **state)
{
    struct rng rng = rng_new(72);
    struct compress c = {.on = true};
    uint8_t noise[1000], zeros[1000] = {0}, dst[1000];
    unsigned expected = 1;

    (void)state;
    rng_fill(&rng, noise, sizeof(noise));
    for (unsigned probe = 0; probe < 12; probe++) {
        assert_int_equal(c.skip, 0);
        assert_int_equal(compress_message(&c, workspace, noise, sizeof(noise), dst), 0);
        assert_int_equal(c.skip, expected);
        for (unsigned i = 0; i < expected; i++) /* not even tried */
            assert_int_equal(compress_message(&c, workspace, zeros, sizeof(zeros), dst), 0);
        expected = expected * 2 < COMPRESS_SKIP_MAX ? expected * 2 : COMPRESS_SKIP_MAX;
    }
    assert_true(compress_message(&c, workspace, zeros, sizeof(zeros), dst) > 0); /* pays again */
    assert_true(compress_message(&c, workspace, zeros, sizeof(zeros), dst) > 0);
    compress_message(&c, workspace, noise, sizeof(noise), dst);
    assert_int_equal(c.skip, 1); /* and the next failure begins anew */
}

static void bombs_are_refused(void **state)
{
    uint8_t bomb[64] = {0}, *at;

    (void)state;
    at = varint_put(bomb, FRAME_MESSAGE_MAX); /* 16 MiB of 60 bytes: LZ4 cannot */
    assert_int_equal(compress_raw_length(bomb, sizeof(bomb), FRAME_MESSAGE_MAX), -EBADMSG);
    assert_int_equal(compress_raw_length(bomb, (size_t)(at - bomb), FRAME_MESSAGE_MAX), -EBADMSG);
    assert_int_equal(compress_raw_length(bomb, 0, 100), -EBADMSG);
    assert_int_equal(compress_raw_length(bomb, 1, 100), -EBADMSG); /* cut */
    varint_put(bomb, 0);
    assert_int_equal(compress_raw_length(bomb, sizeof(bomb), 100), -EBADMSG);
    uint8_t *large = calloc(1, 1 << 20);

    varint_put(large, FRAME_MESSAGE_MAX + 1); /* it could, but nobody may */
    assert_int_equal(compress_raw_length(large, 1 << 20, SIZE_MAX), -EMSGSIZE);
    varint_put(large, FRAME_MESSAGE_MAX);
    assert_int_equal(compress_raw_length(large, 1 << 20, SIZE_MAX), FRAME_MESSAGE_MAX);
    assert_int_equal(compress_raw_length(large, 1 << 20, 1 << 20), -EMSGSIZE);
    free(large);
}

/* A block that expands to more or less than it says is refused, and writes nothing beyond. */
static void lengths_must_be_exact(void **state)
{
    struct compress c = {.on = true};
    uint8_t message[2000] = {0}, packed[2000], lied[2000];
    size_t size = compress_message(&c, workspace, message, sizeof(message), packed);

    (void)state;
    for (int by = -3; by <= 3; by++) {
        size_t said = (size_t)((int)sizeof(message) + by);
        uint8_t *raw = malloc(said);

        memcpy(lied, packed, size);
        varint_put(lied, said);
        assert_int_equal(compress_expand(lied, size, raw, said), by == 0 ? 0 : -EBADMSG);
        if (by != 0) /* the caller's length is not the message's */
            assert_int_equal(compress_expand(packed, size, raw, said), -EBADMSG);
        free(raw);
    }
}

static void damaged_blocks(void **state)
{
    struct rng rng = rng_new(73);
    struct compress c = {.on = true};
    uint8_t message[3000], packed[3000];

    (void)state;
    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)(rng_next(&rng) % 3);
    size_t size = compress_message(&c, workspace, message, sizeof(message), packed);

    assert_true(size > 0);
    for (unsigned i = 0; i < 20000; i++) {
        size_t n = rng_below(&rng, 4) ? size : rng_below(&rng, size + 1);
        uint8_t *damaged = exact_copy(packed, n);

        for (unsigned j = 0; j < 3 && n > 0; j++)
            damaged[rng_below(&rng, n)] ^= (uint8_t)(1u << rng_below(&rng, 8));
        int64_t raw_len = compress_raw_length(damaged, n, 1 << 20);

        if (raw_len >= 0) {
            uint8_t *raw = malloc((size_t)raw_len);

            compress_expand(damaged, n, raw, (size_t)raw_len);
            free(raw);
        }
        free(damaged);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_by_default),        cmocka_unit_test(short_ones_go_as_they_are),
        cmocka_unit_test(round_trips),           cmocka_unit_test(the_longest_message),
        cmocka_unit_test(stops_and_resumes),     cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(lengths_must_be_exact), cmocka_unit_test(damaged_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
