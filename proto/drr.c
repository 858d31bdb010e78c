#include "drr.h"

#include <assert.h>
#include <stddef.h>

static const int32_t weight[DRR_PRIORITIES] = {8, 4, 2, 1};

void drr_init(struct drr *d, uint32_t quantum)
{
    assert(quantum >= 1 && quantum <= 1 << 24);
    *d = (struct drr){.quantum = quantum};
}

void drr_add(struct drr *d, struct drr_node *n, enum drr_priority priority)
{
    struct drr_node **turn = &d->turn[priority];

    assert(!drr_waits(n));
    n->priority = (uint8_t)priority;
    n->deficit = (int32_t)d->quantum;
    if (*turn) {
        n->next = *turn;
        n->prev = (*turn)->prev;
        n->next->prev = n->prev->next = n;
    } else {
        *turn = n->next = n->prev = n;
    }
}

void drr_remove(struct drr *d, struct drr_node *n)
{
    struct drr_node **turn = &d->turn[n->priority];

    if (!drr_waits(n))
        return;
    if (*turn == n)
        *turn = n->next == n ? NULL : n->next;
    n->next->prev = n->prev;
    n->prev->next = n->next;
    n->next = n->prev = NULL;
}

/* What an idle priority left over is lost; what one owes is taken off. */
static void new_round(struct drr *d)
{
    for (unsigned p = 0; p < DRR_PRIORITIES; p++)
        d->deficit[p] = (d->deficit[p] < 0 ? d->deficit[p] : 0) + weight[p] * (int32_t)d->quantum;
}

struct drr_node *drr_next(struct drr *d)
{
    for (unsigned rounds = 0; rounds < 2; rounds++) { /* after a new one everybody has some */
        for (unsigned p = 0; p < DRR_PRIORITIES; p++)
            if (d->turn[p] && d->deficit[p] > 0)
                return d->turn[p];
        new_round(d);
    }
    return NULL;
}

void drr_charge(struct drr *d, struct drr_node *n, uint32_t bytes)
{
    assert(drr_waits(n) && bytes <= d->quantum);
    d->deficit[n->priority] -= (int32_t)bytes;
    n->deficit -= (int32_t)bytes;
    if (n->deficit > 0)
        return;
    n->deficit += (int32_t)d->quantum;
    if (d->turn[n->priority] == n)
        d->turn[n->priority] = n->next;
}
