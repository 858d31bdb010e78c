/* FEC of a session: its life, and what became of the sources we sent. */
#include "conn_fec.h"

#include <string.h>

size_t conn_fec_size(void)
{
    return sizeof(struct conn_fec_tx) > sizeof(struct conn_fec_rx) ? sizeof(struct conn_fec_tx)
                                                                   : sizeof(struct conn_fec_rx);
}

void *fec_object(struct conn *c, size_t size)
{
    void *object = pool_get(&c->pools->protection);

    return object ? memset(object, 0, size) : NULL;
}

uint64_t fec_deadline(const struct conn *c)
{
    uint64_t tx = c->fec_tx ? fec_tx_deadline(c) : UINT64_MAX;
    uint64_t rx = c->fec_rx ? fec_rx_deadline(c) : UINT64_MAX;

    return tx < rx ? tx : rx;
}

void fec_timeout(struct conn *c, uint64_t now)
{
    if (c->fec_tx)
        fec_tx_timeout(c, now);
    if (c->fec_rx)
        fec_rx_timeout(c, now);
}

void fec_fini(struct conn *c)
{
    if (c->fec_tx)
        fec_tx_fini(c);
    if (c->fec_rx)
        fec_rx_fini(c);
}

/* ---- the fate of sources ---- */

static struct fate *find(struct conn *c, enum fec_code code, uint64_t block)
{
    struct fate *f = c->fec_tx ? &c->fec_tx->fate[code][block % FATES] : NULL;

    return f && f->sent && f->id == block ? f : NULL;
}

static enum redundancy_class class_of(const struct fate *f, uint64_t bit)
{
    return f->bulk & bit ? REDUNDANCY_BULK : REDUNDANCY_LATENCY;
}

/* What is still missing stays lost. */
static void judge(struct conn *c, const struct fate *f)
{
    uint32_t bulk = (uint32_t)__builtin_popcountll(f->missing & f->bulk);
    uint32_t latency = (uint32_t)__builtin_popcountll(f->missing & ~f->bulk);

    redundancy_on_sources(&c->redundancy, REDUNDANCY_BULK, bulk, bulk);
    redundancy_on_sources(&c->redundancy, REDUNDANCY_LATENCY, latency, latency);
}

void fate_sent(struct conn *c, enum fec_code code, uint64_t block, unsigned index,
               enum redundancy_class class)
{
    struct fate *f = &c->fec_tx->fate[code][block % FATES];
    uint64_t bit = UINT64_C(1) << index;

    if (f->id != block || !f->sent) {
        judge(c, f);
        *f = (struct fate){.id = block};
    }
    f->sent |= bit;
    f->bulk |= class == REDUNDANCY_BULK ? bit : 0;
}

/* It was acknowledged, or recovered. False: that is known, or it is too old to know. */
static bool done(struct conn *c, enum fec_code code, uint64_t block, unsigned index)
{
    struct fate *f = find(c, code, block);
    uint64_t bit = UINT64_C(1) << index;

    if (!f || f->done & bit)
        return false;
    f->done |= bit;
    f->missing &= ~bit;
    redundancy_on_sources(&c->redundancy, class_of(f, bit), 1, 0);
    return true;
}

/* ---- packets ---- */

/* The source in a packet: an item of seq = block or id, offset = index. */
static const struct sent_item *source_of(const struct sent_packet *p)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->items[i].type == FRAME_FEC_SOURCE || p->items[i].type == FRAME_RLC_SOURCE)
            return &p->items[i];
    return NULL;
}

static enum fec_code code_of(const struct sent_item *i)
{
    return i->type == FRAME_RLC_SOURCE ? CODE_WINDOW : CODE_BLOCKS;
}

static uint64_t block_of(const struct sent_item *i)
{
    return code_of(i) == CODE_WINDOW ? i->seq / 64 : i->seq;
}

static unsigned index_of(const struct sent_item *i)
{
    return code_of(i) == CODE_WINDOW ? i->seq % 64 : i->offset;
}

static void source_acked(struct conn *c, const struct sent_packet *p)
{
    const struct sent_item *i = source_of(p);

    if (i)
        done(c, code_of(i), block_of(i), index_of(i));
}

static void source_lost(struct conn *c, const struct sent_packet *p)
{
    const struct sent_item *i = source_of(p);
    struct fate *f = i ? find(c, code_of(i), block_of(i)) : NULL;

    if (f)
        f->missing |= UINT64_C(1) << index_of(i) & ~f->done;
}

/* The path's losses in sending order, or spells of them would look shorter than they were: what is
 * before the oldest packet in flight is settled, and was received unless it was declared lost. */
static void count_losses(struct conn *c, struct conn_path *path, const struct loss_event *ev)
{
    const struct sent_packet *live = path->sent.live;
    uint64_t end = live ? live->order : path->sent.next_order;

    for (const struct sent_packet *p = ev->lost; p != live; p = p->next) {
        redundancy_on_packets(&c->redundancy, false, (uint32_t)(p->order - path->settled));
        redundancy_on_packets(&c->redundancy, true, !(p->flags & SENT_MTU_PROBE));
        path->settled = p->order + 1;
    }
    redundancy_on_packets(&c->redundancy, false, (uint32_t)(end - path->settled));
    path->settled = end;
}

void fec_settle(struct conn *c, struct conn_path *path, const struct loss_event *ev)
{
    if (!c->config.goals)
        return;
    count_losses(c, path, ev);
    for (const struct sent_packet *p = ev->acked; p; p = p->next)
        source_acked(c, p);
    for (const struct sent_packet *p = ev->lost; p != path->sent.live; p = p->next)
        source_lost(c, p);
}

/* ---- FEC_RECOVERED ---- */

/* Does the report speak of a source that was never sent? Of what is too old to know it does not. */
static bool impossible(struct conn *c, const struct frame *f)
{
    uint64_t first = f->u.recovered.first, mask = f->u.recovered.mask;
    const struct conn_fec_tx *tx = c->fec_tx;
    const struct fate *fate;

    if (!tx)
        return true;
    if (f->u.recovered.window)
        return mask != 0 && first + 63 - (unsigned)__builtin_clzll(mask) >= tx->window.next;
    fate = find(c, CODE_BLOCKS, first);
    return first >= tx->next_block || (fate && (mask & ~fate->sent) != 0);
}

static bool reports(const struct frame *f, const struct sent_item *i)
{
    uint64_t at = f->u.recovered.window ? i->seq - f->u.recovered.first : i->offset;

    if ((code_of(i) == CODE_WINDOW) != (f->u.recovered.window != 0))
        return false;
    if (code_of(i) == CODE_BLOCKS && i->seq != f->u.recovered.first)
        return false;
    return at < 64 && f->u.recovered.mask >> at & 1;
}

/* A packet of ours was rebuilt: what was to be sent again because of its loss need not be. */
static void packet_recovered(struct conn *c, struct sent_packet *p, uint64_t now)
{
    if (p->flags & SENT_RECOVERED)
        return;
    p->flags |= SENT_RECOVERED;
    for (unsigned i = 0; i < p->n && p->flags & SENT_LOST; i++)
        if ((p->items[i].type & ~FRAME_STREAM_FLAGS) == FRAME_STREAM)
            item_acked(c, &p->items[i], now);
}

void fec_read_recovered(struct conn *c, const struct frame *f, uint64_t now)
{
    bool window = f->u.recovered.window != 0;

    if (impossible(c, f)) {
        conn_violation(c, "recovered what was never sent", now);
        return;
    }
    for (uint64_t m = f->u.recovered.mask; m != 0; m &= m - 1) {
        unsigned at = (unsigned)__builtin_ctzll(m);
        uint64_t id = f->u.recovered.first + at;

        c->stats.peer_recovered += window ? done(c, CODE_WINDOW, id / 64, id % 64)
                                          : done(c, CODE_BLOCKS, f->u.recovered.first, at);
    }
    for (unsigned i = 0; i < CONN_PATHS; i++) {
        const struct sent *s = &c->path[i].sent;

        if (!c->path[i].open)
            continue;
        c->path[i].settling = true;
        for (struct sent_packet *p = s->head; p && p->order < s->acked_end; p = p->next) {
            const struct sent_item *source = source_of(p);

            if (source && reports(f, source))
                packet_recovered(c, p, now);
        }
        c->path[i].settling = false;
    }
}
