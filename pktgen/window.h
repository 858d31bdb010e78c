/* How many messages are under way. What has not come back within about WINDOW_BUCKETS ticks counts
 * as lost, so losses never use the window up. A message is known by the tick it was sent in. */
#ifndef PKTGEN_WINDOW_H
#define PKTGEN_WINDOW_H

#include <stdint.h>

enum {
    WINDOW_BUCKETS = 16,
    WINDOW_SHIFT = 26, /* a tick is 2^26 cycles of the TSC: 16 to 67 ms */
};

struct window {
    uint64_t tick; /* of the newest bucket */
    uint32_t under_way;
    uint32_t bucket[WINDOW_BUCKETS]; /* of those, sent in tick i % WINDOW_BUCKETS */
};

/* It is `tick` now: give up what was sent WINDOW_BUCKETS ticks ago or earlier. Ticks do not go
 * back. */
void window_advance(struct window *w, uint64_t tick);
static inline void window_sent(struct window *w, uint64_t tick)
{
    if (__builtin_expect(tick != w->tick, 0))
        window_advance(w, tick);
    w->bucket[w->tick % WINDOW_BUCKETS]++;
    w->under_way++;
}
/* One that was sent in `tick` came back; nothing happens when it was given up. */
static inline void window_returned(struct window *w, uint64_t tick)
{
    uint32_t *bucket = &w->bucket[tick % WINDOW_BUCKETS];

    if (w->tick - tick >= WINDOW_BUCKETS || *bucket == 0)
        return;
    (*bucket)--;
    w->under_way--;
}

#endif
