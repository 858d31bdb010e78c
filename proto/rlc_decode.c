/* Gauss-Jordan elimination, an equation at a time. The rows stay reduced: each has a pivot, the
 * oldest source in it, which is in no other row. So a source is determined exactly when it is alone
 * in a row, and one that leaves the span takes no more than one row along. */
#include "rlc.h"

#include <assert.h>
#include <isa-l/erasure_code.h>
#include <string.h>

#include "bytes.h"
#include "fec_gf.h"
#include "varint.h"

enum { SYMBOL_MIN = 2 }; /* the length field */

static_assert(RLC_SPAN >= 2 * RLC_WINDOW_MAX, "a repair that is overtaken still finds its sources");
static_assert(RLC_HISTORY % RLC_SPAN == 0 && RLC_SPAN % 64 == 0, "ids are reduced to slots");

void rlc_dec_init(struct rlc_dec *d)
{
    memset(d, 0, sizeof(*d));
}

/* ---- what is known ---- */

static bool is_known(const struct rlc_dec *d, uint64_t id)
{
    return d->known[id % RLC_HISTORY / 64] >> id % 64 & 1;
}

static void set_known(struct rlc_dec *d, uint64_t id)
{
    d->known[id % RLC_HISTORY / 64] |= UINT64_C(1) << id % 64;
}

/* The oldest of the newest n sources. */
static uint64_t newest(const struct rlc_dec *d, unsigned n)
{
    return d->end > n ? d->end - n : 0;
}

static void put_source(struct rlc_dec *d, struct fec_pools *pools, uint64_t id)
{
    if (d->source[id % RLC_SPAN] != NULL)
        pool_put(&pools->symbols, d->source[id % RLC_SPAN]);
    d->source[id % RLC_SPAN] = NULL;
}

/* ---- rows ---- */

static void put_row(struct rlc_dec *d, struct fec_pools *pools, unsigned i)
{
    pool_put(&pools->symbols, d->row[i].symbol);
    d->row[i] = d->row[--d->rows];
}

/* row += c * symbol, which may be longer. */
static void add_symbol(struct rlc_row *row, uint8_t c, const uint8_t *symbol, uint32_t len)
{
    if (len > row->len) {
        memset(row->symbol + row->len, 0, len - row->len);
        row->len = (uint16_t)len;
    }
    fec_gf_add(c, symbol, len, row->symbol);
}

/* Take the pivot of another row out of `row`. */
static void eliminate(struct rlc_row *row, const struct rlc_row *pivot)
{
    unsigned slot = pivot->pivot % RLC_SPAN;
    uint8_t factor = gf_mul(row->c[slot], gf_inv(pivot->c[slot]));

    fec_gf_add(factor, pivot->c, RLC_SPAN, row->c);
    add_symbol(row, factor, pivot->symbol, pivot->len);
}

/* The oldest source in row i becomes its pivot. False when there is none. */
static bool find_pivot(struct rlc_dec *d, unsigned i)
{
    struct rlc_row *row = &d->row[i];
    uint64_t id = newest(d, RLC_SPAN);

    while (id < d->end && row->c[id % RLC_SPAN] == 0)
        id++;
    if (id == d->end)
        return false;
    row->pivot = id;
    for (unsigned other = 0; other < d->rows; other++)
        if (other != i && d->row[other].c[id % RLC_SPAN] != 0)
            eliminate(&d->row[other], row);
    return true;
}

/* A source that was missing is known. */
static void substitute(struct rlc_dec *d, struct fec_pools *pools, uint64_t id,
                       const uint8_t *symbol, uint32_t len)
{
    for (unsigned i = 0; i < d->rows;) {
        struct rlc_row *row = &d->row[i];
        uint8_t c = row->c[id % RLC_SPAN];

        row->c[id % RLC_SPAN] = 0;
        if (c != 0)
            add_symbol(row, c, symbol, len);
        if (c != 0 && row->pivot == id && !find_pivot(d, i))
            put_row(d, pools, i);
        else
            i++;
    }
}

/* ---- the span moves on ---- */

/* Source `id` leaves the span. */
static void leave(struct rlc_dec *d, struct fec_pools *pools, uint64_t id)
{
    put_source(d, pools, id);
    if (is_known(d, id))
        return;
    d->lost++;
    for (unsigned i = 0; i < d->rows; i++)
        if (d->row[i].pivot == id) {
            put_row(d, pools, i);
            return;
        }
}

/* Let source end - 1 be the newest. */
static void advance(struct rlc_dec *d, struct fec_pools *pools, uint64_t end)
{
    uint64_t skip = end - d->end > RLC_HISTORY ? end - RLC_HISTORY : d->end;

    for (uint64_t id = newest(d, RLC_SPAN); id < d->end && id + RLC_SPAN < end; id++)
        leave(d, pools, id);
    for (uint64_t id = skip; id < end; id++) {
        d->known[id % RLC_HISTORY / 64] &= ~(UINT64_C(1) << id % 64);
        d->lost += id + RLC_SPAN < end;
    }
    d->end = end;
}

/* Repairs begin with source `first`. The copies that only older repairs need go when those of the
 * repair before need them no more either: it may have been overtaken. */
static void move_keep(struct rlc_dec *d, struct fec_pools *pools, uint64_t first)
{
    uint64_t id = d->keep;

    if (first <= d->newest_first)
        return;
    d->keep = d->newest_first;
    d->newest_first = first;
    if (id < newest(d, RLC_SPAN))
        id = newest(d, RLC_SPAN);
    for (; id < d->keep; id++)
        put_source(d, pools, id);
}

/* ---- sources ---- */

static void hold(struct rlc_dec *d, struct fec_pools *pools, uint64_t id, const uint8_t *symbol,
                 uint32_t len)
{
    uint8_t *copy = id < d->keep ? NULL : pool_get(&pools->symbols);

    d->source[id % RLC_SPAN] = copy;
    if (copy == NULL)
        return;
    memcpy(copy, symbol, len);
    d->len[id % RLC_SPAN] = (uint16_t)len;
}

enum rlc_verdict rlc_dec_source(struct rlc_dec *d, struct fec_pools *pools, uint64_t id,
                                const uint8_t *symbol, uint32_t len)
{
    if (id > VARINT_MAX || len < SYMBOL_MIN || len > pools->symbol_max)
        return RLC_BAD;
    if (id < newest(d, RLC_HISTORY))
        return RLC_LATE;
    if (id >= d->end)
        advance(d, pools, id + 1);
    if (is_known(d, id))
        return RLC_DUPLICATE;
    set_known(d, id);
    if (id >= newest(d, RLC_SPAN)) {
        hold(d, pools, id, symbol, len);
        substitute(d, pools, id, symbol, len);
    }
    return RLC_DELIVER;
}

/* ---- repairs ---- */

/* What a repair needs of its window, and what it can give. */
static enum rlc_verdict inspect(const struct rlc_dec *d, const struct rlc_repair *r)
{
    enum rlc_verdict v = RLC_USELESS;

    for (uint64_t id = r->first; id < r->first + r->n; id++) {
        if (!is_known(d, id))
            v = RLC_HELD;
        else if (d->source[id % RLC_SPAN] == NULL)
            return RLC_USELESS;
        else if (d->len[id % RLC_SPAN] > r->len)
            return RLC_BAD;
    }
    return v;
}

/* The equation of a repair, reduced to sources that are missing and no pivots. */
static void load_row(struct rlc_dec *d, struct rlc_row *row, const struct rlc_repair *r)
{
    memset(row->c, 0, sizeof(row->c));
    memcpy(row->symbol, r->symbol, r->len);
    row->len = (uint16_t)r->len;
    for (uint64_t id = r->first; id < r->first + r->n; id++) {
        uint8_t c = rlc_coefficient(r->seed, id);

        if (is_known(d, id))
            fec_gf_add(c, d->source[id % RLC_SPAN], d->len[id % RLC_SPAN], row->symbol);
        else
            row->c[id % RLC_SPAN] = c;
    }
    for (unsigned i = 0; i < d->rows; i++)
        if (row->c[d->row[i].pivot % RLC_SPAN] != 0)
            eliminate(row, &d->row[i]);
}

enum rlc_verdict rlc_dec_repair(struct rlc_dec *d, struct fec_pools *pools,
                                const struct rlc_repair *r)
{
    struct rlc_row *row;
    enum rlc_verdict v;

    if (r->n < 1 || r->n > RLC_WINDOW_MAX || r->first > VARINT_MAX - RLC_WINDOW_MAX ||
        r->len < SYMBOL_MIN || r->len > pools->symbol_max)
        return RLC_BAD;
    if (r->first < newest(d, RLC_SPAN))
        return RLC_USELESS;
    if (r->first + r->n > d->end)
        advance(d, pools, r->first + r->n);
    v = inspect(d, r);
    if (v == RLC_BAD)
        return v;
    move_keep(d, pools, r->first);
    if (v == RLC_USELESS || d->rows == RLC_ROWS)
        return RLC_USELESS;
    row = &d->row[d->rows];
    row->symbol = pool_get(&pools->symbols);
    if (row->symbol == NULL)
        return RLC_USELESS;
    load_row(d, row, r);
    if (!find_pivot(d, d->rows)) {
        pool_put(&pools->symbols, row->symbol);
        return RLC_USELESS;
    }
    d->rows++;
    return RLC_HELD;
}

/* ---- what is determined ---- */

static bool is_alone(const struct rlc_row *row)
{
    unsigned n = 0;

    for (unsigned slot = 0; slot < RLC_SPAN; slot++)
        n += row->c[slot] != 0;
    return n == 1;
}

/* Row i is one source: it becomes the copy of it. */
static struct rlc_recovered take_row(struct rlc_dec *d, unsigned i)
{
    struct rlc_row *row = &d->row[i];
    unsigned slot = row->pivot % RLC_SPAN;
    struct rlc_recovered r = {.id = row->pivot};
    uint32_t len;

    fec_gf_scale(gf_inv(row->c[slot]), row->symbol, row->len);
    len = be16_load(row->symbol);
    if (len <= (uint32_t)row->len - SYMBOL_MIN) {
        r.frames = row->symbol + SYMBOL_MIN;
        r.len = len;
    }
    set_known(d, row->pivot);
    d->source[slot] = row->symbol;
    d->len[slot] = (uint16_t)(SYMBOL_MIN + r.len); /* zeros follow */
    *row = d->row[--d->rows];
    return r;
}

unsigned rlc_dec_recover(struct rlc_dec *d, struct rlc_recovered out[RLC_ROWS])
{
    unsigned n = 0;

    for (unsigned i = 0; i < d->rows;) {
        unsigned at = n;
        struct rlc_recovered r;

        if (!is_alone(&d->row[i])) {
            i++;
            continue;
        }
        r = take_row(d, i);
        for (; at > 0 && out[at - 1].id > r.id; at--)
            out[at] = out[at - 1];
        out[at] = r;
        n++;
    }
    return n;
}

void rlc_dec_release(struct rlc_dec *d, struct fec_pools *pools)
{
    for (uint64_t id = newest(d, RLC_SPAN); id < d->end; id++)
        put_source(d, pools, id);
    while (d->rows > 0)
        put_row(d, pools, d->rows - 1);
}
