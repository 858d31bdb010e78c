/* One end of a session's full transport: streams of messages, datagrams, acknowledgements, loss
 * recovery, congestion control, flow control, FEC, paths. Sans I/O, sans clock and sans crypto: it
 * reads the frames of packets that authenticated and writes the frames of packets to seal.
 *
 *   received packet, opened ->  conn_receive  -> callbacks
 *   conn_write, conn_datagram -> conn_send, until it returns 0 -> seal, send
 *   conn_deadline passed     ->  conn_timeout, then conn_send again
 *
 * Messages to send are queued by reference, messages received are held in blocks of the thread's
 * pools until they are read. Owned by one thread, as the pools are; times are microseconds of a
 * monotonic clock. Functions return 0 or -errno. Callbacks may call anything here but conn_receive,
 * conn_send, conn_timeout and conn_fini; pointers they are given live until they return. */
#ifndef PROTO_CONN_H
#define PROTO_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "congestion.h"
#include "drr.h"
#include "fec.h"
#include "frame.h"
#include "handshake.h"
#include "jetplane/ipc.h"
#include "list.h"
#include "pool.h"
#include "reassembly.h"
#include "redundancy.h"
#include "replay.h"
#include "sendq.h"

enum {
    CONN_PATHS = 4,
    CONN_STREAM_ANY = -1,
    CONN_PACKET_MIN = 1280,  /* UDP payload every path carries */
    CONN_PACKET_SURE = 1232, /* ... and every network with IPv6, whose least MTU is 1280 */
    CONN_PACKET_MAX = 9000,
    CONN_FRONT_MAX = 64,      /* a packet's room for frames is at least 64 bytes */
    CONN_MESSAGES_MAX = 4096, /* queued on a stream */
    CONN_DATAGRAMS_MAX = 256, /* queued */
    CONN_HEARTBEAT_US = 5000000,
    CONN_MISSES_MAX = 3, /* heartbeats without an answer: the session is dead */
    CONN_AMPLIFICATION = 3,
};

/* RFC 3168, the two bits as they stand in the IP header. */
enum ecn { ECN_NOT_ECT = 0, ECN_ECT1 = 1, ECN_ECT0 = 2, ECN_CE = 3 };

struct conn;

/* What protects a stream's packets beside retransmission. */
enum conn_protection { CONN_LATENCY = REDUNDANCY_LATENCY, CONN_BULK = REDUNDANCY_BULK, CONN_PLAIN };

/* How a stream's own messages are sent; the peer chooses for its direction. */
struct conn_stream_config {
    uint32_t ttl_us;             /* a message older than this is given up; 0: never */
    uint8_t max_retransmissions; /* SENDQ_RELIABLE; 0: best effort */
    uint8_t priority;            /* enum drr_priority */
    uint8_t protection;          /* enum conn_protection */
    bool unordered;
};
/* Reliable, ordered, Chat, plain. What streams that the peer opens have until conn_configure. */
extern const struct conn_stream_config conn_stream_default;

enum conn_end {
    CONN_END_PEER = 1,  /* the peer finished: all its messages were read */
    CONN_END_RESET = 2, /* the peer reset its direction */
    CONN_END_BOTH = 3,  /* both directions are over: the id is no more */
};

enum conn_path_event {
    CONN_PATH_VALIDATED,
    CONN_PATH_FAILED,
    CONN_PATH_CHANGED /* the peer moved */
};

struct conn_ops {
    /* The peer used a stream for the first time. */
    void (*opened)(struct conn *c, uint32_t stream);
    /* Whole messages wait: conn_read. Called once until conn_read returned NULL. */
    void (*readable)(struct conn *c, uint32_t stream);
    void (*ended)(struct conn *c, uint32_t stream, enum conn_end how);
    /* A message's or datagram's buffer is the caller's again. It must not call into the session. */
    void (*released)(struct conn *c, void *user, enum sendq_fate fate);
    /* conn_write had returned -ENOBUFS: there is room again. stream: CONN_STREAM_ANY for datagrams.
     */
    void (*writable)(struct conn *c, int stream);
    void (*datagram)(struct conn *c, const uint8_t *data, uint32_t len);
    void (*path)(struct conn *c, unsigned path, enum conn_path_event event);
    void (*ticket)(struct conn *c, const uint8_t *ticket, uint32_t len);
    /* A packet was acknowledged for the first time, the newest so far: epoch_tx_acked. Not 0: it
     * was never sent. */
    int (*acked)(struct conn *c, uint64_t pn);
    /* The session is over, whoever ended it; once. Keys may be wiped after what conn_send still
     * gives. code: of the peer's CLOSE, or ours; local: it was us. */
    void (*closed)(struct conn *c, uint64_t code, const char *reason, bool local);
};

/* What peers choose how much of it we hold: credit of messages in bytes, streams, pages of ids. */
enum conn_holding { CONN_HELD_MESSAGES, CONN_HELD_STREAMS, CONN_HELD_CLOSED, CONN_HOLDINGS };
enum { CONN_HOLDING_CLASSES = 23 };

/* What the sessions of a thread share. Everything a peer can make us hold comes from here. Where it
 * runs out the session that holds the most of it is closed (CLOSE_LIMIT), not the one that comes
 * next. All zero but for the table and the pools. */
struct conn_entry;
struct conn_pools {
    struct conn_entry **table; /* table_mask + 1 heads, a power of two: streams by session and id */
    uint32_t table_mask;
    uint32_t table_key; /* random: peers choose ids */
    struct pool
        closed; /* of conn_closed_size() bytes, for 512 ids of a session, some of them used up */
    struct pool streams; /* of conn_stream_size() bytes */
    struct pool sent;    /* of struct sent_packet */
    struct sendq_pools sendq;
    struct reassembly_pools reassembly;
    struct fec_pools fec;
    struct pool protection; /* of conn_fec_size() bytes: one for each direction with FEC */
    struct list holders[CONN_HOLDINGS][CONN_HOLDING_CLASSES]; /* sessions: conn_holdings.c */
};

struct conn_config {
    const struct conn_ops *ops;
    void *user;
    struct conn_pools *pools;
    struct replay
        *replay; /* of the packets received, committed by the caller before conn_receive */
    const struct congestion_ops *congestion;
    const struct redundancy_goal *goals; /* NULL: no FEC is sent */
    struct hs_params local, peer;
    struct jp_path path;                    /* that the handshake took: validated */
    uint64_t window_max, stream_window_max; /* flow control grows to this */
    uint32_t heartbeat_us;                  /* 0: none */
    bool server;
    bool ecn;           /* packets may be sent with ECT(0) */
    bool mtu_discovery; /* packets leave with DF, larger ones than CONN_PACKET_MIN may be tried */
};

/* Objects in use; none when no session is there. */
uint32_t conn_pools_used(const struct conn_pools *pools);

size_t conn_size(void);
size_t conn_stream_size(void);
size_t conn_closed_size(void);
size_t conn_fec_size(void);

/* A session begins in c, conn_size() bytes, 64-byte aligned. Both sides' hs_params are full. 0 or
 * -EINVAL. Nothing is taken from the pools but by streams and packets. */
int conn_init(struct conn *c, const struct conn_config *config, uint64_t now);
/* Everything is released; no callback but released(). */
void conn_fini(struct conn *c);
void *conn_user(const struct conn *c);

/* ---- packets ---- */

struct conn_received {
    const uint8_t *frames;
    const struct jp_path *path; /* where it came from */
    uint64_t pn;
    uint32_t len;   /* of frames */
    uint32_t bytes; /* UDP payload */
    uint8_t ecn;    /* of its IP header */
};

/* Whether the pools can take what one more packet may bring. If need be the sessions that hold most
 * are closed, all they hold released at once: call it only outside of calls and callbacks of any
 * session. False: c itself holds the most. Then drop the packet before its number is committed: so
 * it is not acknowledged, and sent again; and if it is streams, or c holds more than it announced
 * as max_data, c is closed: windows grow at their own risk. */
bool conn_can_receive(struct conn *c);
/* The frames of an authentic packet. A peer that breaks the rules is answered with CLOSE: see
 * closed(). */
void conn_receive(struct conn *c, uint64_t now, const struct conn_received *p);

struct conn_packet {
    uint8_t *frames;            /* in: room for CONN_PACKET_MAX bytes */
    uint32_t room;              /* in: no more bytes of frames than this (resume.h); 0: no bound */
    const struct jp_path *path; /* out, valid until the next call */
    uint32_t len;               /* out: of frames */
    uint8_t ecn;                /* out: for its IP header */
    bool acks;                  /* out: it acknowledges the newest packet received */
};
/* Write the packet to be sent now as number pn, at least one more than any before. 1, or 0 when
 * there is nothing (more) to send. */
int conn_send(struct conn *c, uint64_t now, uint64_t pn, struct conn_packet *p);
/* When conn_timeout has work or conn_send will have, whatever happens; UINT64_MAX: never. */
uint64_t conn_deadline(const struct conn *c, uint64_t now);
void conn_timeout(struct conn *c, uint64_t now);
/* The highest priority with something to send, DRR_PRIORITIES when there is nothing: to schedule
 * the sessions of a thread. */
unsigned conn_priority(const struct conn *c);

/* ---- streams ---- */

/* Open a stream: this id, which was never used by either side, or any. Returns the id, -EINVAL,
 * -EEXIST, -EAGAIN (the peer allows no more yet), -ENOBUFS, -EPIPE. */
int conn_open(struct conn *c, int id, const struct conn_stream_config *config, uint64_t now);
/* Change how an open stream's own messages are sent, from the next one on; order only before the
 * first. 0, -ENOENT, -EINVAL. */
int conn_configure(struct conn *c, uint32_t stream, const struct conn_stream_config *config);
/* Queue a message by reference. 0, or with nothing kept: -ENOENT, -EMSGSIZE, -EPIPE, -ENOBUFS. */
int conn_write(struct conn *c, uint32_t stream, const uint8_t *data, uint32_t len, bool compressed,
               void *user, uint64_t now);
/* Half-close: what is queued is still sent. 0, -ENOENT. */
int conn_finish(struct conn *c, uint32_t stream, uint64_t now);
/* Give up what was queued, refuse nothing of the peer's. 0, -ENOENT. */
int conn_reset(struct conn *c, uint32_t stream, uint64_t now);
/* The next whole message or NULL; reassembly_read its bytes, then give it back before anything else
 * is called here. */
struct reassembly_message *conn_read(struct conn *c, uint32_t stream);
void conn_release(struct conn *c, uint32_t stream, struct reassembly_message *m, uint64_t now);
/* Queue a datagram by reference; it is sent once. 0, -EMSGSIZE (see conn_datagram_max), -ENOBUFS,
 * -EPIPE. */
int conn_datagram(struct conn *c, const uint8_t *data, uint32_t len, enum drr_priority priority,
                  void *user);
uint32_t conn_datagram_max(const struct conn *c);
struct conn_stream_info {
    uint32_t queued; /* our messages that were not acknowledged yet */
    bool unordered;  /* the peer's, as the first of them said */
};
/* False: there is no such stream (any more). */
bool conn_stream_info(const struct conn *c, uint32_t stream, struct conn_stream_info *out);

/* ---- paths ---- */

/* Client: the path we send from has changed (its `our` half): use it at once, and prove it. 0,
 * -ENOSPC. */
int conn_migrate(struct conn *c, const struct jp_path *path, uint64_t now);
/* Client: use one more path, when it is proven. Its number, -EINVAL, -ENOSPC. */
int conn_path_add(struct conn *c, const struct jp_path *path, enum path_use use, uint64_t now);
/* 0, -ENOENT, -EINVAL: the last one is not abandoned. */
int conn_path_set(struct conn *c, unsigned path, enum path_use use, uint64_t now);
/* The path is no more: its connection was closed. It fails, unless it is the only one. */
void conn_path_lost(struct conn *c, const struct jp_path *path, uint64_t now);
/* No path works: two probe timeouts in a row on each, or only short packets got through. */
bool conn_is_failing(const struct conn *c);

/* ---- the session ---- */

/* From now on, at most half the idle timeout; 0: none. A shorter one sends at once. */
void conn_set_heartbeat(struct conn *c, uint32_t us, uint64_t now);
/* End it: the peer is told by the next conn_send. The reason is a C string that stays. */
void conn_close(struct conn *c, uint64_t code, const char *reason, uint64_t now);
/* A ticket for the peer, copied: it is sent reliably. 0, -EMSGSIZE, -EBUSY. Server. */
int conn_ticket(struct conn *c, const uint8_t *ticket, uint32_t len);
bool conn_is_closed(const struct conn *c);
/* Nothing is queued and nothing in flight. */
bool conn_is_idle(const struct conn *c);

struct conn_path_stats {
    struct jp_path path;
    uint64_t rtt_us, rtt_min_us, rate; /* bytes per second */
    uint64_t answered_at; /* when it was last proven: what was sent along it arrived; 0: never */
    uint64_t sent, received, lost; /* packets */
    uint32_t cwnd, in_flight, mtu;
    uint8_t use;    /* enum path_use */
    uint8_t number; /* for conn_path_set */
    bool validated, active;
};
struct conn_stats {
    uint64_t packets_sent, packets_received, bytes_sent, bytes_received;
    uint64_t packets_lost, packets_late; /* late: declared lost, and acknowledged after all */
    uint64_t stream_bytes_sent, stream_bytes_again, stream_bytes_received; /* again: of sent */
    uint64_t fec_sources, fec_repairs;                                     /* sent */
    uint64_t fec_recovered;                                                /* received */
    uint64_t peer_recovered;
    uint64_t ce_received, ce_reported;
    uint64_t probe_timeouts, persistent;
    uint32_t streams, paths;
    struct conn_path_stats path[CONN_PATHS];
};
void conn_stats(const struct conn *c, struct conn_stats *out);

#endif
