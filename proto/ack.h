/* When and what to acknowledge: an ACK after every ACK_EVERY ack-eliciting packets or ACK_DELAY_US
 * after the first unacknowledged one, its ranges read off the replay window. PADDING, ACK and CLOSE
 * elicit none. */
#ifndef PROTO_ACK_H
#define PROTO_ACK_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "replay.h"

enum { ACK_EVERY = 64, ACK_DELAY_US = 25000 };

struct ack {
    uint64_t first_at; /* us: when the oldest unacknowledged ack-eliciting packet arrived */
    uint64_t last_at;  /* us: when the newest did; the ACK's delay counts from here */
    uint32_t pending;  /* ack-eliciting packets since the last ACK */
};

/* An ack-eliciting packet arrived at now (us). True when an ACK is due at once. */
static inline bool ack_note(struct ack *a, uint64_t now)
{
    if (a->pending++ == 0)
        a->first_at = now;
    a->last_at = now;
    return a->pending >= ACK_EVERY;
}
/* When an ACK is due (us), UINT64_MAX when none is pending. */
uint64_t ack_deadline(const struct ack *a);
/* The newest ranges of the window, descending; returns how many (<= max <= FRAME_ACK_RANGES_MAX), 0
 * when nothing was received. */
unsigned ack_ranges(const struct replay *r, struct frame_ack_range *ranges, unsigned max);
/* Write the ACK frame at p (room for ACK_FRAME_MAX bytes) and forget what was pending; returns the
 * byte behind it, p itself when there is nothing to acknowledge. */
#define ACK_FRAME_MAX (1 + 8 + 8 + 1 + 8 + 16 * FRAME_ACK_RANGES_MAX)
uint8_t *ack_put(struct ack *a, const struct replay *r, uint64_t now, uint8_t *p);

#endif
