/* ICMP and ICMPv6 (RFC 792, RFC 4443): echo requests are turned round, neighbour solicitations
 * passed on. */
#include <string.h>

#include "answers.h"
#include "bytes.h"
#include "egress.h"
#include "headers.h"
#include "ingress.h"

enum { ECHO_MIN = 8, IP4_DF = 0x4000, IP_HOP_LIMIT = 64 };
enum { ICMP4_ECHO_REPLY = 0, ICMP4_ECHO_REQUEST = 8 };
enum { ICMP6_ECHO_REQUEST = 128, ICMP6_ECHO_REPLY = 129, ICMP6_SOLICITATION = 135 };

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
    uint8_t was[16];

    memcpy(was, a, len);
    memcpy(a, b, len);
    memcpy(b, was, len);
}

uint16_t icmp6_checksum(const uint8_t *ip, const uint8_t *icmp, uint32_t len)
{
    uint32_t sum = rte_ipv6_phdr_cksum((const struct rte_ipv6_hdr *)ip, 0);

    sum += rte_raw_cksum(icmp, len);
    return (uint16_t) ~(sum + (sum >> 16));
}

/* Store a checksum, which is in the order of the bytes that were summed. */
static void put_checksum(uint8_t *p, uint16_t sum)
{
    memcpy(p, &sum, sizeof(sum));
}

static void reply(struct lcore *lc, struct rte_mbuf *m, const uint8_t *end)
{
    rte_pktmbuf_trim(m, (uint16_t)(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len) - end));
    answer_send(lc, m, rte_pktmbuf_mtod_offset(m, uint8_t *, 6), JP_icmp);
}

/* Options are not answered: they could ask for a route of their own. */
void answer_icmp4(struct lcore *lc, struct rte_mbuf *m)
{
    const struct packet *p = packet_of(m);
    uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, p->layers.l2_len);
    uint8_t *icmp = ip + p->layers.l3_len;
    uint32_t len = be16_load(ip + 2) - p->layers.l3_len;

    if (p->layers.l3_len != IP4_MIN || len < ECHO_MIN || icmp[0] != ICMP4_ECHO_REQUEST ||
        icmp[1] != 0 || !ip4_is_host(ip + 12) || !address4_is_ours(port_of(lc, m), ip + 16) ||
        rte_raw_cksum(icmp, len) != 0xffff) {
        drop(lc, m, JP_ip_other);
        return;
    }
    icmp[0] = ICMP4_ECHO_REPLY;
    put_checksum(icmp + 2, 0);
    put_checksum(icmp + 2, (uint16_t)~rte_raw_cksum(icmp, len));
    swap(ip + 12, ip + 16, 4);
    be16_store(ip + 4, 0);
    be16_store(ip + 6, IP4_DF);
    ip[8] = IP_HOP_LIMIT;
    put_checksum(ip + 10, 0);
    put_checksum(ip + 10, (uint16_t)~rte_raw_cksum(ip, IP4_MIN));
    reply(lc, m, icmp + len);
}

static void answer_echo6(struct lcore *lc, struct rte_mbuf *m, uint8_t *ip, uint8_t *icmp,
                         uint32_t len)
{
    if (len < ECHO_MIN || icmp[1] != 0 || !ip6_is_host(ip + 8) ||
        !address6_is_ours(port_of(lc, m), ip + 24)) {
        drop(lc, m, JP_ip_other);
        return;
    }
    icmp[0] = ICMP6_ECHO_REPLY;
    put_checksum(icmp + 2, 0);
    put_checksum(icmp + 2, icmp6_checksum(ip, icmp, len));
    swap(ip + 8, ip + 24, 16);
    ip[7] = IP_HOP_LIMIT;
    reply(lc, m, icmp + len);
}

void answer_icmp6(struct lcore *lc, struct rte_mbuf *m)
{
    const struct packet *p = packet_of(m);
    uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, p->layers.l2_len);
    uint8_t *icmp = ip + p->layers.l3_len;
    uint32_t len = be16_load(ip + 4);

    if (len < 4 || icmp6_checksum(ip, icmp, len) != 0)
        drop(lc, m, JP_ip_other);
    else if (icmp[0] == ICMP6_ECHO_REQUEST)
        answer_echo6(lc, m, ip, icmp, len);
    else if (icmp[0] == ICMP6_SOLICITATION)
        answer_solicitation(lc, m, ip, icmp, len);
    else
        drop(lc, m, JP_ip_other);
}
