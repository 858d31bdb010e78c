/* ARP (RFC 826) and neighbour discovery (RFC 4861): who has the target's address, and who asks for
 * ours. */
#include <rte_ether.h>
#include <rte_ip.h>

#include "bytes.h"
#include "mbuf.h"
#include "receive.h"

enum { ARP_LEN = 28, IP6_LEN = 40, NDP_LEN = 32, NDP_HOP_LIMIT = 255 };
enum { SOLICITATION = 135, ADVERTISEMENT = 136, SOURCE_LINK = 1, TARGET_LINK = 2 };
enum { FLAGS_SOLICITED_OVERRIDE = 0x60 };
enum { ARP_FRAME = RTE_ETHER_HDR_LEN + ARP_LEN, NDP_FRAME = RTE_ETHER_HDR_LEN + IP6_LEN + NDP_LEN };

static void put_ethernet(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint16_t type)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, from, 6);
    be16_store(frame + 12, type);
}

static void put_arp(uint8_t *arp, uint8_t operation, const uint8_t from_mac[6],
                    const uint8_t from_ip[4], const uint8_t to_mac[6], const uint8_t to_ip[4])
{
    static const uint8_t kind[7] = {0, 1, 8, 0, 6, 4, 0};

    memcpy(arp, kind, sizeof(kind));
    arp[7] = operation;
    memcpy(arp + 8, from_mac, 6);
    memcpy(arp + 14, from_ip, 4);
    memcpy(arp + 18, to_mac, 6);
    memcpy(arp + 24, to_ip, 4);
}

/* An IPv6 header and a solicitation or advertisement with a link layer address behind it. */
static void put_ndp(uint8_t *ip, uint8_t type, const uint8_t from[16], const uint8_t to[16],
                    const uint8_t target[16], const uint8_t mac[6])
{
    uint8_t *icmp = ip + IP6_LEN;
    uint32_t sum;
    uint16_t checksum;

    memset(ip, 0, IP6_LEN + NDP_LEN);
    ip[0] = 0x60;
    be16_store(ip + 4, NDP_LEN);
    ip[6] = IPPROTO_ICMPV6;
    ip[7] = NDP_HOP_LIMIT;
    memcpy(ip + 8, from, 16);
    memcpy(ip + 24, to, 16);
    icmp[0] = type;
    icmp[4] = type == ADVERTISEMENT ? FLAGS_SOLICITED_OVERRIDE : 0;
    memcpy(icmp + 8, target, 16);
    icmp[24] = type == ADVERTISEMENT ? TARGET_LINK : SOURCE_LINK;
    icmp[25] = 1;
    memcpy(icmp + 26, mac, 6);
    sum = rte_ipv6_phdr_cksum((const struct rte_ipv6_hdr *)ip, 0);
    sum += rte_raw_cksum(icmp, NDP_LEN);
    checksum = (uint16_t) ~(sum + (sum >> 16));
    memcpy(icmp + 2, &checksum, 2);
}

void neighbour_ask(const struct jetgen *g, struct rte_mbuf *m)
{
    static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, nobody[6];
    const uint8_t *source = g->options.source.ip, *target = g->options.target.ip;
    uint8_t group[16] = {0xff, 0x02, [11] = 1, 0xff, target[13], target[14], target[15]};
    uint8_t group_mac[6] = {0x33, 0x33, 0xff, target[13], target[14], target[15]};
    bool arp = g->options.target.version == 4;
    uint8_t *frame = mbuf_append(m, arp ? ARP_FRAME : NDP_FRAME);

    if (arp) {
        put_ethernet(frame, everybody, g->our_mac, RTE_ETHER_TYPE_ARP);
        put_arp(frame + RTE_ETHER_HDR_LEN, 1, g->our_mac, source + 12, nobody, target + 12);
    } else {
        put_ethernet(frame, group_mac, g->our_mac, RTE_ETHER_TYPE_IPV6);
        put_ndp(frame + RTE_ETHER_HDR_LEN, SOLICITATION, source, group, target, g->our_mac);
    }
}

static bool take(struct jetgen *g, const uint8_t mac[6])
{
    uint64_t peer_mac = 0;

    memcpy(&peer_mac, mac, 6);
    __atomic_store_n(&g->peer_mac, peer_mac, __ATOMIC_RELAXED);
    return true;
}

bool neighbour_learn(struct jetgen *g, const struct rte_mbuf *m)
{
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    const uint8_t *l3 = frame + RTE_ETHER_HDR_LEN, *icmp = l3 + IP6_LEN;
    const uint8_t *target = g->options.target.ip;

    if (g->options.target.version == 4) {
        if (m->data_len < ARP_FRAME || be16_load(frame + 12) != RTE_ETHER_TYPE_ARP || l3[7] != 2 ||
            memcmp(l3 + 14, target + 12, 4) != 0)
            return false;
        return take(g, l3 + 8);
    }
    if (m->data_len < NDP_FRAME || be16_load(frame + 12) != RTE_ETHER_TYPE_IPV6 ||
        l3[6] != IPPROTO_ICMPV6 || icmp[0] != ADVERTISEMENT || memcmp(icmp + 8, target, 16) != 0 ||
        icmp[24] != TARGET_LINK)
        return false;
    return take(g, icmp + 26);
}

static bool is_ours(const struct jetgen *g, const uint8_t *ip, unsigned version)
{
    uint8_t mapped[16] = {[10] = 0xff, 0xff};

    if (g->options.source.version != version)
        return false;
    memcpy(version == 4 ? mapped + 12 : mapped, ip, version == 4 ? 4 : 16);
    return source_session(g, mapped, SOURCE_PORT_MIN) != UINT32_MAX;
}

static bool answer_arp(const struct jetgen *g, struct rte_mbuf *m)
{
    uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *arp = frame + RTE_ETHER_HDR_LEN;
    uint8_t who_mac[6], who_ip[4], asked[4];

    if (m->data_len < ARP_FRAME || arp[7] != 1 || !is_ours(g, arp + 24, 4))
        return false;
    memcpy(who_mac, arp + 8, 6);
    memcpy(who_ip, arp + 14, 4);
    memcpy(asked, arp + 24, 4);
    put_ethernet(frame, who_mac, g->our_mac, RTE_ETHER_TYPE_ARP);
    put_arp(arp, 2, g->our_mac, asked, who_mac, who_ip);
    m->data_len = ARP_FRAME;
    m->pkt_len = m->data_len;
    return true;
}

static bool answer_solicitation(const struct jetgen *g, struct rte_mbuf *m)
{
    uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *ip = frame + RTE_ETHER_HDR_LEN;
    uint8_t who_mac[6], who_ip[16], asked[16];

    if (m->data_len < RTE_ETHER_HDR_LEN + IP6_LEN + 24 || ip[IP6_LEN] != SOLICITATION ||
        !is_ours(g, ip + IP6_LEN + 8, 6) || m->buf_len - m->data_off < NDP_FRAME)
        return false;
    memcpy(who_mac, frame + 6, 6);
    memcpy(who_ip, ip + 8, 16);
    memcpy(asked, ip + IP6_LEN + 8, 16);
    put_ethernet(frame, who_mac, g->our_mac, RTE_ETHER_TYPE_IPV6);
    put_ndp(ip, ADVERTISEMENT, asked, who_ip, asked, g->our_mac);
    m->data_len = NDP_FRAME;
    m->pkt_len = m->data_len;
    return true;
}

bool neighbour_answer(const struct jetgen *g, struct rte_mbuf *m)
{
    bool arp = be16_load(rte_pktmbuf_mtod_offset(m, uint8_t *, 12)) == RTE_ETHER_TYPE_ARP;

    return arp ? answer_arp(g, m) : answer_solicitation(g, m);
}
