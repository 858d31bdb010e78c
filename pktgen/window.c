#include "window.h"

void window_advance(struct window *w, uint64_t tick)
{
    unsigned steps = tick - w->tick < WINDOW_BUCKETS ? (unsigned)(tick - w->tick) : WINDOW_BUCKETS;

    for (unsigned i = 0; i < steps; i++) {
        uint32_t *bucket = &w->bucket[(tick - i) % WINDOW_BUCKETS];

        w->under_way -= *bucket;
        *bucket = 0;
    }
    w->tick = tick;
}
