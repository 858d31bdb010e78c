/* A burst of packets on the receive path, and what is known of each. The metadata lives in the
 * mbuf's private area, so it stays with the packet through rings and reorder queues. */
#ifndef DATAPLANE_BURST_H
#define DATAPLANE_BURST_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "reorder.h"

enum { BURST_MAX = 64 };

struct session;

struct burst {
    uint16_t n;
    uint8_t port; /* the one it was received from, until it is parsed */
    struct rte_mbuf *m[BURST_MAX];
};

struct layers {
    uint16_t udp; /* offset of the UDP payload in the mbuf's data */
    uint8_t l2_len, l3_len;
};

/* What most packets need of it is one cache line. */
struct packet {
    struct session *session; /* from decrypt on */
    uint64_t pn;
    uint32_t spi;
    uint32_t text_len; /* parse: ciphertext without tag; after decrypt: frames */
    struct layers layers;
    uint8_t ip_version;
    uint8_t port; /* from parse on: index into dataplane.port */
    /* one data frame: what reorder and deliver handle */
    uint16_t data; /* offset of the frame's data in the mbuf's data */
    uint16_t data_len;
    uint8_t is_unusual; /* decrypt: not along its session's path, or of another epoch */
    uint8_t is_datagram;
    uint32_t stream_id;
    struct reorder_node node; /* message sequence, offset, fin */
};

static_assert(offsetof(struct packet, node.next) == 64, "links are not in the first line");
/* A pool's private size: so a frame begins a cache line, which has all headers up to the text. */
enum { PACKET_SIZE = RTE_ALIGN_CEIL(sizeof(struct packet), RTE_CACHE_LINE_SIZE) };

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
