/* Sessions: what joins a client and a server. A context says how sessions behave and who is told
 * what happens to them; a listener accepts them, jp_connect asks for one; streams of messages, and
 * datagrams, go over them.
 *
 * Contexts belong to no loop and may be shared by all. A listener, and a session with its streams,
 * belong to the loop they were made on: see jetplane.h for what that means. Callbacks come from the
 * loop, never from inside a function of this file, and may call anything here.
 *
 * Lifetime: a session lives until its callback `connect_error` or `close` returns, a stream until
 * its last `stream_close`, or its session's `close`, returns. They are freed by the library. */
#ifndef JETPLANE_SESSION_H
#define JETPLANE_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include <jetplane/address.h>
#include <jetplane/identity.h>
#include <jetplane/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jp_context jp_context;
typedef struct jp_listener jp_listener;
typedef struct jp_listener_group jp_listener_group;
typedef struct jp_session jp_session;
typedef struct jp_stream jp_stream;

enum {
    JP_PORT = 4500, /* a server's, if nothing else is said */
    JP_MESSAGE_MAX = 16 << 20,
    JP_PATHS_MAX = 4,
    JP_RESUMPTION_MAX = 256,
};

/* Most urgent first. Shares of a busy link: 8, 4, 2, 1. 0 is Chat. */
enum jp_priority {
    JP_PRIORITY_SYSTEM = 1,
    JP_PRIORITY_MEDIA = 2,
    JP_PRIORITY_CHAT = 3,
    JP_PRIORITY_BULK = 4
};

/* ---- callbacks ---- */

/* A message is the bytes a single send of the peer gave, whole. */
typedef struct jp_message {
    uint64_t sequence;  /* the peer's count of the stream's messages, from 0, without those it gave
                           up before any part of them left */
    uint8_t in_order;   /* all messages before it were delivered, or given up by the peer */
    uint8_t compressed; /* it travelled so; the data given is not */
} jp_message;

enum jp_stream_end {
    JP_STREAM_FINISHED = 1, /* the peer half-closed: all its messages were delivered */
    JP_STREAM_RESET = 2,    /* the peer reset its direction: what was under way is lost */
    JP_STREAM_CLOSED = 3,   /* both directions are over: the last call for this stream */
};

/* Why a session ended. Codes below 256 are the protocol's. */
enum jp_close_code {
    JP_CODE_NONE = 0,
    JP_CODE_VIOLATION = 1, /* the protocol was broken */
    JP_CODE_IDLE = 2,
    JP_CODE_SHUTDOWN = 3,
    JP_CODE_RETIRED = 4,
    JP_CODE_LIMIT = 5,
    JP_CODE_DEAD = 6,          /* never sent: the peer does not answer */
    JP_CODE_APPLICATION = 256, /* from here on they are the programs' own */
};

enum jp_closed_by {
    JP_CLOSED_HERE = 1, /* jp_session_close or _finish; or the peer broke the protocol */
    JP_CLOSED_BY_PEER = 2,
    JP_CLOSED_SILENT = 3, /* nothing was heard of the peer for too long */
    JP_CLOSED_RESET = 4,  /* the server proved that it has forgotten the session */
};

typedef struct jp_close {
    uint64_t code;
    const char *reason; /* never NULL; the peer's is UTF-8 as far as the peer keeps the rules */
    uint8_t by;         /* enum jp_closed_by */
} jp_close;

enum jp_path_event {
    JP_PATH_VALIDATED, /* the peer answers there */
    JP_PATH_FAILED,    /* it does not, or no longer */
    JP_PATH_CHANGED,   /* the peer moved */
};

/* Any may be NULL, then nobody is told. */
typedef struct jp_callbacks {
    size_t size; /* sizeof(jp_callbacks) */

    /* The session is there: connected, or accepted and proven by a first packet. */
    void (*open)(jp_session *session);
    /* jp_connect failed: JP_CONNECT_..., detail in jp_error_detail(). The session's last call. */
    void (*connect_error)(jp_session *session, int error);
    /* An open session is over. Its last call, and that of all its streams. */
    void (*close)(jp_session *session, const jp_close *close);
    /* What jp_session_set_timeout asked for. */
    void (*timeout)(jp_session *session);

    /* The peer used a stream for the first time. */
    void (*stream_open)(jp_stream *stream);
    /* A message. The data is valid until the callback returns. */
    void (*message)(jp_stream *stream, const void *data, size_t size, const jp_message *message);
    /* A send had answered JP_SEND_WOULD_BLOCK: there is room again. */
    void (*writable)(jp_stream *stream);
    void (*stream_close)(jp_stream *stream, enum jp_stream_end how);

    void (*datagram)(jp_session *session, const void *data, size_t size);
    void (*datagram_writable)(jp_session *session);

    void (*path)(jp_session *session, unsigned path, enum jp_path_event event);

    /* Client: the server gave what its next session can be resumed with, at most JP_RESUMPTION_MAX
     * bytes, for jp_connect_resume. They are secret, good once and for an hour or two, until the
     * server is started anew; of several of a session all are good. */
    void (*resumption)(jp_session *session, const void *data, size_t size);
} jp_callbacks;

/* ---- contexts ---- */

enum jp_cipher { JP_AES256_GCM = 1, JP_CHACHA20_POLY1305 = 2 };

/* Settings of sessions; 0 or NULL is the default. */
typedef struct jp_settings {
    size_t size; /* sizeof(jp_settings) */

    jp_identity *identity; /* servers must have one */
    jp_trust *trust;       /* clients must have one */

    const char *congestion;     /* "cubic" (the default), "bbr", "newreno" */
    uint8_t ciphers[2];         /* enum jp_cipher, preferred first, 0 ends; default: both, AES first
                                   where the processor has it */
    uint8_t without_fec;        /* send no redundancy, whatever is lost */
    uint8_t without_tcp;        /* neither listen for TCP nor fall back to it */
    uint16_t max_packet;        /* largest UDP payload to receive, 1280-9000; default 1472 */
    uint32_t streams;           /* that the peer may open by JP_STREAM_ANY, 1-65535; default 100 */
    uint64_t idle_timeout;      /* us, 1 s to 1 day; default 30 s; the smaller of both sides' */
    uint64_t heartbeat;         /* us; default 5 s; UINT64_MAX: none */
    uint32_t window;            /* bytes the peer may send ahead at first; default 1 MiB */
    uint32_t window_max;        /* and at most; default 32 MiB */
    uint32_t stream_window;     /* the same, of each stream; default 256 KiB */
    uint32_t stream_window_max; /* default 17 MiB: messages may be that much less 1 KiB */
    uint32_t message_max; /* messages of the peer, expanded; 1024 to JP_MESSAGE_MAX, the default; at
                             most what the windows allow */
    uint32_t send_buffer; /* bytes waiting to be acknowledged on a stream before sends answer
                             JP_SEND_WOULD_BLOCK; default 4 MiB. One message always fits. */

    uint32_t accept_rate;  /* new sessions a second from one network (IPv4 /24, IPv6 /56); default
                              1000 */
    uint32_t sessions_max; /* of one listener; default 100000 */

    size_t session_extension; /* bytes of the caller's in every session and every stream */
    size_t stream_extension;

    const char *keylog; /* file to append every session's secrets to, for debugging only: who reads
                           it reads the sessions. Made with mode 0600; one that is a link, or that
                           others may open, is refused by JP_IDENTITY_FILE. NULL: none */
} jp_settings;

/* What the structures say is copied. JP_INVALID, with detail, for values out of range. */
int jp_context_create(jp_context **context, const jp_callbacks *callbacks,
                      const jp_settings *settings, size_t extension);
/* JP_BUSY while listeners or sessions use it. From any thread; NULL is fine. */
int jp_context_free(jp_context *context);
void *jp_context_extension(jp_context *context);

/* ---- servers ---- */

/* Accept sessions on these addresses; port 0 is any. [::] takes IPv6 only: name 0.0.0.0 too. */
int jp_listener_create(jp_listener **listener, jp_loop *loop, jp_context *context,
                       const jp_address *addresses, size_t n, size_t extension);
/* No more sessions are accepted; those there are go on, by the same sockets. NULL is fine. */
int jp_listener_free(jp_listener *listener);
/* The address as bound, its port filled in; all zeros when there is no such. */
jp_address jp_listener_address(const jp_listener *listener, size_t index);
void *jp_listener_extension(jp_listener *listener);
jp_loop *jp_listener_loop(const jp_listener *listener);
jp_context *jp_listener_context(const jp_listener *listener);

/* The same for `loops` loops, each in its thread, that share the addresses: the kernel gives each
 * packet to the loop that has its session. From any thread. */
int jp_listener_group_create(jp_listener_group **group, unsigned loops, jp_context *context,
                             const jp_address *addresses, size_t n);
/* The address as bound; all zeros when there is no such. From any thread. */
jp_address jp_listener_group_address(const jp_listener_group *group, size_t index);
/* The listener of the loop that is to have place `index`, once for each, in the loop's thread. */
int jp_listener_join(jp_listener **listener, jp_listener_group *group, unsigned index,
                     jp_loop *loop, size_t extension);
/* From any thread, when everybody joined who will; its listeners and their sessions go on. The
 * sockets are closed when all is gone. */
int jp_listener_group_free(jp_listener_group *group);

/* ---- sessions ---- */

/* Ask for a session with a server: "host", "host:port" or a numeric address. Trust knows it as
 * "host:port". All addresses of the host are tried in turn, half a second each, until the timeout
 * (us; 0: 5 s). `local`: the address to send from, NULL: the kernel's choice, which may change
 * under way. */
int jp_connect(jp_session **session, jp_loop *loop, jp_context *context, const char *server,
               const jp_address *local, uint64_t timeout);
/* The same with what callback `resumption` got in an earlier session, once; NULL, 0: without. The
 * messages of early streams that are sent before the loop turns, some 1000 bytes of them, go in the
 * very first packet; the rest waits for the server's answer, one round trip. When the server cannot
 * resume, does not answer within a second, or trust refuses its key (which is asked before anything
 * is sent), there is a full handshake, and the early messages follow. JP_INVALID also for bytes
 * that are no resumption. */
int jp_connect_resume(jp_session **session, jp_loop *loop, jp_context *context, const char *server,
                      const jp_address *local, uint64_t timeout, const void *resumption,
                      size_t size);
/* End it now: the peer is told, what was not sent is not. The reason is copied, cut to 255 bytes;
 * where a character ends; NULL is "". JP_INVALID: the code is 2^62 or more. `close`, or
 * `connect_error` with JP_CONNECT_ABORTED, follows in a coming turn; nothing else does. Again it is
 * nothing. */
int jp_session_close(jp_session *session, uint64_t code, const char *reason);
/* End it when all that was sent has been acknowledged. Nothing more can be sent. */
int jp_session_finish(jp_session *session);

void *jp_session_extension(jp_session *session);
jp_loop *jp_session_loop(const jp_session *session);
jp_context *jp_session_context(const jp_session *session);
jp_listener *jp_session_listener(const jp_session *session); /* NULL: a client's, or it was freed */
int jp_session_is_open(const jp_session *session);
/* It was resumed: on a client, the server took what came in the first packet. */
int jp_session_is_resumed(const jp_session *session);

/* Of the path in use; all zeros before one is known. A client's own is a wildcard, with its port,
 * where the kernel chooses. */
jp_address jp_session_peer(const jp_session *session);
jp_address jp_session_local(const jp_session *session);
/* The server's public key: the peer's on a client, ours on a server. All zeros before it is known.
 */
jp_key jp_session_key(const jp_session *session);

/* Client: go on from another address, NULL: another port of the kernel's choice. At once, losing
 * nothing but packets under way. JP_NO_DESCRIPTORS: paths that it left before still take all the
 * room, for a while. */
int jp_session_migrate(jp_session *session, const jp_address *local);

/* How a path beside others is used. Both sides' paths are one list. */
enum jp_path_use {
    JP_PATH_ABANDONED = 0,
    JP_PATH_STANDBY = 1,   /* when no other works: failover */
    JP_PATH_SHARE = 2,     /* takes its part, weighted by its rate */
    JP_PATH_DUPLICATE = 3, /* everything goes along it too */
};
/* Client: use one more path, from local (NULL: the kernel's choice) to peer (NULL: where the first
 * path goes; e.g. the server's address in the other family). Returns its number, callback `path`
 * tells whether it works. */
int jp_session_add_path(jp_session *session, const jp_address *local, const jp_address *peer,
                        enum jp_path_use use);
int jp_session_use_path(jp_session *session, unsigned path, enum jp_path_use use);

/* From now on, us, 0.1 s or more; UINT64_MAX: none. A peer that leaves 3 unanswered is dead. */
int jp_session_set_heartbeat(jp_session *session, uint64_t interval);
/* Call `timeout` once, in so many us; 0: never. Set again it forgets the last. */
int jp_session_set_timeout(jp_session *session, uint64_t after);

typedef struct jp_path_figures {
    jp_address peer, local;
    uint64_t rtt, rtt_min;         /* us */
    uint64_t rate;                 /* bytes per second it can take, as far as is known */
    uint64_t sent, received, lost; /* packets */
    uint32_t window, in_flight;    /* bytes */
    uint32_t packet;               /* bytes of UDP payload that pass */
    uint8_t use;                   /* enum jp_path_use */
    uint8_t validated, active;
    uint8_t tcp; /* it is a TCP connection */
} jp_path_figures;

typedef struct jp_figures {
    uint64_t packets_sent, packets_received, bytes_sent, bytes_received; /* UDP payload */
    uint64_t packets_lost, packets_late; /* late: not lost after all */
    uint64_t stream_bytes_sent, stream_bytes_received;
    uint64_t stream_bytes_again;                /* of sent: for another time */
    uint64_t fec_sources, fec_repairs;          /* packets sent that were protected, and for it */
    uint64_t fec_recovered, fec_peer_recovered; /* packets rebuilt here, there */
    uint64_t congestion_marks, congestion_marks_peer; /* ECN: received; reported by the peer */
    uint64_t probe_timeouts;
    uint32_t streams, paths;
    jp_path_figures path[JP_PATHS_MAX];
} jp_figures;
/* size: sizeof(jp_figures). JP_INVALID before the session is open. */
int jp_session_figures(const jp_session *session, jp_figures *figures, size_t size);

/* ---- datagrams ---- */

/* Send one, copied: once, unordered, perhaps in vain. JP_SEND_TOO_BIG, JP_SEND_WOULD_BLOCK,
 * JP_SEND_CLOSED. */
int jp_session_send_datagram(jp_session *session, const void *data, size_t size,
                             enum jp_priority priority);
/* The largest that can be sent now, 0 before the session is open. */
size_t jp_session_datagram_max(const jp_session *session);

/* ---- streams ---- */

enum jp_reliability {
    JP_RELIABLE = 0,    /* sent again until it is there */
    JP_BEST_EFFORT = 1, /* never sent again */
    JP_LIMITED = 2,     /* sent again at most max_retransmissions times */
};

/* What stands in for lost packets before they are sent again, if packets are lost. */
enum jp_protection {
    JP_PLAIN = 0,     /* nothing */
    JP_LATENCY = 1,   /* enough to hardly ever wait for a packet again: games, speech */
    JP_EFFICIENT = 2, /* some: fewer stalls for long transfers */
};

/* How our own messages of a stream are sent; the peer chooses for its direction. All zero, or NULL
 * for it: reliable, ordered, Chat, plain. */
typedef struct jp_stream_options {
    uint8_t priority;            /* enum jp_priority */
    uint8_t reliability;         /* enum jp_reliability */
    uint8_t max_retransmissions; /* JP_LIMITED: 1-254 */
    uint8_t unordered;           /* the peer gets each message as soon as it is whole */
    uint8_t protection;          /* enum jp_protection */
    uint8_t compress; /* LZ4, of messages from 512 bytes on, while it pays. Not for secrets beside
                         text of others: lengths tell */
    uint8_t early;    /* of a session that jp_connect_resume asked for: open the stream at once. Its
                         messages may be read twice (see docs/libjetplane.md), so they must do no
                         harm then; and have no forward secrecy until the server forgot the key of
                         its tickets */
    uint64_t ttl;     /* us; older messages are given up; 0: never */
} jp_stream_options;

enum { JP_STREAM_ANY = -1 };

/* Open a stream: any, or this id, which neither side ever used; 0 is for control, which any program
 * may use. JP_STREAM_ANY are odd ids of clients and even ones of servers, so that the two never
 * meet: as many at once as the peer's settings have `streams`. Of the ids below that number either
 * side may name any. JP_SEND_STREAMS: the peer allows no more yet; JP_INVALID, JP_SEND_CLOSED,
 * JP_NO_MEMORY. */
int jp_stream_open(jp_stream **stream, jp_session *session, int id,
                   const jp_stream_options *options);
/* From the next message on; order only before the first one. */
int jp_stream_configure(jp_stream *stream, const jp_stream_options *options);
/* The stream of that id that is alive, or NULL. */
jp_stream *jp_stream_find(const jp_session *session, unsigned id);

/* Send a message, copied: 0, or nothing was kept: JP_SEND_WOULD_BLOCK (`writable` will be called),
 * JP_SEND_TOO_BIG (over JP_MESSAGE_MAX), JP_SEND_CLOSED, JP_NO_MEMORY. */
int jp_stream_send(jp_stream *stream, const void *data, size_t size);

enum jp_fate {
    JP_DELIVERED = 0, /* acknowledged */
    JP_EXPIRED = 1,   /* too old */
    JP_GIVEN_UP = 2,  /* too often lost, or the stream or session is over */
};
/* The same without copying: the bytes stay until release(argument) is called, in the loop's
 * thread. It calls nothing of the session's. Not called when sending failed. */
typedef void jp_release(void *argument, enum jp_fate fate);
int jp_stream_send_reference(jp_stream *stream, const void *data, size_t size, jp_release *release,
                             void *argument);

/* Half-close: what was sent is still delivered. Again it is nothing. */
int jp_stream_finish(jp_stream *stream);
/* Give up what was sent and half-close. The peer may go on. */
int jp_stream_reset(jp_stream *stream);
/* Hold back `message` (and the peer, when its window is full), and let it go on. */
int jp_stream_pause(jp_stream *stream);
int jp_stream_resume(jp_stream *stream);
/* Bytes that were sent and are neither acknowledged nor given up. */
size_t jp_stream_pending(const jp_stream *stream);

unsigned jp_stream_id(const jp_stream *stream);
jp_session *jp_stream_session(const jp_stream *stream);
void *jp_stream_extension(jp_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
