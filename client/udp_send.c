#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "errors.h"
#include "sockaddr.h"
#include "udp.h"

enum {
    TRAIN_PACKETS = 64,  /* the least any kernel with GSO takes */
    TRAIN_BYTES = 65000, /* with headers below 64 KiB */
};

union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in6_pktinfo)) +
                  CMSG_SPACE(sizeof(uint16_t))];
};

/* One system call's worth. */
struct tx {
    struct mmsghdr messages[UDP_TX_MESSAGES];
    unsigned packets[UDP_TX_MESSAGES]; /* of each message */
    unsigned count;
    union sockaddr_any peers[UDP_TX_MESSAGES];
    union control controls[UDP_TX_MESSAGES];
    struct iovec vectors[UDP_TX_PACKETS];
};

/* Whether b may follow a in a train: neighbours the receiver's kernel may hand on in one piece, so
 * the same SPI too, or the piece would reach one's owner only. */
static bool alike(const struct udp_packet *a, const struct udp_packet *b)
{
    return a->ecn == b->ecn && b->length && b->length <= a->length && a->length >= 4 &&
           b->length >= 4 && !memcmp(a->data, b->data, 4) &&
           !memcmp(&a->peer, &b->peer, sizeof(a->peer)) &&
           !memcmp(&a->local, &b->local, sizeof(a->local));
}

/* How many packets, from the first, make one message; n >= 1. */
static unsigned train(const struct udp_packet *p, unsigned n)
{
    size_t bytes = p->length;
    unsigned i = 1;

    while (i < n && i < TRAIN_PACKETS && bytes + p[i].length <= TRAIN_BYTES && alike(p, &p[i])) {
        bytes += p[i].length;
        if (p[i++].length < p->length) /* a shorter one ends it */
            break;
    }
    return i;
}

static void add_control(struct msghdr *h, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *c = (struct cmsghdr *)((uint8_t *)h->msg_control + h->msg_controllen);

    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), data, size);
    h->msg_controllen += CMSG_SPACE(size);
}

static void add_source(struct msghdr *h, const jp_address *local)
{
    if (local->family == JP_IPV4) {
        struct in_pktinfo info = {0};

        memcpy(&info.ipi_spec_dst, local->bytes, 4);
        add_control(h, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    } else if (local->family == JP_IPV6) {
        struct in6_pktinfo info = {.ipi6_ifindex = local->scope};

        memcpy(&info.ipi6_addr, local->bytes, 16);
        add_control(h, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    }
}

static void add_ecn(struct msghdr *h, const struct udp_packet *p)
{
    int ecn = p->ecn;

    if (p->peer.family == JP_IPV6)
        add_control(h, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof(ecn));
    else
        add_control(h, IPPROTO_IP, IP_TOS, &ecn, sizeof(ecn));
}

/* Append a message of n packets, their vectors at v. */
static void add_message(const struct udp *udp, struct tx *tx, struct iovec *v,
                        const struct udp_packet *p, unsigned n)
{
    bool v6 = udp->local.family == JP_IPV6;
    jp_address peer = v6 ? jp_address_map(p->peer) : p->peer;
    unsigned i = tx->count++;
    struct msghdr *h = &tx->messages[i].msg_hdr;

    *h = (struct msghdr){
        .msg_name = &tx->peers[i],
        .msg_namelen = sockaddr_store(&tx->peers[i], &peer),
        .msg_iov = v,
        .msg_iovlen = n,
        .msg_control = memset(&tx->controls[i], 0, sizeof(tx->controls[i])),
    };
    for (unsigned k = 0; k < n; k++)
        v[k] = (struct iovec){p[k].data, p[k].length};
    if (p->ecn)
        add_ecn(h, p);
    add_source(h, &p->local);
    if (n > 1)
        add_control(h, IPPROTO_UDP, UDP_SEGMENT, &p->length, sizeof(p->length));
    tx->packets[i] = n;
}

/* Fill tx from the first of n packets on. */
static void fill(const struct udp *udp, struct tx *tx, const struct udp_packet *p, unsigned n,
                 bool trains)
{
    unsigned done = 0;

    tx->count = 0;
    if (n > UDP_TX_PACKETS)
        n = UDP_TX_PACKETS;
    while (done < n && tx->count < UDP_TX_MESSAGES) {
        unsigned length = trains ? train(p + done, n - done) : 1;

        add_message(udp, tx, tx->vectors + done, p + done, length);
        done += length;
    }
}

/* One system call; returns the number of packets taken, or -errno. */
static int send_some(const struct udp *udp, struct tx *tx)
{
    int n, packets = 0;

    do
        n = sendmmsg(udp->fd, tx->messages, tx->count, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    for (int i = 0; i < n; i++)
        packets += (int)tx->packets[i];
    return packets;
}

int udp_send(struct udp *udp, const struct udp_packet *packets, unsigned n)
{
    bool trains = udp->gso;
    unsigned done = 0;
    struct tx tx;

    while (done < n) {
        int sent;

        fill(udp, &tx, packets + done, n - done, trains);
        sent = send_some(udp, &tx);
        if (sent > 0) {
            done += (unsigned)sent;
        } else if (tx.packets[0] > 1 && sent != -EAGAIN && sent != -ENOBUFS) {
            /* The train may be at fault, not its packets: longer than the device's MTU, or the
             * device cannot checksum them (EIO), which stays so. */
            trains = false;
            udp->gso = sent != -EIO;
        } else {
            return done ? (int)done : failure_errno(OP_SEND, -sent, NULL);
        }
    }
    return (int)done;
}
