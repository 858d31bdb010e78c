/* The receive path: from the port to checked messages. */
#ifndef PKTGEN_RECEIVE_H
#define PKTGEN_RECEIVE_H

#include "session.h"
#include "worker.h"

/* Take what the worker's queues and the other workers have for it, a burst each. Returns how many
 * packets. */
unsigned receive(struct worker *w);

/* A UDP payload from the target. */
struct datagram {
    uint8_t *payload;
    uint32_t len;
    uint16_t port;      /* it was sent to */
    uint8_t our_ip[16]; /* it was sent to */
};

/* Find the UDP payload in m, checksums verified. False when there is none for us: counted; m stays
 * the caller's. Neighbours' questions are answered (m is then used up and *m set to NULL), and the
 * target's answers taken. */
bool parse(struct worker *w, struct rte_mbuf **m, struct datagram *d);

/* Turn m, an ARP request or a neighbour solicitation at l3, into the answer when it asks for an
 * address of ours. */
bool neighbour_answer(const struct jetgen *g, struct rte_mbuf *m);
/* Write a request for the target's Ethernet address into m, which is empty. */
void neighbour_ask(const struct jetgen *g, struct rte_mbuf *m);
/* When m tells the target's Ethernet address, take it. */
bool neighbour_learn(struct jetgen *g, const struct rte_mbuf *m);

/* Read the frames of an authentic packet of s, len bytes at p. */
void read_packet(struct worker *w, struct session *s, const uint8_t *p, uint32_t len);

#endif
