/* Pacing: a token bucket that lets packets leave at a rate, with bursts of PACER_BURST_US worth of
 * it, within bounds, and up to a packet more. Rates are bytes per second, 0 for no limit; times
 * are microseconds. */
#ifndef PROTO_PACER_H
#define PROTO_PACER_H

#include <stdint.h>

enum {
    PACER_BURST_US = 1000,
    PACER_BURST_MIN = 4096, /* bytes */
    PACER_BURST_MAX = 65536,
};

/* All zero is the initial state. */
struct pacer {
    uint64_t at;   /* when the last packet left */
    uint64_t debt; /* bytes that had left by then beyond what the rate allowed */
};

/* When the next packet may leave: now or earlier if it may at once. */
uint64_t pacer_deadline(const struct pacer *p, uint64_t rate);
/* A packet of so many bytes leaves. */
void pacer_on_sent(struct pacer *p, uint64_t rate, uint32_t bytes, uint64_t now);

#endif
