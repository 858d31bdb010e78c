#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "errors.h"
#include "sockaddr.h"
#include "udp.h"

enum { MESSAGE_BYTES = 65536 };

/* What a message may bring: TOS or traffic class, where it was sent to, the length of its packets.
 */
union control {
    struct cmsghdr align;
    uint8_t bytes[2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in6_pktinfo)) +
                  CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int))];
};

struct udp_rx_buffers {
    struct mmsghdr messages[UDP_RX_MESSAGES];
    struct iovec vectors[UDP_RX_MESSAGES];
    union sockaddr_any peers[UDP_RX_MESSAGES];
    union control controls[UDP_RX_MESSAGES];
    uint8_t bytes[UDP_RX_MESSAGES][MESSAGE_BYTES]; /* pages never written to cost nothing */
};

int udp_rx_init(struct udp_rx *rx)
{
    struct udp_rx_buffers *b = malloc(sizeof(*b));

    rx->count = 0;
    rx->buffers = b;
    if (!b)
        return failure(JP_NO_MEMORY, NULL, "%zu bytes of buffers", sizeof(*b));
    for (int i = 0; i < UDP_RX_MESSAGES; i++) {
        b->vectors[i] = (struct iovec){b->bytes[i], MESSAGE_BYTES};
        b->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &b->peers[i],
            .msg_iov = &b->vectors[i],
            .msg_iovlen = 1,
            .msg_control = &b->controls[i],
        };
    }
    return 0;
}

void udp_rx_free(struct udp_rx *rx)
{
    free(rx->buffers);
    rx->buffers = NULL;
}

static int load_int(const struct cmsghdr *c)
{
    int value;

    memcpy(&value, CMSG_DATA(c), sizeof(value));
    return value;
}

static jp_address load_v4_destination(const struct cmsghdr *c)
{
    jp_address a = {.family = JP_IPV4};
    struct in_pktinfo info;

    memcpy(&info, CMSG_DATA(c), sizeof(info));
    memcpy(a.bytes, &info.ipi_addr, 4);
    return a;
}

static jp_address load_v6_destination(const struct cmsghdr *c)
{
    jp_address a = {.family = JP_IPV6};
    struct in6_pktinfo info;

    memcpy(&info, CMSG_DATA(c), sizeof(info));
    memcpy(a.bytes, &info.ipi6_addr, 16);
    if (jp_address_is_link_local(&a))
        a.scope = info.ipi6_ifindex;
    return jp_address_unmap(a);
}

/* Read the control messages into what all packets of a message share; returns the length each but
 * the last has. */
static size_t read_control(struct msghdr *h, struct udp_packet *common, size_t length)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
            common->ecn = *CMSG_DATA(c) & 3;
        else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
            common->ecn = load_int(c) & 3;
        else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
            common->local = load_v4_destination(c);
        else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
            common->local = load_v6_destination(c);
        else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO && load_int(c) > 0)
            length = (size_t)load_int(c);
    }
    return length;
}

/* Split a message into its packets. One cut short, which buffers of this size rule out, is dropped:
 * where its packets begin could not be trusted. */
static void take(const struct udp *udp, struct udp_rx *rx, struct mmsghdr *m)
{
    struct udp_packet p = {.local = udp->local};
    uint8_t *data = m->msg_hdr.msg_iov->iov_base;
    size_t left = m->msg_len, length;

    if (m->msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return;
    length = read_control(&m->msg_hdr, &p, left);
    p.peer = jp_address_unmap(sockaddr_load(m->msg_hdr.msg_name));
    p.local.port = udp->local.port;
    do {
        p.data = data;
        p.length = (uint16_t)(left < length ? left : length);
        data += p.length;
        left -= p.length;
        rx->packets[rx->count++] = p;
    } while (left && rx->count < UDP_RX_PACKETS);
}

int udp_receive(struct udp *udp, struct udp_rx *rx)
{
    struct mmsghdr *messages = rx->buffers->messages;
    int n;

    rx->count = 0;
    for (int i = 0; i < UDP_RX_MESSAGES; i++) {
        messages[i].msg_hdr.msg_namelen = sizeof(union sockaddr_any);
        messages[i].msg_hdr.msg_controllen = sizeof(union control);
    }
    do
        n = recvmmsg(udp->fd, messages, UDP_RX_MESSAGES, 0, NULL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : failure_errno(OP_RECEIVE, errno, NULL);
    for (int i = 0; i < n && rx->count < UDP_RX_PACKETS; i++)
        take(udp, rx, &messages[i]);
    return (int)rx->count;
}
