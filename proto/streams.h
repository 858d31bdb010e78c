/* The streams of one session: found by id, made on first use. The first lies in the table, as most
 * sessions have no other; further ones are in chunks from a pool, so that a peer cannot make more
 * than max_streams. Owned by one thread. */
#ifndef PROTO_STREAMS_H
#define PROTO_STREAMS_H

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "pool.h"
#include "reorder.h"

enum { STREAMS_PER_CHUNK = 8 };

struct stream {
    struct reorder_stream rx;
    uint64_t tx_seq;    /* message being sent, or the next to send */
    uint64_t rx_broken; /* 1 + the message that lost a part to a skipped gap; 0: none */
    uint32_t id;
    bool tx_open;       /* fragments of tx_seq were sent, its end not yet */
    uint8_t unused[11]; /* fills the line */
};

static_assert(sizeof(struct stream) == 64, "a cache line");

struct stream_chunk {
    struct stream_chunk *next;
    uint32_t used;
    uint32_t ids[STREAMS_PER_CHUNK]; /* of s[]: a search reads one cache line a chunk */
    alignas(64) struct stream s[STREAMS_PER_CHUNK];
};

/* What the sessions of one thread share: objects of struct stream_chunk. One is kept free for every
 * table that has none yet, so the streams of some never cost another its first ones. */
struct stream_pool {
    struct pool pool;
    uint32_t empty; /* tables without a chunk */
};

struct streams {
    struct stream_chunk *chunks;
    struct stream *last; /* the one used last: most packets hit it */
    uint32_t count;
    uint32_t max;        /* ids must be below it; the negotiated limit */
    struct stream first; /* when count > 0 */
};

/* Where a walk over all streams is; all zero: at the beginning. */
struct streams_walk {
    bool began;
    uint32_t next; /* in chunk */
    struct stream_chunk *chunk;
};

/* Every table that was begun is ended by streams_fini. */
void streams_init(struct streams *t, struct stream_pool *chunks, uint32_t max);
/* streams_get for another stream than the last. */
struct stream *streams_find(struct streams *t, struct stream_pool *chunks, uint32_t id);
/* The stream, made when new; NULL when id >= max or no chunk is left for this table. */
static inline struct stream *streams_get(struct streams *t, struct stream_pool *chunks, uint32_t id)
{
    return t->last && t->last->id == id ? t->last : streams_find(t, chunks, id);
}
/* The next stream of a walk, NULL behind the last. None may be made meanwhile. */
struct stream *streams_next(struct streams *t, struct streams_walk *at);
/* The caller has drained every stream's reorder queue. */
void streams_fini(struct streams *t, struct stream_pool *chunks);

#endif
