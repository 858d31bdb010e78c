/* FEC on the way out. */
#include "frame.h"
#include "mbuf.h"
#include "send.h"

enum { LENGTH = 2 };

bool fec_protect(struct worker *w, struct session *s, struct rte_mbuf *m)
{
    struct fec_enc *enc = s->enc;

    if (!enc)
        return false;
    uint8_t *frames = rte_pktmbuf_mtod(m, uint8_t *);
    size_t header = frame_fec_source_hdr_size(enc->block);

    frame_put_fec_source_hdr(frames - header, enc->block, enc->count, m->data_len);
    int added = fec_enc_add(enc, &w->fec, w->now, frames - LENGTH, LENGTH + m->data_len);

    if (added < 0) /* no symbol buffers: it goes unprotected */
        return false;
    mbuf_prepend(m, header);
    if (enc->count == 1)
        session_wake(w, s, w->now + w->g->open.fec_flush_us); /* if it does not fill in time */
    return added == 1;
}

static void send_repair(struct worker *w, struct session *s, unsigned index)
{
    const struct fec_enc *enc = s->enc;
    struct rte_mbuf *m = send_new(w);

    if (!m)
        return;
    uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
    uint8_t *symbol =
        frame_put_fec_repair_hdr(frame, enc->block, enc->count, enc->r, (uint8_t)index);

    memcpy(symbol, fec_enc_repair(enc, index), enc->longest);
    mbuf_append(m, (uint32_t)(symbol + enc->longest - frame));
    count(w, C_repairs_sent, 1);
    send_frames(w, s, m, impair_decide(&w->g->impair, &s->impaired, &w->prng), false);
}

void fec_flush(struct worker *w, struct session *s)
{
    struct fec_enc *enc = s->enc;

    if (!enc || enc->count == 0)
        return;
    for (unsigned i = 0; i < enc->r; i++)
        send_repair(w, s, i);
    fec_enc_close(enc, &w->fec);
}
