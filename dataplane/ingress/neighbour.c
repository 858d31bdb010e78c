/* Who has our addresses: ARP (RFC 826) and neighbour solicitations (RFC 4861). We answer and learn
 * nothing: packets go back to where they came from. */
#include <string.h>

#include <rte_ether.h>

#include "answers.h"
#include "bytes.h"
#include "egress.h"
#include "ingress.h"

enum { ARP_LEN = 28, ARP_REQUEST = 1, ARP_REPLY = 2 };
enum { SOLICITATION_MIN = 24, ADVERTISEMENT_LEN = 32, ADVERTISEMENT = 136, NDP_HOP_LIMIT = 255 };
enum { OPTION_SOURCE_LINK = 1, OPTION_TARGET_LINK = 2 };
enum { FLAG_SOLICITED = 0x40, FLAG_OVERRIDE = 0x20 };

static const uint8_t unspecified[16];
const uint8_t ip6_all_nodes[16] = {0xff, 0x02, [15] = 1};
static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

bool address6_is_ours(const struct port *port, const uint8_t ip[16])
{
    for (unsigned i = 0; i < port->addresses; i++)
        if (memcmp(port->address[i].ip, ip, 16) == 0)
            return memcmp(ip, mapped_prefix, 12) != 0;
    return false;
}

bool address4_is_ours(const struct port *port, const uint8_t ip[4])
{
    for (unsigned i = 0; i < port->addresses; i++)
        if (memcmp(port->address[i].ip, mapped_prefix, 12) == 0 &&
            memcmp(port->address[i].ip + 12, ip, 4) == 0)
            return true;
    return false;
}

void answer_send(struct lcore *lc, struct rte_mbuf *m, const uint8_t to[6], enum jp_counter fate)
{
    const struct port *port = port_of(lc, m);
    uint8_t *eth = rte_pktmbuf_mtod(m, uint8_t *);

    memmove(eth, to, 6); /* mostly the source of this very header */
    memcpy(eth + 6, port->mac, 6);
    m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL; /* forget how it was received */
    count(lc, fate, 1);
    egress_raw(lc, m, port->id);
}

/* A request for an address of ours: Ethernet and IPv4, by somebody who is not announcing that
 * address as his own. */
static bool arp_asks_us(const struct port *port, const uint8_t *arp, uint32_t len)
{
    static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, ARP_REQUEST};
    const uint8_t *sender_mac = arp + 8, *sender_ip = arp + 14, *target_ip = arp + 24;

    return len >= ARP_LEN && memcmp(arp, request, sizeof(request)) == 0 &&
           !rte_is_multicast_ether_addr((const struct rte_ether_addr *)sender_mac) &&
           memcmp(sender_ip, target_ip, 4) != 0 && address4_is_ours(port, target_ip);
}

void answer_arp(struct lcore *lc, struct rte_mbuf *m)
{
    const struct port *port = port_of(lc, m);
    uint32_t l2_len = packet_of(m)->layers.l2_len, len = m->data_len - l2_len;
    uint8_t *arp = rte_pktmbuf_mtod_offset(m, uint8_t *, l2_len);
    uint8_t ours[4];

    if (!arp_asks_us(port, arp, len)) {
        drop(lc, m, JP_arp_other);
        return;
    }
    rte_pktmbuf_trim(m, (uint16_t)(len - ARP_LEN));
    memcpy(ours, arp + 24, 4);
    arp[7] = ARP_REPLY;
    memcpy(arp + 18, arp + 8, 10); /* who asked is the target now */
    memcpy(arp + 8, port->mac, 6);
    memcpy(arp + 14, ours, 4);
    answer_send(lc, m, arp + 18, JP_arp);
}

/* The options behind a solicitation fill it exactly, and one from the unspecified address names no
 * link layer. */
static bool options_ok(const uint8_t *option, const uint8_t *end, bool from_nowhere)
{
    while (option < end) {
        if (end - option < 8 || option[1] == 0 || end - option < 8 * option[1])
            return false;
        if (option[0] == OPTION_SOURCE_LINK && from_nowhere)
            return false;
        option += 8 * option[1];
    }
    return true;
}

/* RFC 4861 section 7.1.1, but for the target: the caller knows better than that it is no group. */
static bool solicitation_ok(const uint8_t *ip, const uint8_t *icmp, uint32_t len)
{
    const uint8_t *source = ip + 8, *destination = ip + 24;
    bool from_nowhere = memcmp(source, unspecified, 16) == 0;

    return ip[7] == NDP_HOP_LIMIT && len >= SOLICITATION_MIN && icmp[1] == 0 && source[0] != 0xff &&
           (!from_nowhere || destination[0] == 0xff) &&
           options_ok(icmp + SOLICITATION_MIN, icmp + len, from_nowhere);
}

static void put_advertisement(uint8_t *icmp, const uint8_t mac[6], bool solicited)
{
    icmp[0] = ADVERTISEMENT;
    memset(icmp + 2, 0, 6);
    icmp[4] = FLAG_OVERRIDE | (solicited ? FLAG_SOLICITED : 0);
    icmp[SOLICITATION_MIN] = OPTION_TARGET_LINK;
    icmp[SOLICITATION_MIN + 1] = 1;
    memcpy(icmp + SOLICITATION_MIN + 2, mac, 6);
}

/* From the target to who asked; to everybody when that was the unspecified address, which tests for
 * duplicates (RFC 4862 section 5.4.3). */
static void put_ip6(uint8_t *ip, const uint8_t target[16], bool solicited)
{
    be16_store(ip + 4, ADVERTISEMENT_LEN);
    memcpy(ip + 24, solicited ? ip + 8 : ip6_all_nodes, 16);
    memcpy(ip + 8, target, 16);
}

void answer_solicitation(struct lcore *lc, struct rte_mbuf *m, uint8_t *ip, uint8_t *icmp,
                         uint32_t len)
{
    const struct port *port = port_of(lc, m);
    uint32_t size = (uint32_t)(icmp - rte_pktmbuf_mtod(m, uint8_t *)) + ADVERTISEMENT_LEN;

    if (!solicitation_ok(ip, icmp, len) || !address6_is_ours(port, icmp + 8)) {
        drop(lc, m, JP_ip_other);
        return;
    }
    if (size > (uint32_t)(m->buf_len - m->data_off)) {
        drop(lc, m, JP_no_mbuf);
        return;
    }
    bool solicited = memcmp(ip + 8, unspecified, 16) != 0;

    m->data_len = (uint16_t)size;
    m->pkt_len = size;
    put_ip6(ip, icmp + 8, solicited);
    put_advertisement(icmp, port->mac, solicited);
    uint16_t checksum = icmp6_checksum(ip, icmp, ADVERTISEMENT_LEN);

    memcpy(icmp + 2, &checksum, 2);
    answer_send(lc, m, solicited ? rte_pktmbuf_mtod_offset(m, uint8_t *, 6) : all_nodes_mac,
                JP_ndp);
}
