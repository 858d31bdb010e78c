/* Sessions and streams as the library's files see them. */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include <stdalign.h>
#include <stdbool.h>

#include <jetplane/session.h>

#include "compress.h"
#include "conn.h"
#include "context.h"
#include "heap.h"
#include "resume.h"
#include "tunnel.h"

struct connecting;
struct endpoint;
struct socket;

enum {
    SESSION_SOCKETS = 9, /* of a client that moves */
    SESSION_TCP = 8,     /* the place of its TCP connection */
    REASON_BYTES = 256,
    CONFIRM_US = 10000000, /* for a client's first packet */
};

enum session_state { SESSION_CONNECTING, SESSION_UNCONFIRMED, SESSION_OPEN, SESSION_ENDED };

/* What there is to tell the program. */
enum session_event { TELL_OPEN = 1, TELL_TIMEOUT = 2, TELL_DATAGRAM_ROOM = 4 };
enum stream_event {
    TELL_OPENED = 1,
    TELL_READABLE = 2,
    TELL_FINISHED = 4,
    TELL_RESET = 8,
    TELL_ROOM = 16,
    TELL_CLOSED = 32,
};

struct jp_session {
    struct tunnel tunnel;
    struct endpoint *endpoint;
    jp_context *context;
    jp_listener *listener; /* of a server's */
    struct conn *conn;     /* once it was open; of one to be resumed from the start */

    uint32_t spi; /* that we chose */
    jp_session *next_by_spi;
    jp_session *next_active;
    struct drr_node turn;
    struct heap_entry deadline;
    bool active, armed;

    uint8_t state;         /* enum session_state */
    uint8_t tell;          /* enum session_event */
    uint8_t paths_tell[3]; /* a bit per path, by enum jp_path_event */
    bool server, finishing, closed_here, was_open;
    bool mute; /* the peer would not understand: nothing is sent any more */
    bool resumed;
    bool moving;  /* to a new conn, its early messages with it */
    bool held;    /* its TCP connection is full */
    bool paused;  /* no messages are delivered but one on each stream that is wanted */
    bool lingers; /* told that it ended, it stays for the messages it still holds */
    bool end_told;

    jp_stream *streams;                 /* all */
    jp_stream *telling, **telling_tail; /* those with something to tell */
    uint64_t timeout_at;                /* the program's; UINT64_MAX: none */

    struct connecting *connecting;
    struct outgoing *early;  /* messages sent before it is open, in order */
    struct resumption *kept; /* of a client's, if the program keeps it */
    uint64_t confirm_by;     /* a server's, until the client's first packet; then UINT64_MAX */
    uint32_t unproven;       /* until then: bytes that may be sent */
    uint8_t ticket[RESUME_TICKET_LEN]; /* of a server's, for then */
    struct hs_params peer_params;
    struct jp_path path; /* of the handshake */
    jp_key key;
    struct socket *sockets[SESSION_SOCKETS]; /* of a client's */
    uint64_t tcp_at, udp_at; /* not before then TCP is tried, then UDP again (UINT64_MAX: never) */
    uint64_t tcp_wait;       /* between attempts, after the last one was refused or lost */

    uint64_t code;
    char *reason; /* REASON_BYTES, once it is over */
    int error;    /* of connecting */
    uint8_t closed_by;
    alignas(max_align_t) unsigned char extension[];
};

struct jp_stream {
    jp_stream *next_by_id;
    jp_stream *next, *prev; /* of the session's */
    jp_stream *next_telling;
    jp_session *session;
    size_t pending; /* bytes of messages we hold */
    uint32_t id;
    struct compress compress;
    struct conn_stream_config config;
    uint8_t tell;
    bool telling, paused, wanted, blocked, finished, last_told;
    alignas(max_align_t) unsigned char extension[];
};

/* ---- session.c ---- */

/* A session that has nothing yet but its place in the loop, and its SPI; 0: any. */
int session_new(jp_session **session, struct jp_loop *loop, jp_context *context, uint32_t spi,
                const char *what);
/* It has keys, and a path. */
void session_install(jp_session *s, const struct hs_result *keys, const struct jp_path *path);
/* Make its conn; a second time: anew, with the streams and messages that wait. 0 or an error. */
int session_build(jp_session *s, uint64_t now);
/* The peer proved its keys too. 0, or it has ended. */
int session_begin(jp_session *s, uint64_t now);
/* A server's: the client's first packet came. */
void session_confirm(jp_session *s);
static inline bool session_is_confirmed(const jp_session *s)
{
    return s->confirm_by == UINT64_MAX;
}
/* Nothing more may be sent until the client's first packet. */
static inline bool session_waits(const jp_session *s)
{
    return !session_is_confirmed(s) && s->unproven < CONN_PACKET_MIN;
}
/* Whether streams may be used: of one to be resumed before it is open, too. */
static inline bool session_writes(const jp_session *s)
{
    return s->state == SESSION_OPEN || (s->state == SESSION_CONNECTING && s->conn);
}
/* It is over: it will be told and freed in this turn. The first reason counts. */
void session_over(jp_session *s, enum jp_closed_by by, uint64_t code, const char *reason);
void session_fail(jp_session *s, int error);
/* Look at it in this turn. */
void session_touch(jp_session *s);
/* Its time came. */
void session_expire(jp_session *s, uint64_t now);
uint64_t session_deadline(const jp_session *s, uint64_t now);
/* Whether it still says something: while it is open, and what came before the peer closed it. */
static inline bool session_speaks(const jp_session *s)
{
    return s->state == SESSION_OPEN ||
           (s->state == SESSION_ENDED && s->closed_by == JP_CLOSED_BY_PEER);
}
/* Call back what it has to say. */
void session_deliver(jp_session *s);
/* Its last call, once. */
void session_tell_end(jp_session *s);
/* Its end. */
void session_end(jp_session *s);
/* Hold back the messages of all streams, the core keeps them; let them go on. */
void session_pause(jp_session *s);
void session_resume(jp_session *s);
/* Whether messages are held back. */
bool session_holds_back(const jp_session *s);
int session_check(const jp_session *s, const char *what);
uint64_t session_now(const jp_session *s);

/* ---- stream.c ---- */

extern const struct conn_ops session_ops;
/* As session_check. */
int stream_check(const jp_stream *stream, const char *what);
jp_stream *stream_new(jp_session *s, uint32_t id);
void stream_tell(jp_stream *stream, unsigned event);
void stream_deliver(jp_stream *stream);
/* Whether it may deliver a message. */
bool stream_goes_on(const jp_stream *stream);
/* One message is to come though the session is paused. */
void stream_want(jp_stream *stream);
void stream_free(jp_stream *stream);
/* In a conn that replaces another. */
void stream_open_again(jp_stream *stream, uint64_t now);

/* ---- messages.c ---- */

/* Deliver what is whole, as long as the program wants it. */
void messages_deliver(jp_stream *stream);

/* ---- outgoing.c: messages and datagrams until they are released ---- */

struct outgoing;
/* Those that were sent early, to a conn that replaces another. */
void outgoing_write_again(jp_session *s, uint64_t now);
void outgoing_released(void *user, enum sendq_fate fate);

/* ---- listener.c ---- */

void listener_release(jp_listener *listener);

/* ---- connect.c ---- */

uint64_t connect_deadline(const jp_session *s);
void connect_expire(jp_session *s, uint64_t now);
void connect_end(jp_session *s);

#endif
