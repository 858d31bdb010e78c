/* Whatever runs as the data plane's user may say it is the control plane: its hello, its messages
 * and those of its relay, sound and not. What holds: the data plane goes on, hangs up on what is no
 * message, and gives every object back. */
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "fuzz.h"
#include "fuzz_input.h"
#include "fuzz_ipc.h"
#include "fuzz_plane.h"
#include "fuzz_quiet.h"
#include "relay.h"

enum { SAY_MAX = sizeof(struct jp_ipc_install) + 8 };

static char path[64];

static void remove_socket(void)
{
    unlink(path);
}

static void listen_once(struct plane *plane)
{
    static struct dataplane shared; /* for its descriptor: the plane's counters are plain memory */

    if (path[0] != '\0')
        return;
    snprintf(path, sizeof(path), "/tmp/fuzz-plane-%d.sock", getpid());
    atexit(remove_socket);
    FUZZ_CHECK(stats_create(&shared) == 0);
    snprintf(plane->dp.config.control_socket, sizeof(plane->dp.config.control_socket), "%s", path);
    FUZZ_CHECK(control_open(&plane->dp) == 0);
    relay_setup(&plane->dp);
    plane->dp.control_up = false; /* as before anybody came */
}

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, path, sizeof(path));
    FUZZ_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

/* Its hello; the relay's other end, of which it has one only if asked. */
static int greet(int fd, bool with_relay)
{
    struct jp_ipc_control_hello hello = {
        {JP_IPC_MAGIC, JP_IPC_VERSION, JP_IPC_CONTROL_HELLO}, 1, 0};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } ancillary = {0};
    struct iovec part = {&hello, sizeof(hello)};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    int pair[2] = {-1, -1};

    if (with_relay) {
        FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
        m.msg_control = ancillary.bytes;
        m.msg_controllen = sizeof(ancillary.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);

        *c = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(c), &pair[1], sizeof(int));
    }
    FUZZ_CHECK(sendmsg(fd, &m, MSG_NOSIGNAL) == sizeof(hello));
    if (with_relay)
        close(pair[1]);
    return pair[0];
}

static void turn(struct plane *plane, int fd)
{
    uint8_t heard[2048];

    control_turn(&plane->dp);
    plane_turn(plane);
    control_turn(&plane->dp);
    while (recv(fd, heard, sizeof(heard), 0) > 0)
        ;
    plane_ignore_sent(plane);
}

/* A message of a type, the body from the input and zeros behind; or only those bytes. */
static void say(int fd, struct input *in)
{
    uint8_t bytes[SAY_MAX] = {0};
    unsigned what = take8(in);
    const uint8_t *at;
    size_t n = take_bytes(in, take16(in) % (SAY_MAX - 8), &at);

    if (what < 0xf0) {
        unsigned i = what % RTE_DIM(to_data_plane);
        struct jp_ipc_header h = {JP_IPC_MAGIC, JP_IPC_VERSION, to_data_plane[i].type};

        memcpy(bytes, &h, sizeof(h));
        memcpy(bytes + sizeof(h), at, n);
        n = to_data_plane[i].size;
    } else {
        memcpy(bytes, at, n);
    }
    send(fd, bytes, n, MSG_NOSIGNAL);
}

/* A packet of a TCP connection for one of the sessions of the seeds, or something like it. */
static void say_relay(int relay, struct input *in)
{
    struct {
        struct jp_ipc_relay head;
        uint8_t bytes[1024];
    } m = {.head = {.path = plane_path(take8(in), PLANE_ECHO, 4), .spi = 0x10000 + take8(in) % 16}};
    unsigned what = take8(in);
    const uint8_t *at;
    size_t n = take_bytes(in, take16(in) % sizeof(m.bytes), &at);

    m.head.path.port = JP_IPC_RELAY_PORT;
    m.head.path.tcp = 1;
    m.head.len = (uint16_t)(what == 255 ? n + 1 : n);
    memcpy(m.bytes, at, n);
    if (what < 128 && n >= WIRE_DATA_HDR)
        wire_data_hdr_put(m.bytes, m.head.spi, what);
    send(relay, &m, what == 254 ? n : sizeof(m.head) + n, MSG_NOSIGNAL);
}

static void hang_up(struct plane *plane, int fd, int relay)
{
    close(fd);
    if (relay >= 0)
        close(relay);
    for (unsigned i = 0; i < 4; i++) {
        control_turn(&plane->dp);
        plane_turn(plane);
        plane_ignore_sent(plane);
    }
    FUZZ_CHECK(!plane->dp.control_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plane *plane = fuzz_plane_begin();
    struct input in = {data, data + size};
    struct quiet q;
    int fd, relay = -1;
    unsigned how;

    quiet_begin(&q);
    listen_once(plane);
    plane_workers(plane, PLANE_LCORES);
    fd = dial();
    how = take8(&in);
    if (how > 0)
        relay = greet(fd, how % 2);
    turn(plane, fd);
    while (in.p < in.end) {
        if (relay >= 0 && take8(&in) % 4 == 3)
            say_relay(relay, &in);
        else
            say(fd, &in);
        if (take8(&in) % 4 > 0)
            turn(plane, fd);
    }
    turn(plane, fd);
    hang_up(plane, fd, relay);
    quiet_end(&q);
    free(q.text);
    fuzz_plane_end(plane);
    return 0;
}

static size_t put(uint8_t *out, unsigned i, const void *message, size_t size)
{
    size -= sizeof(struct jp_ipc_header);
    out[0] = 0; /* not by the relay */
    out[1] = (uint8_t)i;
    be16_store(out + 2, (uint16_t)size);
    memcpy(out + 4, (const uint8_t *)message + sizeof(struct jp_ipc_header), size);
    out[4 + size] = 1;
    return 5 + size;
}

static size_t put_relay(uint8_t *out, unsigned index)
{
    memcpy(out, (uint8_t[]){3, 7, (uint8_t)index, 1, 0, 64}, 6);
    memset(out + 6, 5, 64);
    out[70] = 1;
    return 71;
}

/* A session is installed, asked for, listed and retired. */
size_t fuzz_seed(unsigned index, uint8_t *out)
{
    struct jp_ipc_install install = {
        .path = plane_path(index, PLANE_ECHO, index % 2 ? 6 : 4),
        .server_spi = 0x10000 + index,
        .client_spi = 0x20000,
        .idle_timeout_ms = 30000,
        .max_streams = 10,
        .max_packet = 1452,
        .alg = AEAD_AES256_GCM,
        .fec_k = index % 3 ? 0 : 4,
        .fec_r = index % 3 ? 0 : 2,
        .reply_len = index % 4 ? 0 : 100,
    };
    struct jp_ipc_query query = {.request = index, .server_spi = install.server_spi};
    struct jp_ipc_list list = {.request = index, .max = 1 + index};
    struct jp_ipc_retire retire = {.server_spi = install.server_spi, .code = 1};
    size_t n = 1;

    if (index >= 16)
        return 0;
    if (index % 2) {
        install.our_max_streams = 100;
        install.ours = install.theirs = (struct jp_ipc_credit){262144, 32768, 16384};
        install.ticket_len = 16;
    }
    out[0] = 1;
    n += put(out + n, 1, &install, sizeof(install));
    n += put_relay(out + n, index);
    n += put(out + n, 5, &query, sizeof(query));
    n += put(out + n, 4, &list, sizeof(list));
    return index % 4 == 3 ? n : n + put(out + n, 2, &retire, sizeof(retire));
}
