/* Private to the transmit path: the queue of what was submitted, and the burst that the stages hand
 * on. */
#ifndef DATAPLANE_STAGES_H
#define DATAPLANE_STAGES_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "burst.h"
#include "frame.h"
#include "lcore.h"
#include "path.h"
#include "session.h"
#include "wire.h"

enum {
    EGRESS_QUEUE = 1024, /* submitted packets a lcore holds at most; a power of two */
    /* bytes in front of a frame's data that headers may take, and behind it */
    EGRESS_FRONT = PATH_HEADER_MAX + WIRE_DATA_HDR + FRAME_FEC_HDR_MAX + FRAME_STREAM_HDR_MAX,
    EGRESS_BEHIND = WIRE_TRAILER_MAX + WIRE_TAG,
};

enum item_kind {
    ITEM_DATA,     /* packet_of(m) says which data: frame and fec put their headers in front */
    ITEM_FRAMES,   /* m holds finished frames: only to be encrypted */
    ITEM_NUMBERED, /* the same, to be sealed as packet_of(m)->pn; in front of the room for the ESP
                      header are the path's, of packet_of(m)->layers.udp bytes */
    ITEM_RAW,      /* m holds an Ethernet frame; no session */
};

struct item {
    struct rte_mbuf *m;
    struct session *s;
    uint16_t port; /* of DPDK; for DATA and FRAMES encrypt fills it in */
    uint8_t kind;
};

struct egress_burst {
    uint16_t n;
    struct item item[BURST_MAX];
};

/* What leaves through one port: first what waits for it since it was full, of full sessions only,
 * BURST_MAX at most; then what this burst adds. */
struct tx_buffer {
    uint16_t n;
    uint16_t room;             /* packets that full sessions may send at once while none waits */
    bool waits[2 * BURST_MAX]; /* or else is dropped when the port is full */
    struct rte_mbuf *m[2 * BURST_MAX];
};

struct egress {
    uint32_t head, tail; /* of queue: free running, both 0 when it is empty */
    bool running;
    struct egress_burst burst;
    struct tx_buffer tx[JP_PORTS_MAX];
    struct item queue[EGRESS_QUEUE];
};

/* The stages, each over the whole burst; what cannot go on is freed and counted. */
void schedule_burst(struct egress *e);
void frame_burst(struct egress_burst *b);
void fec_burst(struct lcore *lc, struct egress_burst *b);
void encrypt_burst(struct lcore *lc, struct egress_burst *b);
void tx_burst(struct lcore *lc, struct egress_burst *b);
/* Hand the ports what waits for them. */
void tx_flush(struct lcore *lc);

/* Append to the queue (submit.c). Takes m. */
void egress_submit(struct lcore *lc, struct session *s, struct rte_mbuf *m, enum item_kind kind,
                   uint16_t port);

/* Index of DPDK's port id in dp->port; dp->ports, the relay, when it is none of ours. */
static inline unsigned port_index(const struct dataplane *dp, uint16_t id)
{
    unsigned i = 0;

    while (i < dp->ports && dp->port[i].id != id)
        i++;
    return i;
}

/* Put a path's header template in front of m, a UDP payload, and fill in lengths and checksums
 * (address.c). */
void path_prepend(const struct dataplane *dp, const struct jp_path *path, const uint8_t *header,
                  uint16_t header_len, struct rte_mbuf *m);
/* The same with the template there already: its path's port of DPDK and IP version are told. */
void path_complete(const struct dataplane *dp, uint16_t port_id, unsigned ip_version,
                   uint16_t header_len, struct rte_mbuf *m);

#endif
