/* From Ethernet to the UDP payload. */
#include <rte_ether.h>
#include <rte_ip.h>

#include "bytes.h"
#include "receive.h"
#include "send.h"

enum {
    UDP_HDR = 8,
    IP4_MIN = 20,
    IP6_HDR = 40,
    IP4_FRAGMENT_MASK = 0x3fff,
    ICMP6_SOLICITATION = 135,
    ICMP6_ADVERTISEMENT = 136
};

/* What a packet is. */
enum verdict { OURS, OTHER, MALFORMED, NEIGHBOUR };

static bool from_target(const struct jetgen *g, const uint8_t *ip, unsigned version)
{
    const struct address *target = &g->options.target;

    if (target->version != version)
        return false;
    return version == 4 ? memcmp(target->ip + 12, ip, 4) == 0 : memcmp(target->ip, ip, 16) == 0;
}

/* `len` bytes of IP payload at udp. */
static enum verdict parse_udp(const struct jetgen *g, struct datagram *d, uint8_t *udp,
                              uint32_t len)
{
    if (len < UDP_HDR || be16_load(udp + 4) < UDP_HDR || be16_load(udp + 4) > len)
        return MALFORMED;
    if (be16_load(udp) != g->options.port)
        return OTHER;
    d->payload = udp + UDP_HDR;
    d->len = be16_load(udp + 4) - (uint32_t)UDP_HDR;
    d->port = be16_load(udp + 2);
    return OURS;
}

static enum verdict parse_ip4(const struct jetgen *g, struct datagram *d, uint8_t *ip, uint32_t len)
{
    enum verdict verdict;

    if (len < IP4_MIN)
        return MALFORMED;
    uint32_t header = (ip[0] & 0xf) * 4u, total = be16_load(ip + 2);

    if (ip[0] >> 4 != 4 || header < IP4_MIN || total < header || total > len)
        return MALFORMED;
    if (!from_target(g, ip + 12, 4) || ip[9] != IPPROTO_UDP)
        return OTHER;
    if (rte_raw_cksum(ip, header) != 0xffff || be16_load(ip + 6) & IP4_FRAGMENT_MASK)
        return MALFORMED;
    verdict = parse_udp(g, d, ip + header, total - header);
    if (verdict == OURS && be16_load(ip + header + 6) != 0 &&
        rte_ipv4_udptcp_cksum((struct rte_ipv4_hdr *)ip, ip + header) != 0xffff)
        return MALFORMED;
    memset(d->our_ip, 0, 10);
    memset(d->our_ip + 10, 0xff, 2);
    memcpy(d->our_ip + 12, ip + 16, 4);
    return verdict;
}

static enum verdict parse_ip6(const struct jetgen *g, struct datagram *d, uint8_t *ip, uint32_t len)
{
    enum verdict verdict;

    if (len < IP6_HDR || ip[0] >> 4 != 6 || be16_load(ip + 4) > len - IP6_HDR)
        return MALFORMED;
    if (ip[6] == IPPROTO_ICMPV6 && be16_load(ip + 4) > 0 &&
        (ip[IP6_HDR] == ICMP6_SOLICITATION || ip[IP6_HDR] == ICMP6_ADVERTISEMENT))
        return NEIGHBOUR;
    if (!from_target(g, ip + 8, 6) || ip[6] != IPPROTO_UDP)
        return OTHER;
    verdict = parse_udp(g, d, ip + IP6_HDR, be16_load(ip + 4));
    if (verdict == OURS && rte_ipv6_udptcp_cksum((struct rte_ipv6_hdr *)ip, ip + IP6_HDR) != 0xffff)
        return MALFORMED;
    memcpy(d->our_ip, ip + 24, 16);
    return verdict;
}

static enum verdict parse_frame(const struct jetgen *g, struct rte_mbuf *m, struct datagram *d)
{
    uint8_t *eth = rte_pktmbuf_mtod(m, uint8_t *);
    uint32_t len = m->data_len - (uint32_t)RTE_ETHER_HDR_LEN;

    if (m->data_len < RTE_ETHER_HDR_LEN || m->nb_segs > 1)
        return MALFORMED;
    switch (be16_load(eth + 12)) {
    case RTE_ETHER_TYPE_IPV4:
        return parse_ip4(g, d, eth + RTE_ETHER_HDR_LEN, len);
    case RTE_ETHER_TYPE_IPV6:
        return parse_ip6(g, d, eth + RTE_ETHER_HDR_LEN, len);
    case RTE_ETHER_TYPE_ARP:
        return NEIGHBOUR;
    default:
        return OTHER;
    }
}

bool parse(struct worker *w, struct rte_mbuf **m, struct datagram *d)
{
    switch (parse_frame(w->g, *m, d)) {
    case OURS:
        return true;
    case MALFORMED:
        count(w, C_rx_malformed, 1);
        return false;
    case NEIGHBOUR:
        if (!neighbour_learn(w->g, *m)) {
            if (!neighbour_answer(w->g, *m))
                break;
            send_raw(w, 0, *m);
            *m = NULL;
        }
        count(w, C_neighbours, 1);
        return false;
    case OTHER:
        break;
    }
    count(w, C_rx_other, 1);
    return false;
}
