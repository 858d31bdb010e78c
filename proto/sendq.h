/* The sending half of a stream of messages. A message is queued by reference and numbered when its
 * first byte is to be sent; its fragments are cut to the room there is. What was sent is a list of
 * ranges per message, in flight or lost, until it is acknowledged; lost ranges go first. A message
 * leaves by being acknowledged, or by being given up: its time to live is over, or a part of it was
 * lost more often than it may be sent again. Then the peer is told by a forward mark (reassembly.h)
 * that it is over, and how much everything up to there was charged.
 *
 * One position behind the last byte of a message stands for its end: fragments that say so carry
 * it, and so does an empty message.
 *
 * Messages and ranges come from pools and are capped per queue; none takes more of them than it
 * leaves for all others. When ranges run out, more is sent
 * again than was lost, never less. Walks over ranges are bounded by their cap; a message is found
 * in O(1) when acknowledgements come as sent.h lists them, in SENDQ_STEP steps in any order. Owned
 * by one thread; times are microseconds. */
#ifndef PROTO_SENDQ_H
#define PROTO_SENDQ_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "flow.h"
#include "pool.h"

enum { SENDQ_RELIABLE = UINT8_MAX }; /* as max_retransmissions: no limit */
enum { SENDQ_STEP = 256, SENDQ_MARKS = 16 };
static_assert(SENDQ_STEP * SENDQ_MARKS > FLOW_MESSAGES_AHEAD, "no mark is of two messages");

enum sendq_fate { SENDQ_ACKED, SENDQ_EXPIRED, SENDQ_ABANDONED };

/* What changes is for messages that are queued from then on. */
struct sendq_config {
    uint64_t ttl_us;             /* from sendq_push on; 0: no limit */
    uint8_t max_retransmissions; /* of every byte; 0: best effort */
    uint32_t max_messages, max_ranges;
    /* The buffer of a message is the caller's again. It must not call into the queue. */
    void (*release)(void *context, void *user, enum sendq_fate fate);
    void *context;
};

struct sendq_range {
    struct sendq_range *next; /* the first member */
    uint32_t start, end;      /* positions */
    bool lost;                /* to be sent again; else in flight */
    uint8_t tries;            /* how often it was sent again, if that is limited */
};

struct sendq_message {
    struct sendq_message *next, *prev;
    const uint8_t *data;
    void *user;
    struct sendq_range *ranges; /* sent and not acknowledged, ascending */
    struct sendq_range *last;   /* of them, if there are any */
    uint64_t seq;               /* once started */
    uint64_t expires_at;
    uint32_t len;
    uint32_t sent; /* positions */
    uint32_t lost; /* ranges of them */
    bool started : 1, over : 1, given_up : 1;
    bool compressed;             /* the caller's */
    uint8_t max_retransmissions; /* as was configured when it was queued */
};

/* A session's, or a thread's. */
struct sendq_pools {
    struct pool messages; /* of struct sendq_message */
    struct pool ranges;   /* of struct sendq_range */
};

/* What else the peer must be told, reliably. */
enum sendq_control_type { SENDQ_FORWARD, SENDQ_END, SENDQ_RESET, SENDQ_CONTROLS };

struct sendq_control {
    enum sendq_control_type type;
    uint64_t seq;   /* FORWARD: all below is over; END: messages of the stream; RESET: 0 */
    uint64_t total; /* FORWARD, RESET: what was charged */
};

struct sendq {
    const struct sendq_config *config;
    struct sendq_pools *pools;
    struct flow_tx *stream, *session;
    struct sendq_message *head, *tail;
    struct sendq_message *unsent;            /* the first that was not sent to its end */
    struct sendq_message *cursor;            /* a started one, found last */
    struct sendq_message *mark[SENDQ_MARKS]; /* every SENDQ_STEPth started one, from the base on */
    uint32_t lost_of[SENDQ_MARKS];           /* lost ranges of those from a mark to the next */
    struct sendq_message *lossy;             /* none before it has lost ranges; NULL: unknown */
    uint64_t base;                           /* all messages below are over */
    uint64_t next_seq;
    uint64_t known;        /* the peer knows that all messages below are over */
    uint64_t forward_need; /* the mark that says all that was given up below base */
    uint64_t settled;      /* charged for messages below base */
    uint32_t messages, waiting, ranges, lost; /* waiting: not started; lost: ranges */
    uint8_t control[SENDQ_CONTROLS];
    bool finished, reset;
    bool mixed;          /* messages may expire before others in front of them: */
    uint64_t expires_at; /* none does before */
};

/* All pointers are the caller's and outlive the queue. */
void sendq_init(struct sendq *q, const struct sendq_config *config, struct sendq_pools *pools,
                struct flow_tx *stream, struct flow_tx *session);
/* Queue len bytes at data, which stay until release(user). Returns 0, or with nothing kept:
 * -EMSGSIZE (over 16 MiB), -EPIPE (finished or reset), -ENOBUFS (a cap). */
int sendq_push(struct sendq *q, const uint8_t *data, uint32_t len, void *user, uint64_t now);

struct sendq_fragment {
    struct sendq_message *message;
    const uint8_t *data;
    uint64_t seq;
    uint32_t offset, len;
    bool fin;
    bool again;    /* not for the first time */
    uint64_t want; /* BLOCKED: the limit to ask the peer for */
};

enum sendq_verdict {
    SENDQ_READY,
    SENDQ_IDLE,            /* nothing to send */
    SENDQ_BLOCKED_STREAM,  /* no credit of the stream: ask for f->want */
    SENDQ_BLOCKED_SESSION, /* no credit of the session: ask for f->want */
    SENDQ_FULL             /* until something is acknowledged */
};

/* Whether a message under way, or lost, goes again until it is acknowledged. */
bool sendq_is_reliable(struct sendq *q, uint64_t seq);
/* What to send next: all of it that is in one piece. The caller cuts it with sendq_fit, sends it,
 * and calls sendq_sent; or leaves it. Messages whose time is over are given up first. */
enum sendq_verdict sendq_next(struct sendq *q, uint64_t now, struct sendq_fragment *f);
/* Cut f to `room` bytes of data; false when there is no point in sending that. */
static inline bool sendq_fit(struct sendq_fragment *f, uint32_t room)
{
    bool fits = room > 0 || f->len == 0;

    if (f->len > room) {
        f->len = room;
        f->fin = false;
    }
    return fits;
}
/* f, as sendq_next and sendq_fit left it, was sent. */
void sendq_sent(struct sendq *q, const struct sendq_fragment *f);
/* A packet with this fragment was acknowledged, or declared lost and not recovered by FEC. */
void sendq_acked(struct sendq *q, uint64_t seq, uint32_t offset, uint32_t len, bool fin);
void sendq_lost(struct sendq *q, uint64_t seq, uint32_t offset, uint32_t len, bool fin);

/* Give up what is too old; its next time to do so, UINT64_MAX: none. */
void sendq_expire(struct sendq *q, uint64_t now);
uint64_t sendq_deadline(const struct sendq *q);

/* Half-close: no more messages; those queued are still sent. */
void sendq_finish(struct sendq *q);
/* Give up everything at once. */
void sendq_reset(struct sendq *q);

/* What the peer is to be told now, true when there is something; then it was sent, and later
 * acknowledged or lost, seq as it was sent. */
bool sendq_control_next(const struct sendq *q, struct sendq_control *c);
void sendq_control_sent(struct sendq *q, const struct sendq_control *c);
void sendq_control_acked(struct sendq *q, enum sendq_control_type type, uint64_t seq);
void sendq_control_lost(struct sendq *q, enum sendq_control_type type, uint64_t seq);

/* The peer has everything, and knows that it has: the stream is over on this side. */
bool sendq_done(const struct sendq *q);
/* Release everything. */
void sendq_fini(struct sendq *q);

#endif
