/* A burst of packets on the receive path, and what is known of each. The metadata lives in the mbuf's private
 * area, so it stays with the packet through rings and reorder queues. */
#ifndef DATAPLANE_BURST_H
#define DATAPLANE_BURST_H

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
    struct session *session;  /* from decrypt on */
    uint64_t pn;
    uint32_t spi;
    uint32_t text_len;        /* parse: ciphertext without tag; after decrypt: frames */
    uint16_t udp;             /* offset of the UDP payload in the mbuf's data */
    uint16_t l2_len, l3_len;
    uint8_t ip_version;
    uint8_t port;             /* index into dataplane.port */
    uint8_t listener;         /* index into config.listener */
    /* one data frame: what reorder and deliver handle */
    uint8_t is_datagram;
    uint16_t data;            /* offset of the frame's data in the mbuf's data */
    uint16_t data_len;
    uint32_t stream_id;
    struct reorder_node node; /* message sequence, offset, fin */
};

static inline struct packet *packet_of(struct rte_mbuf *m)
{
    return (struct packet *)rte_mbuf_to_priv(m);
}

#endif
