#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "bytes.h"
#include "egress.h"
#include "jetplane/ipc.h"
#include "stages.h"

enum { IPV4_LEN = 20, IPV6_LEN = 40, UDP_LEN = 8, HOP_LIMIT = 64, IPV4_DF = 0x4000 };

static uint8_t *put_l2(uint8_t *p, const struct jp_path *path)
{
    memcpy(p, path->peer_mac, 6);
    memcpy(p + 6, path->our_mac, 6);
    p += 12;
    if (path->vlan != 0) {
        be16_store(p, RTE_ETHER_TYPE_VLAN);
        be16_store(p + 2, path->vlan);
        p += 4;
    }
    be16_store(p, path->ip_version == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
    return p + 2;
}

static uint8_t *put_ipv4(uint8_t *ip, const struct jp_path *path)
{
    memset(ip, 0, IPV4_LEN);
    ip[0] = 0x45;
    be16_store(ip + 6, IPV4_DF);
    ip[8] = HOP_LIMIT;
    ip[9] = IPPROTO_UDP;
    memcpy(ip + 12, path->our_ip + 12, 4);
    memcpy(ip + 16, path->peer_ip + 12, 4);
    uint16_t checksum = (uint16_t)~rte_raw_cksum(ip, IPV4_LEN);

    memcpy(ip + 10, &checksum, 2);
    return ip + IPV4_LEN;
}

static uint8_t *put_ipv6(uint8_t *ip, const struct jp_path *path)
{
    memset(ip, 0, 8);
    ip[0] = 0x60;
    ip[6] = IPPROTO_UDP;
    ip[7] = HOP_LIMIT;
    memcpy(ip + 8, path->our_ip, 16);
    memcpy(ip + 24, path->peer_ip, 16);
    return ip + IPV6_LEN;
}

uint16_t path_header(uint8_t header[66], const struct jp_path *path)
{
    uint8_t *ip = put_l2(header, path);
    uint8_t *udp = path->ip_version == 4 ? put_ipv4(ip, path) : put_ipv6(ip, path);

    be16_store(udp, path->our_port);
    be16_store(udp + 2, path->peer_port);
    memset(udp + 4, 0, 4);
    if (path->ip_version == 6) { /* its length is still 0 */
        uint16_t sum = rte_ipv6_phdr_cksum((const struct rte_ipv6_hdr *)ip, 0);

        memcpy(udp + 6, &sum, 2);
    }
    return (uint16_t)(udp + UDP_LEN - header);
}

/* Add v to the one's complement sum in p. */
static void sum_add(uint8_t *p, uint16_t v)
{
    uint32_t sum = (uint32_t)be16_load(p) + v;

    be16_store(p, (uint16_t)(sum + (sum >> 16)));
}

static void fill_ipv4(uint8_t *udp, uint16_t udp_len)
{
    uint8_t *ip = udp - IPV4_LEN;
    uint16_t len = IPV4_LEN + udp_len;

    be16_store(ip + 2, len);
    be16_store(ip + 10, (uint16_t)~be16_load(ip + 10));
    sum_add(ip + 10, len);
    be16_store(ip + 10, (uint16_t)~be16_load(ip + 10));
}

/* UDP over IPv6 must have a checksum (RFC 8200 section 8.1). The port, or rte_raw_cksum, goes on
 * from the pseudo header's sum in its field. */
static void fill_ipv6(uint8_t *udp, uint16_t udp_len, bool offload, struct rte_mbuf *m)
{
    be16_store(udp - IPV6_LEN + 4, udp_len);
    sum_add(udp + 6, udp_len);
    if (offload) {
        m->l2_len = (uint64_t)(udp - IPV6_LEN - rte_pktmbuf_mtod(m, uint8_t *));
        m->l3_len = IPV6_LEN;
        m->ol_flags |= RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM;
        return;
    }
    uint16_t checksum = (uint16_t)~rte_raw_cksum(udp, udp_len);

    if (checksum == 0)
        checksum = 0xffff;
    memcpy(udp + 6, &checksum, 2);
}

void path_prepend(const struct dataplane *dp, const struct jp_path *path, const uint8_t *header,
                  uint16_t header_len, struct rte_mbuf *m)
{
    uint16_t udp_len = (uint16_t)(UDP_LEN + m->data_len);
    uint8_t *start = (uint8_t *)rte_pktmbuf_prepend(m, header_len);
    uint8_t *udp = start + header_len - UDP_LEN;

    memcpy(start, header, header_len);
    be16_store(udp + 4, udp_len);
    m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL; /* forget how it was received */
    if (path->ip_version == 4) {
        fill_ipv4(udp, udp_len);
    } else {
        unsigned port = port_index(dp, path->port);

        fill_ipv6(udp, udp_len, port < dp->ports && dp->port[port].tx_udp_checksum, m);
    }
}
