/* A client with the full transport: a struct conn of its own at the other end of a plane's session,
 * behind a link that loses, delays and reorders. What it sends on streams is computable, so that
 * what comes back, or comes from a source, can be checked byte by byte. */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include "conn.h"
#include "plane.h"

enum { PEER_STREAMS = 128, PEER_MESSAGE_MAX = 16384, PEERS_MAX = 8 };

struct peer_stream {
    int id;            /* -1: not open */
    uint32_t to_write; /* messages */
    uint32_t size;     /* of each; 0: of any, up to PEER_MESSAGE_MAX */
    uint32_t written, received;
    uint64_t numbers; /* of messages received, added up */
    bool compressed;  /* all messages say so */
    bool finish;      /* behind the last */
    bool ended, over;
};

struct frame_on_link;

struct peer {
    struct client client;  /* its path is `home`, as the plane sees it: behind a NAT */
    struct jp_path home;   /* the path of the handshake, to its conn */
    struct jp_path second; /* another one, where nothing is translated; port 0: none */
    uint64_t along[2];     /* packets that came along each */
    struct conn *conn;
    struct conn_pools pools;
    struct replay replay;
    void *memory;
    struct peer_stream stream[PEER_STREAMS];
    unsigned streams;
    /* the link, both ways */
    struct frame_on_link *link;
    uint64_t delay_us, jitter_us;
    uint32_t loss; /* in 1000 */
    uint32_t seed;
    bool cut; /* nothing passes */

    bool stalled;   /* it reads no messages */
    bool unordered; /* its streams */
    bool source;    /* what comes is a source's */
    uint64_t datagrams, bytes, messages;
    bool closed, local;
    uint64_t code;
    uint64_t ce; /* mark so many packets to the plane CE */
};

extern uint64_t peers_others; /* packets that the plane sent to nobody of them */

/* A client of worker 0 to a listener, with its session. Its link has a delay of 5 ms each way. */
struct peer *peer_start(struct plane *plane, unsigned n, uint16_t listener);
/* The session need not be over. */
void peer_free(struct peer *p);
/* Those that a test which failed left behind. */
void peers_forget(void);
/* One more stream; NULL config: the default. */
struct peer_stream *peer_open(struct peer *p, uint32_t messages,
                              const struct conn_stream_config *config);
/* Let time pass for all peers and their plane. */
void peers_pass(struct plane *plane, uint64_t us);
/* The same until `done` says so; fails after a virtual minute. */
void peers_run(struct plane *plane, bool (*done)(void));
/* All that was written came back, on every stream of every peer. */
bool peers_echoed(void);

#endif
