#include "relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_ether.h>

#include "bytes.h"
#include "ingress/ingress.h"
#include "path.h"
#include "wire.h"

enum { RELAY_BURST = 32, UDP_HDR = 8, IP4_HDR = 20, IP6_HDR = 40 };

/* Messages as they are sent or received at once: each its header, then the packet. */
struct batch {
    unsigned sent, n;
    struct rte_mbuf *m[RELAY_BURST];
    struct lcore *lc[RELAY_BURST]; /* out: who sends */
    struct jp_ipc_relay head[RELAY_BURST];
    struct iovec part[RELAY_BURST][2];
    struct mmsghdr header[RELAY_BURST];
};

static struct {
    int fd;
    unsigned first; /* worker of this turn: each comes first in turn */
    struct batch in, out;
} relay = {.fd = -1};

void relay_setup(struct dataplane *dp)
{
    struct port *port = &dp->port[dp->ports];

    /* packet buffers are large enough for the largest frame of any port */
    *port = (struct port){.id = JP_IPC_RELAY_PORT, .tx_udp_checksum = true /* nobody reads it */};
    for (unsigned i = 0; i < dp->ports; i++)
        port->mtu = RTE_MAX(port->mtu, dp->port[i].mtu);
}

int relay_fd(void)
{
    return relay.fd;
}

static void batch_add(struct batch *b, struct rte_mbuf *m, void *bytes, size_t len)
{
    unsigned i = b->n++;

    b->m[i] = m;
    b->part[i][0] = (struct iovec){.iov_base = &b->head[i], .iov_len = sizeof(b->head[i])};
    b->part[i][1] = (struct iovec){.iov_base = bytes, .iov_len = len};
    b->header[i].msg_hdr = (struct msghdr){.msg_iov = b->part[i], .msg_iovlen = 2};
}

/* ---- out ---- */

/* The first n that were not sent yet came to this end. */
static void end_out(unsigned n, enum jp_counter end)
{
    struct batch *b = &relay.out;

    for (; n > 0; n--, b->sent++) {
        count(b->lc[b->sent], end, 1);
        rte_pktmbuf_free(b->m[b->sent]);
    }
    if (b->sent == b->n)
        b->sent = b->n = 0;
}

void relay_attach(int fd)
{
    if (relay.fd >= 0)
        close(relay.fd);
    relay.fd = fd;
    end_out(relay.out.n - relay.out.sent, JP_relay_tx_lost);
}

static void flush(void)
{
    struct batch *b = &relay.out;
    int n;

    while (b->n > 0 && relay.fd >= 0) {
        n = sendmmsg(relay.fd, b->header + b->sent, b->n - b->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
            return;
        if (n < 0)
            relay_attach(-1); /* its end was closed */
        else
            end_out((unsigned)n, JP_relay_tx);
    }
}

/* Along which path a frame goes: the reverse of packet_path. */
static void frame_path(const uint8_t *frame, bool v4, struct jp_path *path)
{
    const uint8_t *ip = frame + RTE_ETHER_HDR_LEN, *udp = ip + (v4 ? IP4_HDR : IP6_HDR);
    size_t len = v4 ? 4 : 16, at = 16 - len;

    *path = (struct jp_path){
        .our_port = be16_load(udp),
        .peer_port = be16_load(udp + 2),
        .port = JP_IPC_RELAY_PORT,
        .ip_version = v4 ? 4 : 6,
        .tcp = 1,
    };
    if (v4) {
        memset(path->our_ip + 10, 0xff, 2);
        memset(path->peer_ip + 10, 0xff, 2);
    }
    memcpy(path->our_ip + at, udp - 2 * len, len);
    memcpy(path->peer_ip + at, udp - len, len);
    memcpy(path->peer_mac, frame, sizeof(path->peer_mac));
}

/* The frame's payload. */
static void add_out(struct lcore *lc, struct rte_mbuf *m)
{
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    bool v4 = be16_load(frame + RTE_ETHER_HDR_LEN - 2) == RTE_ETHER_TYPE_IPV4;
    uint16_t headers = RTE_ETHER_HDR_LEN + (v4 ? IP4_HDR : IP6_HDR) + UDP_HDR;
    struct batch *b = &relay.out;
    struct jp_ipc_relay *head = &b->head[b->n];

    *head = (struct jp_ipc_relay){.spi = packet_of(m)->spi, .len = m->data_len - headers};
    frame_path(frame, v4, &head->path);
    b->lc[b->n] = lc;
    batch_add(b, m, rte_pktmbuf_mtod_offset(m, void *, headers), head->len);
}

static unsigned send_some(struct dataplane *dp)
{
    struct batch *b = &relay.out;
    void *got[RELAY_BURST];
    unsigned total = 0;

    flush();
    relay.first = (relay.first + 1) % dp->lcores;
    for (unsigned i = 0; i < dp->lcores && b->n == 0; i++) {
        struct lcore *lc = dp->lcore[(relay.first + i) % dp->lcores];
        unsigned n = rte_ring_dequeue_burst(lc->relay_out, got, RELAY_BURST, NULL);

        for (unsigned j = 0; j < n; j++)
            add_out(lc, got[j]);
        total += n;
        if (relay.fd < 0)
            end_out(n, JP_relay_tx_lost);
        else
            flush();
    }
    return total;
}

/* ---- in ---- */

/* Put the headers in front that the packet, len bytes, would have had by UDP. */
static void dress(const struct dataplane *dp, struct rte_mbuf *m, const struct jp_path *path,
                  uint16_t len)
{
    struct jp_path back = *path; /* the peer is who sends */
    struct packet *p = packet_of(m);
    uint8_t header[PATH_HEADER_MAX];
    uint16_t size;

    memcpy(back.peer_ip, path->our_ip, sizeof(back.peer_ip));
    memcpy(back.our_ip, path->peer_ip, sizeof(back.our_ip));
    memcpy(back.peer_mac, path->our_mac, sizeof(back.peer_mac));
    memcpy(back.our_mac, path->peer_mac, sizeof(back.our_mac));
    back.peer_port = path->our_port;
    back.our_port = path->peer_port;
    size = path_header(header, &back);
    m->data_len = len;
    m->pkt_len = len;
    memcpy(rte_pktmbuf_prepend(m, size), header, size);
    path_header_fill(rte_pktmbuf_mtod_offset(m, uint8_t *, size - UDP_HDR), path->ip_version,
                     UDP_HDR + len);
    m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    p->layers.udp = size;
    p->layers.l2_len = RTE_ETHER_HDR_LEN;
    p->layers.l3_len = (uint8_t)(size - RTE_ETHER_HDR_LEN - UDP_HDR);
    p->ip_version = path->ip_version;
    p->port = dp->ports;
}

/* text_len 0 says that the connection has ended. False: it is no message. */
static bool classify(struct rte_mbuf *m, const struct jp_ipc_relay *head)
{
    struct packet *p = packet_of(m);
    const struct jp_path *path = &head->path;
    struct wire_info info = {.spi = head->spi};

    if (path->port != JP_IPC_RELAY_PORT || path->tcp != 1 || path->vlan != 0 ||
        (path->ip_version != 4 && path->ip_version != 6) ||
        (head->len > 0 &&
         wire_classify(rte_pktmbuf_mtod(m, uint8_t *), head->len, &info) != WIRE_DATA))
        return false;
    p->spi = info.spi;
    p->pn = info.pn;
    p->text_len = info.text_len;
    return true;
}

/* Takes m. False: the other end does not keep to the contract. */
static bool take(struct dataplane *dp, struct rte_mbuf *m, const struct jp_ipc_relay *head,
                 size_t size)
{
    struct lcore *lc;

    if (size < sizeof(*head) || size != sizeof(*head) + head->len || !classify(m, head)) {
        rte_pktmbuf_free(m);
        return false;
    }
    lc = dp->lcore[owner_of(dp, packet_of(m)->spi)];
    dress(dp, m, &head->path, head->len);
    count(lc, JP_relay_rx, head->len > 0);
    if (rte_ring_enqueue(lc->relay_in, m) != 0) {
        count(lc, JP_relay_full, head->len > 0);
        rte_pktmbuf_free(m);
    }
    return true;
}

/* It did not fit m, though the peer was told what fits. Takes m. */
static void take_cut(struct dataplane *dp, struct rte_mbuf *m)
{
    count(dp->lcore[0], JP_relay_rx, 1);
    count(dp->lcore[0], JP_relay_long, 1);
    rte_pktmbuf_free(m);
}

static unsigned receive_some(struct dataplane *dp)
{
    struct batch *b = &relay.in;
    struct rte_mbuf *m[RELAY_BURST];
    bool good = true;
    int n;

    if (rte_pktmbuf_alloc_bulk(dp->lcore[0]->mbufs, m, RELAY_BURST) != 0)
        return 0;
    b->n = 0;
    for (unsigned i = 0; i < RELAY_BURST; i++)
        batch_add(b, m[i], rte_pktmbuf_mtod(m[i], void *), rte_pktmbuf_tailroom(m[i]));
    n = recvmmsg(relay.fd, b->header, RELAY_BURST, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        if (b->header[i].msg_hdr.msg_flags & MSG_TRUNC)
            take_cut(dp, m[i]);
        else
            good = take(dp, m[i], &b->head[i], b->header[i].msg_len) && good;
    }
    rte_pktmbuf_free_bulk(m + RTE_MAX(n, 0), (unsigned)(RELAY_BURST - RTE_MAX(n, 0)));
    if (!good || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        fprintf(stderr, "jetplane-dp: the relay of TCP is gone\n");
        relay_attach(-1);
    }
    return (unsigned)RTE_MAX(n, 0);
}

unsigned relay_turn(struct dataplane *dp, bool readable)
{
    unsigned n = readable && relay.fd >= 0 ? receive_some(dp) : 0;

    return n + send_some(dp);
}
