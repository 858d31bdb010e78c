#include "relay.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

enum { BATCH = 32, SOCKET_BUFFER = 4 << 20 };

static void on_ready(void *arg, uint32_t events);

void relay_init(struct relay *r, struct loop *loop, const struct relay_user *user)
{
    *r = (struct relay){.loop = loop, .user = user};
    r->watch = (struct loop_watch){.fd = -1, .ready = on_ready, .arg = r};
}

void relay_close(struct relay *r)
{
    if (r->watch.fd < 0)
        return;
    loop_remove(r->loop, &r->watch);
    close(r->watch.fd);
    r->watch.fd = -1;
}

int relay_open(struct relay *r)
{
    int fd[2], size = SOCKET_BUFFER, rc;

    relay_close(r);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) < 0)
        return -errno;
    for (unsigned i = 0; i < 2; i++) /* the second is the most that others than root get */
        if (setsockopt(fd[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
            setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    r->watch.fd = fd[0];
    rc = loop_add(r->loop, &r->watch, EPOLLIN);
    if (rc == 0)
        return fd[1];
    close(fd[0]);
    close(fd[1]);
    r->watch.fd = -1;
    return rc;
}

void relay_send(struct relay *r, const struct jp_ipc_relay *head, const uint8_t *packet)
{
    struct iovec part[] = {
        {.iov_base = (void *)(uintptr_t)head, .iov_len = sizeof(*head)},
        {.iov_base = (void *)(uintptr_t)packet, .iov_len = head->len},
    };
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};

    if (r->watch.fd < 0 || sendmsg(r->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        r->dropped++; /* reading finds the end of the relay */
}

/* Some packets at once, then whoever else waits on the loop is served. */
static void on_ready(void *arg, uint32_t events)
{
    static struct {
        struct jp_ipc_relay head;
        uint8_t packet[JP_IPC_RELAY_MAX];
    } message[BATCH];
    struct mmsghdr header[BATCH];
    struct iovec part[BATCH];
    struct relay *r = arg;
    int n;

    (void)events;
    for (unsigned i = 0; i < BATCH; i++) {
        part[i] = (struct iovec){.iov_base = &message[i], .iov_len = sizeof(message[i])};
        header[i].msg_hdr = (struct msghdr){.msg_iov = &part[i], .msg_iovlen = 1};
    }
    n = recvmmsg(r->watch.fd, header, BATCH, MSG_DONTWAIT, NULL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    for (int i = 0; i < n; i++) {
        size_t size = header[i].msg_len;

        if (size <= sizeof(message[i].head) ||
            size != sizeof(message[i].head) + message[i].head.len) {
            n = -1; /* the end, or no message of this protocol */
            break;
        }
        r->user->packet(r->user->arg, &message[i].head, message[i].packet);
    }
    r->user->pause(r->user->arg);
    if (n < 0) {
        log_debug("the data plane takes no more packets by TCP");
        relay_close(r);
    }
}
