/* The ports, and who may hold a connection: what strangers can take is bounded in all and per
 * network, and in time (tcp.c). */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "log.h"
#include "tcp.h"

enum {
    BACKLOG = 256,
    ACCEPTS = 16, /* a turn */
    OTHER_FILES = 128,
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* ---- connections ---- */

static void load(const union address *a, uint8_t ip[16], uint16_t *port)
{
    if (a->any.sa_family == AF_INET) {
        memset(ip, 0, 10);
        memset(ip + 10, 0xff, 2);
        memcpy(ip + 12, &a->v4.sin_addr, 4);
        *port = ntohs(a->v4.sin_port);
    } else {
        memcpy(ip, &a->v6.sin6_addr, 16);
        *port = ntohs(a->v6.sin6_port);
    }
}

/* The connection as a path, but for its number. False: it has ended already. */
static bool path_of(int fd, struct jp_path *path)
{
    union address peer = {0}, our = {0};
    socklen_t peer_len = sizeof(peer), our_len = sizeof(our);

    *path = (struct jp_path){.port = JP_IPC_RELAY_PORT, .tcp = 1};
    if (getpeername(fd, &peer.any, &peer_len) < 0 || getsockname(fd, &our.any, &our_len) < 0)
        return false;
    path->ip_version = our.any.sa_family == AF_INET ? 4 : 6;
    load(&peer, path->peer_ip, &path->peer_port);
    load(&our, path->our_ip, &path->our_port);
    return true;
}

/* IPv4 /24, IPv6 /56; never 0. */
static uint64_t network_of(const struct jp_path *path)
{
    return path->ip_version == 4 ? be32_load(path->peer_ip + 12) >> 8 | UINT64_C(1) << 32
                                 : be64_load(path->peer_ip) >> 8 | UINT64_C(1) << 63;
}

static bool has_room(const struct tcp *t, uint64_t network)
{
    uint32_t alike = 0;

    for (uint32_t i = 0; i < t->config->connections; i++)
        alike += t->network[i] == network;
    return t->n_unused > 0 && alike < t->config->connections_per_prefix;
}

static void take(struct tcp *t, int fd)
{
    struct jp_path path;
    uint64_t network;
    bool there = path_of(fd, &path);

    network = network_of(&path);
    if (there && has_room(t, network) && tcp_open(t, fd, &path, network) == 0) {
        tcp_count(t, TCP_accepted);
        return;
    }
    tcp_count(t, TCP_refused);
    close(fd);
}

static void watch_ports(struct tcp *t, uint32_t events)
{
    for (unsigned i = 0; i < t->config->listens; i++)
        loop_change(t->loop, &t->port[i].watch, events);
    t->paused = events == 0;
}

static void on_ready(void *arg, uint32_t events)
{
    struct tcp_port *port = arg;

    (void)events;
    for (unsigned i = 0; i < ACCEPTS; i++) {
        int fd = accept4(port->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            take(port->tcp, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_warning("TCP connections wait: %s", strerror(errno));
            watch_ports(port->tcp, 0);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

void tcp_resume(struct tcp *t)
{
    if (t->paused)
        watch_ports(t, EPOLLIN);
}

/* ---- ports ---- */

static int listen_at(const struct config_address *address)
{
    const struct sockaddr *any = (const struct sockaddr *)&address->bytes;
    int on = 1, fd = socket(any->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (any->sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
        bind(fd, any, address->len) < 0 || listen(fd, BACKLOG) < 0) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

/* Every connection is a descriptor. */
static void allow_files(uint32_t connections)
{
    struct rlimit limit;
    rlim_t need = connections + OTHER_FILES;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= need)
        return;
    limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < need)
        log_warning("tcp.connections: %u are more than the %llu files this process may open",
                    connections, (unsigned long long)limit.rlim_max);
}

int tcp_listen(struct tcp *t)
{
    int rc = 0;

    if (t->config->listens > 0)
        allow_files(t->config->connections);
    for (unsigned i = 0; i < t->config->listens && rc == 0; i++) {
        const struct config_address *address = &t->config->listen[i];
        struct tcp_port *port = &t->port[i];
        int fd = listen_at(address);

        port->tcp = t;
        port->watch = (struct loop_watch){.fd = fd, .ready = on_ready, .arg = port};
        rc = fd < 0 ? fd : loop_add(t->loop, &port->watch, EPOLLIN);
        if (rc < 0)
            log_error("tcp.listen: %s: %s", address->text, strerror(-rc));
    }
    return rc;
}

void tcp_stop(struct tcp *t)
{
    for (unsigned i = 0; i < CONFIG_TCP_LISTEN_MAX; i++)
        if (t->port[i].watch.fd >= 0) {
            loop_remove(t->loop, &t->port[i].watch);
            close(t->port[i].watch.fd);
            t->port[i].watch.fd = -1;
        }
}
