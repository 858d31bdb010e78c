/* Where a packet that passed parse came from. */
#ifndef DATAPLANE_ORIGIN_H
#define DATAPLANE_ORIGIN_H

#include <stdbool.h>
#include <string.h>

#include "burst.h"
#include "session.h"

/* The path it came along, and so where its answer goes. */
void packet_path(const struct dataplane *dp, struct rte_mbuf *m, struct jp_path *path);
/* Is its UDP checksum right? Computed only when the port has not done so; m is as it was received.
 * What the kernel sends over a veth carries the sum of the pseudo header alone, which is as good:
 * there was no wire. */
bool udp_checksum_ok(struct rte_mbuf *m);

/* What tells packets along a path, which came in at the port of this index. */
struct flow flow_of(const struct jp_path *path, unsigned port);

/* Did m come along the path of s? */
static inline bool packet_is_along(struct rte_mbuf *m, const struct session *s)
{
    const struct packet *p = packet_of(m);
    const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *);
    const uint8_t *ip = eth + p->layers.l2_len, *udp = ip + p->layers.l3_len;
    const struct flow *flow = &s->flow;

    if (p->port != flow->port || p->ip_version != flow->ip_version ||
        memcmp(eth + sizeof(flow->peer_mac), flow->peer_mac, sizeof(flow->peer_mac)) != 0 ||
        memcmp(udp, flow->ports, sizeof(flow->ports)) != 0)
        return false;
    if (likely(p->ip_version == 4))
        return memcmp(ip + 12, flow->ip4, sizeof(flow->ip4)) == 0;
    return memcmp(ip + 8, s->path.peer_ip, 16) == 0 && memcmp(ip + 24, s->path.our_ip, 16) == 0;
}

#endif
