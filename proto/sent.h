/* What was sent and is not yet acknowledged: a record per ack-eliciting packet, oldest first. Those
 * declared lost are the list's head and stay a while, to notice that they only came late; those in
 * flight follow. Packet numbers go up and may jump; a number that was skipped was never sent.
 *
 * An ACK walks from the oldest record to the newest it acknowledges: what it passes over is either
 * kept as lost (at most SENT_LOST_MAX) or within the reordering threshold, so the walk is O(1) per
 * record removed whatever the peer acknowledges. Records come from a pool shared by the sessions of
 * a thread. Owned by one thread; times are microseconds. */
#ifndef PROTO_SENT_H
#define PROTO_SENT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "pool.h"

enum {
    SENT_ITEMS = 8,
    SENT_LOST_MAX = 128,
    SENT_SKIPS = 4, /* skipped runs remembered: the newest */
};

enum sent_flag {
    SENT_LOST = 1,         /* declared lost */
    SENT_RECOVERED = 2,    /* the peer rebuilt it from FEC: nothing to send again */
    SENT_ECT = 4,          /* sent as ECN-capable */
    SENT_APP_LIMITED = 8,  /* sent for want of data below what congestion control allowed */
    SENT_MTU_PROBE = 16,   /* its loss says nothing about congestion */
    SENT_AFTER_ACKED = 32, /* a packet between this and the record before it was acknowledged */
    SENT_COPY = 64         /* of another packet: its loss is no loss of data */
};

/* One frame of a packet, as its sender knows it again. */
struct sent_item {
    uint64_t seq;         /* message sequence, or what the frame's type needs */
    uint32_t offset : 24; /* in the message */
    uint32_t type : 8;    /* FRAME_*, with its flags */
    uint16_t stream;
    uint16_t len;
};
static_assert(sizeof(struct sent_item) == 16, "two cache lines hold a packet's items");

/* The first cache line is what walks and congestion control read; the items fill two more. */
struct sent_packet {
    struct sent_packet *next;
    uint64_t pn;
    uint64_t order; /* counts records: the distance between packets, without jumps */
    uint64_t sent_at;
    uint64_t delivered;      /* congestion.c's, of when it was sent: bytes delivered ... */
    uint32_t delivered_age;  /* ... us since they were ... */
    uint32_t first_sent_age; /* ... us since the packet that was sent first of this flight ... */
    uint32_t in_flight;      /* ... bytes in flight, this packet's included ... */
    uint32_t lost;           /* ... bytes lost, modulo 2^32 */
    uint16_t bytes;          /* UDP payload */
    uint8_t flags;           /* enum sent_flag */
    uint8_t n;               /* items */
    struct sent_item items[SENT_ITEMS];
};
static_assert(sizeof(struct sent_packet) == 192, "three cache lines");

struct sent {
    struct sent_packet *head;  /* the oldest record */
    struct sent_packet *live;  /* the oldest not declared lost; NULL: nothing is in flight */
    struct sent_packet **tail; /* where the next record goes */
    uint64_t next_pn;          /* one more than the highest number sent */
    uint64_t next_order;
    uint64_t acked_end;    /* one more than the order of the newest record acknowledged */
    uint64_t last_sent_at; /* when the newest record was sent */
    uint32_t count;        /* records */
    uint32_t lost;         /* of them, declared lost */
    uint32_t max;          /* records at most */
    uint32_t skips;        /* skipped runs so far */
    bool tail_acked;       /* the newest record was acknowledged */
    struct frame_ack_range skipped[SENT_SKIPS];
};

/* Up to `max` records at once. */
void sent_init(struct sent *s, uint32_t max);
/* A record for the ack-eliciting packet pn >= next_pn, sent now: its caller fills bytes, items,
 * SENT_ECT and SENT_MTU_PROBE. Numbers between are skipped. NULL when there are max already or the
 * pool (objects of struct sent_packet) is dry: send nothing. */
struct sent_packet *sent_add(struct sent *s, struct pool *pool, uint64_t pn, uint64_t now);
/* The packet pn >= next_pn, which elicits no ACK, is being sent: it may be acknowledged. */
void sent_note(struct sent *s, uint64_t pn);
/* The records of n >= 1 ranges, as frame_next parses them, leave the map: *acked lists them, oldest
 * first, the late ones flagged SENT_LOST, until sent_release. -EPROTO, and nothing changed, when
 * the ranges hold a number that was never sent: the peer lies, close the session. */
int sent_ack(struct sent *s, const struct frame_ack_range *ranges, unsigned n,
             struct sent_packet **acked);
/* The peer rebuilt packet pn from FEC: flagged if it is here and older than the newest
 * acknowledged. It still is acknowledged late, or lost for congestion control. */
void sent_recovered(struct sent *s, uint64_t pn);
/* Declare lost what was sent before `cutoff`, or `threshold` records or more before the newest
 * acknowledged, and in either case before that one. Returns the first; they go on to s->live. */
struct sent_packet *sent_lose(struct sent *s, uint32_t threshold, uint64_t cutoff);
/* Declare all lost that is in flight. Returns the first. */
struct sent_packet *sent_lose_all(struct sent *s);
/* The caller has read what sent_ack and sent_lose listed: free the acknowledged, and the lost that
 * were sent before `keep`, are more than SENT_LOST_MAX, or have nothing in flight behind them. */
void sent_release(struct sent *s, struct pool *pool, struct sent_packet *acked, uint64_t keep);
/* Free everything. */
void sent_fini(struct sent *s, struct pool *pool);

#endif
