/* Congestion control: how much may be in flight, and how fast it may leave. A const table of
 * algorithms behind one interface; this file keeps what all of them need: bytes in flight, the
 * delivery rate, and which losses belong to one event (RFC 9002 section 7.3.2).
 *
 * Per packet sent: congestion_on_sent. Per ACK or timeout: congestion_begin, then
 * congestion_acked and congestion_lost for each record of its loss_event, then congestion_update.
 * A packet that FEC rebuilt was lost all the same. Owned by one thread; times are microseconds,
 * rates bytes per second. */
#ifndef PROTO_CONGESTION_H
#define PROTO_CONGESTION_H

#include <stdbool.h>
#include <stdint.h>

#include "cc_bbr.h"
#include "cc_cubic.h"
#include "cc_newreno.h"
#include "rtt.h"
#include "sent.h"

enum { CONGESTION_MIN_PACKETS = 2 };

struct congestion {
    const struct congestion_ops *ops;
    uint64_t pacing_rate;   /* 0: unknown yet, no limit */
    uint32_t cwnd;          /* bytes */
    uint32_t in_flight;     /* bytes */
    uint32_t peak;          /* how much of cwnd was used since a round trip began ... */
    uint32_t was_peak;      /* ... and in the one before */
    uint64_t peak_end;      /* the order whose acknowledgement begins the next round trip */
    uint32_t packet;        /* bytes of a full one */
    uint32_t lost;          /* bytes ever, modulo 2^32 */
    uint64_t delivered;     /* bytes ever */
    uint64_t delivered_at;  /* when they last grew */
    uint64_t first_sent_at; /* when the packet acknowledged last was sent */
    uint64_t app_limited;   /* an order + 1: rates are the application's until it is acknowledged */
    uint64_t sent_end;      /* one more than the order (sent.h) of the newest packet sent */
    uint64_t event_end;     /* packets of a lower order belong to the last congestion event ... */
    uint64_t event_start;   /* ... if not of a lower one than this */
    uint32_t event_lost;    /* packets lost in it that did not come late; 0: none, or it was ECN */
    union {
        struct cc_newreno newreno;
        struct cc_cubic cubic;
        struct cc_bbr bbr;
    };
};

/* One ACK or timeout, as the algorithms see it. */
struct congestion_sample {
    uint64_t now;
    uint32_t was_in_flight; /* bytes, before it */
    uint32_t acked;         /* bytes */
    uint32_t growing;       /* of them, what makes a window grow: it was used, and they were sent
                               since the last congestion event and not app-limited */
    uint32_t acked_packets, lost_packets;
    uint64_t newest_acked, newest_lost; /* their order, if there are any */
    uint32_t rtt;        /* us, of the newest packet acknowledged, the peer's delay included */
    uint32_t ce_packets; /* the caller's: newly reported marked by ECN */
    bool persistent;     /* the caller's: loss_event's */
    bool undo;           /* all losses of the last event came late */
    /* The delivery rate, of the newest packet acknowledged. */
    uint64_t rate;            /* 0: unknown */
    uint64_t was_delivered;   /* bytes ever, when it was sent */
    uint32_t delivered;       /* bytes since then */
    uint32_t lost_since;      /* bytes since then */
    uint32_t sent_in_flight;  /* bytes, when it was sent, it included */
    uint32_t send_us, ack_us; /* how long it took to send, and to acknowledge, `delivered` */
    bool app_limited;
};

struct congestion_ops {
    const char *name;
    void (*init)(struct congestion *c, uint64_t now);
    /* A packet was lost, c->lost counting it; NULL: update is enough. */
    void (*lost)(struct congestion *c, const struct congestion_sample *s,
                 const struct sent_packet *p);
    /* Everything is counted: set cwnd and pacing_rate. */
    void (*update)(struct congestion *c, const struct congestion_sample *s, const struct rtt *r);
};

extern const struct congestion_ops *const congestion_algorithms[];
enum { CONGESTION_ALGORITHMS = 3 };
/* The algorithm of that name, NULL when there is none. */
const struct congestion_ops *congestion_find(const char *name);

/* Bytes, RFC 9002 section 7.2. */
uint32_t congestion_initial_window(uint32_t packet);
void congestion_init(struct congestion *c, const struct congestion_ops *ops, uint32_t packet,
                     uint64_t now);
/* Packets have another size now, for the path's MTU is another. */
void congestion_resize(struct congestion *c, uint32_t packet);
/* Whether the window has room for one more packet; probes need not ask. */
static inline bool congestion_has_room(const struct congestion *c)
{
    return c->in_flight + c->packet <= c->cwnd;
}
/* p, with its bytes set, is being sent. */
void congestion_on_sent(struct congestion *c, struct sent_packet *p, uint64_t now);
/* The pacer holds back what there is room for: that is a use of the window, too. */
static inline void congestion_paced(struct congestion *c)
{
    c->peak = c->cwnd;
}
/* The application has nothing to send although there is room. */
void congestion_app_limited(struct congestion *c);
struct congestion_sample congestion_begin(const struct congestion *c, uint64_t now);
void congestion_acked(struct congestion *c, struct congestion_sample *s,
                      const struct sent_packet *p);
void congestion_lost(struct congestion *c, struct congestion_sample *s,
                     const struct sent_packet *p);
void congestion_update(struct congestion *c, struct congestion_sample *s, const struct rtt *r);

/* For the algorithms. */

/* Whether the sample begins a congestion event, which it then does: lost or marked packets that
 * were sent since the last began. */
bool congestion_event(struct congestion *c, const struct congestion_sample *s);
static inline uint32_t congestion_min_window(const struct congestion *c)
{
    return CONGESTION_MIN_PACKETS * c->packet;
}
/* The rate of a window-based algorithm: its window per RTT, and some more to keep it filled. */
uint64_t congestion_window_rate(const struct congestion *c, const struct rtt *r, bool slow_start);

#endif
