/* Flow control: what a receiver lets its peer send, per stream, per session, and in streams. All of
 * it counts up from 0 for good: a limit is the sum ever allowed (MAX_STREAM_DATA, MAX_DATA,
 * MAX_STREAMS), so frames may be lost, repeated and reordered.
 *
 * A message costs what it occupies: its bytes, and FLOW_MESSAGE_COST for being one, so that many
 * small messages cannot take more memory than few large ones. Of an unfinished message the sender
 * has charged the bytes up to the highest it sent, and the receiver counts those up to the highest
 * it saw: never more. What of them will never come is settled when the message is abandoned
 * (reassembly.h), so both sides' sums agree again.
 *
 * A receiver holds a message until it is whole, so half a window of beginnings would block it for
 * good. Therefore a sender takes the credit of a whole message before it sends its first byte, and
 * gives back what it did not use; what it lacks it asks for (the BLOCKED frames), and a window
 * grows on request up to its cap. A long message leaves FLOW_RESERVE of the session's credit to the
 * short ones of other streams; of several long ones that wait for the session, let the one that
 * waits longest try first. All sums stay below 2^62. Owned by one thread. */
#ifndef PROTO_FLOW_H
#define PROTO_FLOW_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FLOW_MESSAGE_COST = 1024,
    FLOW_MESSAGES_AHEAD = 4032, /* of one stream, counted from the lowest unfinished one */
    FLOW_LONG = 65536,          /* bytes: a message of more is long */
    FLOW_RESERVE = 262144       /* bytes of session credit kept from long messages */
};

/* The sending side's credit. All zero is none. */
struct flow_tx {
    uint64_t limit; /* the peer's */
    uint64_t used;
};

/* The peer's limit, as a frame says it; true when it is news. */
bool flow_tx_raise(struct flow_tx *f, uint64_t limit);
static inline uint64_t flow_tx_left(const struct flow_tx *f)
{
    return f->limit - f->used;
}
/* What a message of len bytes takes. */
static inline uint64_t flow_cost(uint32_t len)
{
    return (uint64_t)FLOW_MESSAGE_COST + len;
}
/* Take the credit of a message of len bytes from both. Returns NULL, or, with nothing taken, who
 * lacks it: *want is then the limit to ask its receiver for. */
const struct flow_tx *flow_tx_take(struct flow_tx *stream, struct flow_tx *session, uint32_t len,
                                   uint64_t *want);
/* Of what was taken, n are not going to be sent. */
static inline void flow_tx_return(struct flow_tx *stream, struct flow_tx *session, uint64_t n)
{
    stream->used -= n;
    session->used -= n;
}

/* The receiving side. What is counted and not yet consumed is held; it never exceeds window_max. */
struct flow_rx {
    uint64_t limit;    /* what the peer was told last */
    uint64_t counted;  /* what it used of it */
    uint64_t consumed; /* what of that is held no longer */
    uint64_t told_at;  /* us */
    uint64_t wanted;   /* the highest limit the peer asked for */
    uint64_t window, window_max;
};

/* The peer knows the limit `window` from the start (<= window_max < 2^61; equal: fixed). A message
 * of len bytes can be sent when window_max is at least flow_cost(len), of the session FLOW_RESERVE
 * more. */
void flow_rx_init(struct flow_rx *f, uint64_t window, uint64_t window_max, uint64_t now);
/* n more came in. Returns 0, or -EDQUOT, with nothing counted, when either has no credit for it:
 * the peer breaks the rules. */
int flow_rx_count(struct flow_rx *stream, struct flow_rx *session, uint64_t n);
/* The peer uses number n - 1 of what is limited by number (stream ids): all below count. Returns 0
 * or -EDQUOT. */
int flow_rx_reach(struct flow_rx *f, uint64_t n);
/* n of what was counted are held no longer. */
void flow_rx_consume(struct flow_rx *f, uint64_t n);
/* The peer asks for a limit: the window grows as far as it may. Not a violation whatever it is. */
void flow_rx_want(struct flow_rx *f, uint64_t want);
/* There is less memory for it now: no further than `window`, or what the peer still asks for. */
void flow_rx_shrink(struct flow_rx *f, uint64_t window);
/* The limit to tell the peer, 0 when there is no need: half the window is used up, or the peer
 * asked. It doubles when that took less than two round trips, for then it is the window that slows
 * the peer.
 */
uint64_t flow_rx_update(struct flow_rx *f, uint64_t rtt_us, uint64_t now);
/* The frame that told the limit was lost: tell it again if it is still the newest. */
static inline bool flow_rx_lost(const struct flow_rx *f, uint64_t limit)
{
    return limit == f->limit;
}

#endif
