#include <string.h>

#include <rte_ip.h>

#include "bytes.h"
#include "path.h"
#include "stages.h"

enum { IPV6_LEN = 40, UDP_LEN = 8 };

/* UDP over IPv6 must have a checksum (RFC 8200 section 8.1). */
static void checksum(uint8_t *udp, uint16_t udp_len, bool offload, struct rte_mbuf *m)
{
    if (offload) {
        m->l2_len = (uint64_t)(udp - IPV6_LEN - rte_pktmbuf_mtod(m, uint8_t *));
        m->l3_len = IPV6_LEN;
        m->ol_flags |= RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM;
        return;
    }
    uint16_t sum = (uint16_t)~rte_raw_cksum(udp, udp_len);

    if (sum == 0)
        sum = 0xffff;
    memcpy(udp + 6, &sum, 2);
}

void path_prepend(const struct dataplane *dp, const struct jp_path *path, const uint8_t *header,
                  uint16_t header_len, struct rte_mbuf *m)
{
    uint16_t udp_len = (uint16_t)(UDP_LEN + m->data_len);
    uint8_t *start = (uint8_t *)rte_pktmbuf_prepend(m, header_len);
    uint8_t *udp = start + header_len - UDP_LEN;

    memcpy(start, header, header_len);
    path_header_fill(udp, path->ip_version, udp_len);
    m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL; /* forget how it was received */
    if (path->ip_version == 6) {
        unsigned port = port_index(dp, path->port);

        checksum(udp, udp_len, port < dp->ports && dp->port[port].tx_udp_checksum, m);
    }
}
