/* fec: reads packets' frames; what loss took of them comes back here. */
#include "reading.h"

/* The session's decoder, made when the peer first sends FEC; NULL when none was free then. */
static struct fec_dec *decoder(struct lcore *lc, struct session *s)
{
    if (s->dec || s->fec_refused)
        return s->dec;
    s->dec = pool_get(&lc->fec_decoders);
    if (s->dec)
        fec_dec_init(s->dec);
    else
        s->fec_refused = true;
    return s->dec;
}

/* Is the symbol to be dropped? Then that is the packet's fate, unless there is data beside it. */
static bool is_refused(struct reading *r, enum fec_verdict verdict)
{
    switch (verdict) {
    case FEC_DUPLICATE:
        r->fate = JP_fec_duplicate;
        return true;
    case FEC_LATE:
        r->fate = JP_fec_late;
        return true;
    case FEC_BAD:
        r->fate = JP_fec_bad;
        return true;
    default:
        return false;
    }
}

bool fec_source(struct reading *r, const struct frame *f)
{
    struct fec_dec *dec = decoder(r->lc, r->s);

    if (!dec || !is_refused(r, fec_dec_source(dec, &r->lc->fec, r->lc->now, f->u.fec_source.block,
                                              f->u.fec_source.index, f->u.fec_source.symbol,
                                              f->u.fec_source.symbol_len)))
        return true;
    r->eliciting = true; /* most likely: nobody reads what is inside */
    return false;
}

void fec_repair(struct reading *r, const struct frame *f)
{
    struct fec_dec *dec = decoder(r->lc, r->s);
    enum fec_verdict verdict;

    r->fate = JP_repair;
    if (!dec)
        return;
    verdict = fec_dec_repair(dec, &r->lc->fec, r->lc->now, f->u.fec_repair.block, f->u.fec_repair.k,
                             f->u.fec_repair.r, f->u.fec_repair.index, f->u.fec_repair.symbol,
                             f->u.fec_repair.symbol_len);
    if (!is_refused(r, verdict) && verdict == FEC_HELD)
        fec_recover(r, f->u.fec_repair.block);
}

/* A recovered source is read like a packet that had arrived. */
static void read_recovered(struct reading *r, const struct fec_recovered *symbol)
{
    struct reading copy = {.lc = r->lc, .s = r->s, .fate = JP_control};

    count(r->lc, JP_fec_recovered, 1);
    r->s->fec_recovered++;
    if (!symbol->frames) {
        count(r->lc, JP_bad_frame, 1);
        session_doom(r->lc, r->s, JP_RETIRED_VIOLATION, CLOSE_PROTOCOL);
        return;
    }
    copy.m = packet_copy(r->lc, r->m, symbol->frames, symbol->len);
    if (!copy.m) {
        count(r->lc, JP_no_mbuf, 1);
        return;
    }
    const uint8_t *frames = rte_pktmbuf_mtod(copy.m, const uint8_t *);

    queue_init(&copy.units);
    reading_end(&copy, frames_read(&copy, frames, frames + symbol->len, true));
}

void fec_recover(struct reading *r, uint64_t block)
{
    struct fec_recovered recovered[FEC_R_MAX];
    unsigned n;

    if (!r->s->dec)
        return;
    n = fec_dec_recover(r->s->dec, &r->lc->fec, block, recovered);
    for (unsigned i = 0; i < n; i++)
        read_recovered(r, &recovered[i]);
    session_wake(r->lc, r->s, r->lc->now + r->lc->dp->config.fec_expire_us + 1);
}

static void acknowledge(struct lcore *lc, struct session *s)
{
    if (ack_note(&s->ack, lc->now))
        session_ack(lc, s);
    else if (s->ack.pending == 1)
        session_wake(lc, s, ack_deadline(&s->ack));
}

static void read_packet(struct lcore *lc, struct rte_mbuf *m)
{
    struct packet *p = packet_of(m);
    struct reading r = {.lc = lc, .s = p->session, .m = m, .fate = JP_control};
    const uint8_t *frames =
        rte_pktmbuf_mtod_offset(m, const uint8_t *, p->layers.udp + WIRE_DATA_HDR);

    if (r.s->doom) {
        drop(lc, m, JP_session_gone);
        return;
    }
    queue_init(&r.units);
    bool ok = frames_read(&r, frames, frames + p->text_len, false);

    if (ok && r.eliciting)
        acknowledge(lc, r.s);
    reading_end(&r, ok);
}

/* Is [p, end) one data frame, of a datagram or an ordered stream as it is? Then m is its unit. */
static inline bool is_lone(struct rte_mbuf *m, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *start = rte_pktmbuf_mtod(m, const uint8_t *);
    const unsigned plain = FRAME_STREAM_OFF | FRAME_STREAM_FIN | FRAME_STREAM_LEN;
    unsigned type = *p++;

    if (likely((type & ~plain) == FRAME_STREAM)) {
        struct frame_stream f;

        if (!frame_get_stream(&p, end, type & plain, &f) || p != end)
            return false;
        unit_set_stream(packet_of(m), &f, (uint16_t)(f.data - start));
        return true;
    }
    struct frame_datagram f;

    if ((type & ~FRAME_DATAGRAM_LEN) != FRAME_DATAGRAM ||
        !frame_get_datagram(&p, end, type & FRAME_DATAGRAM_LEN, &f) || p != end)
        return false;
    unit_set_datagram(packet_of(m), &f, (uint16_t)(f.data - start));
    return true;
}

/* Most packets hold one data frame and no other: it is the unit, and needs no queue. False: nothing
 * was done, read it the long way. */
static inline bool read_lone(struct lcore *lc, struct rte_mbuf *m)
{
    struct packet *p = packet_of(m);
    const uint8_t *frames =
        rte_pktmbuf_mtod_offset(m, const uint8_t *, p->layers.udp + WIRE_DATA_HDR);

    if (p->text_len == 0 || p->session->doom || !is_lone(m, frames, frames + p->text_len))
        return false;
    acknowledge(lc, p->session);
    return true;
}

/* What was read is handed on as soon as it fills a burst: the copies of one burst's frames never
 * pile up. */
uint16_t ingress_fec(struct lcore *lc, struct burst *b)
{
    struct reorder_node *n;
    uint16_t kept = 0;

    for (uint16_t i = 0; i < b->n; i++)
        if (likely(lc->frames.n == 0 && read_lone(lc, b->m[i])))
            b->m[kept++] = b->m[i];
        else if (likely(lc->frames.n < BURST_MAX))
            read_packet(lc, b->m[i]);
        else
            queue_push(&lc->unread, &packet_of(b->m[i])->node);
    while (lc->frames.n < BURST_MAX && (n = queue_pop(&lc->unread)))
        read_packet(lc, mbuf_of(n));
    return kept > 0 ? (b->n = kept) : burst_refill(b, &lc->frames);
}
