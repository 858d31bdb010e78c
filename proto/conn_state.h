/* The inside of struct conn, for the conn_*.c files alone.
 *
 *   conn.c          begin and end, timers, heartbeats, close
 *   conn_table.c    what is found by id
 *   conn_holdings.c what sessions hold that others need, too
 *   conn_streams.c  the streams: opened, written, read, ended; datagrams
 *   conn_control.c  control frames of streams and flow control
 *   conn_forward.c  messages that the peer gave up
 *   conn_receive.c  frames in
 *   conn_ack.c      acknowledgements in both directions, what was lost
 *   conn_send.c     packets out
 *   conn_copy.c     packets out once more
 *   conn_path.c     paths, and which one is taken; conn_mtu.c: path MTU discovery
 *   conn_migrate.c  paths: validation, migration, use
 *   conn_fec.c      FEC both ways */
#ifndef PROTO_CONN_STATE_H
#define PROTO_CONN_STATE_H

#include "ack.h"
#include "conn.h"
#include "loss.h"
#include "pacer.h"
#include "rtt.h"
#include "sent.h"

/* Found in the thread's table by session and key. */
struct conn_entry {
    struct conn_entry *next;
    struct conn *conn;
    uint32_t key;
};

/* The peer's FORWARD, applied at `at`; seq 0: none. */
struct conn_forward {
    uint64_t seq, total, at;
};

struct conn_stream {
    struct conn_entry entry;         /* key: the id */
    struct conn_stream *next, *prev; /* of the session's */
    struct list_node due;            /* it has control frames to send */
    struct list_node waits;          /* for credit of the session */
    struct drr_node turn;            /* waits: there is a message to send */
    struct conn_stream_config config;
    struct sendq_config queue_config;
    struct sendq queue;
    struct flow_tx tx;
    struct flow_rx rx;
    struct reassembly in;
    struct conn_forward forward[2]; /* the first one held, and the newest behind it */
    uint64_t max_due;               /* MAX_STREAM_DATA to send; 0: none */
    uint64_t blocked_due;           /* STREAM_BLOCKED to send; 0: none */
    uint64_t blocked_at;            /* the limit asked for last */
    uint32_t id;
    bool blocked;     /* waits for credit of its own, or for something to be acknowledged */
    bool peers;       /* the peer opened it */
    bool order_known; /* its first fragment came */
    bool readable_told, end_told, full_told;
};

/* Of 512 ids, odd or even ones in a row, those that are no more. When all are it is one bit. */
struct conn_closed {
    struct conn_entry entry; /* key: CONN_CLOSED + its number */
    struct conn_closed *next;
    uint64_t bits[8];
};
enum { CONN_CLOSED = 1 << 16, CONN_CLOSED_IDS = 512, CONN_CLOSED_PAGES = 128 };
static_assert(CONN_CLOSED_IDS * CONN_CLOSED_PAGES == FRAME_STREAM_IDS, "pages hold all ids");

/* How much of something a session holds: its place in the pools' lists. */
struct conn_holder {
    struct list_node node;
    uint64_t gone; /* given back so far, when it got there */
    uint8_t class; /* which list; 0: none */
};

/* What a session lacks another may have: when to look again. */
enum { CONN_RETRY_US = 10000 };

/* Of the pools, what is left for packets of peers: the streams, messages and blocks that one packet
 * of CONN_PACKET_MAX bytes can take, and the RLC_ROWS it can rebuild. */
enum {
    CONN_CONTROLS_MAX = 64, /* frames of streams and flow control in a packet */
    CONN_RESERVE_STREAMS = (RLC_ROWS + 1) * FRAME_DATA_MAX + CONN_CONTROLS_MAX,
    CONN_RESERVE_MESSAGES = (RLC_ROWS + 1) * FRAME_DATA_MAX,
    CONN_RESERVE_BLOCKS = (RLC_ROWS + 1) * (CONN_PACKET_MAX / REASSEMBLY_BLOCK + FRAME_DATA_MAX * 8)
};

/* A datagram to send is a sendq_message of which only these are used: data, len, user, next. */
struct conn_datagrams {
    struct drr_node turn;
    struct sendq_message *head, **tail;
};

enum ticket_state { TICKET_NONE, TICKET_DUE, TICKET_FLYING };
enum use_state { USE_KNOWN, USE_DUE, USE_FLYING };
enum mtu_state { MTU_OFF, MTU_WAIT, MTU_PROBING, MTU_FLYING };

struct conn_path {
    struct jp_path address;
    struct rtt rtt;
    struct sent sent;
    struct loss loss;
    struct congestion congestion;
    struct pacer pacer;
    uint64_t bytes_in, bytes_out; /* while it is limited */
    uint64_t packets_sent, packets_received, packets_lost;
    uint64_t settled;      /* order of packets of which losses were not counted yet */
    uint64_t share;        /* of the traffic so far, in ns of its rate */
    uint64_t arrived_at;   /* when a packet came from it */
    uint64_t answered_at;  /* when one of ours along it was, whichever way; 0: never */
    uint64_t read_pn;      /* which */
    uint64_t use_pn;       /* the newest that had PATH_USE */
    uint64_t challenge_at; /* when to send (again) */
    uint64_t validate_by;  /* or it failed */
    uint64_t close_at;     /* when what is in flight is given up; UINT64_MAX: it stays */
    uint64_t mtu_at;       /* when MTU discovery goes on */
    uint64_t large_at;     /* when a packet above CONN_PACKET_SURE came from it */
    uint64_t shown_at;     /* when one of ours about as long as CONN_PACKET_MIN was acknowledged */
    uint8_t challenge[8], response[8];
    uint16_t read_bytes, response_bytes; /* UDP payload: of read_pn, of what is to be answered */
    uint32_t probes;  /* ack-eliciting packets to send, whatever the window says */
    uint32_t gave_up; /* loss.probe_count when what was in flight was sent elsewhere */
    uint16_t mtu;     /* UDP payload that gets through */
    uint16_t mtu_low, mtu_high, mtu_probe;
    uint8_t mtu_state, mtu_tries;
    uint8_t mtu_losses;  /* of packets that not every path carries, since one was acknowledged */
    uint8_t base_losses; /* likewise, of those as long as every path must carry */
    bool narrow;         /* these get lost, whatever shorter ones do */
    uint8_t challenges;  /* sent */
    uint8_t use;         /* enum path_use, as the last of both sides to speak said */
    uint8_t use_state;   /* enum use_state: whether the peer knows */
    uint8_t replaces;    /* the slot that this one takes over from once validated, or CONN_PATHS */
    bool open, validated;
    bool limited; /* by amplification, until it is validated */
    bool joined;  /* it is one of the session's paths, not just an address that packets came from */
    bool quiet;   /* replaced, or about to be closed: nothing of ours goes there */
    bool challenging, response_due;
    bool settling; /* its records are being walked: a callback must not close it */
    bool ecn;      /* the path lets ECN through, as far as is known */
};

struct conn_copy;   /* conn_copy.c */
struct conn_fec_tx; /* conn_fec.h */
struct conn_fec_rx;

struct conn {
    const struct conn_ops *ops;
    void *user;
    struct conn_pools *pools;
    struct conn_config config;

    struct conn_path path[CONN_PATHS];
    uint8_t active;       /* where the peer's newest packet came from; where acknowledgements go */
    uint64_t share;       /* of the path chosen last */
    uint64_t migrated_at; /* when the active path changed to one unproven */

    /* received */
    uint64_t newest; /* highest packet number that came, + 1 */
    struct ack ack;
    bool ack_now;     /* out of order, or CE: acknowledge without delay */
    uint64_t ect, ce; /* packets that came so marked */
    uint64_t last_rx;

    /* sent and acknowledged */
    uint64_t next_pn;           /* one more than the highest number sent */
    uint64_t pace_at;           /* when conn_send may go on; UINT64_MAX: not by itself */
    struct conn_copy *copy;     /* of the packet sent last, to leave along other paths */
    uint64_t ect_acked;         /* packets we sent as ECN-capable that were acknowledged */
    uint64_t acked_end;         /* one more than the highest number of ours acknowledged */
    uint64_t peer_ect, peer_ce; /* as the peer counts them */

    /* streams */
    struct conn_stream *streams;
    struct conn_stream *cursor; /* the next in a walk over them all */
    struct conn_closed *closed_pages;
    uint64_t closed_full[CONN_CLOSED_PAGES / 64]; /* a bit per page of which all ids are no more */
    uint32_t n_closed_pages;
    struct conn_holder holder[CONN_HOLDINGS];
    struct list due;     /* streams with control frames */
    struct list waiting; /* streams that lack credit of the session, longest first */
    uint32_t to_wake;    /* so many of them may try again */
    struct drr drr;
    struct conn_datagrams datagrams[DRR_PRIORITIES];
    uint32_t n_datagrams, n_streams;
    int next_id; /* for CONN_STREAM_ANY */
    bool datagrams_full;
    struct flow_tx tx; /* the session's credit */
    struct flow_rx rx;
    uint64_t ids_limit;                /* ids we may use */
    uint32_t ids_told;                 /* and the peer */
    uint32_t peers_opened, peers_over; /* streams */
    uint64_t max_data_due, max_streams_due, data_blocked_due, data_blocked_at;
    uint64_t expire_at; /* when a message may be too old; no later than that */

    /* FEC */
    struct redundancy redundancy;
    struct conn_fec_tx *fec_tx; /* from pools->protection, when first needed */
    struct conn_fec_rx *fec_rx;

    uint8_t ticket[FRAME_TICKET_MAX];
    uint8_t ticket_len;
    uint32_t tickets;     /* so far: the number of this one */
    uint8_t ticket_state; /* enum ticket_state */

    /* life */
    uint64_t created, idle_us, last_sent;
    uint64_t heartbeat_at;
    uint64_t close_code;
    const char *close_reason;
    uint8_t misses;
    bool ping_due, close_due, closed, told;

    struct conn_stats stats;
};

static inline uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Is it a fragment of a message? */
static inline bool is_fragment(const struct sent_item *i)
{
    return (i->type & ~FRAME_STREAM_FLAGS) == FRAME_STREAM;
}

/* ---- a packet being built (conn_send.c) ---- */

struct build {
    struct conn *c;
    struct conn_path *path;
    uint64_t now, pn;
    uint8_t *start, *p, *end; /* end: of the room */
    struct sent_item items[SENT_ITEMS];
    uint8_t n; /* items */
    bool eliciting;
    bool acks;
    bool probe;     /* of MTU discovery */
    bool copy;      /* of one that was sent */
    bool datagrams; /* unprotected: read twice if they come twice */
};
/* Room for one more frame of `size` bytes that is to be known again? */
static inline bool build_fits(const struct build *b, size_t size)
{
    return b->n < SENT_ITEMS && (size_t)(b->end - b->p) >= size;
}
static inline void build_item(struct build *b, struct sent_item item)
{
    b->items[b->n++] = item;
    b->eliciting = true;
}

/* ---- conn.c ---- */
/* The round-trip time of the active path, us. */
uint64_t conn_rtt(const struct conn *c);
/* The session is over, whoever ended it. */
void conn_over(struct conn *c, uint64_t code, const char *reason, bool local);
/* The peer broke the rules: end the session. */
void conn_violation(struct conn *c, const char *what, uint64_t now);

/* ---- conn_table.c ---- */
struct conn_entry *entry_find(const struct conn *c, uint32_t key);
void entry_add(struct conn *c, struct conn_entry *e, uint32_t key);
void entry_remove(struct conn_entry *e);
/* Ids that are no more. False: no memory. */
bool closed_ids_has(const struct conn *c, uint32_t id);
bool closed_ids_add(struct conn *c, uint32_t id);
void closed_ids_fini(struct conn *c);

/* ---- conn_holdings.c ---- */
/* c holds so much, and gave back `gone` so far. */
void holding_note(struct conn *c, enum conn_holding what, uint64_t held, uint64_t gone);
/* Whether n objects of the pool are left, if need be of sessions that hold most: they are closed.
 * False: that is c itself, or nobody. Not within a call into another session. */
bool holding_room(struct conn *c, enum conn_holding what, const struct pool *pool, uint32_t n);

/* ---- conn_streams.c ---- */
void conn_streams_init(struct conn *c, uint64_t now);
struct conn_stream *stream_find(const struct conn *c, uint32_t id);
/* The stream a frame of the peer is about: made when new. NULL: it is over, or c was closed for a
 * violation (or for want of memory). */
struct conn_stream *stream_of_peer(struct conn *c, uint32_t id, uint64_t now);
/* It has control frames to send. */
void stream_due(struct conn_stream *s);
/* It may have become sendable, finished, or over: put it where it belongs. May free it. */
void stream_settle(struct conn_stream *s, uint64_t now);
void streams_expire(struct conn *c, uint64_t now);
/* Of the streams that may try again since there is more credit of the session, let some: the one
 * that waits longest first. True: they are not all. */
bool streams_wake(struct conn *c, uint64_t now);
/* Credit to give: after anything was consumed, or the peer asked. */
void session_credit(struct conn *c, uint64_t now);
void streams_credit(struct conn *c, struct conn_stream *s, uint64_t now);
/* What is held of messages changed. */
void messages_note(struct conn *c);
/* The peer's fragment. */
void stream_read(struct conn *c, const struct frame *f, uint64_t now);
/* Tell what there is to read, and whether that was all. The stream may be gone afterwards. */
void stream_announce(struct conn *c, uint32_t id, uint64_t now);
/* What reassembly said of the peer's frame; then tell. The stream may be gone afterwards. */
void stream_judge(struct conn *c, struct conn_stream *s, int verdict, const char *what,
                  uint64_t now);
/* Bytes of the longest datagram that surely fits a packet of the path. */
uint32_t datagram_max(const struct conn_path *path);
/* The first datagram of the queue leaves. */
void datagram_free(struct conn *c, struct conn_datagrams *d, enum sendq_fate fate);
void conn_streams_fini(struct conn *c);

/* ---- conn_forward.c ---- */
void forward_read(struct conn *c, struct conn_stream *s, uint64_t seq, uint64_t total,
                  uint64_t now);
/* Apply those whose time has come; `all`: without delay. The stream may be gone afterwards. */
void forward_apply(struct conn *c, struct conn_stream *s, bool all, uint64_t now);

/* ---- conn_control.c: the frames of streams and flow control ---- */
void control_read(struct conn *c, const struct frame *f, uint64_t now);
bool control_due(const struct conn *c);
/* Write those that fit. */
void control_put(struct build *b);
/* An item of a stream, or of a control frame, was acknowledged, or lost and not recovered. */
void item_acked(struct conn *c, const struct sent_item *i, uint64_t now);
void item_lost(struct conn *c, const struct sent_item *i, uint64_t now);
/* Not known to be lost, but a probe may as well bring it again. */
void item_again(struct conn *c, const struct sent_item *i, uint64_t now);

/* ---- conn_ack.c ---- */
void ack_read(struct conn *c, const struct frame *f, uint64_t now);
/* Packets up to this one that are missing will not come. */
void nack_read(struct conn *c, uint64_t largest, uint64_t now);
bool ack_due(const struct conn *c);
uint64_t ack_at(const struct conn *c);
/* A packet came: note whether and when it is to be acknowledged. */
void ack_arrived(struct conn *c, const struct conn_received *p, bool eliciting, uint64_t now);
/* Acknowledge, if anything is to be. */
void ack_write(struct build *b);
/* Whatever is in flight along the path is lost. */
void ack_give_up(struct conn *c, struct conn_path *path, uint64_t now);
/* The loss timer of a path. */
void ack_timeout(struct conn *c, struct conn_path *path, uint64_t now);

/* ---- conn_copy.c ---- */
/* b, of so many bytes, was sent: keep it if another path takes copies. */
void copy_keep(const struct build *b, uint32_t bytes);
/* The path of the next copy, NULL: no more. Then write it. */
struct conn_path *copy_next(struct conn *c, uint64_t now);
void copy_put(struct build *b);
void copy_drop(struct conn *c);

/* ---- conn_path.c ---- */
void paths_init(struct conn *c, uint64_t now);
void paths_fini(struct conn *c);
/* The path a packet came along, made when new; NULL when there is no slot: the packet counts all
 * the same (it will be acknowledged), but its frames about paths do not. */
struct conn_path *path_arrived(struct conn *c, const struct conn_received *p, uint64_t now);
/* The path the next packet of data takes, its window and pace permitting; NULL: none may now.
 * *at is then lowered to when one may by its pace. */
struct conn_path *path_choose(struct conn *c, uint64_t now, uint64_t *at);
/* The next PATH_DUPLICATE path behind `after` (NULL: the first) that may take a copy, under a
 * number of its own, of a packet of so many bytes that left along `path`; NULL: no more. */
struct conn_path *path_next_copy(struct conn *c, const struct conn_path *path,
                                 const struct conn_path *after, uint32_t bytes, uint64_t now);
/* Its packets, or the large ones, are not acknowledged any more while another path works: probes of
 * it are PINGs. */
bool path_failing(const struct conn *c, const struct conn_path *path);
/* A path with path frames due that may be sent; NULL: none. */
struct conn_path *path_control_due(struct conn *c, uint64_t now);
/* Write them; returns the UDP payload that the packet is to fill, for it shows what the path
 * carries (RFC 9000, 8.2). */
uint32_t path_put(struct build *b);
/* A packet left along it. */
void path_sent(struct conn *c, struct conn_path *path, uint32_t bytes, uint64_t now);
/* UDP payload that may be sent along it now: 0 when amplification forbids (3x until validated). */
uint32_t path_room(const struct conn_path *path);
/* An item of type PATH_USE. */
void path_item_acked(struct conn *c, struct conn_path *path, const struct sent_item *i);
void path_item_lost(struct conn *c, struct conn_path *path, const struct sent_item *i);
uint64_t paths_deadline(const struct conn *c);
void paths_timeout(struct conn *c, uint64_t now);

/* ---- conn_migrate.c ---- */
/* A packet's frames were read. probing: they were only about paths; newest: no higher number came.
 */
void path_settled(struct conn *c, struct conn_path *path, bool newest, bool probing, uint64_t now);
/* PATH_CHALLENGE, PATH_RESPONSE, PATH_USE. */
void path_read(struct conn *c, struct conn_path *path, const struct frame *f, uint64_t now);

/* ---- conn_mtu.c (RFC 8899) ---- */
void mtu_start(struct conn *c, struct conn_path *path, uint64_t now);
/* UDP payload of the probe to send now; 0: none. */
uint32_t mtu_probe(struct conn *c, struct conn_path *path, uint64_t now);
void mtu_sent(struct conn_path *path, uint64_t now);
void mtu_acked(struct conn *c, struct conn_path *path, uint32_t bytes, uint64_t now);
void mtu_lost(struct conn *c, struct conn_path *path, uint32_t bytes, uint64_t now);
/* What became of packets of a path: large ones may always be among the lost. Before loss_done. */
void mtu_settle(struct conn *c, struct conn_path *path, const struct loss_event *ev, uint64_t now);
/* Packets as large as the path's mtu do not get through: a black hole. */
void mtu_black_hole(struct conn *c, struct conn_path *path, uint64_t now);
uint64_t mtu_deadline(const struct conn_path *path);

/* ---- conn_fec.c ---- */
/* Sending. Bytes of the header in front of a source of this class at b->p; 0: it goes unprotected.
 * Lowers b->end, so that repairs fit in a packet as large. */
uint32_t fec_header(struct build *b, enum conn_protection class);
/* The header, of as many bytes as said, is to be written at `header`; its symbol's frames follow
 * up to `end`, in packet pn. Adds the item that knows it again to b. */
void fec_wrap(struct build *b, enum conn_protection class, uint8_t *header, uint8_t *end);
/* A repair waits to be sent; write it as the last frame of a packet of its own. False, and it is
 * dropped, when the packet has no room. */
bool fec_repair_due(const struct conn *c);
bool fec_put_repair(struct build *b);
/* Reports of what was rebuilt, NACK. */
bool fec_report_due(const struct conn *c);
void fec_put_reports(struct build *b);
/* Receiving. Whether the source's frames are to be read now: all, or those that may come twice. */
enum fec_reading { FEC_SKIP, FEC_READ, FEC_READ_STREAMS };
enum fec_reading fec_read_source(struct conn *c, const struct frame *f, uint64_t now);
void fec_read_repair(struct conn *c, const struct frame *f, uint64_t now);
/* How long what is missing may still be rebuilt; 0: the peer protects nothing now. */
uint64_t fec_patience(const struct conn *c);
/* Rebuild what is possible now; read(c, frames, len, now) for each. */
void fec_rebuild(struct conn *c, uint64_t now,
                 void (*read)(struct conn *c, const uint8_t *frames, uint32_t len, uint64_t now));
/* FEC_RECOVERED: the peer rebuilt some of ours. Flags their packets (sent_recovered). */
void fec_read_recovered(struct conn *c, const struct frame *f, uint64_t now);
/* What became of packets of a path: for the estimate of its losses. Before loss_done. */
void fec_settle(struct conn *c, struct conn_path *path, const struct loss_event *ev);
uint64_t fec_deadline(const struct conn *c);
void fec_timeout(struct conn *c, uint64_t now);
void fec_fini(struct conn *c);

#endif
