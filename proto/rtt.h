/* The round-trip time of one path, as RFC 9002 section 5 estimates it. Times are microseconds.
 * Owned by one thread. */
#ifndef PROTO_RTT_H
#define PROTO_RTT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RTT_INITIAL_US = 333000,   /* assumed before the first sample */
    RTT_GRANULARITY_US = 1000, /* what timers are assumed to resolve */
};

struct rtt {
    uint32_t latest;   /* the last sample, the peer's delay included */
    uint32_t min;      /* of the samples; 0: none taken yet */
    uint32_t smoothed; /* moving average, the peer's delay excluded */
    uint32_t var;      /* mean deviation from it */
};

void rtt_init(struct rtt *r);
static inline bool rtt_known(const struct rtt *r)
{
    return r->min > 0;
}
/* A sample: a packet was acknowledged `latest` after it was sent, `delay` of which the peer says it
 * waited (believed up to ACK_DELAY_US, and never so far that the rest is below the minimum). */
void rtt_update(struct rtt *r, uint64_t latest, uint64_t delay);
/* The path may have changed: the minimum starts again with the last sample. */
void rtt_forget_min(struct rtt *r);
/* How long after its sending an acknowledgement may take: the probe timeout without backoff
 * (RFC 9002 section 6.2.1). */
uint64_t rtt_pto(const struct rtt *r);

#endif
