#include "egress.h"
#include "stages.h"
#include "wire.h"

struct sealing {
    unsigned n;
    struct aead_op op[BURST_MAX];
};

static void seal(struct lcore *lc, struct sealing *pending)
{
    aead_seal(lc->aead, pending->op, pending->n);
    pending->n = 0;
}

/* The packet's number, the session's next unless it has one: the next epoch begins when it is time.
 */
static bool number(struct lcore *lc, const struct item *it, struct sealing *pending, uint64_t *pn)
{
    struct session *s = it->s;

    if (it->kind == ITEM_NUMBERED) {
        *pn = packet_of(it->m)->pn;
        return true;
    }
    enum epoch_next next = epoch_tx_next(&s->tx, pn);

    if (unlikely(next == EPOCH_ROTATE)) {
        seal(lc, pending); /* some of it may need the key that retires */
        if (epoch_tx_rotate(&s->tx, lc->aead) != 0)
            return false;
        count(lc, JP_rekeys, 1);
        next = epoch_tx_next(&s->tx, pn);
    }
    return next == EPOCH_OK;
}

/* Whether an address that nobody has proven may get this packet. */
static bool may_go(const struct item *it)
{
    uint32_t len = it->m->data_len + WIRE_OVERHEAD_MAX;

    if (likely(!it->s->unproven))
        return true;
    if (it->s->room < len)
        return false;
    it->s->room -= len;
    return true;
}

/* Wrap m's frames as ESP: trailer behind, header in front, room for the tag. */
static struct aead_op wrap(const struct session *s, struct rte_mbuf *m, uint64_t pn)
{
    uint8_t *frames = rte_pktmbuf_mtod(m, uint8_t *);
    uint32_t len = m->data_len + (uint32_t)wire_trailer_put(frames + m->data_len, m->data_len);

    wire_data_hdr_put(frames - WIRE_DATA_HDR, s->client_spi, pn);
    m->data_off -= WIRE_DATA_HDR;
    m->data_len = (uint16_t)(WIRE_DATA_HDR + len + WIRE_TAG);
    m->pkt_len = m->data_len;
    return (struct aead_op){
        .key = &s->tx.current, .text = frames, .pn = pn, .spi = s->client_spi, .len = len};
}

static void address(struct lcore *lc, struct item *it)
{
    struct session *s = it->s;

    s->tx_packets++;
    s->tx_bytes += it->m->data_len;
    if (it->kind == ITEM_NUMBERED) {
        const struct packet *p = packet_of(it->m);

        path_complete(lc->dp, it->port, p->ip_version, p->layers.udp, it->m);
        return;
    }
    it->port = s->path.port;
    path_prepend(lc->dp, &s->path, s->header, s->header_len, it->m);
}

void encrypt_burst(struct lcore *lc, struct egress_burst *b)
{
    struct sealing pending;
    uint16_t kept = 0;

    pending.n = 0;
    for (unsigned i = 0; i < b->n; i++) {
        struct item *it = &b->item[i];
        uint64_t pn;

        if (it->s) {
            if (unlikely(!may_go(it) || !number(lc, it, &pending, &pn))) {
                count(lc, JP_tx_blocked, 1);
                rte_pktmbuf_free(it->m);
                continue;
            }
            pending.op[pending.n++] = wrap(it->s, it->m, pn);
        }
        b->item[kept++] = *it;
    }
    b->n = kept;
    seal(lc, &pending);
    for (unsigned i = 0; i < b->n; i++)
        if (b->item[i].s)
            address(lc, &b->item[i]); /* behind sealing: a UDP checksum covers the ciphertext */
}
