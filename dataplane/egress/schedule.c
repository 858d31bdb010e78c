#include <rte_prefetch.h>

#include "stages.h"

/* First come, first served: take the next burst off the queue. What a session needs to send was
 * last touched by its own packets, and there may be a million sessions: have it fetched while the
 * burst is framed. */
void schedule_burst(struct egress *e)
{
    struct egress_burst *b = &e->burst;

    b->n = 0;
    while (b->n < BURST_MAX && e->head != e->tail) {
        const struct item *it = &e->queue[e->head++ % EGRESS_QUEUE];

        if (it->s) {
            rte_prefetch0(it->s->header);
            rte_prefetch0(&it->s->tx.next_pn);
            rte_prefetch0(it->s->tx.current.expanded);
        }
        b->item[b->n++] = *it;
    }
}
