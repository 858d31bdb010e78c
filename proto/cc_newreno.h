/* NewReno: slow start, one packet per window and round trip from then on, half of it on a
 * congestion event (RFC 9002 section 7 and appendix B). */
#ifndef PROTO_CC_NEWRENO_H
#define PROTO_CC_NEWRENO_H

#include <stdint.h>

struct cc_newreno {
    uint32_t ssthresh;
    uint32_t credit;                 /* bytes acknowledged towards the next packet of window */
    uint32_t was_cwnd, was_ssthresh; /* before the last event: should it prove spurious */
};

extern const struct congestion_ops cc_newreno;

#endif
