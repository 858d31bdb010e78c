#include "binomial.h"
#include "fec_fixture.h"

static void noise_stays_within_the_caps(void **state)
{
    struct fec_recovered out[FEC_R_MAX];
    uint8_t symbol[SYMBOL_MAX];
    struct fec_dec d;

    (void)state;
    fill(symbol, SYMBOL_MAX);
    fec_dec_init(&d);
    for (unsigned round = 0; round < 200000; round++) {
        uint64_t id = round % 1000 < 500 ? below(20) + round / 100 : random64() >> below(64);
        unsigned k = 1 + below(6), r = 1 + below(6), index = below(8);
        uint32_t len = 200 + below(2);
        enum fec_verdict v = below(2)
                                 ? fec_dec_source(&d, &pools, round, id, index, symbol, len)
                                 : fec_dec_repair(&d, &pools, round, id, k, r, index, symbol, len);

        if (v == FEC_DELIVER || v == FEC_HELD) {
            unsigned n = fec_dec_recover(&d, &pools, id, out);

            for (unsigned a = 0; a < n; a++)
                assert_true(out[a].frames == NULL || out[a].len <= 199);
        }
        if (below(500) == 0)
            fec_dec_expire(&d, &pools, round, 100);
        if (below(5000) == 0) { /* a new session: or the floor is soon too high for all */
            fec_dec_fini(&d, &pools);
            fec_dec_init(&d);
        }
        assert_in_range(d.n_open, 0, FEC_BLOCKS);
        assert_in_range(pools.blocks.used, 0, FEC_BLOCKS + 1);
        assert_in_range(pools.symbols.used, 0, FEC_BLOCKS * (FEC_K_MAX + FEC_R_MAX) + FEC_R_MAX);
    }
    fec_dec_fini(&d, &pools);
}

/* ---- a lossy, reordering, duplicating path against a model that forgets nothing ---- */

enum { MODEL_BLOCKS = 40 };

struct packet {
    uint32_t at; /* arrival order */
    uint8_t b, x;
};

static int by_arrival(const void *a, const void *b)
{
    const struct packet *p = a, *q = b;

    return (p->at > q->at) - (p->at < q->at);
}

/* Send all blocks: each packet lost with probability `loss`, some of them twice, each up to
 * `reorder` places late. Counts what arrives of each block. */
static unsigned model_send(const struct block *blocks, double loss, unsigned reorder,
                           struct packet *packets, unsigned *arrivals)
{
    unsigned n = 0, at = 0;

    for (unsigned b = 0; b < MODEL_BLOCKS; b++) {
        arrivals[b] = 0;
        for (unsigned x = 0; x < blocks[b].k + blocks[b].r; x++, at++) {
            unsigned copies = happens(loss) ? 0 : 1 + (below(20) == 0);

            arrivals[b] += copies > 0;
            for (; copies > 0; copies--)
                packets[n++] = (struct packet){at + below(reorder + 1), (uint8_t)b, (uint8_t)x};
        }
    }
    qsort(packets, n, sizeof(*packets), by_arrival);
    return n;
}

static void model_receive(struct fec_dec *d, uint64_t now, struct block *b, unsigned x)
{
    bool known = b->got >> x & 1; /* of sources only */
    enum fec_verdict v = receive(d, now, b, x);

    if (v == FEC_LATE)
        assert_true(b->id < d->floor);
    else if (x < b->k)
        assert_int_equal(v, known ? FEC_DUPLICATE : FEC_DELIVER);
    else
        assert_true(v == FEC_HELD || v == FEC_USELESS);
}

/* With `scarce` pools that others use too, only what must not happen is checked; otherwise also
 * that every block of which k packets came is complete. */
static void model_round(struct block *blocks, bool scarce)
{
    static struct packet packets[2 * MODEL_BLOCKS * (20 + 4)];
    unsigned arrivals[MODEL_BLOCKS], n;
    void *taken[8] = {0};
    uint64_t id = below(1000);
    struct fec_dec d;

    for (unsigned b = 0; b < MODEL_BLOCKS; b++) {
        make_block(&blocks[b], id, 8 + below(13), 20, 1 + below(4), 2, 80);
        id += scarce && below(20) == 0 ? random64() >> 30 : 1;
    }
    n = model_send(blocks, below(25) / 100.0, scarce ? below(400) : below(20), packets, arrivals);
    fec_dec_init(&d);
    for (unsigned p = 0; p < n; p++) {
        model_receive(&d, p, &blocks[packets[p].b], packets[p].x);
        assert_in_range(d.n_open, 0, FEC_BLOCKS);
        if (scarce && below(50) == 0)
            fec_dec_expire(&d, &pools, p, 60);
        if (scarce && below(10) == 0) {
            unsigned i = below(8);
            struct pool *pool = i < 6 ? &pools.symbols : &pools.blocks;

            if (taken[i] != NULL)
                pool_put(pool, taken[i]);
            taken[i] = taken[i] == NULL ? pool_get(pool) : NULL;
        }
    }
    for (unsigned i = 0; i < 8; i++)
        if (taken[i] != NULL)
            pool_put(i < 6 ? &pools.symbols : &pools.blocks, taken[i]);
    fec_dec_fini(&d, &pools);
    assert_int_equal(pools.symbols.used + pools.blocks.used, 0);
    for (unsigned b = 0; b < MODEL_BLOCKS && !scarce; b++)
        if (arrivals[b] >= blocks[b].k)
            assert_int_equal(blocks[b].got, all_of(&blocks[b]));
}

static void model(void **state)
{
    struct block *blocks = calloc(MODEL_BLOCKS, sizeof(*blocks));

    (void)state;
    assert_non_null(blocks);
    for (unsigned round = 0; round < 100; round++) {
        limit_pools(ROOMY, ROOMY);
        model_round(blocks, false);
        limit_pools(10 + below(100), 3 + below(8));
        model_round(blocks, true);
    }
    free(blocks);
}

/* ---- how much is delivered under random loss ---- */

static void prediction_agrees_with_itself(void **state)
{
    struct distribution one = fec_block_loss(20, 4, 0.1), many = fec_total_loss(20, 4, 0.1, 1000);
    double mean = 0, weight = 0, mean_many = 0;

    (void)state;
    for (size_t i = 0; i < one.n; i++) {
        mean += (double)(one.low + i) * one.p[i];
        weight += one.p[i];
    }
    for (size_t i = 0; i < many.n; i++)
        mean_many += (double)(many.low + i) * many.p[i];
    /* a source stays lost if it is lost and at least r of the 23 others are */
    assert_float_equal(mean, 20 * 0.1 * binomial_tail(23, 4, 0.1), 1e-9);
    assert_float_equal(weight, 1, 1e-9);
    assert_float_equal(mean_many, 1000 * mean, 1e-6);
    free(one.p);
    free(many.p);
}

static void delivered_fraction_is_binomial(void **state)
{
    enum { K = 20, R = 4, BLOCKS = 20000 };
    const double losses[] = {0.01, 0.05, 0.10};

    (void)state;
    make_block(&blk, 0, K, K, R, 12, 20);
    for (unsigned i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        double p = losses[i], expected = 1 - p * binomial_tail(K + R - 1, R, p);
        size_t lost = 0, low, high;
        struct fec_dec d;

        fec_dec_init(&d);
        for (blk.id = 0; blk.id < BLOCKS; blk.id++) {
            blk.got = 0;
            for (unsigned x = 0; x < K + R; x++)
                if (!happens(p))
                    receive(&d, blk.id, &blk, x);
            lost += (size_t)__builtin_popcountll(all_of(&blk) & ~blk.got);
        }
        fec_dec_fini(&d, &pools);
        fec_loss_interval(K, R, p, BLOCKS, 0.99, &low, &high);
        print_message("loss %.0f %%: delivered %.6f, expected %.6f, 99 %% within [%.6f, %.6f]\n",
                      100 * p, 1 - (double)lost / (K * BLOCKS), expected,
                      1 - (double)high / (K * BLOCKS), 1 - (double)low / (K * BLOCKS));
        assert_in_range(lost, low, high);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FEC_TEST(noise_stays_within_the_caps),
        FEC_TEST(model),
        FEC_TEST(prediction_agrees_with_itself),
        FEC_TEST(delivered_fraction_is_binomial),
    };

    fixture_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
