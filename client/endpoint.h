/* The sessions of a loop and what they share: sockets, keys' machinery, memory, time. It is there
 * while there are listeners or sessions.
 *
 *   packets received -> receive.c -> sessions, or accept.c, connect.c, reset.c
 *   sessions that were touched by packets, time or the program -> a turn: what they have to say is
 *   called back, what they have to send leaves (send.c), when they are due again is noted */
#ifndef CLIENT_ENDPOINT_H
#define CLIENT_ENDPOINT_H

#include "drr.h"
#include "limit.h"
#include "loop.h"
#include "memory.h"
#include "session.h"
#include "tunnel.h"
#include "udp.h"

enum {
    ENDPOINT_HEADS = 1 << 16, /* of the hash tables */
    SEND_BUFFER = AEAD_BURST_MAX * (CONN_PACKET_MAX + WIRE_OVERHEAD_MAX + 128),
};

struct socket {
    struct udp udp;  /* of a TCP connection: its descriptor and local address */
    struct tcp *tcp; /* NULL: UDP */
    struct endpoint *endpoint;
    jp_watch *watch;
    jp_listener *listener; /* that accepts here, NULL: nobody does */
    unsigned users;
    uint16_t place;
    bool borrowed; /* the group closes it */
    bool serves;   /* it is, or was, a listener's */
};

/* Packets on their way out. */
struct burst {
    struct aead_op ops[AEAD_BURST_MAX];
    struct udp_packet packets[AEAD_BURST_MAX];
    struct socket *sockets[AEAD_BURST_MAX];
    struct jp_path path;  /* of the last */
    unsigned count, sent; /* sealed, and of them sent: else the socket was full */
    uint32_t used;        /* bytes of buffer */
    uint8_t *buffer;      /* SEND_BUFFER */
};

struct buffer {
    uint8_t *bytes;
    size_t size;
};

struct endpoint {
    struct jp_loop *loop;
    unsigned users; /* listeners and sessions */
    unsigned inside;
    jp_timer *timer;
    struct aead *aead;
    struct memory memory;

    jp_session **sessions; /* ENDPOINT_HEADS, by SPI */
    jp_stream **streams;   /* ENDPOINT_HEADS, by session and id */
    uint64_t streams_key;
    jp_session *active, **active_tail; /* to be looked at in this turn */
    struct heap deadlines;
    uint64_t order;
    struct drr drr; /* of those with something to send */

    struct socket **sockets; /* by place; NULL: free */
    uint16_t n_sockets;
    struct socket *client[2]; /* of sessions that do not care for their address: IPv4, IPv6 */

    struct udp_rx rx;
    struct opening opening;
    jp_session *owners[AEAD_BURST_MAX]; /* of its packets */
    const struct udp_packet *arrivals[AEAD_BURST_MAX];
    struct socket *arrived_at;
    struct burst out;
    struct socket *full; /* that must be writable again before more is sent; NULL: none */

    struct buffer message, expanded; /* being delivered */
    uint64_t workspace[COMPRESS_WORKSPACE / 8];
    struct bucket resets; /* believed */
};

/* Wiped. */
void buffer_free(struct buffer *b);
/* Size bytes at least, whose contents are undefined; false: no memory, and the buffer is empty. */
bool buffer_reserve(struct buffer *b, size_t size);

/* The loop's, made when there is none; counts one user. */
int endpoint_hold(struct endpoint **e, struct jp_loop *loop);
void endpoint_release(struct endpoint *e);
/* Around callbacks of the loop: the endpoint stays, and has its turn when there is work. */
void endpoint_enter(struct endpoint *e);
void endpoint_leave(struct endpoint *e);
/* Its turn comes as soon as possible. */
void endpoint_wake(struct endpoint *e);
/* Call back what the sessions have to say. */
void endpoint_deliver(struct endpoint *e);

jp_session *endpoint_find(const struct endpoint *e, uint32_t spi);
/* A free SPI, of n residues this one. */
uint32_t endpoint_new_spi(const struct endpoint *e, unsigned n, unsigned residue);

/* socket.c */
/* Open a socket of the endpoint's; `opened`, if not NULL, is one that somebody else closes. One
 * user. */
int socket_open(struct socket **socket, struct endpoint *e, const jp_address *address,
                const struct udp *opened);
/* The one that serves all clients of a family, one user more. */
int socket_of_clients(struct socket **socket, struct endpoint *e, enum jp_family family);
void socket_release(struct socket *socket);
struct socket *socket_at(const struct endpoint *e, const struct jp_path *path);
/* The path that a packet came along. */
struct jp_path socket_path(const struct socket *socket, const struct udp_packet *p);

/* receive.c */
void endpoint_receive(struct socket *socket);
/* n packets that came for this socket. */
void endpoint_take(struct socket *socket, struct udp_packet *packets, unsigned n);

/* send.c */
/* Send what those that wait have, as far as sockets let us. */
void endpoint_send(struct endpoint *e, uint64_t now);
/* The socket is writable again, or gone. */
void endpoint_resume(struct socket *socket);
/* One packet that needs no session, at once; 0 or an error of send. */
int endpoint_send_one(struct socket *socket, const struct jp_path *path, uint8_t *data,
                      size_t length);

/* reset.c */
/* Answer a packet of an unknown session. */
void reset_answer(struct socket *socket, const struct udp_packet *p);
/* A Reset came. */
void reset_believe(struct endpoint *e, const struct udp_packet *p);

/* accept.c */
/* A ClientHello, or a ResumeHello. */
void accept_hello(struct socket *socket, const struct udp_packet *p, bool resumes);

/* connect.c */
void connect_answer(struct socket *socket, const struct udp_packet *p);

/* tcp.c: what a socket that is a TCP connection does instead */
void tcp_ready(struct socket *socket, unsigned events);
void tcp_send(struct socket *socket, const struct udp_packet *packets, unsigned n);
bool tcp_reserve(struct socket *socket, uint32_t length);
void tcp_free(struct socket *socket);

/* group.c */
/* Hand on a packet that is for another loop of the socket's group: true if it is. */
bool group_forward(struct socket *socket, const struct udp_packet *p, uint32_t spi);

#endif
