/* TCP where UDP does not get through (docs/protocol.md section 8): the same packets, each with its
 * length in front. A connection is a socket of the endpoint's, and a path of its own.
 *
 *   tcp.c           a connection: packets in and out, bounded; its time
 *   tcp_listen.c    the ports of a listener, and how many connections it takes
 *   tcp_fallback.c  when a client turns to TCP, and back */
#ifndef CLIENT_TCP_H
#define CLIENT_TCP_H

#include "endpoint.h"
#include "listen.h"
#include "tcp_frame.h"

enum {
    TCP_IN_BYTES = 16384,
    TCP_OUT_HIGH = 65536,       /* with more waiting, sessions hold back */
    TCP_CONNECTIONS_MAX = 4096, /* of a listener */
    TCP_PREFIX_MAX = 256,       /* of them from one network, IPv4 /24 or IPv6 /56 */
};

struct tcp {
    struct socket *socket;
    jp_listener *listener; /* that took it; NULL: a client's, or it is closed */
    struct tcp *next;      /* of the listener's */
    jp_timer *timer;
    jp_address peer;
    uint32_t spi; /* of the session that it is for, or that last proved itself; 0: none */
    bool connected, closed;
    bool waits; /* to be writable */
    bool moved; /* another loop of the group took it: it stays here */
    uint32_t in_used;
    uint32_t reserved; /* of packets that were not sealed yet */
    uint64_t began_at, received_at, sent_at;
    uint64_t whole_at; /* when the last packet was whole */
    uint8_t in[TCP_IN_BYTES];
    struct tcp_out out;
};

/* A connection on fd, which is its own with success. One user: who asked. */
int tcp_open(struct socket **socket, struct endpoint *e, int fd, const jp_address *peer,
             bool connected);
void tcp_close(struct tcp *t);
/* Take what is in t->in; false: it is closed, or to be closed. */
bool tcp_take(struct tcp *t);
jp_address tcp_name(int fd, bool peer);

/* tcp_listen.c */
/* A descriptor bound to address; reuse: others of this user may be too. < 0: an error of bind. */
int tcp_bind(const jp_address *address, bool reuse);
/* Listen, beside UDP, on this address. */
int tcp_listen(jp_listener *l, const jp_address *address);
/* No more connections; those there are go on, for the sessions they have. */
void tcp_stop(jp_listener *l);
void tcp_close_all(jp_listener *l);
/* A connection came for the listener: here, or (moved) to another loop of its group that then got
 * the first n bytes. It is closed when there are too many. */
void tcp_accept(jp_listener *l, int fd, const uint8_t *bytes, size_t n, bool moved);

/* tcp_fallback.c */
/* Connect the session to peer; what is sent by then waits. */
int fallback_connect(jp_session *s, const jp_address *local, const jp_address *peer);
/* The session is open: the path it was answered by decides. */
void fallback_begin(jp_session *s, uint64_t now);
void fallback_established(jp_session *s);
void fallback_lost(jp_session *s);
void fallback_expire(jp_session *s, uint64_t now);

/* group.c */
/* Give a connection, that began with these bytes, to the owner of the SPI. */
bool group_move(jp_listener *l, uint32_t spi, int fd, uint8_t *bytes, size_t n);

#endif
