/* A BBRv2-like congestion control, after draft-cardwell-iccrg-bbr-congestion-control-02: it models
 * the path by the rate it delivers and its shortest RTT, sends at that rate, probes for more every
 * few seconds, and keeps what is in flight below what loss and ECN marks proved too much.
 *
 * Where it differs from the draft:
 *  - Too much loss is 5 % and two packets (BBR_LOSS_*) instead of 2 %, and less than that changes
 *    nothing: random loss as on a radio link, which FEC repairs, does not cost rate.
 *  - The minimum RTT has one filter of 10 s; then it is replaced by what little in flight shows,
 *    be it because of PROBE_RTT or of the application.
 *  - Probing up ends when rounds bring no more (as in -03), and keeps 0.7 of what lost too much:
 *    without either the first of two sessions would keep most of a short queue.
 *  - The rounds in which loss is counted are those of the model. */
#ifndef PROTO_CC_BBR_H
#define PROTO_CC_BBR_H

#include <stdbool.h>
#include <stdint.h>

enum cc_bbr_phase {
    BBR_STARTUP, /* double the rate every round trip, until it stops growing */
    BBR_DRAIN,   /* take out the queue that made */
    BBR_DOWN,    /* probing for bandwidth: take out the queue of the last probe, leave headroom */
    BBR_CRUISE,  /* use what is known */
    BBR_REFILL,  /* a round trip without headroom */
    BBR_UP,      /* more than what is known */
    BBR_PROBE_RTT
};

struct cc_bbr {
    uint64_t bw[2];           /* best rates of this and the last probing cycle */
    uint64_t bw_lo;           /* after losses: not more until the next probe; UINT64_MAX: none */
    uint64_t bw_latest;       /* best rate of this round */
    uint64_t full_bw;         /* best rate that was a quarter above the one before */
    uint64_t round_end;       /* a packet sent when so much was delivered ends the round */
    uint64_t phase_at;        /* when this phase began */
    uint64_t probe_at;        /* when to probe for bandwidth again */
    uint64_t min_rtt_at;      /* when min_rtt was last seen */
    uint64_t probe_rtt_until; /* 0: not yet so little in flight that the probe counts */
    uint64_t extra_since;     /* when counting extra_bytes began */
    uint32_t min_rtt;         /* 0: none yet */
    uint32_t inflight_hi;     /* more than this lost too much; UINT32_MAX: none */
    uint32_t inflight_lo;     /* as bw_lo */
    uint32_t inflight_latest; /* most that a rate sample of this round delivered */
    uint32_t extra[2];        /* bytes most acknowledged at once above the rate; two windows */
    uint32_t extra_bytes;
    uint32_t was_cwnd;    /* before PROBE_RTT */
    uint32_t round_acked; /* bytes in this round */
    uint32_t round_lost;
    uint32_t round_acked_packets;
    uint32_t round_ce_packets;
    uint16_t ecn_alpha; /* moving average of the share marked, in 1/1024 */
    uint8_t phase;
    uint8_t rounds;      /* since the phase began, capped */
    uint8_t full_rounds; /* without such growth */
    uint8_t extra_rounds;
    bool round_start; /* this ACK ended a round */
    bool full;        /* startup found the rate */
    bool probing;     /* what is acknowledged now was sent while probing up */
    bool raised;      /* inflight_hi, this round */
    bool probed;      /* since the last cycle ended */
};

extern const struct congestion_ops cc_bbr;

#endif
