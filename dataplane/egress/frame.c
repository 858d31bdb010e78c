#include "frame.h"

#include "stages.h"

/* Write the frame's header in front of its data, where that lies, and make the frame the mbuf's
 * data. */
static void put_header(struct rte_mbuf *m, const struct packet *p)
{
    uint32_t size =
        p->is_datagram ? 1
                       : (uint32_t)frame_stream_hdr_size(p->stream_id, p->node.seq, p->node.offset);

    m->data_off = (uint16_t)(m->data_off + p->data - size);
    m->data_len = (uint16_t)(size + p->data_len);
    m->pkt_len = m->data_len;
    if (p->is_datagram)
        frame_put_datagram_hdr(rte_pktmbuf_mtod(m, uint8_t *));
    else
        frame_put_stream_hdr(rte_pktmbuf_mtod(m, uint8_t *), p->stream_id, p->node.seq,
                             p->node.offset, p->node.fin);
}

void frame_burst(struct egress_burst *b)
{
    for (unsigned i = 0; i < b->n; i++)
        if (b->item[i].kind == ITEM_DATA)
            put_header(b->item[i].m, packet_of(b->item[i].m));
}
