/* Sessions for programs that would rather wait than be called: sockets and servers whose functions
 * block, on the event loop of a thread of the library's own. It begins with the first of these
 * objects and ends with the last.
 *
 * All functions are for any thread, and several at once may use one object; only _free wants to be
 * the last call. A timeout is in microseconds: 0 never waits, < 0 waits for ever; when it has
 * passed the answer is ..._WOULD_BLOCK, and nothing was done. */
#ifndef JETPLANE_SOCKET_H
#define JETPLANE_SOCKET_H

#include <stddef.h>
#include <stdint.h>

#include <jetplane/address.h>
#include <jetplane/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jp_socket jp_socket;
typedef struct jp_server jp_server;

enum {
    JP_SOCKET_QUEUE = 1 << 20, /* bytes that wait to be read on a stream before it is held back */
    JP_SOCKET_QUEUE_ALL = 4 << 20, /* and on all of a socket's, before all are */
    JP_SERVER_QUEUE = 128, /* sessions that wait to be accepted; more are closed, JP_CODE_LIMIT */
};

/* ---- clients ---- */

/* A socket to connect. Of the settings the extensions are ours. */
int jp_socket_create(jp_socket **socket, const jp_settings *settings);
/* Send from these addresses, at most JP_PATHS_MAX: the first to begin with, the others as standby
 * paths once the session is open. Before jp_socket_connect. */
int jp_socket_bind(jp_socket *socket, const jp_address *addresses, size_t n);
/* As jp_connect; 0 when the session is open. The timeout covers everything; what is not connected
 * then never will be (JP_CONNECT_TIMEOUT). A socket connects once. */
int jp_socket_connect(jp_socket *socket, const char *server, int64_t timeout);

/* What the next session with this server can be resumed with (callback `resumption`, session.h):
 * the newest that was not asked for yet, into data[size], JP_RESUMPTION_MAX bytes at least; returns
 * how many they are. JP_RECEIVE_WOULD_BLOCK: none came in time; JP_RECEIVE_CLOSED: nor will one. */
int jp_socket_resumption(jp_socket *socket, void *data, size_t size, int64_t timeout);

/* A message to be sent before the session is open. It may be read twice, and must do no harm
 * then. */
typedef struct jp_early {
    const void *data;
    size_t size;
    const jp_stream_options
        *options; /* of a stream not named before; `early` goes without saying */
    int stream;   /* its id, or JP_STREAM_ANY: then it is set to the one it got */
} jp_early;
/* As jp_socket_connect and jp_connect_resume: the n messages go in the first packet, as far as they
 * fit, and in any case before all others. 0 when the session is open, resumed or not. Nothing is
 * connected if one of the messages is refused. */
int jp_socket_resume(jp_socket *socket, const char *server, const void *resumption, size_t size,
                     jp_early *early, size_t n, int64_t timeout);
/* As jp_session_is_resumed. */
int jp_socket_is_resumed(jp_socket *socket);

/* ---- servers ---- */

int jp_server_create(jp_server **server, const jp_settings *settings);
/* As jp_listener_create; once. */
int jp_server_listen(jp_server *server, const jp_address *addresses, size_t n);
/* As jp_listener_address. */
jp_address jp_server_address(jp_server *server, size_t index);
/* The next session, open: before, nothing of it is read. JP_ACCEPT_WOULD_BLOCK; JP_ACCEPT_FAILED:
 * the server is closed or does not listen. */
int jp_server_accept(jp_server *server, jp_socket **socket, int64_t timeout);
/* Readable while somebody waits to be accepted, or the server is closed. For poll only. */
int jp_server_fd(const jp_server *server);
/* Accept no more; those not accepted yet are closed, those accepted go on. Again it is nothing. */
int jp_server_close(jp_server *server);
void jp_server_free(jp_server *server); /* closes it; NULL is fine */

/* ---- streams ---- */

/* As jp_stream_open; returns the stream's id. Streams that the peer opens need not be opened here
 * to be used. */
int jp_socket_open(jp_socket *socket, int stream, const jp_stream_options *options);
int jp_socket_configure(jp_socket *socket, unsigned stream, const jp_stream_options *options);
/* Send a message. 0: it is on its way. JP_SEND_WOULD_BLOCK, JP_SEND_TOO_BIG, JP_SEND_CLOSED. */
int jp_socket_write(jp_socket *socket, unsigned stream, const void *data, size_t size,
                    int64_t timeout);
/* As jp_stream_finish and jp_stream_reset. */
int jp_socket_finish_stream(jp_socket *socket, unsigned stream);
int jp_socket_reset_stream(jp_socket *socket, unsigned stream);

/* A message of the peer's, or the end of what it sends on a stream. */
typedef struct jp_received {
    const void *data;
    size_t size;
    uint64_t sequence;  /* as in jp_message */
    uint32_t stream;    /* its id */
    uint8_t end;        /* 0: a message; JP_STREAM_FINISHED, JP_STREAM_RESET: the end */
    uint8_t in_order;   /* as in jp_message */
    uint8_t compressed; /* as in jp_message */
    uint8_t unused;     /* 0 */
} jp_received;

/* What came next, on this stream or on JP_STREAM_ANY; jp_received_free it. What is not read holds
 * back its stream, and the peer; no other stream, unless all together it is JP_SOCKET_QUEUE_ALL:
 * then no stream brings more than its reader waits for, and the session's window is the peer's
 * bound. At most one message beyond these bounds is held. JP_RECEIVE_WOULD_BLOCK;
 * JP_RECEIVE_CLOSED: no more can come. */
int jp_socket_read(jp_socket *socket, int stream, jp_received **received, int64_t timeout);
void jp_received_free(jp_received *received); /* NULL is fine */
/* Readable while there is something to read, or no more can come. For poll only. */
int jp_socket_fd(const jp_socket *socket);

/* ---- sessions ---- */

/* JP_INVALID before the session is open. After its end they are what they were then. */
int jp_socket_figures(jp_socket *socket, jp_figures *figures, size_t size);
jp_address jp_socket_peer(jp_socket *socket);
jp_key jp_socket_key(jp_socket *socket);

/* Wait until all that was sent is acknowledged, then close. JP_SEND_WOULD_BLOCK: it goes on;
 * JP_SEND_CLOSED: the session ended before; JP_INVALID: it was never connected. */
int jp_socket_finish(jp_socket *socket, int64_t timeout);
/* As jp_session_close. Those who wait are answered ..._CLOSED; what came before can still be read.
 * Again it is nothing. */
int jp_socket_close(jp_socket *socket, uint64_t code, const char *reason);
/* Why the session ended; `by` is 0 while it has not. The reason lives as long as the socket. */
jp_close jp_socket_closed(jp_socket *socket);
void jp_socket_free(jp_socket *socket); /* closes it; NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
