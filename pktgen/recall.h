/* The frames a worker sent last, to be sent again, whole or damaged: whatever comes of them, the
 * data plane has had their packet numbers before. */
#ifndef PKTGEN_RECALL_H
#define PKTGEN_RECALL_H

#include <stdint.h>

#include "prng.h"

enum { RECALL_FRAMES = 256, RECALL_FRAME_MAX = 9100 };

struct recalled {
    uint16_t queue; /* of the worker's it left through: behind itself it arrives second */
    uint16_t len;
    uint8_t frame[RECALL_FRAME_MAX];
};

struct recall {
    uint64_t count; /* of frames put in */
    struct recalled ring[RECALL_FRAMES];
};

static inline void recall_put(struct recall *r, unsigned queue, const uint8_t *frame, uint16_t len)
{
    struct recalled *to = &r->ring[r->count++ % RECALL_FRAMES];

    to->queue = (uint16_t)queue;
    to->len = len;
    __builtin_memcpy(to->frame, frame, len);
}

/* Any of them; NULL when there is none. */
static inline const struct recalled *recall_any(const struct recall *r, struct prng *prng)
{
    uint64_t n = r->count < RECALL_FRAMES ? r->count : RECALL_FRAMES;

    return n > 0 ? &r->ring[prng_below(prng, n)] : 0;
}

#endif
