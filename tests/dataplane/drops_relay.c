/* Reasons to drop a packet that came by TCP: what the control plane relays, over a real socket. */
#include "drops.h"

#include <sys/socket.h>
#include <unistd.h>

#include "relay.h"

/* The control plane's end. */
static int relay_open(struct plane *plane)
{
    int fd[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fd), 0);
    relay_setup(&plane->dp);
    relay_attach(fd[0]);
    return fd[1];
}

static void relay_close(int fd)
{
    relay_attach(-1);
    close(fd);
}

/* One packet of c there. */
static void relay_packet(struct client *c, int fd, const uint8_t *packet, uint32_t len)
{
    struct jp_ipc_relay head = {.path = c->path, .spi = c->server_spi, .len = (uint16_t)len};
    struct iovec part[] = {{&head, sizeof(head)}, {(void *)(uintptr_t)packet, len}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};

    head.path.port = JP_IPC_RELAY_PORT;
    head.path.tcp = 1;
    assert_int_equal(sendmsg(fd, &message, 0), sizeof(head) + len);
    assert_int_equal(relay_turn(&c->plane->dp, true), 1);
}

/* Longer than any buffer; the one behind it arrives. */
void relay_long(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);
    uint8_t payload[2 * PLANE_FRAME_MAX] = {0}, frame[16];
    uint8_t *end = frame_put_close(frame, CLOSE_NONE, "");
    int fd = relay_open(plane);

    wire_data_hdr_put(payload, c.server_spi, 0);
    relay_packet(&c, fd, payload, sizeof(payload));
    relay_packet(&c, fd, payload, client_seal(&c, 0, frame, (uint32_t)(end - frame), payload));
    plane_settle(plane);
    assert_int_equal(plane_count(plane, JP_relay_rx), 2);
    assert_int_equal(plane_count(plane, JP_sessions_closed), 1);
    relay_close(fd);
}

/* The owner's ring is full when one more than it holds is relayed. */
void relay_full(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);
    unsigned room = rte_ring_get_capacity(plane->dp.lcore[0]->relay_in);
    uint8_t payload[100] = {0};
    int fd = relay_open(plane);

    wire_data_hdr_put(payload, c.server_spi, 1);
    for (unsigned i = 0; i <= room; i++)
        relay_packet(&c, fd, payload, sizeof(payload));
    relay_close(fd);
}
