/* Frames of authentic packets, and the messages in them. */
#include "bytes.h"
#include "frame.h"
#include "receive.h"
#include "send.h"

struct reading {
    struct worker *w;
    struct session *s;
    bool eliciting; /* it wants an ACK */
};

static bool read_frames(struct reading *r, const uint8_t *p, const uint8_t *end, bool inner);

/* An echo of this session and phase that is as it was sent. */
static void delivered(struct worker *w, struct session *s, const struct payload *p)
{
    struct stream_state *st = &s->streams[p->stream];

    switch (replay_commit(&s->seen, p->counter)) {
    case REPLAY_SEEN:
        count(w, C_duplicate_delivered, 1);
        return;
    case REPLAY_OLD:
        count(w, C_late_delivered, 1);
        return;
    case REPLAY_FRESH:
        break;
    }
    count(w, C_delivered, 1);
    count(w, C_delivered_bytes, p->len);
    histogram_add(&w->results.latency, w->tsc - p->sent_at);
    if (p->flags & PAYLOAD_LOST)
        count(w, C_fec_recovered, 1);
    else
        window_returned(&w->window, p->sent_at >> WINDOW_SHIFT);
    if (p->flags & PAYLOAD_DATAGRAM)
        return;
    if (p->counter < st->behind)
        count(w, C_out_of_order, 1);
    else
        st->behind = p->counter + 1;
}

static void read_message(struct reading *r, const uint8_t *data, uint32_t len, uint32_t stream,
                         uint16_t kind, bool whole)
{
    struct worker *w = r->w;
    struct payload p;

    r->eliciting = true;
    if (!whole || !payload_get(&w->g->pattern, &p, data, len) || p.session != r->s->index ||
        p.stream != stream || (p.flags & PAYLOAD_DATAGRAM) != kind || p.counter >= r->s->counter)
        count(w, C_corrupt_delivered, 1);
    else if (p.phase != w->g->phase_id)
        count(w, C_late_delivered, 1);
    else
        delivered(w, r->s, &p);
}

/* Sources that the symbols at hand give back. */
static bool recover(struct reading *r, uint64_t block)
{
    struct fec_recovered lost[FEC_R_MAX];
    unsigned n = fec_dec_recover(r->s->dec, &r->w->fec, block, lost);
    bool ok = true;

    for (unsigned i = 0; i < n; i++) {
        count(r->w, C_fec_recovered_rx, 1);
        ok &= lost[i].frames && read_frames(r, lost[i].frames, lost[i].frames + lost[i].len, true);
    }
    if (fec_dec_oldest(r->s->dec) != UINT64_MAX)
        session_wake(r->w, r->s, fec_dec_oldest(r->s->dec) + r->w->g->open.fec_expire_us + 1);
    return ok;
}

/* p is at the first frame inside. */
static bool read_source(struct reading *r, const struct frame *f, const uint8_t *p)
{
    const uint8_t *end = f->u.fec_source.symbol + f->u.fec_source.symbol_len;

    if (!r->s->dec) /* not asked for; nothing can be recovered */
        return read_frames(r, p, end, true);
    enum fec_verdict verdict =
        fec_dec_source(r->s->dec, &r->w->fec, r->w->now, f->u.fec_source.block,
                       f->u.fec_source.index, f->u.fec_source.symbol, f->u.fec_source.symbol_len);

    r->eliciting = true;
    if (verdict != FEC_DELIVER)
        return verdict != FEC_BAD;
    bool ok = read_frames(r, p, end, true);

    return recover(r, f->u.fec_source.block) && ok;
}

static bool read_repair(struct reading *r, const struct frame *f)
{
    enum fec_verdict verdict = FEC_USELESS;

    r->eliciting = true;
    count(r->w, C_repairs_received, 1);
    if (r->s->dec)
        verdict = fec_dec_repair(r->s->dec, &r->w->fec, r->w->now, f->u.fec_repair.block,
                                 f->u.fec_repair.k, f->u.fec_repair.r, f->u.fec_repair.index,
                                 f->u.fec_repair.symbol, f->u.fec_repair.symbol_len);
    if (verdict == FEC_HELD)
        return recover(r, f->u.fec_repair.block);
    return verdict != FEC_BAD;
}

/* Frames about the session. */
static bool read_control(struct reading *r, const struct frame *f)
{
    uint8_t response[16];

    switch (f->type) {
    case FRAME_ACK:
        count(r->w, C_acks_received, 1);
        return epoch_tx_acked(&r->s->tx, f->u.ack.largest) == 0;
    case FRAME_CLOSE:
        count(r->w, C_closed, 1);
        session_down(r->w, r->s);
        return true;
    case FRAME_PATH_CHALLENGE:
        r->eliciting = true;
        send_control(
            r->w, r->s, response,
            (uint32_t)(frame_put_path(response, FRAME_PATH_RESPONSE, f->u.path_data) - response));
        return true;
    case FRAME_PING:
        r->eliciting = true;
        return true;
    case FRAME_PATH_RESPONSE: /* though we never challenge */
        return true;
    default: /* frames of the full transport */
        return false;
    }
}

static bool read_frame(struct reading *r, const struct frame *f, const uint8_t **p)
{
    bool ok;

    switch (f->type) {
    case FRAME_STREAM:
        read_message(r, f->u.stream.data, f->u.stream.len, f->u.stream.id, 0,
                     f->u.stream.fin && f->u.stream.offset == 0);
        return true;
    case FRAME_DATAGRAM:
        read_message(r, f->u.datagram.data, f->u.datagram.len, 0, PAYLOAD_DATAGRAM, true);
        return true;
    case FRAME_FEC_SOURCE:
        ok = read_source(r, f, *p);
        *p = f->u.fec_source.symbol + f->u.fec_source.symbol_len;
        return ok;
    case FRAME_FEC_REPAIR:
        return read_repair(r, f);
    default:
        return read_control(r, f);
    }
}

static bool read_frames(struct reading *r, const uint8_t *p, const uint8_t *end, bool inner)
{
    struct frame f;
    int more;

    while ((more = frame_next(&p, end, inner, &f)) > 0)
        if (!read_frame(r, &f, &p) || r->s->state != SESSION_UP)
            return r->s->state != SESSION_UP;
    return more == 0;
}

void read_packet(struct worker *w, struct session *s, const uint8_t *p, uint32_t len)
{
    struct reading r = {.w = w, .s = s};

    if (!read_frames(&r, p, p + len, false))
        count(w, C_rx_bad_frame, 1);
    if (!r.eliciting || s->state != SESSION_UP)
        return;
    if (ack_note(&s->ack, w->now))
        send_ack(w, s);
    else if (s->ack.pending == 1)
        session_wake(w, s, ack_deadline(&s->ack));
}
