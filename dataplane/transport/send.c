/* Full sessions send in turns, the urgent first (drr.h), as much as the port of their path takes:
 * each packet's frames are written where they leave from, under the number they will be sealed
 * with.
 */
#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "egress/egress.h"
#include "egress/stages.h"
#include "path.h"
#include "state.h"
#include "wire.h"

enum { PACKETS_A_TURN = 4 * BURST_MAX, IP4_HDR = 20, IP6_HDR = 40, UDP_HDR = 8 };
static_assert((int)PATH_HEADER_MAX + (int)WIRE_DATA_HDR <= RTE_PKTMBUF_HEADROOM,
              "headers fit in front");

/* Set the two bits in the IP header at ip (RFC 3168), whose checksum, if it has one, was right
 * (RFC 1624). */
static void mark_ecn(uint8_t *ip, unsigned ip_version, uint8_t ecn)
{
    uint32_t sum;

    if (ip_version == 6) {
        ip[1] |= (uint8_t)(ecn << 4);
        return;
    }
    ip[1] |= ecn;
    sum = (uint16_t)~be16_load(ip + 10) + (uint32_t)ecn;
    be16_store(ip + 10, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
}

/* Write the headers of a path in front of the packet's own; returns their length. */
static uint16_t put_headers(const struct session *s, const struct conn_packet *packet)
{
    const struct jp_path *path = packet->path;
    uint8_t other[PATH_HEADER_MAX];
    const uint8_t *header = s->header;
    uint16_t len = s->header_len;
    uint8_t *udp = packet->frames - WIRE_DATA_HDR - UDP_HDR;

    if (unlikely(memcmp(path, &s->path, sizeof(*path)) != 0)) {
        len = path_header(other, path);
        header = other;
    }
    memcpy(udp + UDP_HDR - len, header, len);
    if (packet->ecn)
        mark_ecn(udp - (path->ip_version == 4 ? IP4_HDR : IP6_HDR), path->ip_version, packet->ecn);
    return len;
}

/* The packet of this number leaves. */
static void submit(struct transport *t, struct rte_mbuf *m, uint64_t pn,
                   const struct conn_packet *packet)
{
    struct packet *p = packet_of(m);

    p->pn = pn;
    p->ip_version = packet->path->ip_version;
    p->layers.udp = put_headers(t->session, packet);
    m->data_len = (uint16_t)packet->len;
    m->pkt_len = packet->len;
    egress_submit(t->lc, t->session, m, ITEM_NUMBERED, packet->path->port);
}

/* Whether t->session may take the next number: not while the next epoch waits to begin. What was
 * submitted is sealed before its key retires. */
static bool number_free(struct transport *t)
{
    struct epoch_tx *tx = &t->session->tx;

    if (likely(epoch_of(tx->next_pn) == tx->epoch))
        return true;
    egress_run(t->lc);
    if (epoch_tx_rotate(tx, t->lc->aead) != 0)
        return false;
    count(t->lc, JP_rekeys, 1);
    return true;
}

int transport_send(struct transport *t)
{
    struct lcore *lc = t->lc;
    struct session *s = t->session;
    struct conn_packet packet;
    struct rte_mbuf *m;
    uint64_t pn;

    if (transport_held(t))
        return 0;
    if (!number_free(t)) {
        count(lc, JP_tx_blocked, 1);
        return 0;
    }
    m = rte_pktmbuf_alloc(lc->mbufs);
    if (!m) {
        count(lc, JP_tx_no_mbuf, 1);
        return -EAGAIN;
    }
    packet = (struct conn_packet){.frames = rte_pktmbuf_mtod(m, uint8_t *),
                                  .room = s->confirmed ? 0 : UNPROVEN_FRAMES};
    if (!conn_send(conn_of(t), lc->now, s->tx.next_pn, &packet)) {
        rte_pktmbuf_free(m);
        return 0;
    }
    epoch_tx_next(&s->tx, &pn);
    if (packet.acks) {
        s->epoch_acked = true;
        count(lc, JP_acks_sent, 1);
    }
    submit(t, m, pn, &packet);
    return (int)packet.len;
}

/* ---- turns ---- */

static struct drr *drr_of(const struct transport *t)
{
    return &t->lc->transports->drr[t->port];
}

void transport_leave(struct transport *t)
{
    drr_remove(drr_of(t), &t->turn);
}

static void enter(struct transport *t, enum drr_priority priority)
{
    t->port = (uint8_t)port_index(t->lc->dp, t->session->path.port);
    drr_add(drr_of(t), &t->turn, priority);
}

void transport_touch(struct transport *t)
{
    unsigned priority = conn_priority(conn_of(t));

    if (!drr_waits(&t->turn)) {
        enter(t, priority < DRR_PRIORITIES ? priority : DRR_SYSTEM);
    } else if (priority < t->turn.priority) {
        transport_leave(t);
        enter(t, priority);
    }
}

/* What is most urgent of it may have changed. */
static void requeue(struct transport *t)
{
    unsigned priority = conn_priority(conn_of(t));

    if (priority == t->turn.priority || priority == DRR_PRIORITIES)
        return;
    transport_leave(t);
    enter(t, priority);
}

/* At most max packets, in turns. -EAGAIN: no packet buffer; else how many. */
static int send_turns(struct lcore *lc, struct drr *drr, unsigned max)
{
    int sent = 0;

    while (sent < (int)max) {
        struct drr_node *node = drr_next(drr);
        struct transport *t = node ? container_of(node, struct transport, turn) : NULL;
        int bytes;

        if (!t)
            break;
        bytes = t->session->doom ? 0 : transport_send(t);
        if (bytes < 0)
            return bytes;
        if (bytes == 0) { /* until its time comes, or something happens */
            transport_leave(t);
            session_schedule(lc, t->session);
            continue;
        }
        drr_charge(drr, node, (uint32_t)bytes);
        requeue(t);
        sent++;
    }
    return sent;
}

/* Through one port, no more than it takes. */
static unsigned send_through(struct lcore *lc, unsigned port)
{
    struct drr *drr = &lc->transports->drr[port];
    unsigned total = 0, room;

    while (total < PACKETS_A_TURN && drr_next(drr) && (room = egress_room(lc, port)) > 0) {
        int sent = send_turns(lc, drr, RTE_MIN(room, PACKETS_A_TURN - total));

        egress_run(lc);
        if (sent <= 0)
            break;
        total += (unsigned)sent;
    }
    return total;
}

unsigned transports_send(struct lcore *lc)
{
    unsigned sent = 0;

    for (unsigned port = 0; port <= lc->dp->ports; port++)
        sent += send_through(lc, port);
    return sent;
}
