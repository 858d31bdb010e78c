/* Sources and repairs out. Blocks are dealt in rounds: `depth` of them take sources in turn, fill
 * up together, and send their repairs in turn too, so that a spell of losses is spread over them
 * all. Plans change between rounds. The window is one for both classes, each with its own ratio. */
#include <string.h>

#include "conn_fec.h"

enum {
    WAIT_MIN_US = 5000,
    FORGET_US = 500000, /* beside the RTT: a window that got no source is given up */
    SPARE_MAX = 16 * RLC_RATIO_ONE,
    REPAIR_MORE = 3, /* bytes: a repair is so much longer than the longest source, at most */
};

/* How long sources of a class wait for a repair. */
static uint64_t wait_of(const struct conn *c, unsigned class)
{
    uint64_t wait = class == REDUNDANCY_LATENCY ? conn_rtt(c) / 4 : conn_rtt(c);

    return wait > WAIT_MIN_US ? wait : WAIT_MIN_US;
}

/* ---- rounds of blocks ---- */

static void close_round(struct conn *c, struct round *r)
{
    for (unsigned i = 0; i < r->plan.depth; i++)
        fec_enc_fini(&r->enc[i], &c->pools->fec);
    r->n = 0;
}

/* Repairs for each of the blocks: in those that were cut short one more than their part, if the cap
 * allows. */
static unsigned repairs_of(struct conn_fec_tx *tx, unsigned class, const struct round *r)
{
    unsigned depth = r->plan.depth, blocks = r->n < depth ? r->n : depth;
    unsigned n = r->plan.r;

    if (r->n < depth * r->plan.k) {
        n = (r->n + depth - 1) / depth * n / r->plan.k + 1;
        n = n < r->plan.r ? n : r->plan.r;
        while (n > 0 && (int32_t)(n * blocks * RLC_RATIO_ONE) > tx->spare[class])
            n--;
    }
    tx->spare[class] -= (int32_t)(n * blocks * RLC_RATIO_ONE);
    return n;
}

/* No more sources for it: its repairs are due. */
static void end_round(struct conn *c, unsigned class)
{
    struct round *open = &c->fec_tx->open[class], *ended = &c->fec_tx->ended[class];

    close_round(c, ended);
    *ended = *open;
    memset(open, 0, sizeof(*open));
    ended->next = 0;
    ended->repairs = (uint8_t)repairs_of(c->fec_tx, class, ended);
    if (ended->repairs == 0)
        close_round(c, ended);
}

/* The plan for the sources of a class now: while a round is open it goes on. A peer's decoder holds
 * FEC_BLOCKS open. */
static struct redundancy_plan plan_of(const struct conn *c, unsigned class)
{
    struct redundancy_plan plan = c->redundancy.plan[class];
    unsigned other = c->redundancy.plan[!class].code == REDUNDANCY_BLOCKS ? 2 : 1;

    if (c->fec_tx && c->fec_tx->open[class].n > 0)
        return c->fec_tx->open[class].plan;
    if (plan.code == REDUNDANCY_BLOCKS && plan.depth > FEC_BLOCKS / other)
        plan.depth = (uint8_t)(FEC_BLOCKS / other);
    return plan;
}

static void begin_round(struct conn *c, unsigned class, uint64_t now)
{
    struct round *r = &c->fec_tx->open[class];

    r->plan = plan_of(c, class);
    r->opened_at = now;
    for (unsigned i = 0; i < r->plan.depth; i++)
        fec_enc_init(&r->enc[i], r->plan.k, r->plan.r);
}

/* The block of the next source. */
static struct fec_enc *next_block(struct conn_fec_tx *tx, unsigned class)
{
    struct round *r = &tx->open[class];
    struct fec_enc *e = &r->enc[r->n % r->plan.depth];

    if (e->count == 0)
        e->block = tx->next_block;
    return e;
}

static bool add_to_block(struct build *b, unsigned class, uint8_t *header, uint8_t *end)
{
    struct conn *c = b->c;
    struct round *r = &c->fec_tx->open[class];
    struct fec_enc *e;
    uint8_t index, *symbol;

    if (r->n == 0)
        begin_round(c, class, b->now);
    e = next_block(c->fec_tx, class);
    index = e->count;
    symbol = header + frame_fec_source_hdr_size(e->block) - 2;
    frame_put_fec_source_hdr(header, e->block, index, (uint16_t)(end - symbol - 2));
    if (fec_enc_add(e, &c->pools->fec, b->now, symbol, (uint32_t)(end - symbol)) < 0)
        return false;
    c->fec_tx->next_block += index == 0;
    fate_sent(c, CODE_BLOCKS, e->block, index, (enum redundancy_class) class);
    build_item(b, (struct sent_item){.type = FRAME_FEC_SOURCE,
                                     .seq = e->block,
                                     .offset = index,
                                     .stream = (uint16_t) class});
    if (++r->n == r->plan.depth * r->plan.k)
        end_round(c, class);
    return true;
}

/* ---- the window ---- */

static unsigned larger_window(const struct conn *c, unsigned window)
{
    for (unsigned i = 0; i < REDUNDANCY_CLASSES; i++)
        if (c->redundancy.plan[i].code == REDUNDANCY_WINDOW &&
            c->redundancy.plan[i].window > window)
            window = c->redundancy.plan[i].window;
    return window;
}

static void forget_window(struct conn *c)
{
    struct conn_fec_tx *tx = c->fec_tx;

    rlc_enc_forget(&tx->window, &c->pools->fec, tx->window.next);
    tx->window_due = 0;
    tx->flush_at = tx->forget_at = UINT64_MAX;
}

static bool add_to_window(struct build *b, unsigned class, uint8_t *header, uint8_t *end)
{
    struct conn *c = b->c;
    struct conn_fec_tx *tx = c->fec_tx;
    const struct redundancy_plan *plan = &c->redundancy.plan[class];
    uint64_t id = tx->window.next;
    uint8_t *symbol = header + frame_rlc_source_hdr_size(id) - 2;
    int due;

    frame_put_rlc_source_hdr(header, id, (uint16_t)(end - symbol - 2));
    rlc_enc_set(&tx->window, larger_window(c, plan->window), plan->ratio);
    due = rlc_enc_add(&tx->window, &c->pools->fec, symbol, (uint32_t)(end - symbol));
    if (due < 0)
        return false;
    fate_sent(c, CODE_WINDOW, id / 64, id % 64, (enum redundancy_class) class);
    build_item(b,
               (struct sent_item){.type = FRAME_RLC_SOURCE, .seq = id, .stream = (uint16_t) class});
    if (due > 0 && tx->window_due < RLC_WINDOW_MAX) {
        tx->window_due++;
        tx->spare[class] -= RLC_RATIO_ONE;
    }
    if (due > 0)
        tx->flush_at = UINT64_MAX;
    else if (tx->flush_at == UINT64_MAX)
        tx->flush_at = b->now + wait_of(c, class);
    tx->forget_at = b->now + conn_rtt(c) + FORGET_US;
    return true;
}

/* Sources waited for a repair long enough: one more, if the cap allows. */
static void flush_window(struct conn_fec_tx *tx)
{
    tx->flush_at = UINT64_MAX;
    for (unsigned class = 0; class < REDUNDANCY_CLASSES; class ++)
        if (tx->spare[class] >= RLC_RATIO_ONE) {
            tx->spare[class] -= RLC_RATIO_ONE;
            tx->window_due++;
            return;
        }
}

/* ---- sources ---- */

static bool have_tx(struct conn *c)
{
    if (c->fec_tx)
        return true;
    c->fec_tx = fec_object(c, sizeof(*c->fec_tx));
    if (!c->fec_tx)
        return false;
    rlc_enc_init(&c->fec_tx->window);
    c->fec_tx->flush_at = c->fec_tx->forget_at = UINT64_MAX;
    return true;
}

/* Bytes of the header, 0 for want of symbol buffers. */
static uint32_t header_size(struct conn *c, unsigned class)
{
    struct redundancy_plan plan = plan_of(c, class);
    const struct round *r = &c->fec_tx->open[class];
    uint32_t left = pool_left(&c->pools->fec.symbols);

    if (plan.code == REDUNDANCY_WINDOW)
        return left > 0 ? (uint32_t)frame_rlc_source_hdr_size(c->fec_tx->window.next) : 0;
    if (r->n > 0 && r->n >= plan.depth)
        return (uint32_t)frame_fec_source_hdr_size(next_block(c->fec_tx, class)->block);
    return left >= plan.r ? (uint32_t)frame_fec_source_hdr_size(c->fec_tx->next_block) : 0;
}

uint32_t fec_header(struct build *b, enum conn_protection class)
{
    struct conn *c = b->c;
    uint32_t size;

    if (class == CONN_PLAIN || !c->config.goals)
        return 0;
    if (plan_of(c, class).code == REDUNDANCY_NONE || !have_tx(c))
        return 0;
    size = header_size(c, class);
    if ((size_t)(b->end - b->p) <= size + REPAIR_MORE)
        return 0;
    if (size > 0)
        b->end -= REPAIR_MORE;
    return size;
}

void fec_wrap(struct build *b, enum conn_protection class, uint8_t *header, uint8_t *end)
{
    struct conn *c = b->c;
    struct conn_fec_tx *tx = c->fec_tx;
    bool window = plan_of(c, class).code == REDUNDANCY_WINDOW;
    uint32_t size = header_size(c, class);

    tx->spare[class] += c->config.goals[class].overhead;
    if (tx->spare[class] > SPARE_MAX)
        tx->spare[class] = SPARE_MAX;
    if (window ? add_to_window(b, class, header, end) : add_to_block(b, class, header, end))
        c->stats.fec_sources++;
    else /* the frames go unprotected */
        memset(header, FRAME_PADDING, size);
}

/* ---- repairs ---- */

bool fec_repair_due(const struct conn *c)
{
    const struct conn_fec_tx *tx = c->fec_tx;

    return tx && (tx->window_due > 0 || tx->ended[REDUNDANCY_LATENCY].n > 0 ||
                  tx->ended[REDUNDANCY_BULK].n > 0);
}

/* A repair of `len` bytes, behind its header. */
static void put_symbol(struct build *b, const uint8_t *symbol, uint32_t len)
{
    memcpy(b->p, symbol, len);
    b->p += len;
    build_item(b, (struct sent_item){.type = FRAME_FEC_REPAIR});
    b->c->stats.fec_repairs++;
}

static bool put_block_repair(struct build *b, struct round *r)
{
    unsigned depth = r->plan.depth < r->n ? r->plan.depth : r->n;
    const struct fec_enc *e = &r->enc[r->next % depth];
    uint8_t index = (uint8_t)(r->next / depth);
    bool fits = build_fits(b, frame_fec_source_hdr_size(e->block) + e->longest);

    if (fits) {
        b->p = frame_put_fec_repair_hdr(b->p, e->block, e->count, e->r, index);
        put_symbol(b, fec_enc_repair(e, index), e->longest);
    }
    if (++r->next == depth * r->repairs)
        close_round(b->c, r);
    return fits;
}

static bool put_window_repair(struct build *b)
{
    struct conn *c = b->c;
    struct conn_fec_tx *tx = c->fec_tx;
    struct rlc_repair repair;
    uint8_t *symbol;
    bool fits;

    tx->window_due--;
    if (tx->window.first == tx->window.next || (symbol = pool_get(&c->pools->fec.symbols)) == NULL)
        return false;
    rlc_enc_repair(&tx->window, symbol, &repair);
    fits = build_fits(b, frame_rlc_source_hdr_size(repair.first) + 1 + repair.len);
    if (fits) {
        b->p = frame_put_rlc_repair_hdr(b->p, repair.first, repair.n, repair.seed);
        put_symbol(b, symbol, repair.len);
    }
    pool_put(&c->pools->fec.symbols, symbol);
    return fits;
}

bool fec_put_repair(struct build *b)
{
    struct conn_fec_tx *tx = b->c->fec_tx;

    if (tx->window_due > 0)
        return put_window_repair(b);
    return put_block_repair(b, tx->ended[REDUNDANCY_LATENCY].n > 0 ? &tx->ended[REDUNDANCY_LATENCY]
                                                                   : &tx->ended[REDUNDANCY_BULK]);
}

/* ---- time ---- */

uint64_t fec_tx_deadline(const struct conn *c)
{
    const struct conn_fec_tx *tx = c->fec_tx;
    uint64_t at = tx->flush_at < tx->forget_at ? tx->flush_at : tx->forget_at;

    for (unsigned class = 0; class < REDUNDANCY_CLASSES; class ++) {
        uint64_t end = tx->open[class].opened_at + wait_of(c, class);

        if (tx->open[class].n > 0 && end < at)
            at = end;
    }
    return at;
}

void fec_tx_timeout(struct conn *c, uint64_t now)
{
    struct conn_fec_tx *tx = c->fec_tx;

    for (unsigned class = 0; class < REDUNDANCY_CLASSES; class ++)
        if (tx->open[class].n > 0 && tx->open[class].opened_at + wait_of(c, class) <= now)
            end_round(c, class);
    if (tx->flush_at <= now)
        flush_window(tx);
    if (tx->forget_at <= now)
        forget_window(c);
}

void fec_tx_fini(struct conn *c)
{
    for (unsigned class = 0; class < REDUNDANCY_CLASSES; class ++) {
        close_round(c, &c->fec_tx->open[class]);
        close_round(c, &c->fec_tx->ended[class]);
    }
    rlc_enc_fini(&c->fec_tx->window, &c->pools->fec);
    pool_put(&c->pools->protection, c->fec_tx);
    c->fec_tx = NULL;
}
