/* A hashed timing wheel with intrusive entries: O(1) arm and cancel, for one timer per session.
 * Times are in the caller's unit (the wheel's tick); owned by one thread. */
#ifndef PROTO_WHEEL_H
#define PROTO_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

enum { WHEEL_SLOTS = 1024 };

struct wheel_entry {
    struct wheel_entry *next, *prev; /* NULL: not armed */
    uint64_t deadline;               /* in ticks */
};

struct wheel {
    struct wheel_entry slots[WHEEL_SLOTS]; /* list heads */
    uint64_t now;                          /* the last tick expired */
};

void wheel_init(struct wheel *w, uint64_t now);
/* Arm (or re-arm) for tick `deadline`; one in the past fires at the next tick. */
void wheel_arm(struct wheel *w, struct wheel_entry *e, uint64_t deadline);
void wheel_cancel(struct wheel_entry *e);
static inline bool wheel_armed(const struct wheel_entry *e)
{
    return e->next != 0;
}
/* Advance towards `now` and take up to max entries that are due, disarmed, into out; returns how
 * many. When it returns max there may be more: call again. Entries a whole turn or more ahead stay
 * in their slot. */
unsigned wheel_expire(struct wheel *w, uint64_t now, struct wheel_entry **out, unsigned max);

#endif
