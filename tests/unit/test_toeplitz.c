/* The Toeplitz hash: published vectors, an independent bit-by-bit one, and DPDK's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <rte_thash.h>

#include "bytes.h"
#include "rng.h"
#include "toeplitz.h"

/* The key of Microsoft's "Verifying the RSS Hash Calculation", with room behind it to hash at an
 * offset. */
static const uint8_t verification_key[64] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

#define IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

/* The hash is linear over the input's bits: that of a longer input is the sum of its 4-byte words'
 * hashes, each under the key from its place on. So the published hashes of 8 and 12 bytes test ours
 * of 4. */
static void published_vectors(void **state)
{
    static const struct {
        uint32_t src, dst, ports, ip_hash, tcp_hash;
    } vectors[] = {
        {IPV4(66, 9, 149, 187), IPV4(161, 142, 100, 80), 2794 << 16 | 1766, 0x323e8fc2, 0x51ccc178},
        {IPV4(199, 92, 111, 2), IPV4(65, 69, 140, 83), 14230 << 16 | 4739, 0xd718262a, 0xc626b0ea},
        {IPV4(24, 19, 198, 95), IPV4(12, 22, 207, 184), 12898u << 16 | 38024, 0xd2d0a5de,
         0x5c2b394a},
        {IPV4(38, 27, 205, 30), IPV4(209, 142, 163, 6), 48228u << 16 | 2217, 0x82989176,
         0xafc7327f},
        {IPV4(153, 39, 163, 191), IPV4(202, 188, 127, 2), 44251u << 16 | 1303, 0x5d1809c5,
         0x10e828a2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
        uint32_t hash = toeplitz_spi(verification_key, vectors[i].src) ^
                        toeplitz_spi(verification_key + 4, vectors[i].dst);

        assert_int_equal(hash, vectors[i].ip_hash);
        hash ^= toeplitz_spi(verification_key + 8, vectors[i].ports);
        assert_int_equal(hash, vectors[i].tcp_hash);
    }
}

/* As the definition reads: shift the key left one bit for every input bit. */
static uint32_t bit_by_bit(const uint8_t key[TOEPLITZ_KEY_LEN], uint32_t spi)
{
    uint8_t input[4], shifted[TOEPLITZ_KEY_LEN];
    uint32_t hash = 0;

    be32_store(input, spi);
    memcpy(shifted, key, sizeof(shifted));
    for (int i = 0; i < 32; i++) {
        if (input[i / 8] & 0x80 >> i % 8)
            hash ^= be32_load(shifted);
        for (int j = 0; j < TOEPLITZ_KEY_LEN; j++)
            shifted[j] =
                (uint8_t)(shifted[j] << 1 | (j + 1 < TOEPLITZ_KEY_LEN && shifted[j + 1] >> 7));
    }
    return hash;
}

static void others_agree(void **state)
{
    struct rng rng = rng_new(4);

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint8_t key[TOEPLITZ_KEY_LEN];
        uint32_t spi = (uint32_t)rng_next(&rng);

        rng_fill(&rng, key, sizeof(key));
        assert_int_equal(toeplitz_spi(key, spi), bit_by_bit(key, spi));
        assert_int_equal(toeplitz_spi(key, spi), rte_softrss(&spi, 1, key));
    }
}

static void single_bits(void **state)
{
    (void)state;
    assert_int_equal(toeplitz_spi(verification_key, 0), 0);
    assert_int_equal(toeplitz_spi(verification_key, 0x80000000), 0x6d5a56da);
    assert_int_equal(toeplitz_spi(verification_key, 0x00800000), 0x5a56da25);
    assert_int_equal(toeplitz_spi(verification_key, 1), (uint32_t)(0x6d5a56da255b0ec2 >> 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(others_agree),
        cmocka_unit_test(single_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
