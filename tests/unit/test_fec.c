#include "fec_fixture.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the code once more, as slow and obvious as can be ---- */

static uint8_t slow_mul(uint8_t a, uint8_t b)
{
    static uint8_t power[255], logarithm[256];

    if (power[0] == 0) {
        unsigned x = 1;

        for (unsigned i = 0; i < 255; i++) {
            power[i] = (uint8_t)x;
            logarithm[x] = (uint8_t)i;
            x <<= 1;
            if (x & 0x100)
                x ^= 0x11d;
        }
    }
    return a && b ? power[(logarithm[a] + logarithm[b]) % 255] : 0;
}

static uint8_t slow_coefficient(unsigned i, unsigned j)
{
    for (unsigned c = 1; c < 256; c++)
        if (slow_mul((uint8_t)c, (uint8_t)((64 + i) ^ j)) == 1)
            return (uint8_t)c;
    fail();
    return 0;
}

/* ---- encoder ---- */

static void coefficients_are_cauchy(void **state)
{
    (void)state;
    assert_int_equal(slow_coefficient(0, 0), 0x36);
    assert_int_equal(slow_coefficient(0, 63), 0xfc);
    assert_int_equal(slow_coefficient(15, 0), 0x93);
    assert_int_equal(slow_coefficient(15, 63), 0x28);
    make_block(&blk, 0, 1, 1, FEC_R_MAX, 2, 2); /* the smallest symbol: two zero bytes */
    for (unsigned i = 0; i < FEC_R_MAX; i++)
        assert_int_equal(be16_load(blk.repair[i]), 0);
}

static void repairs_match_the_formula(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        unsigned k = 1 + below(FEC_K_MAX), r = 1 + below(FEC_R_MAX);
        uint32_t max = round % 3 == 0 ? 70 : round % 3 == 1 ? 300 : SYMBOL_MAX;

        make_block(&blk, round, k, k, r, 2, max);
        for (unsigned i = 0; i < r; i++) {
            uint8_t expected[SYMBOL_MAX] = {0};

            for (unsigned j = 0; j < k; j++)
                for (uint32_t at = 0; at < blk.len[j]; at++)
                    expected[at] ^= slow_mul(slow_coefficient(i, j), blk.source[j][at]);
            assert_memory_equal(blk.repair[i], expected, blk.longest);
        }
    }
}

/* An encoder goes on to a block of shorter symbols, in the buffers of the one before. */
static void nothing_leaks_into_the_next_block(void **state)
{
    struct fec_enc e;

    (void)state;
    assert_int_equal(fec_enc_init(&e, 10, 4), 0);
    for (uint32_t max = SYMBOL_MAX; max > 10; max /= 3) {
        make_block(&blk, e.block, 10, 10, 4, 2, max);
        for (unsigned j = 0; j < 10; j++)
            assert_int_equal(fec_enc_add(&e, &pools, 0, blk.source[j], blk.len[j]), j == 9);
        assert_int_equal(e.longest, blk.longest);
        for (unsigned i = 0; i < 4; i++)
            assert_memory_equal(fec_enc_repair(&e, i), blk.repair[i], blk.longest);
        fec_enc_close(&e, &pools);
    }
}

static void encoder_checks_its_limits(void **state)
{
    uint8_t symbol[SYMBOL_MAX + 1] = {0};
    struct fec_enc e;

    (void)state;
    assert_int_equal(fec_enc_init(&e, 0, 1), -EINVAL);
    assert_int_equal(fec_enc_init(&e, 1, 0), -EINVAL);
    assert_int_equal(fec_enc_init(&e, FEC_K_MAX + 1, 1), -EINVAL);
    assert_int_equal(fec_enc_init(&e, 1, FEC_R_MAX + 1), -EINVAL);
    limit_pools(4, 1);
    assert_int_equal(fec_enc_init(&e, 3, 4), 0);
    assert_int_equal(fec_enc_add(&e, &pools, 7, symbol, SYMBOL_MAX + 1), -EMSGSIZE);
    assert_int_equal(e.count, 0);
    assert_int_equal(pools.symbols.used, 0);
    assert_int_equal(fec_enc_add(&e, &pools, 8, symbol, 10), 0);
    assert_int_equal(e.opened_at, 8);
    assert_int_equal(fec_enc_add(&e, &pools, 9, symbol, SYMBOL_MAX + 1), -EMSGSIZE);
    assert_int_equal(e.count, 1);
    fec_enc_close(&e, &pools);
    assert_int_equal(e.block, 1);
    assert_int_equal(pools.symbols.used, 0);

    void *taken = pool_get(&pools.symbols); /* three are left for four repairs */
    assert_int_equal(fec_enc_add(&e, &pools, 9, symbol, 10), -ENOBUFS);
    assert_int_equal(pools.symbols.used, 1);
    assert_int_equal(e.block, 1);
    pool_put(&pools.symbols, taken);
    assert_int_equal(fec_enc_add(&e, &pools, 9, symbol, SYMBOL_MAX), 0);
    assert_int_equal(e.longest, SYMBOL_MAX);
    fec_enc_fini(&e, &pools);
    fec_enc_fini(&e, &pools);
}

/* ISA-L's vector loops are invisible to the sanitizers: let the MMU watch the end of the symbol. */
static void symbols_are_not_read_beyond_their_end(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct fec_enc e;

    (void)state;
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
    for (unsigned r = 1; r <= FEC_R_MAX; r++) {
        assert_int_equal(fec_enc_init(&e, 1, r), 0);
        for (uint32_t len = 2; len <= 400; len++) {
            assert_int_equal(fec_enc_add(&e, &pools, 0, map + page - len, len), 1);
            fec_enc_close(&e, &pools);
        }
    }
    munmap(map, 2 * page);
}

/* ---- decoder: what can be recovered is ---- */

/* Everything but the packets in `erased` arrives, in order. */
static void check_erasure(uint32_t erased)
{
    uint32_t sources = (uint32_t)all_of(&blk);
    bool hopeless = __builtin_popcount(erased) > (int)blk.r;
    struct fec_dec d;

    blk.got = 0;
    fec_dec_init(&d);
    for (unsigned x = 0; x < blk.k + blk.r; x++)
        if (!(erased >> x & 1))
            receive(&d, x, &blk, x);
    assert_int_equal(blk.got, hopeless ? sources & ~erased : sources);
    fec_dec_fini(&d, &pools);
}

static void every_erasure_of_small_blocks(void **state)
{
    (void)state;
    for (unsigned k = 1; k <= 6; k++) {
        for (unsigned r = 1; r <= 5; r++) {
            make_block(&blk, 0, k, k, r, 2, 100);
            for (uint32_t erased = 0; erased < 1u << (k + r); erased++)
                check_erasure(erased);
        }
    }
}

static void every_burst_up_to_r(void **state)
{
    (void)state;
    make_block(&blk, 0, 20, 20, 4, SYMBOL_MAX - 30, SYMBOL_MAX);
    for (unsigned burst = 1; burst <= 4; burst++)
        for (unsigned first = 0; first + burst <= 24; first++)
            check_erasure(((1u << burst) - 1) << first);
}

static void shuffle(unsigned *order, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        order[i] = i;
    for (unsigned i = n; i > 1; i--) {
        unsigned other = below(i), t = order[i - 1];

        order[i - 1] = order[other];
        order[other] = t;
    }
}

/* Any k packets in any order are enough, for any k, r and lengths; k - 1 never are. */
static void any_k_of_large_blocks(void **state)
{
    unsigned order[FEC_K_MAX + FEC_R_MAX];
    struct fec_dec d;

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        unsigned k = round == 0 ? FEC_K_MAX : 1 + below(FEC_K_MAX);
        unsigned r = round == 0 ? FEC_R_MAX : 1 + below(FEC_R_MAX);

        make_block(&blk, random64() >> 2, k, k, r, 2, round % 2 ? SYMBOL_MAX : 90);
        shuffle(order, k + r);
        fec_dec_init(&d);
        for (unsigned n = 0; n < k; n++) {
            assert_true(blk.got != all_of(&blk));
            receive(&d, n, &blk, order[n]);
        }
        assert_int_equal(blk.got, all_of(&blk));
        for (unsigned n = k; n < k + r; n++)
            assert_int_equal(receive(&d, n, &blk, order[n]),
                             order[n] < k ? FEC_DUPLICATE : FEC_USELESS);
        assert_int_equal(d.n_open, 0);
        fec_dec_fini(&d, &pools);
    }
}

/* A flushed block: its repairs say a k below the planned one, before or after its sources. */
static void partial_blocks(void **state)
{
    struct fec_dec d;

    (void)state;
    for (unsigned k = 1; k < 20; k++) {
        make_block(&blk, k, k, 20, 4, 2, 200);
        fec_dec_init(&d);
        for (unsigned x = k > 4 ? 4 : k; x < k + 4; x++)
            receive(&d, 0, &blk, x);
        assert_int_equal(blk.got, all_of(&blk));
        fec_dec_fini(&d, &pools);

        blk.got = 0;
        fec_dec_init(&d);
        for (unsigned x = k + 4; x > (k > 4 ? 4 : k); x--)
            receive(&d, 0, &blk, x - 1);
        assert_int_equal(blk.got, all_of(&blk));
        fec_dec_fini(&d, &pools);
    }
}

/* ---- decoder: nothing is read twice ---- */

static void duplicates_and_late_originals(void **state)
{
    struct fec_dec d;

    (void)state;
    make_block(&blk, 5, 4, 4, 2, 2, 200);
    fec_dec_init(&d);
    assert_int_equal(receive(&d, 1, &blk, 0), FEC_DELIVER);
    assert_int_equal(receive(&d, 2, &blk, 0), FEC_DUPLICATE);
    assert_int_equal(receive(&d, 3, &blk, 5), FEC_HELD);
    assert_int_equal(receive(&d, 4, &blk, 5), FEC_USELESS);
    assert_int_equal(fec_dec_oldest(&d), 3);
    assert_int_equal(receive(&d, 5, &blk, 3), FEC_DELIVER);
    assert_int_equal(receive(&d, 6, &blk, 4), FEC_HELD);
    assert_int_equal(blk.got, all_of(&blk));
    assert_int_equal(receive(&d, 7, &blk, 1), FEC_DUPLICATE);
    assert_int_equal(receive(&d, 7, &blk, 3), FEC_DUPLICATE);
    assert_int_equal(receive(&d, 7, &blk, 4), FEC_USELESS);

    for (uint64_t id = 6; id < 6 + FEC_HISTORY; id++) { /* until it is forgotten */
        assert_int_equal(receive(&d, 8, &blk, 2), FEC_DUPLICATE);
        blk.id = id;
        blk.got = 0;
        for (unsigned x = 0; x < 5; x++)
            receive(&d, 8, &blk, x);
        blk.id = 5;
    }
    assert_int_equal(receive(&d, 9, &blk, 2), FEC_LATE);
    assert_int_equal(receive(&d, 9, &blk, 4), FEC_LATE);
    assert_int_equal(d.n_open, 0);
    fec_dec_fini(&d, &pools);
}

static void expired_sources_may_come_late(void **state)
{
    struct fec_dec d;

    (void)state;
    make_block(&blk, 0, 6, 6, 2, 2, 200);
    fec_dec_init(&d);
    assert_int_equal(fec_dec_oldest(&d), UINT64_MAX);
    receive(&d, 100, &blk, 0);
    receive(&d, 110, &blk, 1);
    receive(&d, 120, &blk, 6);
    assert_int_equal(fec_dec_oldest(&d), 120);
    assert_int_equal(fec_dec_expire(&d, &pools, 150, 30), 0);
    assert_int_equal(d.n_open, 1);
    assert_int_equal(fec_dec_expire(&d, &pools, 151, 30), 4);
    assert_int_equal(fec_dec_expire(&d, &pools, 152, 30), 0);
    assert_int_equal(fec_dec_oldest(&d), UINT64_MAX);
    assert_int_equal(pools.symbols.used + pools.blocks.used, 0);
    assert_int_equal(receive(&d, 160, &blk, 2), FEC_DELIVER);
    assert_int_equal(receive(&d, 160, &blk, 2), FEC_DUPLICATE);
    assert_int_equal(receive(&d, 160, &blk, 1), FEC_DUPLICATE);
    assert_int_equal(receive(&d, 160, &blk, 7), FEC_USELESS);
    assert_int_equal(d.n_open, 0);
}

/* What was recovered stays readable whatever others do with the pools, until the next call. */
static void recovered_symbols_stay(void **state)
{
    struct fec_recovered out[FEC_R_MAX];
    void *scratch[64];
    struct fec_dec d;

    (void)state;
    limit_pools(64, 2);
    make_block(&blk, 0, 8, 8, 3, 100, 200);
    fec_dec_init(&d);
    for (unsigned x = 3; x < 11; x++)
        assert_int_equal(arrive(&d, 50, &blk, x), x < 8 ? FEC_DELIVER : FEC_HELD);
    assert_int_equal(fec_dec_recover(&d, &pools, 0, out), 3);
    assert_int_equal(pools.symbols.used, 3);
    for (unsigned i = 0; i < 61; i++)
        memset(scratch[i] = pool_get(&pools.symbols), 0x5a, SYMBOL_MAX);
    memset(scratch[61] = pool_get(&pools.blocks), 0x5a, fec_block_size());
    for (unsigned a = 0; a < 3; a++)
        assert_memory_equal(out[a].frames, blk.source[a] + 2, blk.len[a] - 2);
    for (unsigned i = 0; i < 61; i++)
        pool_put(&pools.symbols, scratch[i]);
    pool_put(&pools.blocks, scratch[61]);

    assert_int_equal(fec_dec_oldest(&d),
                     50); /* so that a timer returns them, if nothing else comes */
    assert_int_equal(fec_dec_expire(&d, &pools, 50, 1000), 0);
    assert_int_equal(fec_dec_oldest(&d), UINT64_MAX);
    assert_int_equal(pools.symbols.used + pools.blocks.used, 0);
}

/* ---- decoder: bad input ---- */

static enum fec_verdict repair(struct fec_dec *d, unsigned k, unsigned r, unsigned i, uint32_t len)
{
    return fec_dec_repair(d, &pools, 0, blk.id, k, r, i, blk.repair[0], len);
}

static void impossible_symbols(void **state)
{
    uint8_t symbol[SYMBOL_MAX + 1] = {0};
    struct fec_dec d;

    (void)state;
    make_block(&blk, 0, 4, 4, 2, 100, 100);
    fec_dec_init(&d);
    assert_int_equal(fec_dec_source(&d, &pools, 0, 0, FEC_K_MAX, symbol, 100), FEC_BAD);
    assert_int_equal(fec_dec_source(&d, &pools, 0, 0, 0, symbol, 1), FEC_BAD);
    assert_int_equal(fec_dec_source(&d, &pools, 0, 0, 0, symbol, SYMBOL_MAX + 1), FEC_BAD);
    assert_int_equal(repair(&d, 0, 2, 0, 100), FEC_BAD);
    assert_int_equal(repair(&d, FEC_K_MAX + 1, 2, 0, 100), FEC_BAD);
    assert_int_equal(repair(&d, 4, 0, 0, 100), FEC_BAD);
    assert_int_equal(repair(&d, 4, FEC_R_MAX + 1, 0, 100), FEC_BAD);
    assert_int_equal(repair(&d, 4, 2, 2, 100), FEC_BAD);
    assert_int_equal(repair(&d, 4, 2, 0, 1), FEC_BAD);
    assert_int_equal(repair(&d, 4, 2, 0, SYMBOL_MAX + 1), FEC_BAD);
    assert_int_equal(d.n_open, 0);
}

static void contradictions(void **state)
{
    uint8_t symbol[SYMBOL_MAX] = {0};
    struct fec_dec d;

    (void)state;
    make_block(&blk, 3, 4, 4, 2, 100, 100);
    fec_dec_init(&d);
    assert_int_equal(receive(&d, 0, &blk, 2), FEC_DELIVER);
    assert_int_equal(repair(&d, 2, 2, 0, 100), FEC_BAD); /* source 2 is there */
    assert_int_equal(repair(&d, 4, 2, 0, 99), FEC_BAD);  /* and is longer */
    assert_int_equal(receive(&d, 0, &blk, 4), FEC_HELD);
    assert_int_equal(repair(&d, 5, 2, 1, 100), FEC_BAD);
    assert_int_equal(repair(&d, 3, 2, 1, 100), FEC_BAD);
    assert_int_equal(repair(&d, 4, 3, 1, 100), FEC_BAD);
    assert_int_equal(repair(&d, 4, 2, 1, 101), FEC_BAD);
    assert_int_equal(repair(&d, 4, 2, 1, 99), FEC_BAD);
    assert_int_equal(fec_dec_source(&d, &pools, 0, 3, 4, symbol, 100), FEC_BAD);
    assert_int_equal(fec_dec_source(&d, &pools, 0, 3, 1, symbol, 101), FEC_BAD);
    assert_int_equal(receive(&d, 0, &blk, 5), FEC_HELD); /* none of it did harm */
    assert_int_equal(receive(&d, 0, &blk, 0), FEC_DELIVER);
    assert_int_equal(blk.got, all_of(&blk));
    assert_int_equal(fec_dec_source(&d, &pools, 0, 3, 4, symbol, 100), FEC_DUPLICATE);
    fec_dec_fini(&d, &pools);
}

static void length_field_beyond_the_symbol(void **state)
{
    struct fec_recovered out[FEC_R_MAX];
    const uint16_t field[3] = {48, 49, 0xffff}; /* in symbols of 50 bytes: 48 fit */
    uint8_t symbol[3][50] = {{0}};
    struct fec_enc e;
    struct fec_dec d;

    (void)state;
    assert_int_equal(fec_enc_init(&e, 3, 3), 0);
    for (unsigned j = 0; j < 3; j++) {
        be16_store(symbol[j], field[j]);
        fec_enc_add(&e, &pools, 0, symbol[j], 50);
    }
    fec_dec_init(&d);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(fec_dec_repair(&d, &pools, 0, 0, 3, 3, i, fec_enc_repair(&e, i), 50),
                         FEC_HELD);
    assert_int_equal(fec_dec_recover(&d, &pools, 0, out), 3);
    assert_non_null(out[0].frames);
    assert_int_equal(out[0].len, 48);
    for (unsigned a = 1; a < 3; a++) {
        assert_null(out[a].frames);
        assert_int_equal(out[a].len, 0);
        assert_int_equal(out[a].index, a);
    }
    fec_dec_fini(&d, &pools);
    fec_enc_fini(&e, &pools);
}

/* ---- decoder: caps ---- */

static void block_limit_closes_the_first_opened(void **state)
{
    struct fec_dec d;

    (void)state;
    make_block(&blk, 0, 5, 5, 2, 50, 50);
    fec_dec_init(&d);
    for (blk.id = 0; blk.id < FEC_BLOCKS; blk.id++) {
        blk.got = 0;
        receive(&d, 10 - blk.id, &blk, 0);
        receive(&d, 10 - blk.id, &blk, 5);
    }
    assert_int_equal(d.n_open, FEC_BLOCKS);
    assert_int_equal(fec_dec_oldest(&d), 10 - (FEC_BLOCKS - 1));
    receive(&d, 11, &blk, 1);
    assert_int_equal(d.n_open, FEC_BLOCKS);
    blk.id = 1; /* is still open */
    blk.got = 1;
    for (unsigned x = 1; x < 4; x++)
        receive(&d, 11, &blk, x);
    assert_int_equal(blk.got, all_of(&blk));
    blk.id = 0; /* is not, but known */
    blk.got = 1;
    assert_int_equal(receive(&d, 11, &blk, 0), FEC_DUPLICATE);
    assert_int_equal(receive(&d, 11, &blk, 6), FEC_USELESS);
    assert_int_equal(receive(&d, 11, &blk, 1), FEC_DELIVER);
    assert_int_equal(fec_dec_expire(&d, &pools, 0, 0), 4);
    fec_dec_fini(&d, &pools);
}

static void symbol_exhaustion_closes_the_first_opened(void **state)
{
    static struct block first;
    struct fec_dec d;

    (void)state;
    limit_pools(10, 4);
    make_block(&first, 0, 6, 6, 2, 50, 50);
    make_block(&blk, 1, 7, 7, 2, 50, 50);
    fec_dec_init(&d);
    for (unsigned x = 0; x < 4; x++)
        assert_int_equal(receive(&d, 0, &first, x), FEC_DELIVER);
    for (unsigned x = 0; x < 6; x++)
        assert_int_equal(receive(&d, 0, &blk, x), FEC_DELIVER);
    assert_int_equal(pools.symbols.used, 10);
    assert_int_equal(receive(&d, 0, &blk, 7), FEC_HELD); /* in the place of the first block */
    assert_int_equal(blk.got, all_of(&blk));
    assert_int_equal(receive(&d, 0, &first, 0), FEC_DUPLICATE);
    assert_int_equal(receive(&d, 0, &first, 4), FEC_DELIVER);
    assert_int_equal(receive(&d, 0, &first, 6), FEC_USELESS);
    fec_dec_fini(&d, &pools);

    limit_pools(3, 4); /* not enough for one block */
    blk.got = 0;
    fec_dec_init(&d);
    for (unsigned x = 0; x < 7; x++)
        assert_int_equal(receive(&d, 0, &blk, x), FEC_DELIVER);
    for (unsigned x = 0; x < 7; x++)
        assert_int_equal(receive(&d, 0, &blk, x), FEC_DUPLICATE);
    assert_int_equal(pools.symbols.used, 0);
}

/* Other sessions of the thread took everything: sources pass, once. */
static void nothing_left_for_this_decoder(void **state)
{
    struct fec_dec d;

    (void)state;
    for (unsigned without_blocks = 0; without_blocks < 2; without_blocks++) {
        struct pool *empty = without_blocks ? &pools.blocks : &pools.symbols;
        void *taken[2];

        limit_pools(without_blocks ? 16 : 2, without_blocks ? 2 : 16);
        make_block(&blk, 9, 4, 4, 1, 50, 50);
        fec_dec_init(&d);
        taken[0] = pool_get(empty);
        taken[1] = pool_get(empty);
        assert_int_equal(receive(&d, 0, &blk, 1), FEC_DELIVER);
        assert_int_equal(receive(&d, 0, &blk, 4), FEC_USELESS);
        assert_int_equal(receive(&d, 0, &blk, 0), FEC_DELIVER);
        assert_int_equal(receive(&d, 0, &blk, 1), FEC_DUPLICATE);
        blk.id = 10;
        blk.got = 0;
        assert_int_equal(receive(&d, 0, &blk, 4), FEC_USELESS);
        assert_int_equal(receive(&d, 0, &blk, 0), FEC_DELIVER);
        assert_int_equal(d.n_open, 0);
        pool_put(empty, taken[0]);
        pool_put(empty, taken[1]);
        assert_int_equal(pools.symbols.used + pools.blocks.used, 0);
    }
}

/* A peer that jumps to the last block id loses its own blocks, and costs no more than any other. */
static void block_ids_that_jump(void **state)
{
    const uint64_t last = (UINT64_C(1) << 62) - 1;
    struct fec_dec d;

    (void)state;
    make_block(&blk, 0, 2, 2, 1, 50, 50);
    fec_dec_init(&d);
    for (uint64_t n = 0; n <= FEC_HISTORY; n++) {
        blk.id = last - n;
        blk.got = 0;
        for (unsigned x = 1; x < 3; x++)
            receive(&d, 0, &blk, x);
        assert_int_equal(blk.got, 3);
    }
    assert_int_equal(d.floor, last + 1);
    blk.id = last - FEC_HISTORY - 1;
    assert_int_equal(receive(&d, 0, &blk, 0), FEC_LATE);
    assert_int_equal(receive(&d, 0, &blk, 2), FEC_LATE);
    assert_int_equal(d.n_open, 0);
    fec_dec_fini(&d, &pools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FEC_TEST(coefficients_are_cauchy),
        FEC_TEST(repairs_match_the_formula),
        FEC_TEST(nothing_leaks_into_the_next_block),
        FEC_TEST(encoder_checks_its_limits),
        FEC_TEST(symbols_are_not_read_beyond_their_end),
        FEC_TEST(every_erasure_of_small_blocks),
        FEC_TEST(every_burst_up_to_r),
        FEC_TEST(any_k_of_large_blocks),
        FEC_TEST(partial_blocks),
        FEC_TEST(duplicates_and_late_originals),
        FEC_TEST(expired_sources_may_come_late),
        FEC_TEST(recovered_symbols_stay),
        FEC_TEST(impossible_symbols),
        FEC_TEST(contradictions),
        FEC_TEST(length_field_beyond_the_symbol),
        FEC_TEST(block_limit_closes_the_first_opened),
        FEC_TEST(symbol_exhaustion_closes_the_first_opened),
        FEC_TEST(nothing_left_for_this_decoder),
        FEC_TEST(block_ids_that_jump),
    };

    fixture_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
