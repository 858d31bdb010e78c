#include "send.h"

#include <rte_ethdev.h>

#include "frame.h"
#include "mbuf.h"
#include "wire.h"

enum { UDP_LEN = 8 };
enum {
    FRONT = RTE_ALIGN_CEIL(
        PATH_HEADER_MAX + WIRE_DATA_HDR + FRAME_FEC_HDR_MAX + FRAME_STREAM_HDR_MAX, 64)
};
enum { BACKLOG_FULL = TX_BACKLOG / 4, STUCK_US = 1000000 };
/* beside enum impair_action: a packet without number, not to be sent again */
enum { ACTION_HELLO = 128 };

struct rte_mbuf *send_new(struct worker *w)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(w->g->mbufs);

    if (unlikely(!m)) {
        count(w, C_no_mbuf, 1);
        return NULL;
    }
    m->data_off = FRONT;
    return m;
}

/* ---- UDP payload to port ---- */

/* Hand a queue's packets to the port; what it does not take stays, for as long as it takes some now
 * and then. */
static void drain(struct worker *w, struct tx_queue *q)
{
    uint64_t bytes = 0;
    uint16_t n = q->n, sent;

    for (unsigned i = 0; i < n; i++)
        bytes += q->m[i]->pkt_len; /* what was sent must not be touched any more */
    sent = likely(!w->halted) ? rte_eth_tx_burst(w->g->port, q->id, q->m, n) : 0;
    q->n = (uint16_t)(n - sent);
    for (unsigned i = 0; i < q->n; i++) {
        q->m[i] = q->m[sent + i];
        bytes -= q->m[i]->pkt_len;
    }
    count(w, C_tx_packets, sent);
    count(w, C_tx_bytes, bytes);
    if (sent > 0) {
        w->last = w->tsc;
        q->stuck_since = 0;
    } else if (q->stuck_since == 0) {
        q->stuck_since = w->now;
    } else if (w->now - q->stuck_since > STUCK_US) {
        rte_pktmbuf_free_bulk(q->m, q->n);
        count(w, C_tx_dropped, q->n);
        q->n = 0;
    }
}

void send_raw(struct worker *w, unsigned queue, struct rte_mbuf *m)
{
    struct tx_queue *q = &w->tx[queue];

    if (unlikely(q->n == TX_BACKLOG))
        drain(w, q);
    if (unlikely(q->n == TX_BACKLOG)) {
        rte_pktmbuf_free(m);
        count(w, C_tx_dropped, 1);
        return;
    }
    q->m[q->n++] = m;
}

bool send_room(const struct worker *w)
{
    for (unsigned i = 0; i < w->queues; i++)
        if (w->tx[i].n > BACKLOG_FULL)
            return false;
    return true;
}

void send_address(struct rte_mbuf *m, const uint8_t *header, uint16_t header_len,
                  unsigned ip_version)
{
    uint16_t udp_len = (uint16_t)(UDP_LEN + m->data_len);
    uint8_t *start = mbuf_prepend(m, header_len);
    uint8_t *udp = start + header_len - UDP_LEN;

    memcpy(start, header, header_len);
    path_header_fill(udp, ip_version, udp_len);
    if (ip_version == 6)
        path_checksum(udp, udp_len);
}

static void flip_bit(struct worker *w, struct rte_mbuf *m)
{
    uint32_t bit = prng_below(&w->prng, m->data_len * 8u);

    rte_pktmbuf_mtod(m, uint8_t *)[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

void send_held(struct worker *w, struct session *s)
{
    struct rte_mbuf *m = s->held;

    if (!m)
        return;
    count(w, C_reordered, s->overtaken);
    s->held = NULL;
    send_raw(w, s->queue, m);
}

static void hold(struct worker *w, struct session *s, struct rte_mbuf *m)
{
    s->held = m;
    s->held_left = w->g->impair.reorder_distance;
    s->held_until = w->now + w->g->impair.reorder_timeout_us;
    s->overtaken = false;
    session_wake(w, s, s->held_until);
}

static void send_copy(struct worker *w, struct session *s, const struct rte_mbuf *m)
{
    struct rte_mbuf *copy = send_new(w);

    if (!copy)
        return;
    copy->data_off = m->data_off;
    memcpy(mbuf_append(copy, m->data_len), rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
    count(w, C_duplicated, 1);
    send_raw(w, s->queue, copy);
}

/* A UDP payload meets its fate. Takes m. */
static void finish(struct worker *w, struct session *s, struct rte_mbuf *m, unsigned actions)
{
    if (actions & IMPAIR_LOSE) {
        count(w, C_lost_injected, 1);
        rte_pktmbuf_free(m);
        return;
    }
    if (actions & IMPAIR_CORRUPT) {
        count(w, C_corrupted, 1);
        flip_bit(w, m);
    }
    send_address(m, s->header, s->header_len, s->path.ip_version);
    if (w->g->impair.recalls && !(actions & (IMPAIR_CORRUPT | IMPAIR_REORDER | ACTION_HELLO)))
        recall_put(w->recall, s->queue, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
    if (actions & IMPAIR_REORDER && !s->held) {
        hold(w, s, m);
        return;
    }
    if (actions & IMPAIR_DUPLICATE)
        send_copy(w, s, m);
    send_raw(w, s->queue, m);
    if (s->held) {
        s->overtaken = true;
        if (--s->held_left == 0)
            send_held(w, s);
    }
}

/* ---- frames to UDP payload ---- */

void send_seal(struct worker *w)
{
    struct batch *b = &w->batch;
    unsigned n = b->n;

    if (n == 0)
        return;
    aead_seal(w->aead, b->op, n);
    b->n = 0;
    for (unsigned i = 0; i < n; i++) {
        finish(w, b->s[i], b->m[i], b->actions[i]);
        if (b->message[i] && w->g->impair.extras)
            noise_add(w, b->s[i]);
    }
}

/* Go on to the next epoch, early when the script says so. */
static void rekey(struct worker *w, struct session *s)
{
    uint64_t every = w->g->phase->kind == PHASE_RUN ? w->g->phase->run.rekey_every : 0;
    bool at_end = epoch_of(s->tx.next_pn) != s->tx.epoch;

    if (likely(!at_end && (every == 0 || s->tx.next_pn % (1u << EPOCH_SHIFT) < every)))
        return;
    if (!s->tx.acked)
        return;
    send_seal(w); /* the key that retires */
    if (epoch_tx_rotate(&s->tx, w->aead) == 0)
        count(w, C_rekeys, 1);
}

bool send_may(struct worker *w, struct session *s)
{
    rekey(w, s);
    if (likely(epoch_of(s->tx.next_pn) == s->tx.epoch))
        return true;
    count(w, C_blocked, 1);
    return false;
}

void send_frames(struct worker *w, struct session *s, struct rte_mbuf *m, unsigned actions,
                 bool message)
{
    struct batch *b = &w->batch;
    uint8_t *frames = rte_pktmbuf_mtod(m, uint8_t *);
    uint64_t pn;

    if (!send_may(w, s) || epoch_tx_next(&s->tx, &pn) != EPOCH_OK) {
        rte_pktmbuf_free(m);
        return;
    }
    uint32_t len = m->data_len + (uint32_t)wire_trailer_put(frames + m->data_len, m->data_len);

    wire_data_hdr_put(frames - WIRE_DATA_HDR, s->server_spi, pn);
    m->data_off -= WIRE_DATA_HDR;
    m->data_len = (uint16_t)(WIRE_DATA_HDR + len + WIRE_TAG);
    m->pkt_len = m->data_len;
    b->op[b->n] = (struct aead_op){
        .key = &s->tx.current, .text = frames, .pn = pn, .spi = s->server_spi, .len = len};
    b->m[b->n] = m;
    b->s[b->n] = s;
    b->actions[b->n] = (uint8_t)actions;
    b->message[b->n] = message;
    if (++b->n == BURST)
        send_seal(w);
}

void send_control(struct worker *w, struct session *s, const uint8_t *frames, uint32_t len)
{
    struct rte_mbuf *m = send_new(w);

    if (!m)
        return;
    memcpy(mbuf_append(m, len), frames, len);
    send_frames(w, s, m, impair_decide(&w->g->impair, &s->impaired, &w->prng), false);
}

void send_ack(struct worker *w, struct session *s)
{
    uint8_t frame[ACK_FRAME_MAX];
    uint32_t len = (uint32_t)(ack_put(&s->ack, &s->replay, w->now, frame) - frame);

    if (len == 0)
        return;
    count(w, C_acks_sent, 1);
    send_control(w, s, frame, len);
}

void send_datagram(struct worker *w, struct session *s, const uint8_t *bytes, uint32_t len)
{
    struct rte_mbuf *m = send_new(w);

    if (!m)
        return;
    memcpy(mbuf_append(m, len), bytes, len);
    unsigned actions = impair_decide(&w->g->impair, &s->impaired, &w->prng);

    finish(w, s, m, (actions & ~(unsigned)IMPAIR_REORDER) | ACTION_HELLO);
}

void send_flush(struct worker *w)
{
    send_seal(w);
    for (unsigned i = 0; i < w->queues; i++)
        if (w->tx[i].n > 0)
            drain(w, &w->tx[i]);
}
