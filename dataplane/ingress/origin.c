#include <rte_ether.h>

#include "bytes.h"
#include "ingress.h"

enum { IP4_SRC = 12, IP4_DST = 16, IP6_SRC = 8, IP6_DST = 24, VLAN_ID_MASK = 0x0fff };

static void map_v4(uint8_t out[16], const uint8_t ip[4])
{
    memset(out, 0, 10);
    memset(out + 10, 0xff, 2);
    memcpy(out + 12, ip, 4);
}

void packet_path(const struct dataplane *dp, struct rte_mbuf *m, struct jp_path *path)
{
    const struct packet *p = packet_of(m);
    const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *);
    const uint8_t *ip = eth + p->l2_len;
    const uint8_t *udp = ip + p->l3_len;

    if (p->ip_version == 4) {
        map_v4(path->peer_ip, ip + IP4_SRC);
        map_v4(path->our_ip, ip + IP4_DST);
    } else {
        memcpy(path->peer_ip, ip + IP6_SRC, 16);
        memcpy(path->our_ip, ip + IP6_DST, 16);
    }
    path->peer_port = be16_load(udp);
    path->our_port = be16_load(udp + 2);
    memcpy(path->our_mac, eth, RTE_ETHER_ADDR_LEN);
    memcpy(path->peer_mac, eth + RTE_ETHER_ADDR_LEN, RTE_ETHER_ADDR_LEN);
    path->vlan =
        p->l2_len > RTE_ETHER_HDR_LEN ? be16_load(eth + RTE_ETHER_HDR_LEN) & VLAN_ID_MASK : 0;
    path->port = (uint8_t)dp->port[p->port].id;
    path->ip_version = p->ip_version;
    memset(path->pad, 0, sizeof(path->pad));
}
