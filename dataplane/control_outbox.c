/* At most one batch waits here. While the socket takes no more, nothing is taken from the workers'
 * rings, and what then overflows is dropped and counted by them. */
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "control.h"
#include "lcore.h"

union message {
    struct jp_ipc_header h;
    struct jp_ipc_packet packet;
    struct jp_ipc_unknown unknown;
    struct jp_ipc_installed installed;
    struct jp_ipc_retired retired;
    struct jp_ipc_session session;
    struct jp_ipc_list_end list_end;
};

static struct {
    unsigned sent, n;
    struct mmsghdr header[OUTBOX_MAX];
    struct iovec part[OUTBOX_MAX];
    union message message[OUTBOX_MAX];
    struct lcore *punter[OUTBOX_MAX];
} outbox;

bool outbox_empty(void)
{
    return outbox.n == 0;
}

unsigned outbox_room(void)
{
    return OUTBOX_MAX - outbox.n;
}

void *outbox_add(enum jp_ipc_type type, size_t size, struct lcore *punter)
{
    unsigned i = outbox.n++;

    assert(i < OUTBOX_MAX && size <= sizeof(union message));
    outbox.message[i].h = (struct jp_ipc_header){JP_IPC_MAGIC, JP_IPC_VERSION, (uint16_t)type};
    outbox.punter[i] = punter;
    outbox.part[i] = (struct iovec){.iov_base = &outbox.message[i], .iov_len = size};
    outbox.header[i].msg_hdr = (struct msghdr){.msg_iov = &outbox.part[i], .msg_iovlen = 1};
    return &outbox.message[i];
}

/* The next n messages came to this end. */
static void outbox_end(unsigned n, enum jp_counter end)
{
    for (; n > 0; n--, outbox.sent++)
        if (outbox.punter[outbox.sent])
            count(outbox.punter[outbox.sent], end, 1);
}

int outbox_send(int fd)
{
    while (outbox.sent < outbox.n) {
        int n = sendmmsg(fd, outbox.header + outbox.sent, outbox.n - outbox.sent, MSG_NOSIGNAL);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        outbox_end((unsigned)n, JP_punted);
    }
    outbox_clear();
    return 0;
}

void outbox_clear(void)
{
    outbox_end(outbox.n - outbox.sent, JP_punt_lost);
    outbox.sent = outbox.n = 0;
}
