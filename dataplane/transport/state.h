/* Private to the full transport. */
#ifndef DATAPLANE_TRANSPORT_STATE_H
#define DATAPLANE_TRANSPORT_STATE_H

#include <stdalign.h>
#include <sys/queue.h>

#include "conn.h"
#include "session.h"
#include "transport.h"

/* A stream that takes turns with others of its session: the echo's with messages to read, the
 * source's to write on. */
struct reader {
    struct reader *next;
    uint32_t stream;
    uint64_t written; /* messages, by the source */
};

/* A message or datagram on its way back, in one of two sizes. */
enum echo_size { ECHO_SMALL, ECHO_LARGE, ECHO_SIZES };
enum { ECHO_SMALL_MAX = 2032 };
struct echo_buffer {
    uint8_t size; /* enum echo_size */
    alignas(16) uint8_t data[];
};

enum { SOURCE_SIZE_MAX = 8900, SOURCE_PERIOD = 256 };

TAILQ_HEAD(transport_list, transport);

struct transports {
    struct conn_pools pools;
    struct pool sessions; /* of transport_size() bytes */
    struct pool readers;
    struct pool echo[ECHO_SIZES];
    struct drr drr[JP_PORTS_MAX + 1]; /* sessions with something to send, by port */
    struct transport_list waiting;    /* those whose service has work */
    uint32_t n_waiting;
    void *pages;
    size_t size; /* of pages */
    /* what all source messages are parts of */
    uint8_t pattern[SOURCE_PERIOD + SOURCE_SIZE_MAX];
};

/* What a listener's sink is to full sessions: messages instead of packets. */
struct service {
    void (*readable)(struct transport *t, uint32_t stream);
    /* The peer used a stream for the first time. NULL: that is nothing to it. */
    void (*opened)(struct transport *t, uint32_t stream);
    /* The peer finished its direction of the stream, and all was read. */
    void (*finished)(struct transport *t, uint32_t stream);
    void (*datagram)(struct transport *t, const uint8_t *data, uint32_t len);
    /* What conn_write or conn_datagram was given. */
    void (*released)(struct transport *t, void *user);
    /* It waited (service_wait): go on. True: there is more to do. NULL: it never waits. */
    bool (*run)(struct transport *t);
};
extern const struct service service_echo, service_discard, service_source;

struct transport {
    struct session *session;
    struct lcore *lc;
    const struct service *service;
    struct drr_node turn;
    uint8_t port; /* whose turn: the index of its path's, as in dp->port */
    TAILQ_ENTRY(transport) next;
    bool waits;        /* in that list */
    uint16_t unproven; /* bytes it may send before the client has confirmed its keys */

    uint32_t n_readers, streams_over;       /* over: since readers were trimmed */
    struct reader *readers, **readers_tail; /* streams, the one whose turn it is first */

    /* echo */
    bool finished;             /* the stream that is being echoed */
    int32_t echoing;           /* that stream, -1: none */
    uint32_t held[ECHO_SIZES]; /* buffers */

    /* source */
    uint32_t queued;   /* messages not released yet */
    uint64_t write_at; /* us: when to write next; UINT64_MAX: when there is room */

    /* of conn_stats, what the lcore's counters know */
    uint64_t counted_at, lost, again;
};

static inline struct conn *conn_of(const struct transport *t)
{
    return (struct conn *)((uintptr_t)t + RTE_ALIGN_CEIL(sizeof(*t), 64));
}

/* The service has work: see that it runs this turn. */
void service_wait(struct transport *t);
/* The last in turn is a new reader of this stream, which has none. */
void reader_new(struct transport *t, uint32_t stream);
/* One more stream is over. Readers of such go, before they are the larger part: so sessions have
 * twice as many as streams at most. */
void readers_trim(struct transport *t);
/* All of them go. */
void readers_drop(struct transport *t);
/* Whose turn it is; it is in turn no more: reader_push or reader_free it. */
struct reader *reader_pop(struct transport *t);
void reader_push(struct transport *t, struct reader *r);
void reader_free(struct transport *t, struct reader *r);
/* Nothing more may be sent before the client has confirmed its keys. */
bool transport_held(const struct transport *t);
/* Note that the sink took in `len` bytes. */
static inline void count_delivered(struct transport *t, uint32_t len)
{
    count(t->lc, JP_messages, 1);
    count(t->lc, JP_delivered_bytes, len);
}

enum { UNPROVEN_FRAMES = 1200 }; /* of a packet before that */

/* send.c: the sessions in turns send what they and the ports may. Returns packets. */
unsigned transports_send(struct lcore *lc);
/* There may be something to send, or something more urgent: see that it is. */
void transport_touch(struct transport *t);
/* It does not wait for its turn any more. */
void transport_leave(struct transport *t);
/* One packet, if there is any: its UDP payload's bytes, 0: none now, -EAGAIN: no packet buffer. */
int transport_send(struct transport *t);

#endif
