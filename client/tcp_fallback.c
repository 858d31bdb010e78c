/* When a client turns to TCP: while it connects and is not answered (connect.c asks), and when no
 * path of an open session works any more. UDP comes first again when it works, both ways: TCP is
 * a path on standby beside it for a while, and then closed. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "route.h"
#include "sockaddr.h"
#include "tcp.h"

enum {
    TCP_SOON_US = 250000,    /* a connection was refused or lost: another, later each time ... */
    TCP_AGAIN_US = 10000000, /* ... up to this, which is also when one that does not answer goes */
    UDP_AGAIN_US = 15000000, /* between attempts to return */
};

static void drop(jp_session *s)
{
    struct socket *socket = s->sockets[SESSION_TCP];

    s->sockets[SESSION_TCP] = NULL;
    if (!socket)
        return;
    tcp_close(socket->tcp);
    socket_release(socket);
}

/* A socket on its way to peer; < 0: errno says why not. */
static int start(const jp_address *local, const jp_address *peer)
{
    int family = peer->family == JP_IPV6 ? AF_INET6 : AF_INET;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    union sockaddr_any to, from;
    socklen_t length = sockaddr_store(&to, peer);
    jp_address source = local ? *local : (jp_address){0};

    if (fd < 0)
        return fd;
    source.port = 0; /* UDP has it, and connections that ended may still */
    if ((source.family && bind(fd, &from.any, sockaddr_store(&from, &source))) ||
        (connect(fd, &to.any, length) && errno != EINPROGRESS)) {
        int e = errno;

        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

int fallback_connect(jp_session *s, const jp_address *local, const jp_address *peer)
{
    struct socket *socket;
    int fd, error;

    drop(s);
    fd = start(local, peer);
    if (fd < 0)
        return failure_errno(OP_CONNECT, errno, __func__);
    error = tcp_open(&socket, s->endpoint, fd, peer, false);
    if (error) {
        close(fd);
        return error;
    }
    socket->tcp->spi = s->spi;
    s->sockets[SESSION_TCP] = socket;
    return 0;
}

void fallback_begin(jp_session *s, uint64_t now)
{
    if (!s->path.tcp) {
        drop(s);
        return;
    }
    conn_path_set(s->conn, 0, PATH_STANDBY, now);
    s->udp_at = now + UDP_AGAIN_US;
}

void fallback_established(jp_session *s)
{
    struct socket *socket = s->sockets[SESSION_TCP];
    uint64_t now = session_now(s);
    struct jp_path path;

    if (s->state != SESSION_OPEN)
        return;
    path = route_make(&socket->udp.local, &socket->tcp->peer, socket->place);
    path.tcp = 1;
    conn_path_add(s->conn, &path, PATH_STANDBY, now); /* no room: it is tried again */
    s->udp_at = now + UDP_AGAIN_US;
    session_touch(s);
}

void fallback_lost(jp_session *s)
{
    uint64_t now = session_now(s);
    struct socket *socket = s->sockets[SESSION_TCP];

    s->sockets[SESSION_TCP] = NULL;
    socket_release(socket);
    if (s->state != SESSION_OPEN)
        return;
    s->tcp_wait = s->tcp_wait ? 2 * s->tcp_wait : TCP_SOON_US;
    if (s->tcp_wait > TCP_AGAIN_US)
        s->tcp_wait = TCP_AGAIN_US;
    s->tcp_at = s->udp_at = now + s->tcp_wait;
}

/* Offer UDP's path again, or a new one when there is none. */
static void try_udp(jp_session *s, const struct conn_stats *stats, const jp_address *peer,
                    uint64_t now)
{
    for (unsigned i = 0; i < CONN_PATHS; i++) {
        const struct conn_path_stats *p = &stats->path[i];

        if (!p->path.ip_version || p->path.tcp)
            continue;
        conn_path_set(s->conn, p->number, (enum path_use)p->use, now);
        return;
    }
    jp_session_add_path(s, NULL, peer, JP_PATH_SHARE);
}

/* The newest packet came by UDP, and since then what was sent by UDP arrived. */
static bool goes_by_udp(const struct conn_stats *stats, uint64_t since)
{
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (stats->path[i].active)
            return !stats->path[i].path.tcp && stats->path[i].answered_at >= since;
    return false;
}

void fallback_expire(jp_session *s, uint64_t now)
{
    bool failing = conn_is_failing(s->conn), due = now >= s->udp_at, by_udp;
    struct conn_stats stats;
    jp_address peer;

    if (!due && (!failing || now < s->tcp_at))
        return;
    peer = jp_session_peer(s);
    conn_stats(s->conn, &stats);
    by_udp = !failing && goes_by_udp(&stats, now - UDP_AGAIN_US);
    if (due) {
        if (by_udp)
            drop(s);
        else
            try_udp(s, &stats, &peer, now);
        if (!failing && s->sockets[SESSION_TCP]) /* it held for so long */
            s->tcp_wait = 0;
        s->udp_at = s->sockets[SESSION_TCP] ? now + UDP_AGAIN_US : UINT64_MAX;
    }
    if ((failing || (due && !by_udp && !s->sockets[SESSION_TCP])) && now >= s->tcp_at &&
        !s->context->settings.without_tcp) {
        s->tcp_at = now + TCP_AGAIN_US;
        s->udp_at = now + UDP_AGAIN_US;
        fallback_connect(s, NULL, &peer);
    }
    session_touch(s);
}
