/* A block is open while sources of it are missing, or may be. What stays of a closed one is which
 * of its sources were delivered, in the history; what stays of one that left the history is the
 * floor. */
#include "fec.h"

#include <assert.h>
#include <string.h>

#include "bytes.h"
#include "fec_gf.h"

static_assert(FEC_K_MAX == 64 && FEC_R_MAX == 16, "bitmaps of a block");

enum { SYMBOL_MIN = 2 }; /* the length field */

struct fec_block {
    uint64_t id;
    uint64_t last;      /* when its last symbol came */
    uint64_t delivered; /* bit j: source j was delivered, received or recovered */
    uint64_t held;      /* bit j: source[j] is a copy of it */
    uint16_t repairs;   /* bit i: repair[i] is held */
    uint16_t longest;   /* symbol so far; of all symbols once a repair said it */
    uint8_t k, r;       /* FEC_K_MAX and 0 before the first repair */
    uint16_t len[FEC_K_MAX];
    uint8_t *source[FEC_K_MAX];
    uint8_t *repair[FEC_R_MAX];
};

size_t fec_block_size(void)
{
    return sizeof(struct fec_block);
}

void fec_dec_init(struct fec_dec *d)
{
    memset(d, 0, sizeof(*d));
}

static uint64_t bits_below(unsigned k) /* 1 <= k <= 64 */
{
    return UINT64_MAX >> (64 - k);
}

static uint64_t missing_sources(const struct fec_block *b)
{
    return bits_below(b->k) & ~b->delivered;
}

/* The newest block is at the end and is the one most symbols are for. */
static struct fec_block *find_open(const struct fec_dec *d, uint64_t id)
{
    for (unsigned i = d->n_open; i > 0; i--)
        if (d->open[i - 1]->id == id)
            return d->open[i - 1];
    return NULL;
}

/* The bitmap of delivered sources of a closed block. */
static uint64_t *find_closed(struct fec_dec *d, uint64_t id)
{
    for (unsigned i = 0; i < d->history_used; i++)
        if (d->history[i].block == id)
            return &d->history[i].delivered;
    return NULL;
}

static void remember(struct fec_dec *d, uint64_t id, uint64_t delivered)
{
    unsigned i = d->history_next;

    if (d->history_used < FEC_HISTORY)
        d->history_used++;
    else if (d->history[i].block >= d->floor)
        d->floor = d->history[i].block + 1;
    d->history[i].block = id;
    d->history[i].delivered = delivered;
    d->history_next = (uint8_t)((i + 1) % FEC_HISTORY);
}

static void put_sources(struct fec_block *b, struct fec_pools *pools)
{
    for (; b->held != 0; b->held &= b->held - 1)
        pool_put(&pools->symbols, b->source[__builtin_ctzll(b->held)]);
}

static void put_block(struct fec_block *b, struct fec_pools *pools)
{
    put_sources(b, pools);
    for (unsigned m = b->repairs; m != 0; m &= m - 1)
        pool_put(&pools->symbols, b->repair[__builtin_ctz(m)]);
    pool_put(&pools->blocks, b);
}

/* From open to history, where indexes that the block cannot have count as delivered. */
static void retire(struct fec_dec *d, struct fec_block *b)
{
    unsigned i = 0;

    while (d->open[i] != b)
        i++;
    d->n_open--;
    memmove(&d->open[i], &d->open[i + 1], (d->n_open - i) * sizeof(d->open[0]));
    if (b->r != 0)
        d->lost += (unsigned)__builtin_popcountll(missing_sources(b));
    remember(d, b->id, b->delivered | ~bits_below(b->k));
}

static void close_block(struct fec_dec *d, struct fec_pools *pools, struct fec_block *b)
{
    retire(d, b);
    put_block(b, pools);
}

/* The caller is done with the symbols it recovered last. */
static void put_spent(struct fec_dec *d, struct fec_pools *pools)
{
    if (d->spent == NULL)
        return;
    put_block(d->spent, pools);
    d->spent = NULL;
}

/* NULL when other decoders of the thread have all records. */
static struct fec_block *open_block(struct fec_dec *d, struct fec_pools *pools, uint64_t id)
{
    struct fec_block *b;

    if (d->n_open == FEC_BLOCKS)
        close_block(d, pools, d->open[0]);
    while ((b = pool_get(&pools->blocks)) == NULL && d->n_open > 0)
        close_block(d, pools, d->open[0]);
    if (b == NULL)
        return NULL;
    b->id = id;
    b->delivered = b->held = 0;
    b->repairs = b->longest = 0;
    b->k = FEC_K_MAX;
    b->r = 0;
    d->open[d->n_open++] = b;
    return b;
}

/* Copy a symbol of b. NULL when no buffer came free before b itself was the oldest block, and
 * closed. */
static uint8_t *hold(struct fec_dec *d, struct fec_pools *pools, const struct fec_block *b,
                     const uint8_t *symbol, uint32_t len)
{
    uint8_t *copy;

    while ((copy = pool_get(&pools->symbols)) == NULL) {
        struct fec_block *oldest = d->open[0];

        close_block(d, pools, oldest);
        if (oldest == b)
            return NULL;
    }
    memcpy(copy, symbol, len);
    return copy;
}

/* A source of the open block b. */
static enum fec_verdict take_source(struct fec_dec *d, struct fec_pools *pools, struct fec_block *b,
                                    uint64_t now, unsigned index, const uint8_t *symbol,
                                    uint32_t len)
{
    uint64_t bit = UINT64_C(1) << index;
    uint8_t *copy;

    if (index >= b->k || (b->r != 0 && len > b->longest))
        return FEC_BAD;
    if (b->delivered & bit)
        return FEC_DUPLICATE;
    b->delivered |= bit;
    b->last = now;
    if (missing_sources(b) == 0) {
        close_block(d, pools, b);
        return FEC_DELIVER;
    }
    copy = hold(d, pools, b, symbol, len);
    if (copy == NULL)
        return FEC_DELIVER;
    b->source[index] = copy;
    b->len[index] = (uint16_t)len;
    b->held |= bit;
    if (len > b->longest)
        b->longest = (uint16_t)len;
    return FEC_DELIVER;
}

enum fec_verdict fec_dec_source(struct fec_dec *d, struct fec_pools *pools, uint64_t now,
                                uint64_t block, unsigned index, const uint8_t *symbol, uint32_t len)
{
    struct fec_block *b;
    uint64_t *closed, bit;

    put_spent(d, pools);
    if (index >= FEC_K_MAX || len < SYMBOL_MIN || len > pools->symbol_max)
        return FEC_BAD;
    b = find_open(d, block);
    if (b != NULL)
        return take_source(d, pools, b, now, index, symbol, len);

    bit = UINT64_C(1) << index;
    closed = find_closed(d, block);
    if (closed != NULL) {
        if (*closed & bit)
            return FEC_DUPLICATE;
        *closed |= bit;
        return FEC_DELIVER;
    }
    if (block < d->floor)
        return FEC_LATE;
    b = open_block(d, pools, block);
    if (b != NULL)
        return take_source(d, pools, b, now, index, symbol, len);
    remember(d, block, bit);
    return FEC_DELIVER;
}

/* Does a repair that says k and r contradict what the block knows? All repairs are as long as the
 * longest symbol. */
static bool contradicts(const struct fec_block *b, unsigned k, unsigned r, uint32_t len)
{
    if (b->r != 0)
        return k != b->k || r != b->r || len != b->longest;
    return (b->delivered & ~bits_below(k)) != 0 || len < b->longest;
}

/* A repair of the open block b. */
static enum fec_verdict take_repair(struct fec_dec *d, struct fec_pools *pools, struct fec_block *b,
                                    uint64_t now, unsigned index, const uint8_t *symbol,
                                    uint32_t len)
{
    uint16_t bit = (uint16_t)(1u << index);
    uint8_t *copy;

    if (missing_sources(b) == 0) {
        close_block(d, pools, b);
        return FEC_USELESS;
    }
    if (b->repairs & bit)
        return FEC_USELESS;
    b->last = now;
    copy = hold(d, pools, b, symbol, len);
    if (copy == NULL)
        return FEC_USELESS;
    b->repair[index] = copy;
    b->repairs |= bit;
    return FEC_HELD;
}

enum fec_verdict fec_dec_repair(struct fec_dec *d, struct fec_pools *pools, uint64_t now,
                                uint64_t block, unsigned k, unsigned r, unsigned index,
                                const uint8_t *symbol, uint32_t len)
{
    struct fec_block *b;

    put_spent(d, pools);
    if (k < 1 || k > FEC_K_MAX || r < 1 || r > FEC_R_MAX || index >= r || len < SYMBOL_MIN ||
        len > pools->symbol_max)
        return FEC_BAD;
    b = find_open(d, block);
    if (b == NULL) {
        if (find_closed(d, block) != NULL)
            return FEC_USELESS;
        if (block < d->floor)
            return FEC_LATE;
        b = open_block(d, pools, block);
        if (b == NULL)
            return FEC_USELESS;
    }
    if (contradicts(b, k, r, len))
        return FEC_BAD;
    b->k = (uint8_t)k;
    b->r = (uint8_t)r;
    b->longest = (uint16_t)len;
    return take_repair(d, pools, b, now, index, symbol, len);
}

/* Recover the n sources in `missing` from the first n repairs, each in the buffer of one; in index
 * order. */
static void recover(const struct fec_block *b, uint64_t missing, unsigned n, uint8_t *symbols[])
{
    uint8_t rows[FEC_R_MAX], columns[FEC_R_MAX];
    struct fec_gf_table tables[FEC_R_MAX];
    unsigned repairs = b->repairs;

    for (unsigned a = 0; a < n; a++, repairs &= repairs - 1, missing &= missing - 1) {
        rows[a] = (uint8_t)__builtin_ctz(repairs);
        columns[a] = (uint8_t)__builtin_ctzll(missing);
        symbols[a] = b->repair[rows[a]];
    }
    for (uint64_t m = b->held; m != 0; m &= m - 1) {
        unsigned j = (unsigned)__builtin_ctzll(m);

        for (unsigned a = 0; a < n; a++)
            tables[a] = fec_gf_tables[j][rows[a]];
        fec_gf_mad(tables, n, b->source[j], b->len[j], symbols);
    }
    fec_gf_solve(rows, columns, n, symbols, b->longest);
}

unsigned fec_dec_recover(struct fec_dec *d, struct fec_pools *pools, uint64_t block,
                         struct fec_recovered out[FEC_R_MAX])
{
    struct fec_block *b;
    uint8_t *symbols[FEC_R_MAX];
    uint64_t missing;
    unsigned n;

    put_spent(d, pools);
    b = find_open(d, block);
    if (b == NULL)
        return 0;
    missing = missing_sources(b);
    n = (unsigned)__builtin_popcountll(missing);
    if (n > (unsigned)__builtin_popcount(b->repairs))
        return 0;

    recover(b, missing, n, symbols);
    for (unsigned a = 0; a < n; a++, missing &= missing - 1) {
        uint32_t len = be16_load(symbols[a]);
        bool fits = len <= (uint32_t)b->longest - SYMBOL_MIN;

        out[a].frames = fits ? symbols[a] + SYMBOL_MIN : NULL;
        out[a].len = fits ? len : 0;
        out[a].index = (uint8_t)__builtin_ctzll(missing);
    }
    b->delivered = bits_below(b->k);
    retire(d, b);
    put_sources(b, pools);
    d->spent = b;
    return n;
}

unsigned fec_dec_expire(struct fec_dec *d, struct fec_pools *pools, uint64_t now, uint64_t age)
{
    unsigned lost;

    put_spent(d, pools);
    for (unsigned i = 0; i < d->n_open;) {
        if (d->open[i]->last + age < now)
            close_block(d, pools, d->open[i]);
        else
            i++;
    }
    lost = d->lost;
    d->lost = 0;
    return lost;
}

uint64_t fec_dec_oldest(const struct fec_dec *d)
{
    uint64_t oldest = d->spent != NULL ? d->spent->last : UINT64_MAX;

    for (unsigned i = 0; i < d->n_open; i++)
        if (d->open[i]->last < oldest)
            oldest = d->open[i]->last;
    return oldest;
}

void fec_dec_fini(struct fec_dec *d, struct fec_pools *pools)
{
    put_spent(d, pools);
    while (d->n_open > 0)
        close_block(d, pools, d->open[0]);
}
