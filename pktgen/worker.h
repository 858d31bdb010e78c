/* One worker lcore: its queues, its sessions, its counters. Everything the hot path touches hangs
 * off this struct, and while a phase runs no other thread writes it. */
#ifndef PKTGEN_WORKER_H
#define PKTGEN_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "aead.h"
#include "fec.h"
#include "jetgen.h"
#include "pool.h"
#include "prng.h"
#include "results.h"
#include "wheel.h"
#include "window.h"

enum { BURST = 64, TX_BACKLOG = 2048 };

struct session;
struct flood;
struct recall;

/* Packets made, to be sealed at once. */
struct batch {
    unsigned n;
    struct aead_op op[BURST];
    struct rte_mbuf *m[BURST]; /* data is the UDP payload */
    struct session *s[BURST];
    uint8_t actions[BURST]; /* enum impair_action */
    bool message[BURST];    /* of the traffic, not about it: extras may follow */
};

/* Packets finished, on their way to a queue of the port. */
struct tx_queue {
    uint16_t id;
    uint16_t n;
    uint64_t stuck_since; /* us: when the port first refused; 0: it takes packets */
    struct rte_mbuf *m[TX_BACKLOG];
};

/* Sessions to be handshaken, linked through their `next`. */
struct session_queue {
    struct session *head, **end;
};

struct mapping {
    void *memory;
    size_t size;
};

struct worker {
    unsigned index;
    struct jetgen *g;
    unsigned lcore; /* of DPDK */
    struct aead *aead;
    struct rte_ring *handed; /* packets that other workers received */
    struct tx_queue *tx;     /* the queues i of the port with i % workers == index */
    unsigned queues;
    struct recall *recall; /* packets sent lately */
    struct batch batch;

    uint64_t peer_mac; /* of g: what is sent goes there */

    /* of the sessions that are open */
    struct mapping mapping[8]; /* their memory */
    unsigned mappings;
    struct session *sessions; /* session i of all is sessions[i / workers] of worker i % workers */
    uint32_t n_sessions;
    uint32_t up;          /* of them; atomic */
    uint32_t unconfirmed; /* of those up: nothing came from the server yet */
    uint32_t max_frames;  /* bytes of frames that fit a packet of any that was up */
    uint32_t cursor;      /* the session that sends next */
    uint32_t train_left;  /* messages until it is another's turn */
    struct wheel wheel;
    struct pool handshakes; /* struct handshake; its capacity is the limit of those in flight */
    struct session_queue waiting;
    struct fec_pools fec;
    struct pool encoders, decoders;

    /* of the phase */
    bool stop; /* atomic, main lcore's: end it */
    uint64_t
        turns;   /* atomic: it has begun; what it read of the port in the one before is forgotten */
    bool halted; /* atomic: the port is left alone, as g->halt says */
    bool over;   /* atomic: this worker's part is done */
    uint64_t tsc, now;      /* of this turn; now in us since the start */
    uint64_t started, last; /* tsc; last: of the last packet sent or received */
    uint64_t ends_at;       /* us: drain until then; 0: still sending */
    uint64_t heard;         /* us: when something came last, or was asked for */
    uint64_t began;         /* us: the phase; what rates allow counts from here */
    uint64_t handshakes_begun;
    uint64_t allowance_used; /* of messages or floods */
    uint64_t messages_left;
    uint64_t datagrams; /* threshold */
    struct window window;
    struct prng prng; /* traffic and impairments */
    struct flood *flood;
    char error[128];        /* why the phase could not go on, "" if it could */
    struct results results; /* atomic, each of its numbers */
};

static inline bool is_stopped(const struct worker *w)
{
    return __atomic_load_n(&w->stop, __ATOMIC_RELAXED);
}

/* Progress reads the counters; a relaxed store costs what a plain one does. */
static inline void count(struct worker *w, enum counter c, uint64_t n)
{
    __atomic_store_n(&w->results.counter[c], w->results.counter[c] + n, __ATOMIC_RELAXED);
}

static inline void count_up(struct worker *w, int n)
{
    __atomic_store_n(&w->up, w->up + (uint32_t)n, __ATOMIC_RELAXED);
}

/* A worker with its queues; NULL after saying why not. Main lcore. */
struct worker *worker_new(struct jetgen *g, unsigned index);
void worker_free(struct worker *w);
/* Run the phase g->phase (an lcore function). */
int worker_run(void *worker);

#endif
