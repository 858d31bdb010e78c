#include "tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "clock.h"
#include "log.h"
#include "wire.h"

enum {
    READS = 2, /* a turn: then whoever else waits on the loop is served */
    TICK_US = 2500000,
    UNSENT_MAX = 1 << 17, /* bytes in the kernel that have not left yet: the rest waits here */
};

/* ---- numbers ---- */

/* Slot (2), then a number (4) that does not come again for long, nor after a restart. */
static void number(struct tcp *t, struct jp_path *path, uint32_t slot)
{
    be16_store(path->peer_mac, (uint16_t)slot);
    be32_store(path->peer_mac + 2, t->next_number++);
}

static uint32_t slot_of(const struct jp_path *path)
{
    return be16_load(path->peer_mac);
}

static struct tcp_connection *find(const struct tcp *t, const struct jp_path *path)
{
    uint32_t slot = slot_of(path);
    struct tcp_connection *c = slot < t->config->connections ? t->slot[slot] : NULL;

    return c && memcmp(c->path.peer_mac, path->peer_mac, sizeof(path->peer_mac)) == 0 ? c : NULL;
}

/* ---- the end ---- */

/* The data plane hears of it behind the connection's last packet. */
static void tell_end(struct tcp_connection *c)
{
    struct jp_ipc_relay head = {.path = c->path, .spi = c->session ? c->session : c->spi};

    if (head.spi)
        relay_send(&c->tcp->relay, &head, NULL);
}

static void untouch(struct tcp_connection *c)
{
    struct tcp_connection **link = &c->tcp->touched;

    while (c->touched && *link != c)
        link = &(*link)->next_touched;
    if (c->touched)
        *link = c->next_touched;
}

static void end(struct tcp_connection *c)
{
    struct tcp *t = c->tcp;
    uint32_t slot = slot_of(&c->path);

    tell_end(c);
    untouch(c);
    loop_remove(t->loop, &c->watch);
    close(c->watch.fd);
    t->slot[slot] = NULL;
    t->network[slot] = 0;
    t->unused[t->n_unused++] = slot;
    free(c);
}

/* ---- out ---- */

static void wait_writable(struct tcp_connection *c, bool waits)
{
    if (waits == c->waits)
        return;
    c->waits = waits;
    loop_change(c->tcp->loop, &c->watch, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* One that is broken is shut down: its watch says so when nobody is inside. */
static void write_out(struct tcp_connection *c)
{
    while (c->out.used > 0) {
        ssize_t n = send(c->watch.fd, c->out.bytes + c->out.at, c->out.used, MSG_NOSIGNAL);

        if (n < 0) {
            if (errno != EAGAIN)
                shutdown(c->watch.fd, SHUT_RDWR);
            break;
        }
        tcp_out_sent(&c->out, (uint32_t)n);
    }
    wait_writable(c, c->out.used > 0);
}

static void add(struct tcp_connection *c, const uint8_t *packet, uint16_t len)
{
    c->sent_at = clock_us();
    tcp_count(c->tcp, tcp_out_add(&c->out, packet, len) ? TCP_sent : TCP_overflowed);
}

void tcp_send(struct tcp *t, const struct jp_path *path, const uint8_t *packet, size_t len)
{
    struct tcp_connection *c = find(t, path);

    if (!c) {
        tcp_count(t, TCP_gone);
        return;
    }
    add(c, packet, (uint16_t)len);
    write_out(c);
}

/* The data plane may not know, after a restart of ours. */
static void tell_gone(struct tcp *t, const struct jp_ipc_relay *head)
{
    struct jp_ipc_relay end = {.path = head->path, .spi = head->spi};

    if (end.spi)
        relay_send(&t->relay, &end, NULL);
}

/* From the data plane. */
static void on_packet(void *arg, const struct jp_ipc_relay *head, const uint8_t *packet)
{
    struct tcp *t = arg;
    struct tcp_connection *c = find(t, &head->path);

    if (!c || head->len > TCP_PACKET_MAX) {
        tcp_count(t, TCP_gone);
        tell_gone(t, head);
        return;
    }
    if (head->spi)
        c->session = head->spi;
    add(c, packet, head->len);
    if (c->touched)
        return;
    c->touched = true;
    c->next_touched = t->touched;
    t->touched = c;
}

static void on_pause(void *arg)
{
    struct tcp *t = arg;

    while (t->touched) {
        struct tcp_connection *c = t->touched;

        t->touched = c->next_touched;
        c->touched = false;
        write_out(c);
    }
}

/* ---- in ---- */

static void relay(struct tcp_connection *c, const uint8_t *packet, uint16_t len, uint32_t spi)
{
    struct jp_ipc_relay head = {.path = c->path, .spi = spi, .len = len};

    c->spi = spi;
    relay_send(&c->tcp->relay, &head, packet);
    tcp_count(c->tcp, TCP_received);
}

static void take_packet(struct tcp_connection *c, const uint8_t *packet, uint16_t len)
{
    const struct tcp_user *user = c->tcp->user;
    struct wire_info info;

    switch (wire_classify(packet, len, &info)) {
    case WIRE_DATA:
        relay(c, packet, len, info.spi);
        break;
    case WIRE_HANDSHAKE:
        if (info.hs_type == WIRE_CLIENT_HELLO || info.hs_type == WIRE_RESUME_HELLO) {
            tcp_count(c->tcp, TCP_hellos);
            user->hello(user->arg, &c->path, packet, len);
            break;
        }
        tcp_count(c->tcp, TCP_useless);
        break;
    case WIRE_KEEPALIVE:
        break;
    default:
        tcp_count(c->tcp, TCP_useless);
    }
}

/* False: it is to be closed. */
static bool take(struct tcp_connection *c)
{
    const uint8_t *packet;
    uint32_t at = 0;
    int len;

    while ((len = tcp_frame_next(c->in + at, c->in_used - at, &packet)) > 0) {
        take_packet(c, packet, (uint16_t)len);
        at += TCP_PREFIX + (uint32_t)len;
    }
    if (at > 0)
        c->whole_at = clock_us();
    c->in_used -= at;
    memmove(c->in, c->in + at, c->in_used);
    if (len < 0)
        tcp_count(c->tcp, TCP_violations);
    return len >= 0;
}

/* False: it is over. */
static bool read_in(struct tcp_connection *c)
{
    for (unsigned i = 0; i < READS; i++) {
        uint32_t room = TCP_IN_BYTES - c->in_used;
        ssize_t n = recv(c->watch.fd, c->in + c->in_used, room, 0);

        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        c->received_at = clock_us();
        if (c->in_used == 0)
            c->whole_at = c->received_at;
        c->in_used += (uint32_t)n;
        if (!take(c))
            return false;
        if ((uint32_t)n < room)
            break;
    }
    return true;
}

static void on_ready(void *arg, uint32_t events)
{
    struct tcp_connection *c = arg;

    if (events & EPOLLOUT)
        write_out(c);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !read_in(c))
        end(c);
}

/* ---- time ---- */

static bool is_overdue(const struct tcp_connection *c, uint64_t now)
{
    const struct config_tcp *config = c->tcp->config;

    return now >= c->alone_since + TCP_STRANGER_US ||
           (c->in_used > 0 && now >= c->whole_at + TCP_PARTIAL_US) ||
           now >= c->received_at + config->idle_timeout_ms * UINT64_C(1000);
}

static void tick(struct tcp_connection *c, uint64_t now)
{
    const struct tcp_user *user = c->tcp->user;
    static const uint8_t keepalive = 0xff;

    if (c->session && user->has_session(user->arg, c->session))
        c->alone_since = now;
    if (is_overdue(c, now)) {
        tcp_count(c->tcp, TCP_overdue);
        end(c);
    } else if (now + TICK_US >= c->sent_at + TCP_KEEPALIVE_US) { /* the next tick is too late */
        add(c, &keepalive, sizeof(keepalive));
        write_out(c);
    }
}

void tcp_tick(struct tcp *t, uint64_t now)
{
    if (now < t->tick_at)
        return;
    t->tick_at = now + TICK_US;
    for (uint32_t i = 0; i < t->config->connections; i++)
        if (t->slot[i])
            tick(t->slot[i], now);
    tcp_resume(t);
}

/* ---- life ---- */

static void set(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value)); /* it would be better so, no more */
}

int tcp_open(struct tcp *t, int fd, const struct jp_path *path, uint64_t network)
{
    struct tcp_connection *c = malloc(sizeof(*c)); /* pages that no byte came for stay untouched */
    uint32_t slot = t->unused[t->n_unused - 1];
    uint64_t now = clock_us();
    int rc;

    if (!c)
        return -ENOMEM;
    memset(c, 0, offsetof(struct tcp_connection, in));
    c->out.at = c->out.used = 0;
    c->tcp = t;
    c->watch = (struct loop_watch){.fd = fd, .ready = on_ready, .arg = c};
    c->path = *path;
    number(t, &c->path, slot);
    c->alone_since = c->received_at = c->whole_at = c->sent_at = now;
    rc = loop_add(t->loop, &c->watch, EPOLLIN);
    if (rc < 0) {
        free(c);
        return rc;
    }
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, TCP_UNSENT_MS);
    set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MAX);
    t->n_unused--;
    t->slot[slot] = c;
    t->network[slot] = network;
    return 0;
}

int tcp_init(struct tcp *t, struct loop *loop, const struct config_tcp *config,
             const struct tcp_user *user)
{
    *t = (struct tcp){.loop = loop, .config = config, .user = user};
    t->relay_user = (struct relay_user){.packet = on_packet, .pause = on_pause, .arg = t};
    relay_init(&t->relay, loop, &t->relay_user);
    for (unsigned i = 0; i < CONFIG_TCP_LISTEN_MAX; i++)
        t->port[i].watch.fd = -1;
    t->slot = calloc(config->connections, sizeof(struct tcp_connection *));
    t->network = calloc(config->connections, sizeof(*t->network));
    t->unused = calloc(config->connections, sizeof(*t->unused));
    if (!t->slot || !t->network || !t->unused) {
        log_error("no memory for TCP connections");
        return -ENOMEM;
    }
    while (t->n_unused < config->connections) {
        t->unused[t->n_unused] = config->connections - 1 - t->n_unused;
        t->n_unused++;
    }
    t->next_number = randombytes_random();
    return tcp_listen(t);
}

void tcp_free(struct tcp *t)
{
    tcp_stop(t);
    for (uint32_t i = 0; t->slot && i < t->config->connections; i++)
        if (t->slot[i])
            end(t->slot[i]);
    relay_close(&t->relay);
    free(t->slot);
    free(t->network);
    free(t->unused);
}
