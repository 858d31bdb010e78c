/* A modelled link, one way: a queue that drops at its tail, a rate, a delay, and what goes wrong
 * on the wire. Packets are opaque bytes with addresses, as UDP datagrams have; several endpoints
 * may share a link, and a link's receiver may be the next link. Everything is copied, so senders
 * keep their buffers. The configuration may be changed at any time. */
#ifndef TESTS_LINK_H
#define TESTS_LINK_H

#include "sim.h"

enum link_ecn { LINK_NOT_ECT = 0, LINK_ECT1 = 1, LINK_ECT0 = 2, LINK_CE = 3 };

struct link_packet {
    const uint8_t *bytes;
    uint32_t len;
    uint32_t from, to; /* addresses: any numbers */
    uint8_t ecn;       /* enum link_ecn */
    bool corrupt;      /* a bit was flipped: for receivers that do not check */
};

/* Chances are in parts per million. */
struct link_config {
    uint64_t rate;     /* bit/s; 0: any */
    uint32_t delay_us; /* one way */
    uint32_t queue;    /* bytes that may wait or be on their way out; 0: any */
    uint32_t mtu;      /* longer packets are dropped; 0: any */
    uint32_t mark;     /* ECN-capable packets behind more bytes than this get CE; 0: never */
    uint32_t loss;
    uint32_t burst_begin; /* Gilbert-Elliott: chance of a packet to begin a bad spell ... */
    uint32_t burst_end;   /* ... and of one in it to end it; */
    uint32_t burst_loss;  /* chance of loss within */
    uint32_t reorder;     /* chance to be overtaken: delayed by up to ... */
    uint32_t reorder_us;  /* ... this much */
    uint32_t duplicate;
    uint32_t corrupt;
    bool blackhole; /* nothing gets through */
};

/* An address translator: what `inside` sends comes from `outside`, and back. Rebinding is to
 * change `outside`: what is sent to the old address is gone. */
struct link_nat {
    uint32_t inside, outside;
};

struct link_stats {
    uint64_t sent, delivered;                                   /* packets */
    uint64_t tail_drops, losses, blackholed, nat_drops, longer; /* why not */
    uint64_t duplicates, reordered, corrupted, marked, bytes;   /* bytes: of those delivered */
    uint32_t longest_queue;                                     /* bytes */
};

typedef void link_deliver_fn(void *arg, const struct link_packet *p);

struct link_transit;

struct link {
    struct link_config config;
    struct link_stats stats;
    const struct link_nat *nat_out; /* NULL, or the NAT packets leave by */
    const struct link_nat *nat_in;  /* NULL, or the one they arrive at */
    struct sim *sim;
    link_deliver_fn *deliver; /* the packet is gone when it returns */
    void *arg;
    uint64_t busy_until_ns;        /* when the last bit of what is queued leaves */
    bool bad;                      /* in a bad spell */
    struct link_transit *transits; /* on their way */
};

void link_init(struct link *l, struct sim *s, const struct link_config *config,
               link_deliver_fn *deliver, void *arg);
/* With a queue of one bandwidth-delay product, 64 KB at least. */
struct link_config link_path(uint64_t rate, uint32_t rtt_us);
/* Packets on their way are dropped. Do not run the simulator afterwards. */
void link_fini(struct link *l);
void link_send(struct link *l, const struct link_packet *p);

#endif
