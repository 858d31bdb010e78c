/* Loss detection and the probe timeout, as RFC 9002 section 6 and its section 7.6 on persistent
 * congestion, for the packets of one struct sent. A packet is lost when others sent later enough
 * were acknowledged: LOSS_THRESHOLD of them, or 1/8 of an RTT later. When one that was declared
 * lost is acknowledged after all the path reorders, and both thresholds double.
 *
 * Owned by one thread; times are microseconds. One timer serves it: set it to loss_deadline after
 * every call below and every packet sent. */
#ifndef PROTO_LOSS_H
#define PROTO_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "rtt.h"
#include "sent.h"

enum {
    LOSS_THRESHOLD = 3, /* packets */
    LOSS_THRESHOLD_MAX = 96,
    LOSS_TIME_SHIFT = 3,           /* 1/8 of an RTT */
    LOSS_PROBES = 2,               /* packets sent per probe timeout */
    LOSS_PERSISTENT = 3,           /* probe timeouts without an acknowledgement */
    LOSS_BACKOFF_MAX_US = 60000000 /* between probes */
};

struct loss {
    uint64_t lost_at;     /* when s->live is lost by time; UINT64_MAX: not before an ACK */
    uint64_t probed_at;   /* the last probe timeout */
    uint64_t run_start;   /* when the first of an unbroken run of lost packets was sent, or none:
                             UINT64_MAX */
    uint64_t rtt_since;   /* when the first RTT sample was taken; none yet: UINT64_MAX */
    uint32_t probe_count; /* probe timeouts since the last acknowledgement */
    uint16_t threshold;
    uint8_t time_shift;
};

/* What an ACK or a timeout did. The caller reads the lists, then calls loss_done. */
struct loss_event {
    struct sent_packet *acked; /* a list of records no longer in the map */
    struct sent_packet *lost;  /* newly declared lost: from here up to s->live */
    bool persistent;           /* persistent congestion was established */
    bool reordered;            /* some of the acknowledged had been declared lost */
    uint32_t probes;           /* send so many ack-eliciting packets, whatever the window says */
};

void loss_init(struct loss *l);
/* An ACK arrived: takes an RTT sample, ends the backoff, finds what is lost. Returns 0, or
 * -EPROTO, with nothing changed, for an ACK of what was never sent: close the session. */
int loss_on_ack(struct loss *l, struct sent *s, struct rtt *r, const struct frame_ack_range *ranges,
                unsigned n, uint64_t delay_us, uint64_t now, struct loss_event *ev);
/* The deadline has come (called early, nothing happens): finds what is lost by now, or asks for
 * probes. */
void loss_on_timeout(struct loss *l, struct sent *s, struct rtt *r, uint64_t now,
                     struct loss_event *ev);
/* The caller has read ev's lists: give their records back. */
void loss_done(const struct rtt *r, struct sent *s, struct pool *pool, uint64_t now,
               struct loss_event *ev);
/* When loss_on_timeout has work; UINT64_MAX when nothing is in flight. */
uint64_t loss_deadline(const struct loss *l, const struct sent *s, const struct rtt *r);

#endif
