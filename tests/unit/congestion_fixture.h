/* A sender under congestion control, for tests: full packets of a thousand bytes, a round trip of
 * 100 ms, and losses and acknowledgements as the test says. */
#ifndef TESTS_CONGESTION_FIXTURE_H
#define TESTS_CONGESTION_FIXTURE_H

#include <stdint.h>

#include "congestion.h"

enum { MS = 1000, PACKET = 1000, RTT = 100 * MS, PACKETS = 8192 };

/* A sender of full packets and what it has in flight, [first, next). */
struct flow {
    struct congestion c;
    struct rtt rtt;
    uint64_t now;
    unsigned first, next;
    struct sent_packet p[PACKETS];
};

static struct flow flow;

static inline struct flow *flow_of(const char *algorithm)
{
    flow = (struct flow){.now = 1000 * MS};
    rtt_init(&flow.rtt);
    rtt_update(&flow.rtt, RTT, 0);
    congestion_init(&flow.c, congestion_find(algorithm), PACKET, flow.now);
    return &flow;
}

static inline struct sent_packet *send(struct flow *f)
{
    struct sent_packet *p = &f->p[f->next % PACKETS];

    *p = (struct sent_packet){.order = f->next++, .sent_at = f->now, .bytes = PACKET};
    congestion_on_sent(&f->c, p, f->now);
    return p;
}

static inline void fill(struct flow *f)
{
    while (congestion_has_room(&f->c))
        send(f);
}

/* The oldest n packets are lost and the next m acknowledged, at once. */
static inline struct congestion_sample feedback(struct flow *f, unsigned n, unsigned m)
{
    struct congestion_sample s = congestion_begin(&f->c, f->now);

    for (unsigned i = 0; i < n + m; i++) {
        struct sent_packet *p = &f->p[f->first++ % PACKETS];

        if (i < n)
            congestion_lost(&f->c, &s, p);
        else
            congestion_acked(&f->c, &s, p);
        p->flags |= i < n ? SENT_LOST : 0;
    }
    congestion_update(&f->c, &s, &f->rtt);
    return s;
}

/* Fill the window; a round trip later n are lost and the others acknowledged. */
static inline void round_trip(struct flow *f, unsigned n)
{
    fill(f);
    f->now += RTT;
    feedback(f, n, f->next - f->first - n);
}

static inline unsigned window(const struct flow *f)
{
    return f->c.cwnd / PACKET;
}

#endif
