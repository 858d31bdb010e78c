/* Deficit round robin over four priorities with weights 8, 4, 2, 1, and over the nodes of each:
 * the streams of a session, or the sessions of a core.
 *
 * In a round every priority may send its weight in quanta; within the round the highest that has
 * some left goes first. So what becomes due on a priority that has not used up its share is next,
 * and what has used it up waits for at most one packet per weight of each lower priority. No
 * priority gets a second share before all that wait had theirs, however often it falls idle and
 * returns: none starves. The size of a packet is charged once it is known; what it exceeds the
 * share by, less than a packet, is owed to the next round.
 *
 * Nodes of one priority take turns, a quantum each. Intrusive: the node lives with what it stands
 * for, nothing is allocated, all is O(1). Owned by one thread. */
#ifndef PROTO_DRR_H
#define PROTO_DRR_H

#include <stdbool.h>
#include <stdint.h>

enum drr_priority { DRR_SYSTEM, DRR_MEDIA, DRR_CHAT, DRR_BULK, DRR_PRIORITIES };

struct drr_node {
    struct drr_node *next, *prev; /* NULL: does not wait */
    int32_t deficit;              /* bytes it may still send in its turn */
    uint8_t priority;
};

struct drr {
    struct drr_node *turn[DRR_PRIORITIES]; /* whose turn it is; the others follow in a circle */
    int32_t deficit[DRR_PRIORITIES];       /* bytes left of the round; negative: owed */
    uint32_t quantum;                      /* bytes: no less than is ever charged at once */
};

/* quantum: 1 to 2^24 bytes, the largest packet. */
void drr_init(struct drr *d, uint32_t quantum);
static inline bool drr_waits(const struct drr_node *n)
{
    return n->next != 0;
}
/* n, which does not wait, has something to send: the last in the circle of its priority. */
void drr_add(struct drr *d, struct drr_node *n, enum drr_priority priority);
/* n has nothing more to send; nothing happens when it does not wait. */
void drr_remove(struct drr *d, struct drr_node *n);
/* Who sends next, NULL when nobody waits. Charge or remove it, then ask again. */
struct drr_node *drr_next(struct drr *d);
/* n, which waits, has sent `bytes` <= quantum. It goes on waiting. */
void drr_charge(struct drr *d, struct drr_node *n, uint32_t bytes);

#endif
