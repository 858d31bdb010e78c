#include <stddef.h>

#include "wheel.h"

void wheel_init(struct wheel *w, uint64_t now)
{
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        w->slots[i] = (struct wheel_entry){.next = &w->slots[i], .prev = &w->slots[i]};
    w->now = now;
}

void wheel_arm(struct wheel *w, struct wheel_entry *e, uint64_t deadline)
{
    wheel_cancel(e);
    e->deadline = deadline > w->now ? deadline : w->now + 1;

    struct wheel_entry *slot = &w->slots[e->deadline % WHEEL_SLOTS];

    e->next = slot;
    e->prev = slot->prev;
    e->prev->next = e;
    slot->prev = e;
}

void wheel_cancel(struct wheel_entry *e)
{
    if (!wheel_armed(e))
        return;
    e->prev->next = e->next;
    e->next->prev = e->prev;
    e->next = e->prev = NULL;
}

/* Take up to max entries of tick's slot that are due by then. */
static unsigned expire_slot(struct wheel *w, uint64_t tick, struct wheel_entry **out, unsigned max)
{
    struct wheel_entry *slot = &w->slots[tick % WHEEL_SLOTS];
    unsigned n = 0;

    for (struct wheel_entry *e = slot->next, *next; e != slot && n < max; e = next) {
        next = e->next;
        if (e->deadline <= tick) {
            wheel_cancel(e);
            out[n++] = e;
        }
    }
    return n;
}

unsigned wheel_expire(struct wheel *w, uint64_t now, struct wheel_entry **out, unsigned max)
{
    unsigned n = 0;

    if (now > w->now && now - w->now > WHEEL_SLOTS) /* one turn visits every slot */
        w->now = now - WHEEL_SLOTS;
    while (w->now < now) {
        n += expire_slot(w, w->now + 1, out + n, max - n);
        if (n == max) /* this slot may hold more */
            break;
        w->now++;
    }
    return n;
}
