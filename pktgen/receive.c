#include "receive.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "flood.h"
#include "handshakes.h"
#include "send.h"
#include "wire.h"

enum { SCRATCH_KEYS = 4 };
enum { BURSTS_A_TURN = 4 }; /* more comes back than was sent: repairs, ACKs */

/* Packets on their way through aead_open. */
struct opening {
    unsigned n, scratches;
    struct rte_mbuf *m[BURST];
    struct session *s[BURST];
    struct aead_op op[BURST];
    struct aead_key scratch[SCRATCH_KEYS]; /* of epochs that are not the current one */
};

/* The packet is authentic: take its number, and read it. */
static void take(struct worker *w, struct session *s, const struct aead_op *op)
{
    int len = wire_trailer_strip(op->text, op->len);

    if (s->state != SESSION_UP) /* a packet of this burst ended it */
        return;
    if (replay_commit(&s->replay, op->pn) != REPLAY_FRESH) {
        count(w, C_rx_replayed, 1);
        return;
    }
    if (epoch_of(op->pn) > s->rx.current.epoch) {
        epoch_rx_commit(&s->rx, w->aead, op->pn);
        count(w, C_rekeys, 1);
    }
    if (!s->confirmed) {
        s->confirmed = true;
        w->unconfirmed--;
    }
    if (len < 0)
        count(w, C_rx_bad_frame, 1);
    else
        read_packet(w, s, op->text, (uint32_t)len);
}

static void open_gathered(struct worker *w, struct opening *o)
{
    if (o->n == 0)
        return;
    aead_open(w->aead, o->op, o->n);
    w->tsc = rte_rdtsc(); /* when the messages in them came back */
    for (unsigned i = 0; i < o->n; i++) {
        if (o->op[i].ok)
            take(w, o->s[i], &o->op[i]);
        else
            count(w, C_rx_auth_failed, 1);
    }
    for (unsigned i = 0; i < o->scratches; i++)
        aead_key_wipe(&o->scratch[i]);
    rte_pktmbuf_free_bulk(o->m, o->n);
    o->n = o->scratches = 0;
}

/* Takes m. */
static void gather(struct worker *w, struct opening *o, struct rte_mbuf *m,
                   const struct datagram *d, const struct wire_info *info)
{
    struct session *s = session_of_spi(w, info->spi);
    const struct aead_key *key = s ? &s->rx.current : NULL;

    if (!s || s->state != SESSION_UP || d->port != s->path.our_port ||
        memcmp(d->our_ip, s->path.our_ip, 16) != 0) {
        count(w, C_rx_unknown_spi, 1);
        rte_pktmbuf_free(m);
        return;
    }
    if (epoch_of(info->pn) != s->rx.current.epoch)
        key = epoch_rx_key(&s->rx, w->aead, info->pn, &o->scratch[o->scratches]);
    if (!key || replay_check(&s->replay, info->pn) != REPLAY_FRESH) {
        count(w, C_rx_replayed, 1);
        rte_pktmbuf_free(m);
        return;
    }
    o->scratches += key != &s->rx.current;
    o->m[o->n] = m;
    o->s[o->n] = s;
    o->op[o->n++] = (struct aead_op){.key = key,
                                     .text = d->payload + WIRE_DATA_HDR,
                                     .pn = info->pn,
                                     .spi = info->spi,
                                     .len = info->text_len};
    if (o->n == BURST || o->scratches == SCRATCH_KEYS)
        open_gathered(w, o);
}

/* ServerHello, Retry and Reset. */
static void handshake_packet(struct worker *w, const struct datagram *d, uint8_t type)
{
    uint32_t spi = hs_client_spi_of(d->payload, d->len);
    struct session *s = session_of_spi(w, spi);

    if (type == WIRE_RESET) {
        s = session_at(w, source_session(w->g, d->our_ip, d->port));
        if (s && s->state == SESSION_UP)
            handshake_reset(w, s, d->payload, d->len);
        else
            count(w, C_resets_ignored, 1);
    } else if (spi != 0 && s && s->state == SESSION_HELLO) {
        handshake_input(w, s, type, d->payload, d->len);
    } else {
        count(w, type == WIRE_RETRY ? C_server_retries : C_server_hellos, 1);
        if (type == WIRE_RETRY && w->flood)
            flood_retry(w->flood, d);
    }
}

/* The worker that a packet is for. */
static unsigned owner_of(const struct worker *w, const struct datagram *d, enum wire_kind kind,
                         const struct wire_info *info)
{
    if (kind == WIRE_DATA)
        return session_owner(w->g, info->spi);
    if (info->hs_type != WIRE_RESET)
        return session_owner(w->g, hs_client_spi_of(d->payload, d->len));
    return source_session(w->g, d->our_ip, d->port) % w->g->options.workers;
}

/* Takes m. */
static void hand_over(struct worker *w, unsigned owner, struct rte_mbuf *m)
{
    count(w, C_misdirected, 1);
    if (rte_ring_enqueue(w->g->worker[owner]->handed, m) == 0)
        return;
    count(w, C_misdirected_dropped, 1);
    rte_pktmbuf_free(m);
}

/* Takes m. */
static void sort(struct worker *w, struct opening *o, struct rte_mbuf *m)
{
    struct wire_info info;
    enum wire_kind kind;
    struct datagram d;
    unsigned owner;

    if (!parse(w, &m, &d)) {
        rte_pktmbuf_free(m);
        return;
    }
    kind = wire_classify(d.payload, d.len, &info);
    if (kind != WIRE_DATA && kind != WIRE_HANDSHAKE) {
        count(w, C_rx_malformed, 1);
        rte_pktmbuf_free(m);
    } else if ((owner = owner_of(w, &d, kind, &info)) != w->index) {
        hand_over(w, owner, m);
    } else if (kind == WIRE_DATA) {
        gather(w, o, m, &d, &info);
    } else {
        open_gathered(w, o); /* a session may end now */
        handshake_packet(w, &d, info.hs_type);
        rte_pktmbuf_free(m);
    }
}

static void process(struct worker *w, struct rte_mbuf **m, unsigned n)
{
    struct opening o;

    o.n = o.scratches = 0;
    for (unsigned i = 0; i < n; i++)
        rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
    for (unsigned i = 0; i < n; i++)
        sort(w, &o, m[i]);
    open_gathered(w, &o);
}

/* Lose some of what came, and count the rest. */
static unsigned lose(struct worker *w, struct rte_mbuf **m, unsigned n)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < n; i++) {
        if (prng_chance(&w->prng, w->g->impair.loss_rx)) {
            count(w, C_lost_rx, 1);
            rte_pktmbuf_free(m[i]);
        } else {
            m[kept++] = m[i];
        }
    }
    return kept;
}

/* A burst from one queue; returns how many packets came. */
static unsigned receive_queue(struct worker *w, uint16_t queue)
{
    struct rte_mbuf *m[BURST];
    uint64_t bytes = 0;
    unsigned n = likely(!w->halted) ? rte_eth_rx_burst(w->g->port, queue, m, BURST) : 0;

    if (n == 0)
        return 0;
    for (unsigned i = 0; i < n; i++)
        bytes += m[i]->pkt_len;
    count(w, C_rx_packets, n);
    count(w, C_rx_bytes, bytes);
    w->last = w->tsc;
    process(w, m, unlikely(w->g->impair.loss_rx) ? lose(w, m, n) : n);
    return n;
}

unsigned receive(struct worker *w)
{
    struct rte_mbuf *m[BURST];
    unsigned n, total = 0;

    for (unsigned q = 0; q < w->queues; q++)
        for (unsigned bursts = 0; bursts < BURSTS_A_TURN; bursts++) {
            n = receive_queue(w, w->tx[q].id);
            total += n;
            if (n < BURST)
                break;
        }
    n = rte_ring_dequeue_burst(w->handed, (void **)m, BURST, NULL);
    if (n > 0)
        process(w, m, n);
    return total + n;
}
