/* Sources and repairs in: what arrives is read at once, what is missing is rebuilt as soon as that
 * is possible, and the peer is told of it. */
#include "conn_fec.h"

enum {
    AGE_US = 100000,     /* beside the RTT: a block that got nothing for so long is given up */
    RELEASE_US = 1500000 /* and a window */
};

static uint64_t age_of(const struct conn *c)
{
    return conn_rtt(c) + AGE_US;
}

static struct conn_fec_rx *have_rx(struct conn *c, uint64_t now)
{
    struct conn_fec_rx *rx = c->fec_rx;

    if (rx)
        return rx;
    c->fec_rx = rx = fec_object(c, sizeof(*rx));
    if (!rx)
        return NULL;
    fec_dec_init(&rx->blocks);
    rlc_dec_init(&rx->window);
    rx->window_last = UINT64_MAX;
    rx->sampled_at = now;
    rx->older = rx->newer = c->newest;
    return rx;
}

/* ---- in ---- */

static void touch_block(struct conn_fec_rx *rx, uint64_t block)
{
    for (unsigned i = 0; i < rx->n_touched; i++)
        if (rx->touched[i] == block)
            return;
    if (rx->n_touched < FEC_BLOCKS)
        rx->touched[rx->n_touched++] = block;
}

static void touch_window(struct conn_fec_rx *rx, uint64_t now)
{
    rx->window_touched = true;
    rx->window_last = now;
}

/* `older` becomes what was the newest packet an age ago or earlier: what is missing of those up to
 * it will not come. */
static void sample(struct conn *c, uint64_t now)
{
    struct conn_fec_rx *rx = c->fec_rx;

    if (now - rx->sampled_at < age_of(c))
        return;
    rx->older = rx->newer;
    rx->newer = c->newest;
    rx->sampled_at = now;
    rx->nack_due |= rx->window.lost > 0;
    rx->window.lost = 0;
}

static enum fec_verdict block_source(struct conn *c, const struct frame *f, uint64_t now)
{
    enum fec_verdict v =
        fec_dec_source(&c->fec_rx->blocks, &c->pools->fec, now, f->u.fec_source.block,
                       f->u.fec_source.index, f->u.fec_source.symbol, f->u.fec_source.symbol_len);

    if (v == FEC_DELIVER)
        touch_block(c->fec_rx, f->u.fec_source.block);
    return v;
}

static enum rlc_verdict window_source(struct conn *c, const struct frame *f, uint64_t now)
{
    enum rlc_verdict v = rlc_dec_source(&c->fec_rx->window, &c->pools->fec, f->u.rlc_source.id,
                                        f->u.rlc_source.symbol, f->u.rlc_source.symbol_len);

    if (v == RLC_DELIVER)
        touch_window(c->fec_rx, now);
    return v;
}

/* One too old to know is read, for it was acknowledged and so its data will not come again, but for
 * its datagrams: it may have been rebuilt. One
 * too long to be copied is read too: nor can its repairs be, so it is never rebuilt. */
enum fec_reading fec_read_source(struct conn *c, const struct frame *f, uint64_t now)
{
    bool window = f->type == FRAME_RLC_SOURCE, bad, duplicate, late;
    uint32_t len = window ? f->u.rlc_source.symbol_len : f->u.fec_source.symbol_len;

    if (len > c->pools->fec.symbol_max || !have_rx(c, now))
        return FEC_READ;
    sample(c, now);
    if (window) {
        enum rlc_verdict v = window_source(c, f, now);

        bad = v == RLC_BAD;
        duplicate = v == RLC_DUPLICATE;
        late = v == RLC_LATE;
    } else {
        enum fec_verdict v = block_source(c, f, now);

        bad = v == FEC_BAD;
        duplicate = v == FEC_DUPLICATE;
        late = v == FEC_LATE;
    }
    if (bad)
        conn_violation(c, "a source contradicts its repairs", now);
    return bad || duplicate ? FEC_SKIP : late ? FEC_READ_STREAMS : FEC_READ;
}

static bool block_repair(struct conn *c, const struct frame *f, uint64_t now)
{
    enum fec_verdict v =
        fec_dec_repair(&c->fec_rx->blocks, &c->pools->fec, now, f->u.fec_repair.block,
                       f->u.fec_repair.k, f->u.fec_repair.r, f->u.fec_repair.index,
                       f->u.fec_repair.symbol, f->u.fec_repair.symbol_len);

    if (v == FEC_HELD)
        touch_block(c->fec_rx, f->u.fec_repair.block);
    return v != FEC_BAD;
}

static bool window_repair(struct conn *c, const struct frame *f, uint64_t now)
{
    struct rlc_repair repair = {.first = f->u.rlc_repair.first,
                                .n = f->u.rlc_repair.n,
                                .seed = f->u.rlc_repair.seed,
                                .symbol = f->u.rlc_repair.symbol,
                                .len = f->u.rlc_repair.symbol_len};
    enum rlc_verdict v = rlc_dec_repair(&c->fec_rx->window, &c->pools->fec, &repair);

    if (v == RLC_HELD)
        touch_window(c->fec_rx, now);
    return v != RLC_BAD;
}

void fec_read_repair(struct conn *c, const struct frame *f, uint64_t now)
{
    bool window = f->type == FRAME_RLC_REPAIR;
    uint32_t len = window ? f->u.rlc_repair.symbol_len : f->u.fec_repair.symbol_len;

    if (len > c->pools->fec.symbol_max || !have_rx(c, now))
        return;
    sample(c, now);
    if (!(window ? window_repair(c, f, now) : block_repair(c, f, now)))
        conn_violation(c, "a repair contradicts its sources", now);
}

/* ---- rebuilt ---- */

/* Reports that find no room are forgotten: their sources are sent again, if at all. */
static void report(struct conn_fec_rx *rx, bool window, uint64_t first, unsigned at)
{
    uint64_t id = first + at;

    for (unsigned i = 0; i < rx->n_reports; i++) {
        struct report *r = &rx->report[i];

        if (r->window != window || (window ? id - r->first >= 64 : r->first != first))
            continue;
        r->mask |= UINT64_C(1) << (window ? id - r->first : at);
        return;
    }
    if (rx->n_reports < REPORTS)
        rx->report[rx->n_reports++] =
            (struct report){.window = window, .first = first, .mask = UINT64_C(1) << at};
}

uint64_t fec_patience(const struct conn *c)
{
    const struct conn_fec_rx *rx = c->fec_rx;

    return rx && (rx->window_last != UINT64_MAX || rx->blocks.n_open > 0) ? age_of(c) : 0;
}

typedef void read_fn(struct conn *c, const uint8_t *frames, uint32_t len, uint64_t now);

static void rebuilt(struct conn *c, const uint8_t *frames, uint32_t len, uint64_t now,
                    read_fn *read)
{
    if (!frames) {
        conn_violation(c, "a source is longer than its symbol", now);
        return;
    }
    c->stats.fec_recovered++;
    read(c, frames, len, now);
}

static void rebuild_block(struct conn *c, uint64_t block, uint64_t now, read_fn *read)
{
    struct fec_recovered out[FEC_R_MAX];
    unsigned n = fec_dec_recover(&c->fec_rx->blocks, &c->pools->fec, block, out);

    for (unsigned i = 0; i < n && !c->closed; i++) {
        report(c->fec_rx, false, block, out[i].index);
        rebuilt(c, out[i].frames, out[i].len, now, read);
    }
}

static void rebuild_window(struct conn *c, uint64_t now, read_fn *read)
{
    struct rlc_recovered out[RLC_ROWS];
    unsigned n = rlc_dec_recover(&c->fec_rx->window, out);

    for (unsigned i = 0; i < n && !c->closed; i++) {
        report(c->fec_rx, true, out[i].id, 0);
        rebuilt(c, out[i].frames, out[i].len, now, read);
    }
}

void fec_rebuild(struct conn *c, uint64_t now, read_fn *read)
{
    struct conn_fec_rx *rx = c->fec_rx;

    if (!rx)
        return;
    for (unsigned i = 0; i < rx->n_touched && !c->closed; i++)
        rebuild_block(c, rx->touched[i], now, read);
    if (rx->window_touched && !c->closed)
        rebuild_window(c, now, read);
    rx->n_touched = 0;
    rx->window_touched = false;
}

/* ---- out ---- */

bool fec_report_due(const struct conn *c)
{
    const struct conn_fec_rx *rx = c->fec_rx;

    return rx && (rx->n_reports > 0 || (rx->nack_due && rx->older > 0));
}

/* They elicit no acknowledgement and are sent once. */
void fec_put_reports(struct build *b)
{
    struct conn_fec_rx *rx = b->c->fec_rx;

    while (rx->n_reports > 0 && (size_t)(b->end - b->p) >= FRAME_CONTROL_MAX) {
        const struct report *r = &rx->report[--rx->n_reports];

        b->p = frame_put_recovered(b->p, r->window, r->first, r->mask);
    }
    if (rx->nack_due && rx->older > 0 && (size_t)(b->end - b->p) >= FRAME_CONTROL_MAX) {
        b->p = frame_put_control(b->p, FRAME_NACK, 0, rx->older - 1, 0);
        rx->nack_due = false;
    }
}

/* ---- time ---- */

uint64_t fec_rx_deadline(const struct conn *c)
{
    const struct conn_fec_rx *rx = c->fec_rx;
    uint64_t block = fec_dec_oldest(&rx->blocks), at = UINT64_MAX;

    if (block != UINT64_MAX)
        at = block + age_of(c) + 1;
    if (rx->window_last != UINT64_MAX && rx->window_last + conn_rtt(c) + RELEASE_US < at)
        at = rx->window_last + conn_rtt(c) + RELEASE_US;
    return at;
}

void fec_rx_timeout(struct conn *c, uint64_t now)
{
    struct conn_fec_rx *rx = c->fec_rx;

    if (now < fec_rx_deadline(c))
        return;
    sample(c, now);
    rx->nack_due |= fec_dec_expire(&rx->blocks, &c->pools->fec, now, age_of(c)) > 0;
    if (rx->window_last != UINT64_MAX && rx->window_last + conn_rtt(c) + RELEASE_US <= now) {
        rlc_dec_release(&rx->window, &c->pools->fec);
        rx->window_last = UINT64_MAX;
    }
}

void fec_rx_fini(struct conn *c)
{
    fec_dec_fini(&c->fec_rx->blocks, &c->pools->fec);
    rlc_dec_release(&c->fec_rx->window, &c->pools->fec);
    pool_put(&c->pools->protection, c->fec_rx);
    c->fec_rx = NULL;
}
