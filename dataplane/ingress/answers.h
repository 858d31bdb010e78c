/* Private to the receive path's addresses (parse.c, origin.c) and the answers to neighbours and
 * ICMP (neighbour.c, icmp.c): rare packets, turned round in place. */
#ifndef DATAPLANE_ANSWERS_H
#define DATAPLANE_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_ip.h>

#include "burst.h"
#include "lcore.h"

static inline const struct port *port_of(const struct lcore *lc, struct rte_mbuf *m)
{
    return &lc->dp->port[packet_of(m)->port];
}

/* Is this address one of the port's? */
bool address4_is_ours(const struct port *port, const uint8_t ip[4]);
bool address6_is_ours(const struct port *port, const uint8_t ip[16]);
/* ff02::1 */
extern const uint8_t ip6_all_nodes[16];

/* An address that can be answered: not in 0.0.0.0/8, no loopback, multicast or broadcast. */
static inline bool ip4_is_host(const uint8_t ip[4])
{
    return ip[0] != 0 && ip[0] != 127 && ip[0] < 224;
}

/* The same: not in ::/64, where the unspecified, loopback and v4-mapped addresses are, and no
 * multicast. */
static inline bool ip6_is_host(const uint8_t ip[16])
{
    static const uint8_t none[8];

    return ip[0] != 0xff && memcmp(ip, none, sizeof(none)) != 0;
}

/* Send m from us to the Ethernet address `to`; a VLAN tag stays. Takes m, counts the fate. */
void answer_send(struct lcore *lc, struct rte_mbuf *m, const uint8_t to[6], enum jp_counter fate);

/* Of the len bytes of message behind the IPv6 header at ip, to be stored as it is; 0 when the
 * message holds its right checksum already. */
uint16_t icmp6_checksum(const uint8_t *ip, const uint8_t *icmp, uint32_t len);

/* Answer a neighbour solicitation, len bytes at icmp with a right checksum, in the IPv6 packet at
 * ip. Takes m. */
void answer_solicitation(struct lcore *lc, struct rte_mbuf *m, uint8_t *ip, uint8_t *icmp,
                         uint32_t len);

#endif
