/* CUBIC (RFC 9438): the window follows a cubic function of the time since the last congestion
 * event, flat around the window at which that happened, and never grows slower than NewReno
 * would. Integers only. Slow start ends with a loss: HyStart++ wants 8 RTT samples a round, and a
 * peer that acknowledges every 25 ms gives fewer. */
#ifndef PROTO_CC_CUBIC_H
#define PROTO_CC_CUBIC_H

#include <stdint.h>

struct cc_cubic {
    uint64_t epoch;   /* us: when this congestion avoidance began; 0: it has not */
    uint64_t last_at; /* us: of the last ACK */
    uint64_t reno;    /* what NewReno's window would be, in 1/256 bytes */
    uint32_t ssthresh;
    uint32_t w_max;   /* the window that the curve is flat at */
    uint32_t k_ms;    /* when it gets there, since epoch */
    uint32_t reached; /* the window at the last event: NewReno's is as fast as it from there on */
    uint32_t was_cwnd, was_ssthresh, was_w_max; /* before the last event, should it be spurious */
};

extern const struct congestion_ops cc_cubic;

/* The integer part of the cubic root. */
uint32_t cc_cubic_root(uint64_t x);

#endif
