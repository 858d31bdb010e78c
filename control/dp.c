#include "dp.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

enum {
    TURN_MAX = 8, /* messages read before the loop looks elsewhere */
    RETRY_US = CLOCK_SECOND / 10,
    RETRY_VIOLATION_US = CLOCK_SECOND / 2, /* after a data plane that speaks wrongly */
    GREETING_US = CLOCK_SECOND,
    RETRY_DOUBLINGS = 6,          /* of RETRY_US, at most */
    LASTS_US = 15 * CLOCK_SECOND, /* longer than another jetplaned waits to take it back */
    SHORT_LIVED_MANY = 3,
    SOCKET_BUFFER = 1 << 20,
    DESCRIPTORS_MAX = 4,
};

static void on_ready(void *arg, uint32_t events);

int dp_init(struct dp *dp, struct loop *loop, const char *path, const struct dp_user *user)
{
    *dp = (struct dp){.loop = loop, .path = path, .user = user};
    dp->watch = (struct loop_watch){.fd = -1, .ready = on_ready, .arg = dp};
    dp->out = calloc(DP_OUT_MAX, sizeof(*dp->out));
    return dp->out ? 0 : -ENOMEM;
}

/* Everything but telling the user. */
static void disconnect(struct dp *dp, uint64_t retry_us)
{
    if (dp->watch.fd >= 0) {
        loop_remove(dp->loop, &dp->watch);
        close(dp->watch.fd);
        dp->watch.fd = -1;
    }
    if (dp->stats)
        munmap((void *)(uintptr_t)dp->stats, sizeof(*dp->stats));
    dp->stats = NULL;
    dp->out_first = dp->out_count = 0;
    sodium_memzero(dp->out, DP_OUT_MAX * sizeof(*dp->out));
    dp->state = DP_AWAY;
    dp->deadline = clock_us() + retry_us;
}

void dp_free(struct dp *dp)
{
    disconnect(dp, 0);
    free(dp->out);
}

/* A connection that was up ended before it lasted. Once is ordinary. Again and again means that
 * another jetplaned takes it whenever we took it back: so ever less often, and said once. */
static uint64_t retry_short_lived(struct dp *dp)
{
    unsigned doublings = dp->short_lived < RETRY_DOUBLINGS ? dp->short_lived : RETRY_DOUBLINGS;

    if (++dp->short_lived == SHORT_LIVED_MANY)
        log_warning("data plane at %s: ends every connection soon; does another jetplaned use it? "
                    "Trying less often",
                    dp->path);
    return (uint64_t)RETRY_US << doublings;
}

static void lost(struct dp *dp, const char *why, uint64_t retry_us)
{
    bool was_up = dp->state == DP_UP;

    if (!dp->silent)
        log_warning("data plane at %s: %s", dp->path, why);
    dp->silent = true;
    if (was_up && dp->deadline != UINT64_MAX && retry_us == RETRY_US)
        retry_us = retry_short_lived(dp);
    disconnect(dp, retry_us);
    if (was_up)
        dp->user->down(dp->user->arg);
}

static void violation(struct dp *dp, const char *why)
{
    dp->violations++;
    dp->silent = false;
    lost(dp, why, RETRY_VIOLATION_US);
}

/* ---- connecting ---- */

static bool peer_allowed(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static int open_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, size = SOCKET_BUFFER;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

static void greet(struct dp *dp)
{
    struct jp_ipc_control_hello hello = {
        .h = {JP_IPC_MAGIC, JP_IPC_VERSION, JP_IPC_CONTROL_HELLO},
        .pid = (uint32_t)getpid(),
    };

    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } ancillary = {0};
    struct iovec part = {.iov_base = &hello, .iov_len = sizeof(hello)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int relay = dp->user->relay(dp->user->arg);

    dp->state = DP_GREETING;
    dp->deadline = clock_us() + GREETING_US;
    if (relay >= 0) {
        message.msg_control = ancillary.bytes;
        message.msg_controllen = sizeof(ancillary.bytes);
        CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof(relay));
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &relay, sizeof(relay));
    }
    if (sendmsg(dp->watch.fd, &message, MSG_NOSIGNAL) < 0)
        log_debug("data plane at %s: %s", dp->path, strerror(errno)); /* no answer will come */
    if (relay >= 0)
        close(relay);
}

static void connect_now(struct dp *dp)
{
    int rc = open_socket(dp->path);

    if (rc < 0) {
        dp->short_lived = 0; /* nobody uses it */
        lost(dp, strerror(-rc), RETRY_US);
        return;
    }
    dp->watch.fd = rc;
    if (!peer_allowed(rc)) {
        close(rc);
        dp->watch.fd = -1;
        violation(dp, "runs as another user");
        return;
    }
    rc = loop_add(dp->loop, &dp->watch, EPOLLIN);
    if (rc < 0)
        lost(dp, strerror(-rc), RETRY_US);
    else
        greet(dp);
}

static void say_connected(const struct dp *dp)
{
    if (!dp->silent)
        log_info("data plane at %s: connected, pid %u, %u lcores, tier %u", dp->path, dp->hello.pid,
                 dp->hello.lcores, dp->hello.tier);
}

/* The connection lasts. */
static void settle(struct dp *dp)
{
    bool was_silent = dp->silent;

    dp->silent = false;
    if (was_silent)
        say_connected(dp);
    dp->short_lived = 0;
    dp->deadline = UINT64_MAX;
}

void dp_tick(struct dp *dp, uint64_t now)
{
    if (now < dp->deadline)
        return;
    if (dp->state == DP_UP)
        settle(dp);
    else if (dp->state == DP_GREETING)
        violation(dp, "no answer to our hello");
    else
        connect_now(dp);
}

/* ---- sending ---- */

/* 1 sent, 0 no room, or -errno. */
static int send_now(struct dp *dp, const void *msg, size_t len)
{
    if (send(dp->watch.fd, msg, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return 1;
    return errno == EAGAIN || errno == ENOBUFS ? 0 : -errno;
}

int dp_send(struct dp *dp, const void *msg, size_t len)
{
    struct dp_out *out;

    if (dp->state == DP_AWAY)
        return -ENOTCONN;
    if (dp->out_count == 0) {
        int rc = send_now(dp, msg, len);

        if (rc != 0)
            return rc > 0 ? 0 : -ENOTCONN; /* reading finds the end of the connection */
        loop_change(dp->loop, &dp->watch, EPOLLOUT);
    }
    if (dp->out_count == DP_OUT_MAX) {
        dp->sends_dropped++;
        return -EAGAIN;
    }
    out = &dp->out[(dp->out_first + dp->out_count++) % DP_OUT_MAX];
    out->len = len;
    memcpy(out->bytes, msg, len);
    return 0;
}

/* Send what is queued, as far as there is room. False: the connection is broken. */
static bool send_queued(struct dp *dp)
{
    while (dp->out_count > 0) {
        struct dp_out *out = &dp->out[dp->out_first];
        int rc = send_now(dp, out->bytes, out->len);

        if (rc <= 0)
            return rc == 0;
        sodium_memzero(out->bytes, out->len);
        dp->out_first = (dp->out_first + 1) % DP_OUT_MAX;
        dp->out_count--;
    }
    loop_change(dp->loop, &dp->watch, EPOLLIN);
    return true;
}

void dp_flush(struct dp *dp)
{
    struct pollfd p = {.fd = dp->watch.fd, .events = POLLOUT};
    uint64_t deadline = clock_us() + CLOCK_SECOND / 5;

    while (dp->state != DP_AWAY && dp->out_count > 0 && clock_us() < deadline) {
        poll(&p, 1, 10);
        if (!send_queued(dp))
            break;
    }
}

/* ---- receiving ---- */

union message {
    struct jp_ipc_header h;
    struct jp_ipc_data_hello hello;
    struct jp_ipc_packet packet;
    struct jp_ipc_unknown unknown;
    struct jp_ipc_installed installed;
    struct jp_ipc_retired retired;
    struct jp_ipc_session session;
    struct jp_ipc_list_end list_end;
};

/* The first descriptor that came along, -1 if none; others are closed. */
static int take_descriptor(struct msghdr *msg)
{
    int taken = -1;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (taken < 0)
                taken = fd;
            else
                close(fd);
        }
    }
    return taken;
}

/* One message and perhaps a descriptor. Its length, 0 at the end of the connection, or -errno. */
static ssize_t receive(struct dp *dp, union message *m, int *fd)
{
    alignas(struct cmsghdr) char control[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
    struct iovec iov = {.iov_base = m, .iov_len = sizeof(*m)};
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    ssize_t n = recvmsg(dp->watch.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    *fd = -1;
    if (n < 0)
        return -errno;
    *fd = take_descriptor(&msg);
    return msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EMSGSIZE : n;
}

static void take_hello(struct dp *dp, const struct jp_ipc_data_hello *hello, int fd)
{
    const char *wrong = dp_hello_wrong(hello);

    if (!wrong)
        dp->stats = dp_stats_map(fd, hello, &wrong);
    if (wrong) {
        violation(dp, wrong);
        return;
    }
    dp->hello = *hello;
    dp->state = DP_UP;
    dp->deadline = clock_us() + LASTS_US;
    dp->silent = dp->short_lived >= SHORT_LIVED_MANY;
    dp->connects++;
    say_connected(dp);
    if (dp->user->up(dp->user->arg) < 0)
        lost(dp, "cannot be served", RETRY_VIOLATION_US);
}

/* What is wrong with a message of n bytes; NULL if nothing. */
static const char *message_wrong(const struct dp *dp, const union message *m, size_t n, int fd)
{
    bool hello = dp->state == DP_GREETING;

    if (n < sizeof(m->h) || m->h.magic != JP_IPC_MAGIC)
        return "sent something that is no message";
    if (m->h.version != JP_IPC_VERSION)
        return "speaks another version";
    if (dp_message_size(m->h.type) == 0)
        return "sent a message of unknown type";
    if (n != dp_message_size(m->h.type))
        return "sent a message of a wrong size";
    if ((m->h.type == JP_IPC_DATA_HELLO) != hello || (fd >= 0) != hello)
        return "sent a message out of turn";
    return NULL;
}

/* Read and handle one message; false when there is none or the connection is gone. */
static bool turn(struct dp *dp)
{
    union message m;
    const char *wrong;
    int fd;
    ssize_t n = receive(dp, &m, &fd);

    if (n == -EAGAIN || n == -EINTR)
        return false;
    if (n == -EMSGSIZE) {
        violation(dp, "sent an oversized message");
    } else if (n <= 0) {
        lost(dp, n < 0 ? strerror((int)-n) : "connection closed", RETRY_US);
    } else if ((wrong = message_wrong(dp, &m, (size_t)n, fd))) {
        violation(dp, wrong);
    } else if (m.h.type == JP_IPC_DATA_HELLO) {
        take_hello(dp, &m.hello, fd);
    } else {
        dp->user->message(dp->user->arg, &m.h);
    }
    if (fd >= 0)
        close(fd);
    return dp->state != DP_AWAY;
}

static void on_ready(void *arg, uint32_t events)
{
    struct dp *dp = arg;

    if (events & EPOLLOUT && !send_queued(dp)) {
        lost(dp, "connection closed", RETRY_US);
        return;
    }
    for (unsigned n = 0; n < TURN_MAX && dp->out_count == 0; n++)
        if (!turn(dp))
            return;
    if (dp->out_count > 0 && events & (EPOLLHUP | EPOLLERR))
        lost(dp, "connection closed", RETRY_US);
}

/* ---- statistics ---- */

uint64_t dp_counter(const struct dp *dp, unsigned lcore, enum jp_counter counter)
{
    return __atomic_load_n(&dp->stats->lcore[lcore].counter[counter], __ATOMIC_RELAXED);
}

uint64_t dp_counter_sum(const struct dp *dp, enum jp_counter counter)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < dp->hello.lcores; i++)
        sum += dp_counter(dp, i, counter);
    return sum;
}
