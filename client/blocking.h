/* Blocking sockets and servers: programs' threads on one side of a gate, the background loop on the
 * other. */
#ifndef CLIENT_BLOCKING_H
#define CLIENT_BLOCKING_H

#include <stdatomic.h>

#include <jetplane/error.h>
#include <jetplane/socket.h>

#include "background.h"
#include "errors.h"
#include "gate.h"
#include "inbox.h"
#include "session.h"

/* The extension of a context of theirs. */
struct owner {
    atomic_uint users; /* a client's socket; or a server and the sockets it accepted */
    jp_server *server; /* NULL: a client's, or it is closed. The loop's thread only. */
};

enum socket_state { SOCKET_NEW, SOCKET_CONNECTING, SOCKET_OPEN, SOCKET_OVER };

struct jp_socket {
    jp_loop *loop;
    jp_context *context;
    jp_session *session;            /* the loop's thread only; NULL: there is none, or no more.
                                       When it is over it lingers for what is not read. */
    TAILQ_ENTRY(jp_socket) waiting; /* to be accepted */

    struct gate gate; /* for all that follows */
    enum socket_state state;
    int error; /* of connecting, and its detail */
    char detail[256];
    jp_address local[JP_PATHS_MAX];
    size_t n_local;
    uint64_t rooms; /* times a stream became writable */
    struct inbox inbox;
    jp_close closed;
    char reason[256];
    uint8_t resumption[JP_RESUMPTION_MAX]; /* the newest that nobody took yet */
    size_t resumption_size;
    bool resumed;
    jp_figures figures; /* as they were at the end */
    jp_address peer;
    jp_key key;
};

/* ---- blocking_socket.c ---- */

/* A socket of this context, which it keeps. */
int blocking_new(jp_socket **socket, jp_loop *loop, jp_context *context, const char *what);
/* The session is this socket's, and open. In the loop's thread. */
void blocking_opened(jp_socket *s, jp_session *session);
/* The session is over: take what it still holds, as far as the inbox has room; then let it go. In
 * the loop's thread. */
void blocking_take_rest(jp_socket *s);
/* Let a session that is over go with what it holds. background_run; the socket is the argument. */
int blocking_let_go(void *socket);
/* background_call about a socket, which may be NULL. */
int blocking_call(jp_socket *s, background_run *run, void *argument, const char *what);
/* A context of theirs, with one user. */
int owner_new(jp_context **context, const jp_settings *settings);
void owner_hold(jp_context *context);
/* The last one frees it, and waits while strangers are half connected to it. Not in the loop's
 * thread. */
void owner_release(jp_context *context, jp_loop *loop);

/* ---- blocking_stream.c ---- */

void blocking_stream_open(jp_stream *stream);
void blocking_message(jp_stream *stream, const void *data, size_t size, const jp_message *message);
void blocking_writable(jp_stream *stream);
void blocking_stream_close(jp_stream *stream, enum jp_stream_end how);

/* ---- blocking_server.c ---- */

/* A session opened that nobody asked for: let it wait to be accepted, or close it. */
void server_accepted(jp_server *server, jp_session *session);

/* Whose a session is; NULL until that is known. In the loop's thread. */
static inline jp_socket *blocking_of(jp_session *session)
{
    return *(jp_socket **)jp_session_extension(session);
}

#endif
