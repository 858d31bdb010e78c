#include <rte_ether.h>
#include <rte_ip.h>

#include "answers.h"
#include "bytes.h"
#include "headers.h"
#include "origin.h"

enum { IP4_SRC = 12, IP4_DST = 16, IP6_SRC = 8, IP6_DST = 24 };

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
    const uint8_t *ip = eth + p->layers.l2_len;
    const uint8_t *udp = ip + p->layers.l3_len;

    memset(path, 0, sizeof(*path)); /* paths are compared as a whole */
    if (p->ip_version == 4) {
        map_v4(path->peer_ip, ip + IP4_SRC);
        map_v4(path->our_ip, ip + IP4_DST);
    } else {
        memcpy(path->peer_ip, ip + IP6_SRC, 16);
        memcpy(path->our_ip, ip + IP6_DST, 16);
    }
    path->peer_port = be16_load(udp);
    path->our_port = be16_load(udp + 2);
    memcpy(path->our_mac, dp->port[p->port].mac, RTE_ETHER_ADDR_LEN);
    memcpy(path->peer_mac, eth + RTE_ETHER_ADDR_LEN, RTE_ETHER_ADDR_LEN);
    path->vlan = p->layers.l2_len > RTE_ETHER_HDR_LEN
                     ? be16_load(eth + RTE_ETHER_HDR_LEN) & VLAN_ID_MASK
                     : 0;
    path->port = (uint8_t)dp->port[p->port].id;
    path->ip_version = p->ip_version;
    path->tcp = path->port == JP_IPC_RELAY_PORT;
}

struct flow flow_of(const struct jp_path *path, unsigned port)
{
    struct flow flow = {.port = (uint8_t)port, .ip_version = path->ip_version};

    memcpy(flow.peer_mac, path->peer_mac, sizeof(flow.peer_mac));
    memcpy(flow.ip4, path->peer_ip + 12, 4);
    memcpy(flow.ip4 + 4, path->our_ip + 12, 4);
    be16_store(flow.ports, path->peer_port);
    be16_store(flow.ports + 2, path->our_port);
    return flow;
}

static uint16_t fold(uint32_t sum)
{
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)(sum + (sum >> 16));
}

bool udp_checksum_ok(struct rte_mbuf *m)
{
    const struct packet *p = packet_of(m);
    const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, p->layers.l2_len);
    const uint8_t *udp = ip + p->layers.l3_len;
    uint16_t len = be16_load(udp + 4), given;

    if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
        return true;
    memcpy(&given, udp + 6, sizeof(given));
    if (given == 0)
        return p->ip_version == 4;
    uint16_t pseudo = fold(
        (p->ip_version == 4 ? rte_raw_cksum(ip + IP4_SRC, 8) : rte_raw_cksum(ip + IP6_SRC, 32)) +
        rte_cpu_to_be_16(IPPROTO_UDP) + (uint32_t)rte_cpu_to_be_16(len));

    return given == pseudo || fold((uint32_t)pseudo + rte_raw_cksum(udp, len)) == 0xffff;
}
