/* What the FEC tests share: a sender's block, and a receiver that checks what it gets. */
#ifndef TESTS_FEC_FIXTURE_H
#define TESTS_FEC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "fec.h"

enum { SYMBOL_MAX = 1480, ROOMY = 4096 };

static uint64_t seed = 0x6a65747031, rng; /* FEC_SEED in the environment sets another */

static inline uint64_t random64(void) /* splitmix64 */
{
    uint64_t z = rng += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static inline unsigned below(unsigned n)
{
    return (unsigned)(random64() % n);
}

static inline bool happens(double probability)
{
    return (double)(random64() >> 11) * 0x1p-53 < probability;
}

struct block {
    uint64_t id;
    unsigned k, r;
    uint32_t longest, len[FEC_K_MAX];
    uint8_t source[FEC_K_MAX][SYMBOL_MAX], repair[FEC_R_MAX][SYMBOL_MAX];
    uint64_t got; /* sources that the receiver has read */
};

static struct fec_pools pools;
static void *pool_memory[2];
static struct block blk __attribute__((unused));

static inline void pools_make(unsigned symbols, unsigned blocks)
{
    uint32_t block_size = (uint32_t)fec_block_size();

    pool_memory[0] = aligned_alloc(64, pool_footprint(SYMBOL_MAX, symbols));
    pool_memory[1] = aligned_alloc(64, pool_footprint(block_size, blocks));
    assert_true(pool_memory[0] && pool_memory[1]);
    memset(pool_memory[0], 0xa5, pool_footprint(SYMBOL_MAX, symbols));
    memset(pool_memory[1], 0xa5, pool_footprint(block_size, blocks));
    pool_init(&pools.symbols, pool_memory[0], SYMBOL_MAX, symbols);
    pool_init(&pools.blocks, pool_memory[1], block_size, blocks);
    pools.symbol_max = SYMBOL_MAX;
}

static inline int setup(void **state)
{
    (void)state;
    rng = seed;
    pools_make(ROOMY, ROOMY);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    free(pool_memory[0]);
    free(pool_memory[1]);
    return pools.symbols.used + pools.blocks.used == 0 ? 0 : -1;
}

static inline void limit_pools(unsigned symbols, unsigned blocks)
{
    free(pool_memory[0]);
    free(pool_memory[1]);
    pools_make(symbols, blocks);
}

/* Symbols of len bytes with random contents. */
static inline void fill(uint8_t *symbol, uint32_t len)
{
    be16_store(symbol, (uint16_t)(len - 2));
    for (uint32_t i = 2; i < len; i++)
        symbol[i] = (uint8_t)random64();
}

/* A block of k sources of min to max bytes, encoded as an encoder for planned_k does it. */
static inline void make_block(struct block *b, uint64_t id, unsigned k, unsigned planned_k,
                              unsigned r, uint32_t min, uint32_t max)
{
    struct fec_enc e;

    b->id = id;
    b->k = k;
    b->r = r;
    b->got = 0;
    assert_int_equal(fec_enc_init(&e, planned_k, r), 0);
    for (unsigned j = 0; j < k; j++) {
        b->len[j] = min + below(max - min + 1);
        fill(b->source[j], b->len[j]);
        assert_int_equal(fec_enc_add(&e, &pools, 0, b->source[j], b->len[j]), j + 1 == planned_k);
    }
    b->longest = e.longest;
    for (unsigned i = 0; i < r; i++)
        memcpy(b->repair[i], fec_enc_repair(&e, i), e.longest);
    fec_enc_close(&e, &pools);
}

/* Packet x of a block: its sources, then its repairs. */
static inline enum fec_verdict arrive(struct fec_dec *d, uint64_t now, const struct block *b,
                                      unsigned x)
{
    if (x < b->k)
        return fec_dec_source(d, &pools, now, b->id, x, b->source[x], b->len[x]);
    return fec_dec_repair(d, &pools, now, b->id, b->k, b->r, x - b->k, b->repair[x - b->k],
                          b->longest);
}

static inline void read_once(struct block *b, unsigned j)
{
    assert_false(b->got >> j & 1);
    b->got |= UINT64_C(1) << j;
}

static inline unsigned recover_checked(struct fec_dec *d, struct block *b)
{
    struct fec_recovered out[FEC_R_MAX];
    unsigned n = fec_dec_recover(d, &pools, b->id, out);

    for (unsigned a = 0; a < n; a++) {
        unsigned j = out[a].index;

        assert_true(a == 0 || j > out[a - 1].index);
        assert_int_equal(out[a].len, b->len[j] - 2);
        assert_memory_equal(out[a].frames, b->source[j] + 2, out[a].len);
        read_once(b, j);
    }
    return n;
}

/* Take packet x in as a receiver does; returns the verdict. */
static inline enum fec_verdict receive(struct fec_dec *d, uint64_t now, struct block *b, unsigned x)
{
    enum fec_verdict v = arrive(d, now, b, x);

    if (v == FEC_DELIVER)
        read_once(b, x);
    if (v == FEC_DELIVER || v == FEC_HELD)
        recover_checked(d, b);
    return v;
}

static inline uint64_t all_of(const struct block *b)
{
    return UINT64_MAX >> (64 - b->k);
}

/* Call first in main. */
static inline void fixture_init(void)
{
    const char *wanted = getenv("FEC_SEED");

    if (wanted != NULL)
        seed = strtoull(wanted, NULL, 0);
    print_message("FEC_SEED=%#llx\n", (unsigned long long)seed);
    fec_init();
}

#define FEC_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
