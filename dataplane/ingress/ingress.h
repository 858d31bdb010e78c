/* The receive path, one file a stage: rx -> parse -> steer -> decrypt -> replay -> fec -> reorder
 * -> deliver. Each keeps the good packets as the prefix of the burst, gives the rest one fate or
 * named drop each, and returns how many it kept. fec and reorder may have more to give than fits a
 * burst: they queue it, and give the rest when they are called again with an empty one. pipeline.c
 * knows the order; no stage knows another. */
#ifndef DATAPLANE_INGRESS_H
#define DATAPLANE_INGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "burst.h"
#include "jetplane/ipc.h"
#include "lcore.h"

struct stream;

/* Counts the burst's bytes too, as the first to look at its packets. */
uint16_t ingress_parse(struct lcore *lc, struct burst *b);
uint16_t ingress_steer(struct lcore *lc, struct burst *b);
uint16_t ingress_decrypt(struct lcore *lc, struct burst *b);
uint16_t ingress_replay(struct lcore *lc, struct burst *b);
uint16_t ingress_fec(struct lcore *lc, struct burst *b);
uint16_t ingress_reorder(struct lcore *lc, struct burst *b);
uint16_t ingress_deliver(struct lcore *lc, struct burst *b);

/* Put what a gap's end or a session's time released, in order, on its way to delivery; fragments of
 * a message that lost a part are dropped. list is linked through its nodes. */
void reorder_release(struct lcore *lc, struct stream *st, struct reorder_node *list);

/* Answer ARP, neighbour solicitation or ICMP echo: parse hands such a packet over, with its layers'
 * lengths in packet_of(m). Takes m and gives it its fate. `neighbour.c`, `icmp.c`. */
void answer_arp(struct lcore *lc, struct rte_mbuf *m);
void answer_icmp4(struct lcore *lc, struct rte_mbuf *m);
void answer_icmp6(struct lcore *lc,
                  struct rte_mbuf *m); /* echo requests and neighbour solicitations */

/* Give m one end: count it and free the packet. */
static inline void drop(struct lcore *lc, struct rte_mbuf *m, enum jp_counter why)
{
    count(lc, why, 1);
    rte_pktmbuf_free(m);
}

#endif
