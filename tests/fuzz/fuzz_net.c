#include "fuzz_net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <sodium.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "fuzz.h"
#include "rng.h"
#include "sockaddr.h"

enum {
    FIRST = 1 << 20, /* our descriptors, which no kernel gives */
    SLOTS = 2048,
    PORTS = 40000, /* those of a socket that named none */
    IN_BYTES = 65536,
};

enum kind { PACKETS, LISTENS, STREAM };

/* What descriptors refer to. */
struct end {
    enum kind kind;
    unsigned users;
    jp_address local, peer;
    struct net_packet *first, **last; /* to be received */
    bool connecting, refused, ended, reset, stalled, dialled;
    int waits_at;      /* descriptor of a listener: not accepted yet; -1: it was */
    struct end *other; /* of a connection; NULL: the harness, or nobody any more */
    uint8_t *in;       /* `used` bytes to be read */
    size_t used;
};

static struct slot {
    struct end *end; /* NULL: free */
    int epoll;       /* that watches it; -1: none */
    struct epoll_event event;
} slots[SLOTS];
static int top; /* one above the last in use */
static uint16_t port;
static struct rng rng;

struct net net;

/* ---- what the linker calls instead, and what it called else ---- */

#define REAL(type, name, ...)                                                                      \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)
#define OURS(type, name, ...)                                                                      \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

static struct end *end_of(int fd)
{
    struct end *e = fd >= FIRST && fd < FIRST + SLOTS ? slots[fd - FIRST].end : NULL;

    FUZZ_CHECK(fd < FIRST || e); /* closed, and used still */
    return e;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

/* ---- time and chance ---- */

REAL(int, clock_gettime, clockid_t clock, struct timespec *t)
{
    if (clock != CLOCK_MONOTONIC)
        return __real_clock_gettime(clock, t);
    *t = (struct timespec){(time_t)(net.now / 1000000), (long)(net.now % 1000000 * 1000)};
    return 0;
}

/* Nobody waits. */
OURS(int, timerfd_settime, int fd, int flags, const struct itimerspec *at, struct itimerspec *was)
{
    (void)fd, (void)flags, (void)at, (void)was;
    return 0;
}

static const char *random_name(void)
{
    return "the same every time";
}

static uint32_t random_number(void)
{
    return (uint32_t)rng_next(&rng);
}

static void random_fill(void *out, size_t n)
{
    rng_fill(&rng, out, n);
}

void net_reseed(void)
{
    rng.state = 1;
}

void net_start(void)
{
    static randombytes_implementation same = {
        .implementation_name = random_name, .random = random_number, .buf = random_fill};

    FUZZ_CHECK(randombytes_set_implementation(&same) == 0);
    net = (struct net){.now = UINT64_C(1000000000), .sent_end = &net.sent};
    net_reseed();
}

/* ---- descriptors ---- */

static int slot_new(struct end *e)
{
    int i = 0;

    while (i < SLOTS && slots[i].end)
        i++;
    if (i == SLOTS)
        return fail(EMFILE);
    slots[i] = (struct slot){.end = e, .epoll = -1};
    top = i < top ? top : i + 1;
    e->users++;
    net.open++;
    return FIRST + i;
}

static struct end *end_new(enum kind kind)
{
    struct end *e = calloc(1, sizeof(*e));

    FUZZ_CHECK(e);
    e->kind = kind;
    e->last = &e->first;
    e->waits_at = -1;
    return e;
}

static void end_free(struct end *e)
{
    for (struct net_packet *p = e->first, *next; p; p = next) {
        next = p->next;
        net.waiting--;
        free(p);
    }
    if (e->other) {
        e->other->other = NULL;
        e->other->ended = true;
    }
    free(e->in);
    free(e);
}

REAL(int, close, int fd)
{
    struct end *e = end_of(fd);

    if (!e)
        return __real_close(fd);
    slots[fd - FIRST].end = NULL;
    while (top > 0 && !slots[top - 1].end)
        top--;
    net.open--;
    if (--e->users)
        return 0;
    for (int i = 0; e->kind == LISTENS && i < top; i++) /* nobody takes them any more */
        if (slots[i].end && slots[i].end->waits_at == fd)
            __wrap_close(FIRST + i);
    end_free(e);
    return 0;
}

OURS(int, socket, int family, int type, int protocol)
{
    struct end *e = end_new((type & 0xf) == SOCK_DGRAM ? PACKETS : STREAM);
    int fd = slot_new(e);

    (void)protocol;
    e->local.family = family == AF_INET6 ? JP_IPV6 : JP_IPV4;
    if (fd < 0)
        end_free(e);
    return fd;
}

OURS(int, bind, int fd, const struct sockaddr *address, socklen_t length)
{
    struct end *e = end_of(fd);

    (void)length;
    e->local = sockaddr_load((const union sockaddr_any *)address);
    if (e->local.port == 0)
        e->local.port = (uint16_t)(PORTS + port++ % (65536 - PORTS));
    return 0;
}

static int name(const jp_address *is, struct sockaddr *address, socklen_t *length)
{
    if (!is->port)
        return fail(ENOTCONN);
    *length = sockaddr_store((union sockaddr_any *)address, is);
    return 0;
}

OURS(int, getsockname, int fd, struct sockaddr *address, socklen_t *length)
{
    return name(&end_of(fd)->local, address, length);
}

OURS(int, getpeername, int fd, struct sockaddr *address, socklen_t *length)
{
    return name(&end_of(fd)->peer, address, length);
}

OURS(int, setsockopt, int fd, int level, int option, const void *value, socklen_t length)
{
    (void)end_of(fd), (void)level, (void)option, (void)value, (void)length;
    return 0;
}

/* Whether it is connected: nothing else is asked. */
OURS(int, getsockopt, int fd, int level, int option, void *value, socklen_t *length)
{
    int error = end_of(fd)->refused ? ECONNREFUSED : 0;

    (void)option;
    FUZZ_CHECK(level == SOL_SOCKET && *length == sizeof(error));
    memcpy(value, &error, sizeof(error));
    return 0;
}

OURS(int, fcntl64, int fd, int command, int least)
{
    FUZZ_CHECK(command == F_DUPFD_CLOEXEC && least == 0);
    return slot_new(end_of(fd));
}

/* ---- who is ready ---- */

static bool takes(const struct end *e)
{
    if (e->kind == PACKETS)
        return !net.full;
    return !e->connecting && !e->stalled && (!e->other || e->other->used < IN_BYTES);
}

static bool is_awaited(int fd)
{
    for (int i = 0; i < top; i++)
        if (slots[i].end && slots[i].end->waits_at == fd)
            return true;
    return false;
}

static uint32_t events_of(int fd, const struct end *e)
{
    bool readable = e->kind == PACKETS   ? e->first != NULL
                    : e->kind == LISTENS ? is_awaited(fd)
                                         : e->used || e->ended || e->reset;

    return (readable ? (uint32_t)EPOLLIN : 0) |
           (e->kind != LISTENS && takes(e) ? (uint32_t)EPOLLOUT : 0) |
           (e->refused || e->reset ? (uint32_t)EPOLLHUP : 0);
}

REAL(int, epoll_ctl, int epoll, int op, int fd, struct epoll_event *event)
{
    struct slot *s = end_of(fd) ? &slots[fd - FIRST] : NULL;

    if (!s)
        return __real_epoll_ctl(epoll, op, fd, event);
    FUZZ_CHECK((s->epoll < 0) == (op == EPOLL_CTL_ADD));
    s->epoll = op == EPOLL_CTL_DEL ? -1 : epoll;
    s->event = *event;
    return 0;
}

/* The kernel's first: what other loops posted. */
REAL(int, epoll_wait, int epoll, struct epoll_event *events, int max, int timeout)
{
    int n = __real_epoll_wait(epoll, events, max, 0);

    FUZZ_CHECK(n >= 0);
    (void)timeout;
    for (int i = 0; i < top && n < max; i++) {
        const struct slot *s = &slots[i];
        uint32_t ready;

        if (!s->end || s->epoll != epoll)
            continue;
        ready = events_of(FIRST + i, s->end) & (s->event.events | EPOLLHUP);
        if (ready)
            events[n++] = (struct epoll_event){ready, s->event.data};
    }
    return n;
}

/* ---- packets ---- */

struct net_packet *net_packet(const jp_address *from, const jp_address *to, const void *bytes,
                              size_t length)
{
    struct net_packet *p = calloc(1, sizeof(*p) + length);

    FUZZ_CHECK(p);
    p->from = *from;
    p->to = *to;
    p->length = length;
    if (length > 0)
        memcpy(p->bytes, bytes, length);
    return p;
}

struct net_packet *net_take(void)
{
    struct net_packet *p = net.sent;

    if (p && !(net.sent = p->next))
        net.sent_end = &net.sent;
    return p;
}

void net_give(int fd, struct net_packet *p)
{
    struct end *e = end_of(fd);

    p->next = NULL;
    *e->last = p;
    e->last = &p->next;
    net.waiting++;
}

int net_bound(uint16_t to)
{
    for (int i = 0; i < top; i++)
        if (slots[i].end && slots[i].end->kind == PACKETS && slots[i].end->local.port == to)
            return FIRST + i;
    return -1;
}

static void add_control(struct msghdr *h, int level, int type, const void *value, size_t size)
{
    struct cmsghdr *c = (struct cmsghdr *)((uint8_t *)h->msg_control + h->msg_controllen);

    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), value, size);
    h->msg_controllen += CMSG_SPACE(size);
}

/* What the kernel says of a packet: where it was sent to, ECN, and whether it is a train. */
static void put_controls(struct msghdr *h, const struct net_packet *p)
{
    int ecn = p->ecn, segment = p->segment;

    h->msg_controllen = 0;
    if (p->to.family == JP_IPV4) {
        struct in_pktinfo to = {0};

        memcpy(&to.ipi_addr, p->to.bytes, 4);
        add_control(h, IPPROTO_IP, IP_TOS, &p->ecn, 1);
        add_control(h, IPPROTO_IP, IP_PKTINFO, &to, sizeof(to));
    } else {
        struct in6_pktinfo to = {0};

        memcpy(&to.ipi6_addr, p->to.bytes, 16);
        add_control(h, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof(ecn));
        add_control(h, IPPROTO_IPV6, IPV6_PKTINFO, &to, sizeof(to));
    }
    if (segment)
        add_control(h, IPPROTO_UDP, UDP_GRO, &segment, sizeof(segment));
}

OURS(int, recvmmsg, int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *timeout)
{
    struct end *e = end_of(fd);
    unsigned i = 0;

    (void)flags, (void)timeout;
    for (struct net_packet *p; i < n && (p = e->first); i++, free(p)) {
        struct msghdr *h = &m[i].msg_hdr;

        if (!(e->first = p->next))
            e->last = &e->first;
        net.waiting--;
        h->msg_namelen = sockaddr_store(h->msg_name, &p->from);
        FUZZ_CHECK(p->length <= h->msg_iov[0].iov_len);
        memcpy(h->msg_iov[0].iov_base, p->bytes, p->length);
        m[i].msg_len = (unsigned)p->length;
        h->msg_flags = 0;
        put_controls(h, p);
    }
    return i > 0 ? (int)i : fail(EAGAIN);
}

/* From where a message is to be sent, if it says so. */
static void read_source(struct msghdr *h, jp_address *from)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
            memcpy(from->bytes, CMSG_DATA(c) + offsetof(struct in_pktinfo, ipi_spec_dst), 4);
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
            memcpy(from->bytes, CMSG_DATA(c) + offsetof(struct in6_pktinfo, ipi6_addr), 16);
    }
}

/* A train has a part for each of its packets. */
static void send_message(const struct end *e, struct msghdr *h)
{
    jp_address from = e->local, to = sockaddr_load(h->msg_name);

    read_source(h, &from);
    for (size_t i = 0; i < h->msg_iovlen; i++) {
        struct net_packet *p =
            net_packet(&from, &to, h->msg_iov[i].iov_base, h->msg_iov[i].iov_len);

        *net.sent_end = p;
        net.sent_end = &p->next;
    }
}

OURS(int, sendmmsg, int fd, struct mmsghdr *m, unsigned n, int flags)
{
    (void)flags;
    if (net.full)
        return fail(EAGAIN);
    for (unsigned i = 0; i < n; i++)
        send_message(end_of(fd), &m[i].msg_hdr);
    return (int)n;
}

/* ---- connections ---- */

/* The listener on that port that connections go to; -1: nobody listens. */
static int listener_of(uint16_t to)
{
    unsigned n = 0;
    int found = -1;

    for (int i = 0; i < top; i++)
        if (slots[i].end && slots[i].end->kind == LISTENS && slots[i].end->local.port == to &&
            (found < 0 || n++ < net.member))
            found = FIRST + i;
    return found;
}

int net_dial(const jp_address *from, const jp_address *to)
{
    int at = listener_of(to->port), fd;
    struct end *e;

    if (at < 0)
        return -1;
    e = end_new(STREAM);
    e->local = *to;
    e->peer = *from;
    e->waits_at = at;
    e->dialled = true;
    fd = slot_new(e);
    if (fd < 0)
        end_free(e);
    return fd;
}

OURS(int, connect, int fd, const struct sockaddr *address, socklen_t length)
{
    struct end *e = end_of(fd), *other;
    int there;

    (void)length;
    e->connecting = true;
    e->peer = sockaddr_load((const union sockaddr_any *)address);
    if (e->local.port == 0)
        e->local.port = (uint16_t)(PORTS + port++ % (65536 - PORTS));
    e->refused = net.tcp == NET_REFUSES;
    if (net.tcp != NET_ACCEPTS)
        return fail(EINPROGRESS);
    there = net_dial(&e->local, &e->peer);
    if (there < 0)
        return fail(ECONNREFUSED);
    other = end_of(there);
    other->other = e;
    e->other = other;
    e->connecting = false;
    return fail(EINPROGRESS);
}

OURS(int, listen, int fd, int backlog)
{
    (void)backlog;
    end_of(fd)->kind = LISTENS;
    return 0;
}

OURS(int, accept4, int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    FUZZ_CHECK(end_of(fd)->kind == LISTENS && !address && !length);
    (void)flags;
    for (int i = 0; i < top; i++)
        if (slots[i].end && slots[i].end->waits_at == fd) {
            slots[i].end->waits_at = -1;
            return FIRST + i;
        }
    return fail(EAGAIN);
}

static size_t push(struct end *e, const void *bytes, size_t n)
{
    n = n < IN_BYTES - e->used ? n : IN_BYTES - e->used;
    if (!e->in)
        e->in = malloc(IN_BYTES);
    FUZZ_CHECK(e->in);
    memcpy(e->in + e->used, bytes, n);
    e->used += n;
    return n;
}

REAL(ssize_t, send, int fd, const void *bytes, size_t n, int flags)
{
    struct end *e = end_of(fd);

    if (!e)
        return __real_send(fd, bytes, n, flags);
    if (e->reset || (e->ended && !e->dialled && !e->other))
        return fail(EPIPE);
    if (!takes(e))
        return fail(EAGAIN);
    return (ssize_t)(e->other ? push(e->other, bytes, n) : n);
}

REAL(ssize_t, recv, int fd, void *out, size_t n, int flags)
{
    struct end *e = end_of(fd);

    if (!e)
        return __real_recv(fd, out, n, flags);
    if (e->reset)
        return fail(ECONNRESET);
    if (!e->used)
        return e->ended ? 0 : fail(EAGAIN);
    n = n < e->used ? n : e->used;
    memcpy(out, e->in, n);
    e->used -= n;
    memmove(e->in, e->in + n, e->used);
    return (ssize_t)n;
}

OURS(int, shutdown, int fd, int how)
{
    struct end *e = end_of(fd);

    FUZZ_CHECK(how == SHUT_RDWR);
    e->ended = true;
    if (e->other)
        e->other->ended = true;
    return 0;
}

bool net_is_from(int fd, const jp_address *from)
{
    const struct end *e = fd < FIRST ? NULL : slots[fd - FIRST].end;

    return e && e->kind == STREAM && jp_address_compare(&e->peer, from) == 0;
}

size_t net_say(int fd, const void *bytes, size_t n)
{
    return end_of(fd)->ended ? 0 : push(end_of(fd), bytes, n);
}

void net_hang_up(int fd, bool reset)
{
    end_of(fd)->ended = true;
    end_of(fd)->reset |= reset;
}

void net_stall(int fd, bool stalled)
{
    end_of(fd)->stalled = stalled;
}

bool net_change(int fd, size_t at, uint8_t by)
{
    struct end *e = end_of(fd);

    if (e->used > 0)
        e->in[at % e->used] ^= by;
    return e->used > 0;
}

unsigned net_alike(const jp_address *from)
{
    size_t n = from->family == JP_IPV6 ? 7 : 3;
    unsigned alike = 0;

    for (int i = 0; i < top; i++) {
        const struct end *e = slots[i].end;

        alike += e && e->dialled && e->waits_at < 0 && e->peer.family == from->family &&
                 memcmp(e->peer.bytes, from->bytes, n) == 0;
    }
    return alike;
}
