/* The TCP ports of a listener. What strangers can hold here is bounded: connections, those of one
 * network, and how long one may be open without a session (tcp.c). */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockaddr.h"
#include "tcp.h"

enum {
    BACKLOG = 256,
    ACCEPTS = 64,       /* a turn */
    PAUSE_US = 1000000, /* when there are no descriptors left */
};

struct tcp_port {
    struct tcp_port *next;
    jp_listener *listener;
    jp_watch *watch;
    jp_timer *resume;
    int fd;
};

static int bind_error(const jp_address *address, int fd)
{
    char text[JP_ADDRESS_TEXT];
    int e = errno;

    if (fd >= 0)
        close(fd);
    jp_address_format(address, text, sizeof(text));
    return failure_errno(OP_BIND, e, text);
}

int tcp_bind(const jp_address *address, bool reuse)
{
    int family = address->family == JP_IPV6 ? AF_INET6 : AF_INET, on = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    union sockaddr_any s;
    socklen_t length = sockaddr_store(&s, address);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        (reuse && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on))) ||
        bind(fd, &s.any, length))
        return bind_error(address, fd);
    return fd;
}

/* ---- connections ---- */

static bool same_network(const jp_address *a, const jp_address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == JP_IPV6 ? 7 : 3) == 0;
}

static bool has_room(const jp_listener *l, const jp_address *peer)
{
    unsigned alike = 0;

    for (const struct tcp *t = l->connections; t; t = t->next)
        alike += same_network(&t->peer, peer);
    return l->n_connections < TCP_CONNECTIONS_MAX && alike < TCP_PREFIX_MAX;
}

void tcp_accept(jp_listener *l, int fd, const uint8_t *bytes, size_t n, bool moved)
{
    jp_address peer = tcp_name(fd, true);
    struct socket *socket;
    struct tcp *t;

    if (!peer.family || !has_room(l, &peer) || tcp_open(&socket, l->endpoint, fd, &peer, true)) {
        close(fd);
        return;
    }
    socket->serves = true;
    socket->listener = l;
    t = socket->tcp;
    t->listener = l;
    t->moved = moved;
    t->next = l->connections;
    l->connections = t;
    l->n_connections++;
    if (n == 0)
        return;
    memcpy(t->in, bytes, n);
    t->in_used = (uint32_t)n;
    socket->users++;
    if (!tcp_take(t))
        tcp_close(t);
    socket_release(socket);
}

static void ready(jp_watch *watch, unsigned events)
{
    struct tcp_port *port = *(struct tcp_port **)jp_watch_extension(watch);
    struct endpoint *e = port->listener->endpoint;

    (void)events;
    endpoint_enter(e);
    for (int i = 0; i < ACCEPTS; i++) {
        int fd = accept4(port->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            tcp_accept(port->listener, fd, NULL, 0, false);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            if (errno != EAGAIN) {
                jp_watch_set(watch, 0);
                jp_timer_start(port->resume, PAUSE_US, 0);
            }
            break;
        }
    }
    endpoint_leave(e);
}

static void resume(jp_timer *timer)
{
    struct tcp_port *port = *(struct tcp_port **)jp_timer_extension(timer);

    jp_watch_set(port->watch, JP_READABLE);
}

/* ---- ports ---- */

static void port_free(struct tcp_port *port)
{
    struct jp_loop *loop = port->listener->endpoint->loop;

    if (port->watch) {
        loop->alive[OBJECT_WATCH]++;
        jp_watch_free(port->watch);
    }
    if (port->resume) {
        loop->alive[OBJECT_TIMER]++;
        jp_timer_free(port->resume);
    }
    if (port->fd >= 0)
        close(port->fd);
    free(port);
}

/* The loop's list speaks of listeners instead. */
static int port_watch(struct tcp_port *port)
{
    struct jp_loop *loop = port->listener->endpoint->loop;
    int error = jp_timer_create(&port->resume, loop, resume, sizeof(port));

    if (error)
        return error;
    *(struct tcp_port **)jp_timer_extension(port->resume) = port;
    loop->alive[OBJECT_TIMER]--;
    error = jp_watch_create(&port->watch, loop, port->fd, JP_READABLE, ready, sizeof(port));
    if (error)
        return error;
    *(struct tcp_port **)jp_watch_extension(port->watch) = port;
    loop->alive[OBJECT_WATCH]--;
    return 0;
}

int tcp_listen(jp_listener *l, const jp_address *address)
{
    struct tcp_port *port = calloc(1, sizeof(*port));
    int error;

    if (!port)
        return failure(JP_NO_MEMORY, __func__, "no memory for a port");
    port->listener = l;
    port->fd = error = tcp_bind(address, l->group != NULL);
    if (error >= 0)
        error = listen(port->fd, BACKLOG) ? bind_error(address, -1) : port_watch(port);
    if (error) {
        port_free(port);
        return error;
    }
    port->next = l->ports;
    l->ports = port;
    return 0;
}

void tcp_stop(jp_listener *l)
{
    struct tcp_port *next;

    for (struct tcp_port *port = l->ports; port; port = next) {
        next = port->next;
        port_free(port);
    }
    l->ports = NULL;
    for (struct tcp *t = l->connections; t; t = t->next)
        t->socket->listener = NULL;
}

void tcp_close_all(jp_listener *l)
{
    while (l->connections)
        tcp_close(l->connections);
}
