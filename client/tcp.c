#include "tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "sockaddr.h"

enum {
    BATCH = 64, /* packets taken at once */
    READS = 8,  /* a turn: then whoever else waits on the loop is served */
    TICK_US = 2500000,
};

static const uint64_t keepalive_us = TCP_KEEPALIVE_US - TICK_US; /* at the last tick before */

jp_address tcp_name(int fd, bool peer)
{
    union sockaddr_any s;
    socklen_t length = sizeof(s);
    int failed = peer ? getpeername(fd, &s.any, &length) : getsockname(fd, &s.any, &length);

    return failed ? (jp_address){0} : jp_address_unmap(sockaddr_load(&s));
}

static uint64_t now_of(const struct tcp *t)
{
    return loop_clock(t->socket->endpoint->loop);
}

static jp_session *session_of(const struct tcp *t)
{
    return t->spi ? endpoint_find(t->socket->endpoint, t->spi) : NULL;
}

/* ---- out ---- */

static void wait_writable(struct tcp *t, bool waits)
{
    if (waits == t->waits)
        return;
    t->waits = waits;
    jp_watch_set(t->socket->watch, waits ? JP_READABLE | JP_WRITABLE : JP_READABLE);
}

/* The session it is for goes on. Others, of a peer that shares connections, look again by time. */
static void let_go(struct tcp *t)
{
    jp_session *s = session_of(t);

    if (!s || !s->held || t->out.used + t->reserved > TCP_OUT_HIGH / 2)
        return;
    s->held = false;
    session_touch(s);
}

/* False: it is broken. */
static bool write_out(struct tcp *t)
{
    while (t->out.used) {
        ssize_t n = send(t->socket->udp.fd, t->out.bytes + t->out.at, t->out.used, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            return false;
        tcp_out_sent(&t->out, (uint32_t)n);
    }
    wait_writable(t, t->out.used > 0);
    let_go(t);
    return true;
}

void tcp_send(struct socket *socket, const struct udp_packet *packets, unsigned n)
{
    struct tcp *t = socket->tcp;

    for (unsigned i = 0; i < n; i++)
        tcp_out_add(&t->out, packets[i].data, packets[i].length);
    t->reserved = 0;
    t->sent_at = now_of(t);
    if (t->connected && !t->closed && !write_out(t))
        shutdown(socket->udp.fd, SHUT_RDWR); /* its watch says so, when nobody is inside */
}

/* A packet of that length is about to be sealed: false, it should be the last one for now. */
bool tcp_reserve(struct socket *socket, uint32_t length)
{
    struct tcp *t = socket->tcp;

    t->reserved += TCP_PREFIX + length;
    return t->out.used + t->reserved <= TCP_OUT_HIGH;
}

/* ---- in ---- */

/* The packet is for another loop of the group. */
static bool is_foreign(const struct tcp *t, const uint8_t *data, uint32_t length)
{
    const jp_listener *l = t->socket->listener;

    return l && l->group && length >= 4 && be32_load(data) >= WIRE_SPI_MIN &&
           udp_owner(be32_load(data), l->members) != l->index;
}

/* The whole connection goes there, from the packet at `at` on; only once, and not with answers
 * half on their way: a peer that mixes loops loses packets. */
static bool move(struct tcp *t, uint32_t at)
{
    uint32_t spi = be32_load(t->in + at + TCP_PREFIX);

    return !t->moved && !t->out.used &&
           group_move(t->socket->listener, spi, t->socket->udp.fd, t->in + at, t->in_used - at);
}

static void take(struct tcp *t, struct udp_packet *packets, unsigned *n)
{
    if (*n)
        endpoint_take(t->socket, packets, *n);
    *n = 0;
}

bool tcp_take(struct tcp *t)
{
    struct udp_packet packets[BATCH];
    const uint8_t *data;
    uint32_t at = 0;
    unsigned n = 0;
    bool keep = true;
    int length = 0;

    while (keep && (length = tcp_frame_next(t->in + at, t->in_used - at, &data)) > 0) {
        if (!is_foreign(t, data, (uint32_t)length))
            packets[n++] = (struct udp_packet){.peer = t->peer,
                                               .local = t->socket->udp.local,
                                               .data = t->in + at + TCP_PREFIX,
                                               .length = (uint16_t)length};
        else if (move(t, at))
            keep = false;
        at += TCP_PREFIX + (uint32_t)length;
        if (n == BATCH)
            take(t, packets, &n);
    }
    take(t, packets, &n);
    if (at)
        t->whole_at = now_of(t);
    t->in_used -= at;
    memmove(t->in, t->in + at, t->in_used);
    return keep && length >= 0 && !t->closed;
}

/* False: it is over. */
static bool read_in(struct tcp *t)
{
    for (int i = 0; i < READS; i++) {
        uint32_t room = TCP_IN_BYTES - t->in_used;
        ssize_t n = recv(t->socket->udp.fd, t->in + t->in_used, room, 0);

        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        t->received_at = now_of(t);
        if (t->in_used == 0)
            t->whole_at = t->received_at;
        t->in_used += (uint32_t)n;
        if (!tcp_take(t))
            return false;
        if ((uint32_t)n < room)
            return true;
    }
    return true;
}

/* ---- life ---- */

/* False: nobody there. */
static bool connected(struct tcp *t)
{
    int error = 0;
    socklen_t length = sizeof(error);
    jp_session *s = session_of(t);

    if (getsockopt(t->socket->udp.fd, SOL_SOCKET, SO_ERROR, &error, &length) || error)
        return false;
    t->connected = true;
    t->began_at = t->received_at = now_of(t);
    t->socket->udp.local = tcp_name(t->socket->udp.fd, false);
    if (s)
        fallback_established(s);
    return true;
}

void tcp_ready(struct socket *socket, unsigned events)
{
    struct tcp *t = socket->tcp;
    bool keep = !t->closed && (t->connected || connected(t));

    /* Reading first: when the peer is gone already, what it said last still is there. */
    if (keep && events & (JP_READABLE | JP_HANGUP))
        keep = read_in(t);
    if (keep && events & JP_WRITABLE)
        keep = write_out(t);
    if (!keep)
        tcp_close(t);
}

static bool is_stranger(const struct tcp *t)
{
    const jp_session *s = session_of(t);

    return !s || (s->server && (s->state != SESSION_OPEN || s->confirm_by != UINT64_MAX));
}

static bool is_overdue(const struct tcp *t, uint64_t now)
{
    bool begun = t->connected && !is_stranger(t);

    return (!begun && now >= t->began_at + TCP_STRANGER_US) ||
           (t->in_used && now >= t->whole_at + TCP_PARTIAL_US) ||
           now >= t->received_at + TCP_IDLE_US;
}

static void tick(jp_timer *timer)
{
    struct tcp *t = *(struct tcp **)jp_timer_extension(timer);
    struct socket *socket = t->socket;
    struct endpoint *e = socket->endpoint;
    uint64_t now = now_of(t);
    uint8_t keepalive = 0xff;

    endpoint_enter(e);
    socket->users++;
    if (is_overdue(t, now))
        tcp_close(t);
    else if (t->connected && now >= t->sent_at + keepalive_us)
        tcp_send(socket, &(struct udp_packet){.data = &keepalive, .length = 1}, 1);
    socket_release(socket);
    endpoint_leave(e);
}

static void set(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value)); /* it would be better so, no more */
}

static int start_timer(struct tcp *t)
{
    struct jp_loop *loop = t->socket->endpoint->loop;
    int error = jp_timer_create(&t->timer, loop, tick, sizeof(t));

    if (error)
        return error;
    *(struct tcp **)jp_timer_extension(t->timer) = t;
    loop->alive[OBJECT_TIMER]--;
    return jp_timer_start(t->timer, TICK_US, TICK_US);
}

int tcp_open(struct socket **socket, struct endpoint *e, int fd, const jp_address *peer,
             bool connected)
{
    struct udp opened = {.fd = fd, .local = tcp_name(fd, false)};
    struct tcp *t = malloc(sizeof(*t));
    int error;

    if (!t)
        return failure(JP_NO_MEMORY, __func__, "no memory for a connection");
    memset(t, 0, offsetof(struct tcp, in));
    memset(&t->out, 0, offsetof(struct tcp_out, bytes));
    error = socket_open(socket, e, NULL, &opened);
    if (error) {
        free(t);
        return error;
    }
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, TCP_UNSENT_MS);
    t->socket = *socket;
    t->peer = *peer;
    t->connected = connected;
    t->began_at = t->received_at = t->sent_at = t->whole_at = loop_clock(e->loop);
    (*socket)->tcp = t;
    error = start_timer(t);
    if (error) {
        socket_release(*socket); /* fd stays the caller's */
        return error;
    }
    (*socket)->borrowed = false;
    wait_writable(t, !connected);
    return 0;
}

static void stop_timer(struct tcp *t)
{
    if (!t->timer)
        return;
    t->socket->endpoint->loop->alive[OBJECT_TIMER]++;
    jp_timer_free(t->timer);
    t->timer = NULL;
}

static void leave_listener(struct tcp *t)
{
    struct tcp **link = &t->listener->connections;

    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    t->listener->n_connections--;
    t->listener = NULL;
    t->socket->listener = NULL;
    socket_release(t->socket);
}

/* The path is no more. */
static void tell_session(struct tcp *t)
{
    jp_session *s = session_of(t);
    struct jp_path path;

    if (!s)
        return;
    path = socket_path(t->socket,
                       &(struct udp_packet){.peer = t->peer, .local = t->socket->udp.local});
    if (s->state == SESSION_OPEN)
        conn_path_lost(s->conn, &path, now_of(t));
    s->held = false;
    session_touch(s);
    if (!s->server && s->sockets[SESSION_TCP] == t->socket)
        fallback_lost(s);
}

void tcp_close(struct tcp *t)
{
    if (t->closed)
        return;
    t->closed = true;
    stop_timer(t);
    jp_watch_set(t->socket->watch, 0);
    t->socket->users++;
    tell_session(t);
    if (t->listener)
        leave_listener(t);
    socket_release(t->socket);
}

/* A kernel that closes a connection with something unread gives up what was to be sent, too. */
static void drain(struct tcp *t)
{
    for (int i = 0; i < READS; i++)
        if (recv(t->socket->udp.fd, t->in, TCP_IN_BYTES, 0) <= 0)
            return;
}

void tcp_free(struct socket *socket)
{
    drain(socket->tcp);
    stop_timer(socket->tcp);
    free(socket->tcp);
}
