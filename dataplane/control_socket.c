/* The listening socket, and the first words with whoever connects. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "setup.h"
#include "unix_socket.h"

enum { BACKLOG = 8, SEND_BUFFER = 4 << 20 };

int control_listen(const struct config *config)
{
    const char *path = config->control_socket;
    int ret = unix_socket_listen(path, SOCK_SEQPACKET, BACKLOG);

    if (ret >= 0 && config->becomes && lchown(path, config->user.uid, config->user.gid) != 0) {
        int err = errno;

        close(ret);
        ret = -err;
    }
    if (ret < 0)
        fprintf(stderr, "jetplane-dp: control_socket %s: %s\n", path,
                ret == -EADDRINUSE ? "another data plane listens there" : strerror(-ret));
    return ret;
}

int control_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int size = SEND_BUFFER;
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (fd < 0)
        return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
        (peer.uid != 0 && peer.uid != geteuid())) {
        fprintf(stderr, "jetplane-dp: control: user %u may not control user %u's data plane\n",
                peer.uid, geteuid());
        close(fd);
        return -1;
    }
    /* room for a burst of handshakes; the second is the most that others than root get */
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return fd;
}

/* The descriptor that came along; -1: none. More than one do not fit. */
static int take_descriptor(struct msghdr *message)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    int fd = -1;

    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

int control_greeted(int candidate, int *relay)
{
    struct jp_ipc_control_hello hello;
    union {
        struct cmsghdr align;
        char bytes[CMSG_LEN(sizeof(int))];
    } ancillary = {0};
    struct iovec part = {.iov_base = &hello, .iov_len = sizeof(hello)};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = ancillary.bytes,
        .msg_controllen = sizeof(ancillary.bytes),
    };
    ssize_t n = recvmsg(candidate, &message, MSG_TRUNC | MSG_CMSG_CLOEXEC);

    *relay = n >= 0 ? take_descriptor(&message) : -1;

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
    if (n == 0)
        return -ECONNRESET;
    if ((size_t)n == sizeof(hello) && hello.h.magic == JP_IPC_MAGIC &&
        hello.h.version == JP_IPC_VERSION && hello.h.type == JP_IPC_CONTROL_HELLO)
        return 0;
    if ((size_t)n >= sizeof(hello.h) && hello.h.magic == JP_IPC_MAGIC)
        fprintf(stderr,
                "jetplane-dp: control: peer speaks version %u, type %u; this is version %u\n",
                hello.h.version, hello.h.type, JP_IPC_VERSION);
    else
        fprintf(stderr, "jetplane-dp: control: peer does not speak this protocol\n");
    return -EPROTO;
}

static struct jp_ipc_credit credit_of(const struct config_full *full)
{
    if (full->sessions == 0)
        return (struct jp_ipc_credit){.max_message = full->max_message};
    return (struct jp_ipc_credit){full->window, full->stream_window, full->max_message};
}

int control_welcome(int fd, const struct dataplane *dp)
{
    struct jp_ipc_data_hello hello = {
        .h = {JP_IPC_MAGIC, JP_IPC_VERSION, JP_IPC_DATA_HELLO},
        .pid = (uint32_t)getpid(),
        .max_sessions = dp->config.max_sessions,
        .stats_size = sizeof(*dp->stats),
        .reta_size = (uint16_t)(dp->reta_mask + 1),
        .lcores = dp->lcores,
        .tier = dp->tier,
        .max_packet = ports_max_packet(dp),
        .max_streams = dp->config.max_streams,
        .fec_k = dp->config.fec_k,
        .fec_r = dp->config.fec_r,
        .idle_timeout_max_ms = dp->config.idle_timeout_max_ms,
        .credit = credit_of(&dp->config.full),
    };
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } ancillary = {0};
    struct iovec part = {.iov_base = &hello, .iov_len = sizeof(hello)};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = ancillary.bytes,
        .msg_controllen = sizeof(ancillary.bytes),
    };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    int descriptor = stats_fd();

    memcpy(hello.boot_id, dp->stats->boot_id, sizeof(hello.boot_id));
    memcpy(hello.toeplitz_key, dp->toeplitz_key, sizeof(hello.toeplitz_key));
    memcpy(hello.reta, dp->reta, sizeof(hello.reta));
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(descriptor));
    memcpy(CMSG_DATA(cmsg), &descriptor, sizeof(descriptor));
    return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}
