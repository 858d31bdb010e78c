/* Per-stream reordering: fragments leave in (message sequence, offset) order. A gap holds what is
 * behind it until it fills, its time is up, or the session holds too many packets; then the gap is
 * skipped. A gap on one stream never holds another. Intrusive: the node lives with its packet, so
 * nothing is allocated. Owned by one thread; times are microseconds. */
#ifndef PROTO_REORDER_H
#define PROTO_REORDER_H

#include <stdbool.h>
#include <stdint.h>

struct reorder_node {
    uint64_t seq;
    uint32_t offset;
    uint32_t len; /* payload bytes; offset + len fits */
    bool fin;
    bool gap; /* out: something before this fragment was skipped */
    /* of those that are held, and lists; what only passes does not touch them */
    struct reorder_node *next, *prev;
    uint64_t arrived; /* out: when it, or a fragment held behind it, arrived, the earlier */
};

struct reorder_stream {
    struct reorder_node *head, *tail; /* held, ascending; they never overlap */
    uint64_t next_seq;
    uint32_t next_offset;
    uint32_t held;
};

struct reorder_limits {
    uint32_t max_held; /* packets per session, over all its streams */
    uint32_t timeout_us;
};

enum reorder_verdict {
    REORDER_RELEASED, /* *out lists this node, and those it freed, in order */
    REORDER_HELD,
    REORDER_DUPLICATE, /* already delivered, skipped or held, in part or whole, or empty without
                        * being the message's end: the caller drops the packet */
    REORDER_OVERFLOW,  /* as RELEASED, after skipping this stream's gap because *held reached
                        * max_held; the pushed node itself may be held or released */
};

/* Push one fragment. *held is the session's count over all its streams. *out is NULL or a list.
 * What comes in order, late by little, or no later than all that is held is O(1); the worst case
 * walks what the stream holds, at most max_held. */
enum reorder_verdict reorder_push(struct reorder_stream *s, uint32_t *held,
                                  const struct reorder_limits *lim, struct reorder_node *n,
                                  uint64_t now, struct reorder_node **out);
/* The same for the common case alone: nothing is held, and n is next. True: it was released, just
 * it. False: nothing was done, push it. */
static inline bool reorder_pass(struct reorder_stream *s, struct reorder_node *n)
{
    if (s->head || n->seq != s->next_seq || n->offset != s->next_offset || (n->len == 0 && !n->fin))
        return false;
    n->gap = false;
    s->next_seq += n->fin;
    s->next_offset = n->fin ? 0 : n->offset + n->len;
    return true;
}
/* Skip every gap whose oldest held fragment arrived timeout_us ago or longer; returns the released
 * list. */
struct reorder_node *reorder_expire(struct reorder_stream *s, uint32_t *held,
                                    const struct reorder_limits *lim, uint64_t now);
/* When reorder_expire has work (us), UINT64_MAX when nothing is held. */
uint64_t reorder_deadline(const struct reorder_stream *s, const struct reorder_limits *lim);
/* Take everything held, in order. */
struct reorder_node *reorder_drain(struct reorder_stream *s, uint32_t *held);

#endif
