/* The applications at both ends of a session: streams of messages with computable bytes, checked
 * as they arrive: intact, once, in order where order was asked for, and all of them where
 * reliability was. One object serves both ends. */
#ifndef TESTS_APP_H
#define TESTS_APP_H

#include "pair.h"

enum { APP_STREAMS = 128, APP_DATAGRAM_PLANS = 2 };

/* One direction of a stream. */
struct flow_plan {
    struct conn_stream_config config;
    uint32_t messages;
    uint32_t size_min, size_max;
    uint32_t interval_us; /* between messages; 0: as fast as they are taken */
    uint32_t reset_after; /* messages, then the direction is reset; 0: never */
};

enum flow_mark { WRITTEN = 1, RELEASED = 2, ACKED = 4, GOT = 8 };

struct flow {
    struct flow_plan plan;
    struct app *app;
    struct end *from; /* NULL: not begun */
    struct end *receiver;
    int id; /* of the stream; CONN_STREAM_ANY: datagrams */
    uint64_t seed;
    uint8_t *marks;       /* enum flow_mark, of each message */
    uint64_t *written_at; /* of each message */
    uint32_t written, released, acked, received;
    uint32_t next; /* the lowest index that may come, when there is order */
    uint64_t bytes, latency_max;
    bool finished, reset;
    bool ended; /* the receiver was told so */
};

struct app_stream {
    struct flow flow[2]; /* of the side that opens it, of the other */
    bool by_server;
    uint64_t open_at;
    int id; /* CONN_STREAM_ANY: not yet opened */
    bool over[2];
};

struct app_end {
    uint32_t read_delay_us; /* messages wait so long to be read ... */
    uint32_t read_batch;    /* ... and then so many are; 0: all */
    uint32_t paths[3];      /* how often each enum conn_path_event was told */
    uint32_t writable, tickets;
    uint8_t ticket[FRAME_TICKET_MAX];
    bool closed, local;
    uint64_t code;
    char reason[64];
};

struct app {
    struct net *net;
    struct end *end[2]; /* client, server */
    struct app_end state[2];
    struct app_stream stream[APP_STREAMS];
    unsigned n;
    struct flow datagrams[2]; /* from the client, from the server; plan.config.priority counts */
    int16_t *by_id;           /* FRAME_STREAM_IDS; -1: none */
    bool hostile;             /* a peer breaks the rules: anything may come, or end */
    bool over;                /* what is left will be given up */
    uint64_t progress_at;     /* when something last arrived */
};

extern const struct conn_ops app_ops;

void app_init(struct app *a, struct net *n, uint64_t seed);
/* Free everything; the ends are over. */
void app_fini(struct app *a);
/* One more stream, opened at `at`; before app_start. */
struct app_stream *app_stream(struct app *a, bool by_server, uint64_t at,
                              const struct flow_plan *opener, const struct flow_plan *other);
void app_datagrams(struct app *a, bool from_server, const struct flow_plan *plan);
/* client->app and its peer's were given as `a`: begin. */
void app_start(struct app *a, struct end *client);
/* Both ends are done with all streams, and every buffer came back. */
bool app_done(const struct app *a);
/* Reliable messages of all streams arrived, and what was acknowledged did. */
void app_check(const struct app *a);
/* Bytes of messages received so far, in both directions. */
uint64_t app_received(const struct app *a);
void app_say(const struct app *a);

#endif
