/* Reading the frames of one packet: what frames.c and fec.c, the two halves of the fec stage,
 * share. */
#ifndef DATAPLANE_READING_H
#define DATAPLANE_READING_H

#include <stdbool.h>

#include "frame.h"
#include "ingress.h"
#include "session.h"
#include "wire.h"

struct reading {
    struct lcore *lc;
    struct session *s;
    struct rte_mbuf *m;        /* the packet, or the copy of a recovered source */
    struct packet_queue units; /* its data frames: the first is m itself, the others are copies */
    bool eliciting;            /* it wants an acknowledgement */
    bool challenged;           /* it holds a PATH_CHALLENGE */
    unsigned data_frames;      /* STREAM and DATAGRAM frames so far */
    enum jp_counter fate;      /* of m when it has no data frame */
};

/* Read the frames in [p, end) of m; inner: of a source symbol. False when they break the protocol.
 */
bool frames_read(struct reading *r, const uint8_t *p, const uint8_t *end, bool inner);
/* Give m its end: its units go on to reorder, or, when it broke the protocol, all are dropped and
 * the session is doomed. */
void reading_end(struct reading *r, bool ok);

/* p is the unit of this STREAM or DATAGRAM frame, its data at `data` of its packet. */
static inline void unit_set_stream(struct packet *p, const struct frame_stream *f, uint16_t data)
{
    p->data = data;
    p->data_len = (uint16_t)f->len;
    p->is_datagram = false;
    p->stream_id = f->id;
    p->node.seq = f->seq;
    p->node.offset = f->offset;
    p->node.len = f->len;
    p->node.fin = f->fin;
}

static inline void unit_set_datagram(struct packet *p, const struct frame_datagram *f,
                                     uint16_t data)
{
    p->data = data;
    p->data_len = (uint16_t)f->len;
    p->is_datagram = true;
}

/* A copy of len bytes at data, as a packet of its own that is otherwise like m; NULL when no mbuf
 * is left. */
struct rte_mbuf *packet_copy(struct lcore *lc, struct rte_mbuf *m, const uint8_t *data,
                             uint32_t len);

/* A FEC_SOURCE arrived. True when the frames in its symbol are to be read; fec_recover must follow
 * then. */
bool fec_source(struct reading *r, const struct frame *f);
void fec_repair(struct reading *r, const struct frame *f);
/* Read the sources of the block that can be recovered now. */
void fec_recover(struct reading *r, uint64_t block);

#endif
