#include <string.h>

#include "path.h"
#include "stages.h"

enum { IPV6_LEN = 40, UDP_LEN = 8 };

static void offload_checksum(struct rte_mbuf *m, const uint8_t *udp)
{
    m->l2_len = (uint64_t)(udp - IPV6_LEN - rte_pktmbuf_mtod(m, uint8_t *));
    m->l3_len = IPV6_LEN;
    m->ol_flags |= RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM;
}

void path_prepend(const struct dataplane *dp, const struct jp_path *path, const uint8_t *header,
                  uint16_t header_len, struct rte_mbuf *m)
{
    memcpy(rte_pktmbuf_mtod(m, uint8_t *) - header_len, header, header_len);
    path_complete(dp, path->port, path->ip_version, header_len, m);
}

void path_complete(const struct dataplane *dp, uint16_t port_id, unsigned ip_version,
                   uint16_t header_len, struct rte_mbuf *m)
{
    uint16_t udp_len = (uint16_t)(UDP_LEN + m->data_len);
    uint8_t *udp = (uint8_t *)rte_pktmbuf_prepend(m, header_len) + header_len - UDP_LEN;

    path_header_fill(udp, ip_version, udp_len);
    m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL; /* forget how it was received */
    if (ip_version == 6) {
        if (dp->port[port_index(dp, port_id)].tx_udp_checksum)
            offload_checksum(m, udp);
        else
            path_checksum(udp, udp_len);
    }
}
