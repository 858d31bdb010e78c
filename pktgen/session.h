/* One session, the client's end. It belongs to one worker. Session i of all is number i / workers
 * of worker i % workers; it sends from address i % sources and port 1024 + i / sources; its SPI is
 * its generation and i, so whatever comes in names its owner. */
#ifndef PKTGEN_SESSION_H
#define PKTGEN_SESSION_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "ack.h"
#include "epoch.h"
#include "handshake.h"
#include "impair.h"
#include "jetplane/ipc.h"
#include "path.h"
#include "replay.h"
#include "wheel.h"
#include "worker.h"

enum { SESSION_BITS = 24 };
static_assert(PHASE_SESSIONS_MAX == 1 << SESSION_BITS, "an SPI holds generation and index");

enum session_state {
    SESSION_DOWN,
    SESSION_WAITING, /* for its turn to shake hands */
    SESSION_HELLO,   /* sent */
    SESSION_UP,
};

/* A handshake under way. */
struct handshake {
    struct hs_client client;
    uint64_t started;  /* tsc */
    uint64_t repeat;   /* us: when the hello is sent again */
    uint64_t give_up;  /* us */
    uint64_t interval; /* us */
};

/* Of one stream. */
struct stream_state {
    uint64_t next_seq; /* message number of the next to send */
    uint64_t behind;   /* 1 + the highest message counter that came back */
};

struct session {
    uint32_t index;      /* of all */
    uint32_t client_spi; /* in packets to us; 0: none */
    uint32_t server_spi;
    uint8_t state; /* enum session_state */
    uint8_t generation;
    bool confirmed;      /* the server sent something under these keys */
    uint16_t queue;      /* of the worker's */
    uint16_t header_len; /* of `header` */
    uint16_t max_frames; /* bytes of frames in a packet */
    uint32_t max_stream; /* the last stream we use */
    uint32_t stream;     /* the one used last */
    uint64_t counter;    /* of the next message */
    uint64_t ping_at;    /* us: until confirmed, when to say so again */
    struct impair_state impaired;
    struct wheel_entry timer; /* the earliest of all that waits */

    struct rte_mbuf *held; /* a packet kept back to be overtaken */
    uint64_t held_until;   /* us */
    uint32_t held_left;    /* packets that are still to overtake it */
    bool overtaken;

    struct epoch_tx tx;
    struct epoch_rx rx;
    struct replay replay;
    struct ack ack;
    struct replay seen;           /* messages that came back */
    struct stream_state *streams; /* 0 to open.streams */
    struct fec_enc *enc;
    struct fec_dec *dec;
    struct handshake *handshake;
    struct session *next; /* of those waiting */
    struct jp_path path;
    uint8_t header[PATH_HEADER_MAX];
    uint8_t server_identity[HS_IDENTITY_LEN];
};

/* Make room for g->sessions sessions as g->open says, over all workers; 0 or -ENOMEM. Main lcore.
 */
int sessions_new(struct jetgen *g);
/* Wipe and forget them all. Main lcore. */
void sessions_free(struct jetgen *g);

/* The target has a new Ethernet address, g->peer_mac: send there from now on. */
void sessions_redirect(struct worker *w);

static inline struct session *session_at(const struct worker *w, uint32_t index)
{
    uint32_t i = index / w->g->options.workers;

    return index % w->g->options.workers == w->index && i < w->n_sessions ? &w->sessions[i] : NULL;
}

/* The worker that owns what carries this SPI. */
static inline unsigned session_owner(const struct jetgen *g, uint32_t spi)
{
    return (spi & (PHASE_SESSIONS_MAX - 1)) % g->options.workers;
}

/* The session of this worker with this SPI; NULL when there is none. */
static inline struct session *session_of_spi(const struct worker *w, uint32_t spi)
{
    struct session *s = session_at(w, spi & (PHASE_SESSIONS_MAX - 1));

    return s && s->client_spi == spi ? s : NULL;
}

/* Give the session a new SPI, and queue it to be handshaken. */
void session_begin(struct worker *w, struct session *s);
/* The handshake is done. 0, -EPROTO when the server's limits do not suit us: w->error says why. */
int session_up(struct worker *w, struct session *s, const struct hs_result *result);
/* Tell the server that we have keys; again in a while, until it answers. */
void session_ping(struct worker *w, struct session *s);
/* The session is over, or its handshake was given up: forget its keys and all it holds. */
void session_down(struct worker *w, struct session *s);
/* Message bytes that fit a packet of every session that is up. Main lcore. */
uint32_t sessions_message_max(const struct jetgen *g);

/* Source address i: each is in a /24 (IPv4) or /56 (IPv6) of its own. */
void source_address(const struct address *base, uint32_t i, uint8_t out[16]);
/* The index of the session that sends from this address and port, or UINT32_MAX. */
uint32_t source_session(const struct jetgen *g, const uint8_t ip[16], uint16_t port);
/* Make a path come from a random address in one of the first `prefixes` of these, and a random
 * port. */
void path_spoof(struct jp_path *path, const struct address *base, uint32_t prefixes,
                struct prng *prng);

/* See that the session's timer fires by `at` (us). */
void session_wake(struct worker *w, struct session *s, uint64_t at);
/* Run what is due on this worker's sessions. */
void timers_run(struct worker *w);

static inline void session_queue_init(struct session_queue *q)
{
    q->head = NULL;
    q->end = &q->head;
}

static inline void session_queue_push(struct session_queue *q, struct session *s)
{
    s->next = NULL;
    *q->end = s;
    q->end = &s->next;
}

static inline struct session *session_queue_pop(struct session_queue *q)
{
    struct session *s = q->head;

    if (s && !(q->head = s->next))
        q->end = &q->head;
    return s;
}

#endif
