#include "fec.h"

#include <string.h>

#include "egress.h"
#include "frame.h"
#include "stages.h"

enum { LENGTH = 2, REPAIR_HDR_MAX = 1 + 8 + 3 };

static void send_repair(struct lcore *lc, struct session *s, unsigned index)
{
    const struct fec_enc *enc = s->enc;
    struct rte_mbuf *m = rte_pktmbuf_alloc(lc->mbufs);

    if (!m || rte_pktmbuf_tailroom(m) < REPAIR_HDR_MAX + enc->longest + EGRESS_BEHIND) {
        rte_pktmbuf_free(m);
        count(lc, JP_tx_no_mbuf, 1);
        return;
    }
    uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
    uint8_t *symbol =
        frame_put_fec_repair_hdr(frame, enc->block, enc->count, enc->r, (uint8_t)index);

    memcpy(symbol, fec_enc_repair(enc, index), enc->longest);
    rte_pktmbuf_append(m, (uint16_t)(symbol + enc->longest - frame));
    egress_submit(lc, s, m, ITEM_FRAMES, 0);
    count(lc, JP_repairs_sent, 1);
}

void egress_fec_flush(struct lcore *lc, struct session *s)
{
    struct fec_enc *enc = s->enc;

    if (!enc || enc->count == 0)
        return;
    for (unsigned i = 0; i < enc->r; i++)
        send_repair(lc, s, i);
    fec_enc_close(enc, &lc->fec);
}

/* Wrap m's frames as the next source of the session's block. What is too long for a repair, or
 * finds no symbol buffer, goes out unprotected. */
static void protect(struct lcore *lc, struct session *s, struct rte_mbuf *m)
{
    struct fec_enc *enc = s->enc;
    uint8_t *frames = rte_pktmbuf_mtod(m, uint8_t *);
    size_t header = frame_fec_source_hdr_size(enc->block);

    if (header + LENGTH + m->data_len > s->max_frames)
        return;
    frame_put_fec_source_hdr(frames - header, enc->block, enc->count, m->data_len);
    int added = fec_enc_add(enc, &lc->fec, lc->now, frames - LENGTH, LENGTH + m->data_len);

    if (added < 0)
        return;
    rte_pktmbuf_prepend(m, (uint16_t)header);
    if (added == 1)
        egress_fec_flush(lc, s);
    else if (enc->count == 1)
        session_wake(lc, s,
                     lc->now + lc->dp->config.fec_flush_us); /* if it does not fill in time */
}

void fec_burst(struct lcore *lc, struct egress_burst *b)
{
    for (unsigned i = 0; i < b->n; i++)
        if (b->item[i].kind == ITEM_DATA && b->item[i].s->enc)
            protect(lc, b->item[i].s, b->item[i].m);
}
