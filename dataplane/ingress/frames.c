/* The frames of a packet: control frames are handled here, data frames become units of their own.
 */
#include <errno.h>

#include <sodium.h>

#include "egress/egress.h"
#include "reading.h"

struct rte_mbuf *packet_copy(struct lcore *lc, struct rte_mbuf *m, const uint8_t *data,
                             uint32_t len)
{
    struct rte_mbuf *copy = rte_pktmbuf_alloc(lc->mbufs);
    uint8_t *room = copy ? (uint8_t *)rte_pktmbuf_append(copy, (uint16_t)len) : NULL;

    if (!room) {
        rte_pktmbuf_free(copy);
        return NULL;
    }
    memcpy(room, data, len);
    *packet_of(copy) = *packet_of(m);
    return copy;
}

/* One more data frame: its unit is m itself for the first, a copy for the others, unless there is
 * no mbuf, counted. */
static void add_unit(struct reading *r, const struct frame *f)
{
    struct rte_mbuf *m = r->m;
    uint32_t len;
    const uint8_t *data = frame_data(f, &len);

    if (r->units.head) {
        count(r->lc, JP_split_frames, 1);
        m = packet_copy(r->lc, r->m, data, len);
        if (!m) {
            count(r->lc, JP_no_mbuf, 1);
            return;
        }
        data = rte_pktmbuf_mtod(m, const uint8_t *);
    }
    uint16_t at = (uint16_t)(data - rte_pktmbuf_mtod(m, const uint8_t *));

    if (f->type == FRAME_STREAM)
        unit_set_stream(packet_of(m), &f->u.stream, at);
    else
        unit_set_datagram(packet_of(m), &f->u.datagram, at);
    queue_push(&r->units, &packet_of(m)->node);
}

/* One packet never becomes more work than this (docs/protocol.md section 4). */
static bool may_hold_more(struct reading *r)
{
    return ++r->data_frames <= FRAME_DATA_MAX;
}

/* False when it is not the packet's first. */
static bool answer_challenge(struct reading *r, const uint8_t data[8])
{
    uint8_t frame[16];

    if (r->challenged)
        return false;
    r->challenged = true;
    egress_frames(r->lc, r->s, frame,
                  (uint32_t)(frame_put_path(frame, FRAME_PATH_RESPONSE, data) - frame));
    return true;
}

/* Frames that are no data. False when they break the protocol. */
static bool read_control(struct reading *r, const struct frame *f)
{
    switch (f->type) {
    case FRAME_PING:
        r->eliciting = true;
        return true;
    case FRAME_ACK:
        return epoch_tx_acked(&r->s->tx, f->u.ack.largest) == 0;
    case FRAME_CLOSE:
        session_doom(r->lc, r->s, JP_RETIRED_PEER, CLOSE_NONE);
        return true;
    case FRAME_PATH_CHALLENGE:
        r->eliciting = true;
        return answer_challenge(r, f->u.path_data);
    case FRAME_FEC_REPAIR:
        r->eliciting = true;
        fec_repair(r, f);
        return true;
    case FRAME_PATH_RESPONSE:
        if (r->s->challenged && sodium_memcmp(f->u.path_data, r->s->challenge, 8) == 0)
            r->s->unproven = r->s->challenged = false;
        return true;
    default: /* frames of the full transport */
        return false;
    }
}

/* p is at the first frame inside. */
static bool read_source(struct reading *r, const struct frame *f, const uint8_t *p)
{
    if (!fec_source(r, f))
        return true;
    bool ok = frames_read(r, p, f->u.fec_source.symbol + f->u.fec_source.symbol_len, true);

    fec_recover(r, f->u.fec_source.block);
    return ok;
}

bool frames_read(struct reading *r, const uint8_t *p, const uint8_t *end, bool inner)
{
    struct frame f;
    bool ok = true;
    int more;

    while (ok && (more = frame_next(&p, end, inner, &f)) != 0) {
        if (more < 0)
            return false;
        switch (f.type) {
        case FRAME_STREAM:
            r->eliciting = true;
            ok = !f.u.stream.unordered && !f.u.stream.compressed && may_hold_more(r);
            if (ok)
                add_unit(r, &f);
            break;
        case FRAME_DATAGRAM:
            r->eliciting = true;
            if ((ok = may_hold_more(r)))
                add_unit(r, &f);
            break;
        case FRAME_FEC_SOURCE:
            ok = read_source(r, &f, p);
            p = f.u.fec_source.symbol + f.u.fec_source.symbol_len;
            break;
        default:
            ok = read_control(r, &f);
        }
    }
    return ok;
}

void reading_end(struct reading *r, bool ok)
{
    bool has_data = r->units.head != NULL;

    if (!has_data)
        drop(r->lc, r->m, ok ? r->fate : JP_bad_frame);
    if (ok) {
        queue_splice(&r->lc->frames, &r->units);
        return;
    }
    for (struct reorder_node *n; (n = queue_pop(&r->units));)
        drop(r->lc, mbuf_of(n), JP_bad_frame);
    session_doom(r->lc, r->s, JP_RETIRED_VIOLATION, CLOSE_PROTOCOL);
}
