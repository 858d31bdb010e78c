/* What peers make sessions hold in pools that others need, too. Who holds how much is known at any
 * time, by the order of magnitude: each class lists its sessions, those first that have held so
 * much for longest without giving as much back. When a pool is dry the first of the highest class
 * goes, so nobody is turned away for what others hold. */
#include "conn_state.h"

/* By powers of eight; 0: nothing. */
static uint8_t class_of(uint64_t held)
{
    return held > 0 ? (uint8_t)(1 + (63 - __builtin_clzll(held)) / 3) : 0;
}

void holding_note(struct conn *c, enum conn_holding what, uint64_t held, uint64_t gone)
{
    struct conn_holder *h = &c->holder[what];
    struct list *of = c->pools->holders[what];
    uint8_t class = class_of(held);

    if (class == h->class && (class == 0 || gone - h->gone <= held))
        return;
    list_remove(&of[h->class], &h->node);
    h->class = class;
    h->gone = gone;
    if (class > 0)
        list_add(&of[class], &h->node);
}

static struct conn *biggest(const struct conn_pools *pools, enum conn_holding what)
{
    const struct list *of = pools->holders[what];
    unsigned class = CONN_HOLDING_CLASSES - 1;

    while (class > 0 && !of[class].head)
        class --;
    struct list_node *n = of[class].head;

    return n ? (struct conn *)((uint8_t *)n - offsetof(struct conn, holder[what].node)) : NULL;
}

/* Everything goes back at once, not when its owner gets to it. */
static void evict(struct conn *c, uint64_t now)
{
    conn_close(c, CLOSE_LIMIT, "held the most when memory ran out", now);
    conn_streams_fini(c);
}

bool holding_room(struct conn *c, enum conn_holding what, const struct pool *pool, uint32_t n)
{
    struct conn *victim;

    while (pool_left(pool) < n) {
        victim = biggest(c->pools, what);
        if (!victim || victim == c)
            return false;
        evict(victim, c->last_rx);
    }
    return true;
}
