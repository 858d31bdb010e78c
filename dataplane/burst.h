/* A burst of packets on the receive path, and what is known of each. The metadata lives in the
 * mbuf's private area, so it stays with the packet through rings and reorder queues. */
#ifndef DATAPLANE_BURST_H
#define DATAPLANE_BURST_H

#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "reorder.h"

enum { BURST_MAX = 64 };

struct session;

struct burst {
    uint16_t n;
    struct rte_mbuf *m[BURST_MAX];
};

struct packet {
    struct session *session; /* from decrypt on */
    uint64_t pn;
    uint32_t spi;
    uint32_t text_len; /* parse: ciphertext without tag; after decrypt: frames */
    uint16_t udp;      /* offset of the UDP payload in the mbuf's data */
    uint16_t l2_len, l3_len;
    uint8_t ip_version;
    uint8_t port; /* index into dataplane.port */
    /* one data frame: what reorder and deliver handle */
    uint8_t is_datagram;
    uint16_t data; /* offset of the frame's data in the mbuf's data */
    uint16_t data_len;
    uint32_t stream_id;
    struct reorder_node node; /* message sequence, offset, fin */
};

static inline struct packet *packet_of(struct rte_mbuf *m)
{
    return (struct packet *)rte_mbuf_to_priv(m);
}

/* The mbuf whose packet has this node. */
static inline struct rte_mbuf *mbuf_of(struct reorder_node *n)
{
    return (struct rte_mbuf *)((uint8_t *)n - offsetof(struct packet, node) -
                               sizeof(struct rte_mbuf));
}

/* Packets waiting for a place in a burst, linked through their nodes: the output of a stage that
 * may release more than it was given. */
struct packet_queue {
    struct reorder_node *head, **end;
    uint32_t n;
};

static inline void queue_init(struct packet_queue *q)
{
    q->head = NULL;
    q->end = &q->head;
    q->n = 0;
}

static inline void queue_push(struct packet_queue *q, struct reorder_node *n)
{
    n->next = NULL;
    *q->end = n;
    q->end = &n->next;
    q->n++;
}

/* Move all of `from` behind q. */
static inline void queue_splice(struct packet_queue *q, struct packet_queue *from)
{
    if (!from->head)
        return;
    *q->end = from->head;
    q->end = from->end;
    q->n += from->n;
    queue_init(from);
}

static inline struct reorder_node *queue_pop(struct packet_queue *q)
{
    struct reorder_node *n = q->head;

    if (!n)
        return NULL;
    if (!(q->head = n->next))
        q->end = &q->head;
    q->n--;
    return n;
}

/* Fill the burst from the queue's front; returns its size. */
static inline uint16_t burst_refill(struct burst *b, struct packet_queue *q)
{
    for (b->n = 0; b->n < BURST_MAX && q->head; b->n++)
        b->m[b->n] = mbuf_of(queue_pop(q));
    return b->n;
}

#endif
