/* The receiving half of a stream of messages: fragments in any order, repeated, overlapping, become
 * messages, given out in order (ordered stream) or as they become whole.
 *
 * Messages wait in blocks of REASSEMBLY_BLOCK bytes, found through a tree of blocks used as
 * indexes, and the stream finds its messages through another: every fragment costs O(its length)
 * whatever the peer sends. What is held is counted against the credit the peer was given (flow.h),
 * and takes at most REASSEMBLY_OVERHEAD times that in memory, however the fragments lie. A stream
 * that holds nothing has nothing from the pools.
 *
 * What came twice must be the same: a fragment that contradicts another ends the session. A sender
 * that gives messages up says so by its forward mark: all before it is over, and was charged so
 * much; and it ends a stream by naming the number of its messages, or resets it.
 *
 * Owned by one thread, as its pools are. */
#ifndef PROTO_REASSEMBLY_H
#define PROTO_REASSEMBLY_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"
#include "pool.h"

enum reassembly_end_flag { REASSEMBLY_FIN = 1, REASSEMBLY_COMPRESSED = 2 };
enum { REASSEMBLY_BLOCK = 512, REASSEMBLY_FANOUT = REASSEMBLY_BLOCK / 8, REASSEMBLY_OVERHEAD = 3 };

struct reassembly_block {
    union {
        uint8_t data[REASSEMBLY_BLOCK];
        void *child[REASSEMBLY_FANOUT]; /* of an index */
    } u;
    uint64_t have[REASSEMBLY_BLOCK / 64]; /* a bit per byte of data that is here */
};
static_assert(sizeof(struct reassembly_block) == 576, "nine cache lines");

struct reassembly_message {
    struct reassembly_message *next; /* in the list of those that are whole */
    struct reassembly_block *root;
    uint64_t seq;
    uint32_t extent;   /* the highest byte seen, plus one: what is counted */
    uint32_t received; /* bytes */
    uint32_t len;      /* UINT32_MAX: its end did not come yet */
    uint8_t levels;    /* of indexes above the data */
    bool passed;       /* all messages before it are over, too */
    bool compressed;   /* as its end said */
};
static_assert(sizeof(struct reassembly_message) <= 64, "one cache line");

/* A session's, or a thread's: both dry up at what they were given. */
struct reassembly_pools {
    struct pool messages; /* of struct reassembly_message */
    struct pool blocks;   /* of struct reassembly_block */
};

struct reassembly {
    struct reassembly_pools *pools;
    struct flow_rx *stream, *session;
    struct reassembly_block *table;                 /* unfinished and held messages, by number */
    struct reassembly_message *ready, **ready_tail; /* whole, in the order to be read */
    uint64_t floor;                                 /* all messages below are over */
    uint64_t top;                                   /* one more than the highest seen */
    uint64_t end;                                   /* messages; UINT64_MAX: not known yet */
    uint64_t settled;                               /* counted for messages below the floor */
    uint32_t held;                                  /* entries of the table */
    bool ordered;
    bool reset;
};

/* Pools and credit are the caller's and outlive it. Nothing is taken from them yet. */
void reassembly_init(struct reassembly *r, struct reassembly_pools *pools, struct flow_rx *stream,
                     struct flow_rx *session, bool ordered);
/* A fragment came in; end: 0, or that it is the message's last (enum reassembly_end_flag). Returns
 * 0 (also for what is no news); -EPROTO when it contradicts what came before or the rules, -EDQUOT
 * when the peer had no credit for it: close the session; -ENOBUFS when a pool is dry: do not
 * acknowledge its packet, so that the peer sends it again. */
int reassembly_push(struct reassembly *r, uint64_t seq, uint32_t offset, const uint8_t *data,
                    uint32_t len, unsigned end);
/* The peer's forward mark: all messages below seq are over, those not whole by now are given up;
 * together they were charged `total`. Returns 0, -EPROTO or -EDQUOT. */
int reassembly_forward(struct reassembly *r, uint64_t seq, uint64_t total);
/* The peer says the stream has so many messages. Returns 0 or -EPROTO. */
int reassembly_end(struct reassembly *r, uint64_t messages);
/* The peer resets the stream, for which it was charged `total`: what was not taken is dropped.
 * Returns 0, -EPROTO or -EDQUOT. */
int reassembly_reset(struct reassembly *r, uint64_t total);

/* The next whole message, NULL when there is none. The caller reads it and releases it. */
struct reassembly_message *reassembly_take(struct reassembly *r);
/* Bytes of a taken message from `offset` < len on: *data points to them, valid until the release;
 * returns how many there are, to the end of a block. */
uint32_t reassembly_read(const struct reassembly_message *m, uint32_t offset, const uint8_t **data);
/* Its memory goes back, and its credit is consumed: call flow_rx_update. Not after a reset or fini
 * of its stream: those that are taken must be back before. */
void reassembly_release(struct reassembly *r, struct reassembly_message *m);

/* Nothing more will come: it ended and all was taken, or it was reset. */
static inline bool reassembly_done(const struct reassembly *r)
{
    return r->reset || (r->floor == r->end && !r->ready && r->held == 0);
}
/* Drop everything held; what was counted is consumed. */
void reassembly_fini(struct reassembly *r);

#endif
