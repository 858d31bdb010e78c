#include "fec_fixture.h"

#include <errno.h>

#include "rlc.h"
#include "varint.h"

/* ---- the code once more, as slow and obvious as can be ---- */

static uint8_t slow_mul(unsigned a, unsigned b)
{
    unsigned product = 0;

    for (; b != 0; b >>= 1, a = a << 1 ^ (a & 0x80 ? 0x11d : 0))
        if (b & 1)
            product ^= a;
    return (uint8_t)product;
}

static uint8_t slow_inverse(uint8_t a)
{
    unsigned c = 1;

    while (slow_mul(a, c) != 1)
        c++;
    return (uint8_t)c;
}

enum { STREAM = 100 }; /* less than RLC_SPAN: nothing is too old */

/* A sender's sources and the repairs it made. */
static struct {
    unsigned n, repairs;
    uint32_t len[STREAM];
    uint8_t source[STREAM][SYMBOL_MAX];
    struct rlc_repair repair[STREAM];
    _Alignas(64) uint8_t symbol[STREAM][(SYMBOL_MAX + 63) / 64 * 64];
    unsigned after[STREAM]; /* the source that repair i follows */
    bool got[STREAM];       /* the receiver has read it */
} tx;

static void make_stream(unsigned n, unsigned window, unsigned ratio, uint32_t min, uint32_t max)
{
    struct rlc_enc e;

    rlc_enc_init(&e);
    assert_int_equal(rlc_enc_set(&e, window, ratio), 0);
    tx.n = n;
    tx.repairs = 0;
    memset(tx.got, 0, sizeof(tx.got));
    for (unsigned i = 0; i < n; i++) {
        int due;

        tx.len[i] = min + below(max - min + 1);
        fill(tx.source[i], tx.len[i]);
        due = rlc_enc_add(&e, &pools, tx.source[i], tx.len[i]);
        assert_true(due >= 0);
        if (due == 0)
            continue;
        tx.after[tx.repairs] = i;
        rlc_enc_repair(&e, tx.symbol[tx.repairs], &tx.repair[tx.repairs]);
        tx.repairs++;
    }
    rlc_enc_fini(&e, &pools);
    assert_int_equal(pools.symbols.used, 0);
}

static unsigned recover_all(struct rlc_dec *d)
{
    struct rlc_recovered out[RLC_ROWS];
    unsigned n = rlc_dec_recover(d, out);

    for (unsigned a = 0; a < n; a++) {
        uint64_t id = out[a].id;

        assert_true(a == 0 || id > out[a - 1].id);
        assert_int_equal(out[a].len, tx.len[id] - 2);
        assert_memory_equal(out[a].frames, tx.source[id] + 2, out[a].len);
        assert_false(tx.got[id]);
        tx.got[id] = true;
    }
    return n;
}

static enum rlc_verdict take_source(struct rlc_dec *d, unsigned id)
{
    enum rlc_verdict v = rlc_dec_source(d, &pools, id, tx.source[id], tx.len[id]);

    assert_int_equal(v, tx.got[id] ? RLC_DUPLICATE : RLC_DELIVER);
    tx.got[id] = true;
    recover_all(d);
    return v;
}

static enum rlc_verdict take_repair(struct rlc_dec *d, unsigned i)
{
    enum rlc_verdict v = rlc_dec_repair(d, &pools, &tx.repair[i]);

    assert_true(v == RLC_HELD || v == RLC_USELESS);
    recover_all(d);
    return v;
}

static struct rlc_dec dec;

/* ---- encoder ---- */

static void coefficients_are_as_written(void **state)
{
    static const struct {
        uint16_t seed;
        uint64_t id;
        uint8_t c;
    } known[] = {
        {0, 0, 0x01},           {0, 1, 0x44},           {1, 0, 0x4c}, {1, 1, 0xfc},
        {0xffff, 0xffff, 0x9d}, {0x1234, 0x5678, 0x91}, {7, 7, 0x68}, {7, 0x10007, 0x68},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_int_equal(rlc_coefficient(known[i].seed, known[i].id), known[i].c);
    for (unsigned i = 0; i < 1 << 16; i++)
        assert_int_not_equal(rlc_coefficient((uint16_t)random64(), random64()), 0);
}

static void repairs_are_as_written(void **state)
{
    static const uint8_t source[3][5] = {{0, 3, 1, 2, 3}, {0, 1, 0xff}, {0, 0}};
    static const uint8_t expected[2][5] = {
        {0x00, 0x47, 0xeb, 0x02, 0x03},
        {0x00, 0x28, 0xb2, 0x98, 0xd4},
    };
    static const uint32_t len[3] = {5, 3, 2};
    _Alignas(64) uint8_t out[64];
    struct rlc_repair r;
    struct rlc_enc e;

    (void)state;
    rlc_enc_init(&e);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rlc_enc_add(&e, &pools, source[i], len[i]), 0);
    assert_int_equal(e.unrepaired, 3);
    for (unsigned i = 0; i < 2; i++) {
        rlc_enc_repair(&e, out, &r);
        assert_int_equal(r.first, 0);
        assert_int_equal(r.n, 3);
        assert_int_equal(r.seed, i);
        assert_int_equal(r.len, 5);
        assert_memory_equal(r.symbol, expected[i], 5);
    }
    assert_int_equal(e.unrepaired, 0);
    rlc_enc_fini(&e, &pools);
}

static void repairs_match_the_formula(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        unsigned window = 1 + below(RLC_WINDOW_MAX);

        make_stream(STREAM, window, 1 + below(RLC_RATIO_ONE), 2,
                    round % 3 == 0   ? 70
                    : round % 3 == 1 ? 300
                                     : SYMBOL_MAX);
        for (unsigned i = 0; i < tx.repairs; i++) {
            const struct rlc_repair *r = &tx.repair[i];
            uint8_t expected[SYMBOL_MAX] = {0};
            uint32_t longest = 0;

            assert_int_equal(r->first + r->n, tx.after[i] + 1);
            assert_int_equal(r->n, tx.after[i] < window ? tx.after[i] + 1 : window);
            for (uint64_t id = r->first; id < r->first + r->n; id++) {
                uint8_t c = rlc_coefficient(r->seed, id);

                longest = tx.len[id] > longest ? tx.len[id] : longest;
                for (uint32_t at = 0; at < tx.len[id]; at++)
                    expected[at] ^= slow_mul(c, tx.source[id][at]);
            }
            assert_int_equal(r->len, longest);
            assert_memory_equal(r->symbol, expected, longest);
        }
    }
}

static void repairs_come_at_the_ratio(void **state)
{
    (void)state;
    for (unsigned ratio = 0; ratio <= RLC_RATIO_ONE; ratio += 16) {
        make_stream(STREAM, 8, ratio, 2, 10);
        assert_int_equal(tx.repairs, STREAM * ratio / RLC_RATIO_ONE);
    }
}

static void encoder_checks_its_limits(void **state)
{
    uint8_t symbol[SYMBOL_MAX + 1] = {0};
    struct rlc_enc e;

    (void)state;
    limit_pools(4, 1);
    rlc_enc_init(&e);
    assert_int_equal(rlc_enc_set(&e, 0, 1), -EINVAL);
    assert_int_equal(rlc_enc_set(&e, RLC_WINDOW_MAX + 1, 1), -EINVAL);
    assert_int_equal(rlc_enc_set(&e, 8, RLC_RATIO_ONE + 1), -EINVAL);
    assert_int_equal(rlc_enc_set(&e, 8, RLC_RATIO_ONE), 0);
    assert_int_equal(rlc_enc_add(&e, &pools, symbol, SYMBOL_MAX + 1), -EMSGSIZE);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(rlc_enc_add(&e, &pools, symbol, SYMBOL_MAX), 1);
    assert_int_equal(rlc_enc_add(&e, &pools, symbol, 2), -ENOBUFS);
    assert_int_equal(e.next, 4);
    rlc_enc_forget(&e, &pools, 3); /* acknowledged */
    assert_int_equal(pools.symbols.used, 1);
    assert_int_equal(rlc_enc_add(&e, &pools, symbol, 2), 1);
    assert_int_equal(rlc_enc_set(&e, 1, 0), 0);
    assert_int_equal(rlc_enc_add(&e, &pools, symbol, 2), 0);
    assert_int_equal(pools.symbols.used, 1);
    rlc_enc_forget(&e, &pools, 1000); /* no more than there are */
    assert_int_equal(e.first, 6);
    assert_int_equal(e.unrepaired, 0);
    rlc_enc_fini(&e, &pools);
    assert_int_equal(pools.symbols.used, 0);
}

/* ---- decoder: what is determined is delivered, at once ---- */

static void a_lost_source_comes_with_the_next_repair(void **state)
{
    (void)state;
    make_stream(40, 16, RLC_RATIO_ONE / 4, 2, SYMBOL_MAX);
    rlc_dec_init(&dec);
    for (unsigned i = 0, next = 0; i < tx.n; i++) {
        if (i % 8 != 3) /* a loss, and two repairs a while later */
            take_source(&dec, i);
        for (; next < tx.repairs && tx.after[next] == i; next++) {
            take_repair(&dec, next);
            for (unsigned id = 0; id <= i; id++)
                assert_true(tx.got[id]);
        }
    }
    assert_int_equal(dec.rows, 0);
    rlc_dec_release(&dec, &pools);
    assert_int_equal(pools.symbols.used, 0);
}

static void a_clean_path_costs_no_rows(void **state)
{
    (void)state;
    make_stream(STREAM, 16, RLC_RATIO_ONE / 4, 2, 200);
    rlc_dec_init(&dec);
    for (unsigned i = 0, next = 0; i < tx.n; i++) {
        assert_int_equal(take_source(&dec, i), RLC_DELIVER);
        for (; next < tx.repairs && tx.after[next] == i; next++)
            assert_int_equal(take_repair(&dec, next), RLC_USELESS);
        assert_in_range(pools.symbols.used, 0, 16 + 8); /* copies no repair needs are gone */
    }
    assert_int_equal(dec.lost, 0);
    rlc_dec_release(&dec, &pools);
}

static void bursts_take_as_many_repairs(void **state)
{
    (void)state;
    for (unsigned burst = 1; burst <= 16; burst++) {
        unsigned held = 0;

        make_stream(64, 64, RLC_RATIO_ONE / 2, 60, 70);
        rlc_dec_init(&dec);
        for (unsigned i = 0, next = 0; i < tx.n; i++) {
            if (i < 10 || i >= 10 + burst)
                take_source(&dec, i);
            for (; next < tx.repairs && tx.after[next] == i; next++)
                if (i >= 10 + burst)
                    held += take_repair(&dec, next) == RLC_HELD;
        }
        assert_in_range(held, burst, burst + 1); /* random rows: one may say nothing new */
        for (unsigned id = 0; id < tx.n; id++)
            assert_true(tx.got[id]);
        rlc_dec_release(&dec, &pools);
    }
}

static void an_overtaken_repair_still_helps(void **state)
{
    (void)state;
    make_stream(28, 16, RLC_RATIO_ONE / 4, 2, 100); /* repair i after source 4i + 3 */
    rlc_dec_init(&dec);
    for (unsigned i = 0; i < tx.n; i++) {
        if (i != 20 && i != 21)
            take_source(&dec, i);
        if (i % 4 == 3 && i < 23)
            take_repair(&dec, i / 4);
    }
    assert_int_equal(take_repair(&dec, 6), RLC_HELD);
    assert_int_equal(take_repair(&dec, 5), RLC_HELD);
    assert_true(tx.got[20] && tx.got[21]);
    rlc_dec_release(&dec, &pools);
}

static void late_originals_are_duplicates_or_help(void **state)
{
    (void)state;
    make_stream(20, 20, RLC_RATIO_ONE / 5 + 1, 2, 300); /* repairs after 4, 9, 14, 19 */
    rlc_dec_init(&dec);
    for (unsigned i = 0; i < 10; i++)
        if (i != 2 && i != 3 && i != 7)
            take_source(&dec, i);
    assert_int_equal(take_repair(&dec, 0), RLC_HELD);
    assert_int_equal(take_repair(&dec, 1), RLC_HELD);
    assert_false(tx.got[2] || tx.got[3] || tx.got[7]);
    take_source(&dec, 3); /* the pivot of neither or of one row: the rest follows */
    assert_true(tx.got[2] && tx.got[7]);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(take_source(&dec, i), RLC_DUPLICATE);
    rlc_dec_release(&dec, &pools);
}

static void sources_too_old_are_told_apart(void **state)
{
    uint8_t symbol[2] = {0};

    (void)state;
    rlc_dec_init(&dec);
    assert_int_equal(rlc_dec_source(&dec, &pools, 5000, symbol, 2), RLC_DELIVER);
    assert_int_equal(dec.lost, RLC_HISTORY - RLC_SPAN); /* as far as it looks back */
    assert_int_equal(rlc_dec_source(&dec, &pools, 5001 - RLC_HISTORY, symbol, 2), RLC_DELIVER);
    assert_int_equal(rlc_dec_source(&dec, &pools, 5001 - RLC_HISTORY, symbol, 2), RLC_DUPLICATE);
    assert_int_equal(rlc_dec_source(&dec, &pools, 5000 - RLC_HISTORY, symbol, 2), RLC_LATE);
    assert_int_equal(pools.symbols.used, 1); /* of old ones no copy is taken */
    assert_int_equal(rlc_dec_source(&dec, &pools, 5000 + RLC_SPAN, symbol, 2), RLC_DELIVER);
    dec.lost = 0; /* 5001 and on may still come */
    assert_int_equal(rlc_dec_source(&dec, &pools, 5001 + RLC_SPAN, symbol, 2), RLC_DELIVER);
    assert_int_equal(dec.lost, 1);
    assert_int_equal(rlc_dec_source(&dec, &pools, 5001, symbol, 2), RLC_DELIVER);
    rlc_dec_release(&dec, &pools);
    assert_int_equal(rlc_dec_source(&dec, &pools, 5001, symbol, 2), RLC_DUPLICATE);
    rlc_dec_release(&dec, &pools);
}

/* ---- decoder: a peer that lies ---- */

static void impossible_repairs(void **state)
{
    uint8_t symbol[SYMBOL_MAX + 1] = {0};
    struct rlc_repair r = {.first = 0, .n = 4, .symbol = symbol, .len = 10};

    (void)state;
    rlc_dec_init(&dec);
    r.n = 0;
    assert_int_equal(rlc_dec_repair(&dec, &pools, &r), RLC_BAD);
    r.n = RLC_WINDOW_MAX + 1;
    assert_int_equal(rlc_dec_repair(&dec, &pools, &r), RLC_BAD);
    r.n = 4;
    r.len = 1;
    assert_int_equal(rlc_dec_repair(&dec, &pools, &r), RLC_BAD);
    r.len = SYMBOL_MAX + 1;
    assert_int_equal(rlc_dec_repair(&dec, &pools, &r), RLC_BAD);
    r.len = 10;
    r.first = VARINT_MAX;
    assert_int_equal(rlc_dec_repair(&dec, &pools, &r), RLC_BAD);
    assert_int_equal(rlc_dec_source(&dec, &pools, VARINT_MAX + 1, symbol, 10), RLC_BAD);
    assert_int_equal(rlc_dec_source(&dec, &pools, 0, symbol, 1), RLC_BAD);
    assert_int_equal(rlc_dec_source(&dec, &pools, 0, symbol, SYMBOL_MAX + 1), RLC_BAD);
    assert_int_equal(dec.end, 0);
    assert_int_equal(rlc_dec_source(&dec, &pools, 0, symbol, 11), RLC_DELIVER);
    r.first = 0; /* shorter than a source of its window */
    assert_int_equal(rlc_dec_repair(&dec, &pools, &r), RLC_BAD);
    rlc_dec_release(&dec, &pools);
}

static void length_field_beyond_the_symbol(void **state)
{
    uint8_t symbol[10] = {0xff, 0xff};
    struct rlc_repair r = {.first = 0, .n = 1, .symbol = symbol, .len = 10};
    struct rlc_recovered out[RLC_ROWS];

    (void)state;
    rlc_dec_init(&dec);
    assert_int_equal(rlc_dec_repair(&dec, &pools, &r), RLC_HELD);
    assert_int_equal(rlc_dec_recover(&dec, out), 1);
    assert_null(out[0].frames);
    assert_int_equal(out[0].len, 0);
    rlc_dec_release(&dec, &pools);
}

static void rows_are_capped(void **state)
{
    uint8_t symbol[64] = {0};
    struct rlc_repair r = {.first = 0, .n = 64, .symbol = symbol, .len = 64};
    struct rlc_recovered out[RLC_ROWS];

    (void)state;
    rlc_dec_init(&dec);
    for (unsigned i = 0; i < 64; i++, r.seed++)
        assert_int_equal(rlc_dec_repair(&dec, &pools, &r), i < RLC_ROWS ? RLC_HELD : RLC_USELESS);
    assert_int_equal(pools.symbols.used, RLC_ROWS);
    assert_int_equal(rlc_dec_recover(&dec, out), 0);
    for (unsigned i = 0; i < 32; i++) /* now there are as many unknowns as rows */
        assert_int_equal(rlc_dec_source(&dec, &pools, i, symbol, 64), RLC_DELIVER);
    assert_in_range(rlc_dec_recover(&dec, out), 32, 32);
    assert_int_equal(dec.rows, 0);
    rlc_dec_release(&dec, &pools);
}

static void no_buffers_no_harm(void **state)
{
    (void)state;
    make_stream(40, 16, RLC_RATIO_ONE / 4, 2, 200);
    limit_pools(3, 1);
    rlc_dec_init(&dec);
    for (unsigned i = 0, next = 0; i < tx.n; i++) {
        if (i % 8 != 3)
            assert_int_equal(take_source(&dec, i), RLC_DELIVER);
        for (; next < tx.repairs && tx.after[next] == i; next++)
            take_repair(&dec, next);
    }
    rlc_dec_release(&dec, &pools);
}

static void noise_stays_within_the_caps(void **state)
{
    struct rlc_recovered out[RLC_ROWS];
    uint8_t symbol[SYMBOL_MAX];

    (void)state;
    limit_pools(150, 1);
    fill(symbol, SYMBOL_MAX);
    rlc_dec_init(&dec);
    for (unsigned round = 0; round < 100000; round++) {
        uint64_t near = round / 10 + below(200), id = below(2000) ? near : random64() >> below(64);
        struct rlc_repair r = {id, (uint8_t)below(70), (uint16_t)random64(), symbol,
                               below(20) ? 100 + below(2) : below(SYMBOL_MAX + 9)};

        if (below(2))
            rlc_dec_source(&dec, &pools, id, symbol, 100 + below(2));
        else
            rlc_dec_repair(&dec, &pools, &r);
        for (unsigned n = rlc_dec_recover(&dec, out); n > 0; n--)
            assert_true(out[n - 1].frames == NULL || out[n - 1].len <= SYMBOL_MAX - 2);
        if (below(5000) == 0) { /* a new session: or all ids are soon too old */
            rlc_dec_release(&dec, &pools);
            assert_int_equal(pools.symbols.used, 0);
            rlc_dec_init(&dec);
        }
        assert_in_range(dec.rows, 0, RLC_ROWS);
        assert_in_range(pools.symbols.used, 0, RLC_SPAN + RLC_ROWS);
    }
    rlc_dec_release(&dec, &pools);
}

/* ---- a lossy, reordering, duplicating path against elimination of all that arrived ---- */

enum { MODEL = 56 }; /* sources */

struct model {
    uint8_t row[2 * MODEL][MODEL];
    unsigned rows;
};

static void model_add(struct model *m, const struct rlc_repair *r)
{
    memset(m->row[m->rows], 0, MODEL);
    for (uint64_t id = r->first; id < r->first + r->n; id++)
        m->row[m->rows][id] = rlc_coefficient(r->seed, id);
    m->rows++;
}

/* Full elimination: the rows are left reduced. */
static void model_solve(struct model *m)
{
    unsigned rank = 0;

    for (unsigned column = 0; column < MODEL && rank < m->rows; column++) {
        unsigned pivot = rank;
        uint8_t t[MODEL], scale;

        while (pivot < m->rows && m->row[pivot][column] == 0)
            pivot++;
        if (pivot == m->rows)
            continue;
        memcpy(t, m->row[pivot], MODEL);
        memcpy(m->row[pivot], m->row[rank], MODEL);
        scale = slow_inverse(t[column]);
        for (unsigned i = 0; i < MODEL; i++)
            m->row[rank][i] = slow_mul(t[i], scale);
        for (unsigned i = 0; i < m->rows; i++) {
            uint8_t factor = m->row[i][column];

            for (unsigned j = 0; i != rank && factor != 0 && j < MODEL; j++)
                m->row[i][j] ^= slow_mul(factor, m->row[rank][j]);
        }
        rank++;
    }
    m->rows = rank;
}

/* What is determined is exactly what the receiver has. */
static void model_check(const struct model *m)
{
    bool determined[MODEL] = {false};

    for (unsigned i = 0; i < m->rows; i++) {
        unsigned n = 0, last = 0;

        for (unsigned j = 0; j < MODEL; j++)
            if (m->row[i][j] != 0) {
                n++;
                last = j;
            }
        if (n == 1)
            determined[last] = true;
    }
    assert_memory_equal(determined, tx.got, sizeof(determined));
}

struct packet {
    uint32_t at;
    uint8_t x; /* source x, or repair x - MODEL */
};

static int by_arrival(const void *a, const void *b)
{
    const struct packet *p = a, *q = b;

    return p->at != q->at ? (p->at > q->at) - (p->at < q->at) : (p->x > q->x) - (p->x < q->x);
}

/* Sources come up to `reorder` places late. */
static unsigned model_send(double loss, unsigned reorder, struct packet *packets)
{
    unsigned n = 0;

    for (unsigned i = 0, next = 0, at = 0; i < MODEL; i++) {
        for (unsigned copies = happens(loss) ? 0 : 1 + (below(20) == 0); copies > 0; copies--)
            packets[n++] = (struct packet){at + below(reorder + 1), (uint8_t)i};
        at++;
        for (; next < tx.repairs && tx.after[next] == i; next++, at++)
            if (!happens(loss))
                packets[n++] = (struct packet){at, (uint8_t)(MODEL + next)};
    }
    qsort(packets, n, sizeof(*packets), by_arrival);
    return n;
}

static void model(void **state)
{
    static struct packet packets[3 * MODEL];
    static struct model m;

    (void)state;
    for (unsigned round = 0; round < 150; round++) {
        unsigned n;

        make_stream(MODEL, 1 + below(RLC_WINDOW_MAX), 32 + below(150), 2, 80);
        n = model_send(below(40) / 100.0, round % 2 ? below(20) : 0, packets);
        m.rows = 0;
        rlc_dec_init(&dec);
        for (unsigned p = 0; p < n; p++) {
            unsigned x = packets[p].x;

            if (x < MODEL) {
                take_source(&dec, x);
                memset(m.row[m.rows], 0, MODEL);
                m.row[m.rows++][x] = 1;
            } else {
                take_repair(&dec, x - MODEL);
                model_add(&m, &tx.repair[x - MODEL]);
            }
            model_solve(&m);
            model_check(&m);
        }
        rlc_dec_release(&dec, &pools);
        assert_int_equal(pools.symbols.used, 0);
    }
}

/* ---- how much is delivered under random loss ---- */

/* 10 % lost, 33 % overhead: at least 99.99 % delivered, and what is recovered is so within a window
 * of sources. */
static void one_in_ten_lost(void **state)
{
    enum { SOURCES = 200000, WINDOW = 64 };
    static uint8_t symbol[WINDOW * 4][24];
    _Alignas(64) uint8_t out[64];
    struct rlc_recovered r[RLC_ROWS];
    unsigned repairs = 0, lost, latest = 0;
    struct rlc_enc e;

    (void)state;
    rlc_enc_init(&e);
    assert_int_equal(rlc_enc_set(&e, WINDOW, RLC_RATIO_ONE / 3), 0);
    rlc_dec_init(&dec);
    for (uint64_t i = 0; i < SOURCES; i++) {
        uint8_t *s = symbol[i % (WINDOW * 4)];
        struct rlc_repair repair;
        int due;

        fill(s, 24);
        if (!happens(0.1))
            rlc_dec_source(&dec, &pools, i, s, 24);
        due = rlc_enc_add(&e, &pools, s, 24);
        if (due) {
            rlc_enc_repair(&e, out, &repair);
            repairs++;
            if (!happens(0.1))
                rlc_dec_repair(&dec, &pools, &repair);
        }
        for (unsigned n = rlc_dec_recover(&dec, r); n > 0; n--) {
            assert_memory_equal(r[n - 1].frames, symbol[r[n - 1].id % (WINDOW * 4)] + 2, 22);
            if (i - r[n - 1].id > latest)
                latest = (unsigned)(i - r[n - 1].id);
        }
    }
    lost = dec.lost;
    print_message("10 %% loss, %.1f %% overhead: delivered %.6f, at most %u sources late\n",
                  100.0 * repairs / SOURCES, 1 - (double)lost / SOURCES, latest);
    assert_in_range(repairs, 0, SOURCES * 4 / 10);
    assert_in_range(lost, 0, SOURCES / 10000);
    assert_in_range(latest, 0, RLC_SPAN);
    rlc_dec_release(&dec, &pools);
    rlc_enc_fini(&e, &pools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FEC_TEST(coefficients_are_as_written),
        FEC_TEST(repairs_are_as_written),
        FEC_TEST(repairs_match_the_formula),
        FEC_TEST(repairs_come_at_the_ratio),
        FEC_TEST(encoder_checks_its_limits),
        FEC_TEST(a_lost_source_comes_with_the_next_repair),
        FEC_TEST(a_clean_path_costs_no_rows),
        FEC_TEST(bursts_take_as_many_repairs),
        FEC_TEST(an_overtaken_repair_still_helps),
        FEC_TEST(late_originals_are_duplicates_or_help),
        FEC_TEST(sources_too_old_are_told_apart),
        FEC_TEST(impossible_repairs),
        FEC_TEST(length_field_beyond_the_symbol),
        FEC_TEST(rows_are_capped),
        FEC_TEST(no_buffers_no_harm),
        FEC_TEST(noise_stays_within_the_caps),
        FEC_TEST(model),
        FEC_TEST(one_in_ten_lost),
    };

    fixture_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
