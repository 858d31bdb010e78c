#include <string.h>

#include <rte_prefetch.h>

#include "egress.h"
#include "frame.h"
#include "stages.h"
#include "varint.h"

static void refuse(struct lcore *lc, struct rte_mbuf *m, enum jp_counter why)
{
    count(lc, why, 1);
    rte_pktmbuf_free(m);
}

void egress_submit(struct lcore *lc, struct session *s, struct rte_mbuf *m, enum item_kind kind,
                   uint16_t port)
{
    struct egress *e = lc->egress;

    if (unlikely(e->tail - e->head == EGRESS_QUEUE)) {
        if (e->running) {
            refuse(lc, m, JP_tx_full);
            return;
        }
        egress_run(lc);
    }
    if (kind == ITEM_FRAMES) { /* mostly an ACK alone, and the receive path goes on first */
        rte_prefetch0(s->header);
        rte_prefetch0(&s->tx.next_pn);
        aead_key_expect(&s->tx.current);
    }
    e->queue[e->tail++ % EGRESS_QUEUE] =
        (struct item){.m = m, .s = s, .port = port, .kind = (uint8_t)kind};
}

/* What FEC takes from a packet: its repairs are the longer ones, with 2 bytes of length and a
 * header of 12 at most. Block ids grow by no more than the queue is long until the packet has its
 * own. */
static uint32_t fec_room(const struct session *s)
{
    return s->enc ? 2 + 4 + (uint32_t)varint_size(s->enc->block + EGRESS_QUEUE) : 0;
}

uint32_t egress_data_max(const struct session *s)
{
    return s->max_frames - fec_room(s) - FRAME_STREAM_HDR_MAX;
}

/* Cut the first len bytes off m's fragment into a packet of their own and submit that. */
static bool cut(struct lcore *lc, struct session *s, struct rte_mbuf *m, uint32_t len)
{
    struct rte_mbuf *front = rte_pktmbuf_alloc(lc->mbufs);
    struct packet *p = packet_of(m);

    if (!front)
        return false;
    *packet_of(front) = *p;
    packet_of(front)->data = 0;
    packet_of(front)->data_len = (uint16_t)len;
    packet_of(front)->node.fin = false;
    memcpy(rte_pktmbuf_mtod(front, uint8_t *), rte_pktmbuf_mtod_offset(m, uint8_t *, p->data), len);
    egress_submit(lc, s, front, ITEM_DATA, 0);
    p->data += (uint16_t)len;
    p->data_len -= (uint16_t)len;
    p->node.offset += len;
    return true;
}

static void submit_fragment(struct lcore *lc, struct session *s, struct rte_mbuf *m)
{
    const struct packet *p = packet_of(m);
    uint32_t max = s->max_frames - fec_room(s);

    for (;;) {
        uint32_t room =
            max - (uint32_t)frame_stream_hdr_size(p->stream_id, p->node.seq, p->node.offset);

        if (likely(p->data_len <= room))
            break;
        if (!cut(lc, s, m, room)) {
            refuse(lc, m, JP_tx_no_mbuf);
            return;
        }
    }
    egress_submit(lc, s, m, ITEM_DATA, 0);
}

void egress_data(struct lcore *lc, struct session *s, struct rte_mbuf *m)
{
    const struct packet *p = packet_of(m);
    int behind = m->buf_len - m->data_off - p->data - p->data_len;

    if (unlikely(m->data_off + p->data < EGRESS_FRONT || behind < EGRESS_BEHIND))
        refuse(lc, m, JP_tx_no_mbuf);
    else if (!p->is_datagram && likely(p->stream_id < s->max_streams))
        submit_fragment(lc, s, m);
    else if (p->is_datagram && 1u + p->data_len <= s->max_frames)
        egress_submit(lc, s, m, ITEM_DATA, 0);
    else
        refuse(lc, m, JP_tx_refused);
}

/* A packet buffer with a copy of these bytes; NULL, counted, when there is none or they are too
 * long for it. */
static struct rte_mbuf *copy_of(struct lcore *lc, const uint8_t *bytes, uint32_t len)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(lc->mbufs);
    bool fits = m && rte_pktmbuf_tailroom(m) >= len + EGRESS_BEHIND;
    char *room = fits ? rte_pktmbuf_append(m, (uint16_t)len) : NULL;

    if (!room) {
        rte_pktmbuf_free(m);
        count(lc, JP_tx_no_mbuf, 1);
        return NULL;
    }
    memcpy(room, bytes, len);
    return m;
}

void egress_frames(struct lcore *lc, struct session *s, const uint8_t *frames, uint32_t len)
{
    struct rte_mbuf *m = copy_of(lc, frames, len);

    if (m)
        egress_submit(lc, s, m, ITEM_FRAMES, 0);
}

void egress_raw(struct lcore *lc, struct rte_mbuf *m, uint16_t port)
{
    egress_submit(lc, NULL, m, ITEM_RAW, port);
}

void egress_datagram(struct lcore *lc, const struct jp_path *path, const uint8_t *bytes,
                     uint32_t len)
{
    uint8_t header[66];
    struct rte_mbuf *m = copy_of(lc, bytes, len);

    if (!m)
        return;
    path_prepend(lc->dp, path, header, path_header(header, path), m);
    egress_raw(lc, m, path->port);
}
