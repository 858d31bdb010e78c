/* The control socket, against real workers: what a control plane can ask, and what ends its
 * connection. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "handshake.h"
#include "plane.h"

union message {
    struct jp_ipc_header h;
    struct jp_ipc_data_hello hello;
    struct jp_ipc_packet packet;
    struct jp_ipc_unknown unknown;
    struct jp_ipc_installed installed;
    struct jp_ipc_retired retired;
    struct jp_ipc_session session;
    struct jp_ipc_list_end list_end;
    struct jp_ipc_install install;
    struct jp_ipc_retire retire;
    struct jp_ipc_list list;
    struct jp_ipc_query query;
    uint8_t bytes[2048];
};

#define HEADER(t) ((struct jp_ipc_header){JP_IPC_MAGIC, JP_IPC_VERSION, t})

static void turn(struct plane *plane, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        assert_true(control_turn(&plane->dp));
        plane_turn(plane);
    }
}

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void tell(int fd, const void *message, size_t len)
{
    assert_int_equal(send(fd, message, len, MSG_NOSIGNAL), len);
}

/* The next message, its size; 0 when the connection was closed. Lets everybody run meanwhile. */
static size_t hear(struct plane *plane, int fd, union message *m)
{
    for (unsigned i = 0; i < 1000; i++) {
        ssize_t n = recv(fd, m, sizeof(*m), 0);

        if (n >= 0)
            return (size_t)n;
        if (errno == ECONNRESET)
            return 0;
        assert_int_equal(errno, EAGAIN);
        turn(plane, 1);
    }
    fail_msg("no message");
    return 0;
}

static void expect_quiet(struct plane *plane, int fd)
{
    union message m;

    turn(plane, 10);
    assert_int_equal(recv(fd, &m, sizeof(m), 0), -1);
    assert_int_equal(errno, EAGAIN);
}

/* Connected and greeted. */
static int connect_control(struct plane *plane)
{
    struct jp_ipc_control_hello hello = {HEADER(JP_IPC_CONTROL_HELLO), (uint32_t)getpid(), 0};
    int fd = dial(plane->dp.config.control_socket);
    union message m;

    tell(fd, &hello, sizeof(hello));
    assert_int_equal(hear(plane, fd, &m), sizeof(m.hello));
    assert_int_equal(m.h.type, JP_IPC_DATA_HELLO);
    return fd;
}

static char socket_path[64], other_path[64]; /* the second is stale_socket's */

/* However the tests end. */
static void unlink_sockets(void)
{
    unlink(socket_path);
    unlink(other_path);
}

static int setup(void **state)
{
    static struct dataplane
        shared; /* for its descriptor: the plane's own counters are plain memory */
    struct plane *plane;

    plane_setup(state);
    plane = *state;
    plane_workers(plane, PLANE_LCORES);
    plane->dp.control_up = false;
    if (!shared.stats)
        assert_int_equal(stats_create(&shared), 0);
    snprintf(plane->dp.config.control_socket, sizeof(plane->dp.config.control_socket), "%s",
             socket_path);
    return control_open(&plane->dp);
}

static int teardown(void **state)
{
    struct plane *plane = *state;

    control_close(&plane->dp);
    assert_int_not_equal(access(plane->dp.config.control_socket, F_OK), 0);
    return plane_teardown(state);
}

static struct jp_ipc_install install_message(unsigned n)
{
    return (struct jp_ipc_install){
        .h = HEADER(JP_IPC_INSTALL),
        .path = plane_path(n, PLANE_ECHO, 4),
        .server_spi = 0x10000 + n * 0x10001,
        .client_spi = 0x20000 + n,
        .idle_timeout_ms = 30000,
        .max_streams = 10,
        .max_packet = 1452,
        .alg = AEAD_AES256_GCM,
    };
}

static int32_t install(struct plane *plane, int fd, const struct jp_ipc_install *in)
{
    union message m;

    tell(fd, in, sizeof(*in));
    assert_int_equal(hear(plane, fd, &m), sizeof(m.installed));
    assert_int_equal(m.h.type, JP_IPC_INSTALLED);
    assert_int_equal(m.installed.server_spi, in->server_spi);
    return m.installed.result;
}

static void socket_mode(void **state)
{
    struct plane *plane = *state;
    struct stat s;

    assert_int_equal(stat(plane->dp.config.control_socket, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0660);
}

/* The hello says how to find owners, and brings statistics that nobody else can write or cut short.
 */
static void hello(void **state)
{
    struct plane *plane = *state;
    struct jp_ipc_control_hello greeting = {HEADER(JP_IPC_CONTROL_HELLO), 1, 0};
    int fd = dial(plane->dp.config.control_socket), stats = -1;
    struct jp_ipc_data_hello m;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } ancillary;
    struct iovec part = {&m, sizeof(m)};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = ancillary.bytes,
                            .msg_controllen = sizeof(ancillary.bytes)};

    tell(fd, &greeting, sizeof(greeting));
    turn(plane, 3);
    assert_int_equal(recvmsg(fd, &header, 0), sizeof(m));
    assert_true(plane->dp.control_up);
    assert_int_equal(m.h.type, JP_IPC_DATA_HELLO);
    assert_int_equal(m.pid, getpid());
    assert_int_equal(m.lcores, PLANE_LCORES);
    assert_int_equal(m.stats_size, sizeof(struct jp_stats));
    assert_int_equal(m.max_packet, 1500 - 48);
    assert_int_equal(m.idle_timeout_max_ms, plane->dp.config.idle_timeout_max_ms);
    for (uint32_t spi = 256; spi < 100000; spi += 777)
        assert_int_equal(m.reta[toeplitz_spi(m.toeplitz_key, spi) & (m.reta_size - 1u)],
                         owner_of(&plane->dp, spi));

    assert_non_null(CMSG_FIRSTHDR(&header));
    memcpy(&stats, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(stats));
    struct jp_stats *shared = mmap(NULL, m.stats_size, PROT_READ, MAP_SHARED, stats, 0);

    assert_ptr_not_equal(shared, MAP_FAILED);
    assert_int_equal(shared->magic, JP_STATS_MAGIC);
    assert_ptr_equal(mmap(NULL, m.stats_size, PROT_WRITE, MAP_SHARED, stats, 0), MAP_FAILED);
    assert_int_not_equal(ftruncate(stats, 0), 0);
    munmap(shared, m.stats_size);
    close(stats);
    close(fd);
    turn(plane, 3);
    assert_false(plane->dp.control_up);
}

/* What is not CONTROL_HELLO of this version gets no further, and does not disturb who is connected.
 */
static void strangers(void **state)
{
    struct plane *plane = *state;
    struct jp_ipc_control_hello bad[] = {
        {{JP_IPC_MAGIC + 1, JP_IPC_VERSION, JP_IPC_CONTROL_HELLO}, 1, 0},
        {{JP_IPC_MAGIC, JP_IPC_VERSION + 1, JP_IPC_CONTROL_HELLO}, 1, 0},
        {{JP_IPC_MAGIC, JP_IPC_VERSION, JP_IPC_STOP}, 1, 0},
    };
    int control = connect_control(plane);
    union message m;

    for (unsigned i = 0; i <= 3; i++) {
        int fd = dial(plane->dp.config.control_socket);

        if (i < 3)
            tell(fd, &bad[i], sizeof(bad[i]));
        else
            tell(fd, &bad[0], 3);
        assert_int_equal(hear(plane, fd, &m), 0);
        close(fd);
    }
    expect_quiet(plane, control);
    assert_true(plane->dp.control_up);
    close(control);
}

static void violations(void **state)
{
    struct plane *plane = *state;
    const struct jp_ipc_list list = {HEADER(JP_IPC_LIST), 1, 0, 1, 0};
    struct jp_ipc_install long_reply = install_message(1);
    struct jp_ipc_packet long_packet = {.h = HEADER(JP_IPC_SEND), .len = JP_IPC_PACKET_MAX + 1};
    struct jp_ipc_list no_max = list, much = list, foreign = list, other_version = list;
    struct jp_ipc_header type = HEADER(JP_IPC_DATA_HELLO);
    const struct {
        const void *message;
        size_t len;
    } bad[] = {
        {&list, sizeof(list) - 1},
        {&long_packet, sizeof(long_packet.h)},
        {&type, sizeof(type)},
        {&type, 2},
        {&long_reply, sizeof(long_reply)},
        {&long_packet, sizeof(long_packet)},
        {&no_max, sizeof(no_max)},
        {&much, sizeof(much)},
        {&foreign, sizeof(foreign)},
        {&other_version, sizeof(other_version)},
        {plane, 2000},
    };

    long_reply.reply_len = JP_IPC_PACKET_MAX + 1;
    no_max.max = 0;
    much.max = JP_IPC_LIST_MAX + 1;
    foreign.cursor = (uint64_t)PLANE_LCORES << 32;
    other_version.h.version++;
    for (unsigned i = 0; i < RTE_DIM(bad); i++) {
        int fd = connect_control(plane);
        union message m;

        tell(fd, bad[i].message, bad[i].len);
        if (hear(plane, fd, &m) != 0)
            fail_msg("violation %u was answered", i);
        assert_false(plane->dp.control_up);
        close(fd);
    }
}

static void newer_replaces_older(void **state)
{
    struct plane *plane = *state;
    int older = connect_control(plane), silent = dial(plane->dp.config.control_socket), newer;
    union message m;

    expect_quiet(plane, older); /* one that only connects replaces nobody */
    close(silent);
    newer = connect_control(plane);
    assert_int_equal(hear(plane, older, &m), 0);
    assert_true(plane->dp.control_up);
    expect_quiet(plane, newer);
    close(older);
    close(newer);
}

static void installs_and_retires(void **state)
{
    struct plane *plane = *state;
    struct jp_ipc_install in = install_message(1), reserved = in;
    struct jp_ipc_retire retire = {HEADER(JP_IPC_RETIRE), in.server_spi, 4};
    int fd = connect_control(plane);
    union message m;

    reserved.server_spi = 255;
    assert_int_equal(install(plane, fd, &reserved), -EINVAL);
    assert_int_equal(install(plane, fd, &in), 0);
    assert_int_equal(install(plane, fd, &in), -EEXIST);
    for (unsigned i = 0; i < PLANE_LCORES; i++)
        assert_int_equal(session_find(plane->dp.lcore[i]->sessions, in.server_spi) != NULL,
                         i == owner_of(&plane->dp, in.server_spi));

    for (unsigned i = 0; i < 2; i++) { /* the second finds none */
        tell(fd, &retire, sizeof(retire));
        assert_int_equal(hear(plane, fd, &m), sizeof(m.retired));
        assert_int_equal(m.h.type, JP_IPC_RETIRED);
        assert_int_equal(m.retired.server_spi, in.server_spi);
        assert_int_equal(m.retired.reason, i == 0 ? JP_RETIRED_OPERATOR : JP_RETIRED_UNKNOWN);
    }
    close(fd);
}

/* Every session once, over all workers, and an end that says so. */
static void lists(void **state)
{
    enum { SESSIONS = 200 };
    struct plane *plane = *state;
    struct jp_ipc_list list = {HEADER(JP_IPC_LIST), 0, 0, 7, 0};
    int fd = connect_control(plane);
    bool seen[SESSIONS] = {false};
    unsigned n = 0, pages = 0;
    union message m;

    for (unsigned i = 0; i < SESSIONS; i++) {
        struct jp_ipc_install in = install_message(i);

        assert_int_equal(install(plane, fd, &in), 0);
    }
    do {
        unsigned page = 0;

        list.request++;
        tell(fd, &list, sizeof(list));
        for (;;) {
            size_t len = hear(plane, fd, &m);

            assert_int_equal(m.session.request, list.request);
            if (m.h.type == JP_IPC_LIST_END)
                break;
            assert_int_equal(m.h.type, JP_IPC_SESSION);
            assert_int_equal(len, sizeof(m.session));
            unsigned i = m.session.client_spi - 0x20000;

            assert_true(i < SESSIONS && !seen[i]);
            seen[i] = true;
            assert_int_equal(m.session.lcore, owner_of(&plane->dp, m.session.server_spi));
            page++;
        }
        assert_true(page <= list.max);
        n += page;
        pages++;
        list.cursor = m.list_end.cursor;
    } while (list.cursor != 0);
    assert_int_equal(n, SESSIONS);
    assert_true(pages >= SESSIONS / list.max);
    close(fd);
}

static void queries(void **state)
{
    struct plane *plane = *state;
    int fd = connect_control(plane);
    union message m;

    for (unsigned i = 0; i < 20; i++) {
        struct jp_ipc_install in = install_message(i);
        struct jp_ipc_query query = {HEADER(JP_IPC_QUERY), 77 + i, in.server_spi, 0};

        if (i % 2 == 0) {
            assert_int_equal(install(plane, fd, &in), 0);
            tell(fd, &query, sizeof(query));
            assert_int_equal(hear(plane, fd, &m), sizeof(m.session));
            assert_int_equal(m.session.server_spi, in.server_spi);
            assert_int_equal(m.session.request, query.request);
        } else {
            tell(fd, &query, sizeof(query));
        }
        assert_int_equal(hear(plane, fd, &m), sizeof(m.list_end));
        assert_int_equal(m.list_end.request, query.request);
        assert_int_equal(m.list_end.cursor, 0);
    }
    close(fd);
}

/* More at once than any ring takes, from a peer that does not read: nothing is lost or stuck. */
static void many_at_once(void **state)
{
    enum { MANY = 3000 };
    struct plane *plane = *state;
    int fd = connect_control(plane), size = 8 << 20;
    unsigned answers = 0;
    union message m;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    for (unsigned i = 0; i < MANY; i++) {
        struct jp_ipc_install in = install_message(i);

        while (send(fd, &in, sizeof(in), MSG_NOSIGNAL) < 0) {
            assert_int_equal(errno, EAGAIN);
            turn(plane, 1);
        }
    }
    for (; answers < MANY; answers++) {
        assert_int_equal(hear(plane, fd, &m), sizeof(m.installed));
        assert_int_equal(m.installed.result, 0);
    }
    assert_int_equal(plane_count(plane, JP_sessions_installed), MANY);
    close(fd);
}

/* A hello reaches the control plane byte for byte, and what it sends the client; without a control
 * plane a hello is dropped where it arrives. */
static void handshakes(void **state)
{
    struct plane *plane = *state;
    uint8_t clienthello[HS_CLIENT_HELLO_LEN] = {
        [4] = WIRE_CLIENT_HELLO, [5] = WIRE_VERSION, [1343] = 9};
    struct jp_ipc_packet answer = {
        .h = HEADER(JP_IPC_SEND), .len = 68, .bytes = {[4] = WIRE_RETRY}};
    struct client c = client_new(plane, 5, 0);
    struct rte_mbuf *sent;
    union message m;
    int fd;

    client_send_payload(&c, clienthello, sizeof(clienthello));
    plane_settle(plane);
    assert_int_equal(plane_count(plane, JP_punt_full), 1);
    fd = connect_control(plane);
    client_send_payload(&c, clienthello, sizeof(clienthello));
    assert_int_equal(hear(plane, fd, &m), sizeof(m.packet));
    assert_int_equal(m.h.type, JP_IPC_PUNT);
    assert_int_equal(m.packet.len, sizeof(clienthello));
    assert_memory_equal(m.packet.bytes, clienthello, sizeof(clienthello));
    assert_memory_equal(&m.packet.path, &c.path, sizeof(c.path));

    answer.path = m.packet.path;
    tell(fd, &answer, sizeof(answer));
    turn(plane, 3);
    plane_settle(plane);
    sent = plane_sent(plane);
    assert_non_null(sent);
    assert_int_equal(sent->pkt_len, 14 + 20 + 8 + 68);
    rte_pktmbuf_free(sent);
    close(fd);
}

/* Of those that wait when the connection ends every one is counted as lost. */
static void handshakes_are_accounted_for(void **state)
{
    struct plane *plane = *state;
    uint8_t clienthello[HS_CLIENT_HELLO_LEN] = {[4] = WIRE_CLIENT_HELLO, [5] = WIRE_VERSION};
    struct client c = client_new(plane, 5, 0);
    int fd = connect_control(plane);
    unsigned n = 0;

    for (; outbox_empty(); n++) { /* until the socket, which nobody reads, takes no more */
        assert_in_range(n, 0, 100000);
        client_send_payload(&c, clienthello, sizeof(clienthello));
        plane->now += 1000000; /* more slowly than rates limit */
        plane_turn(plane);
        turn(plane, 1);
    }
    close(fd);
    turn(plane, 5);
    assert_true(plane_count(plane, JP_punted) > 0 && plane_count(plane, JP_punt_lost) > 0);
    assert_int_equal(plane_count(plane, JP_punted) + plane_count(plane, JP_punt_lost), n);
    assert_int_equal(plane_count(plane, JP_punt_full), 0);
}

/* A batch of messages with news in front of a hello does not keep it waiting. */
static void events_leave_room_for_handshakes(void **state)
{
    struct plane *plane = *state;
    uint8_t clienthello[HS_CLIENT_HELLO_LEN] = {[4] = WIRE_CLIENT_HELLO, [5] = WIRE_VERSION};
    struct client c = client_new(plane, 5, 0);
    int fd = connect_control(plane);
    bool punted = false;
    union message m;

    for (unsigned i = 0; i < 3 * OUTBOX_MAX; i++)
        event_send(plane->dp.lcore[0], event_new(plane->dp.lcore[0], JP_IPC_RETIRED));
    client_send_payload(&c, clienthello, sizeof(clienthello));
    plane_settle(plane);
    for (unsigned i = 0; i < OUTBOX_MAX; i++) {
        assert_int_not_equal(hear(plane, fd, &m), 0);
        punted |= m.h.type == JP_IPC_PUNT;
    }
    assert_true(punted);
    while (recv(fd, &m, sizeof(m), 0) > 0)
        turn(plane, 1);
    close(fd);
}

extern uint8_t __data_start[], _end[];

/* Compares byte by byte, red zones between the variables and all: those are no mistake here. */
__attribute__((no_sanitize("address"))) static bool in_variables(const uint8_t *key, size_t len)
{
    for (const uint8_t *at = __data_start; at + len <= _end; at++) {
        size_t same = 0;

        while (same < len && at[same] == key[same])
            same++;
        if (same == len)
            return true;
    }
    return false;
}

/* Keys that come behind what ends the connection do not stay behind either. */
static void keys_do_not_stay(void **state)
{
    struct plane *plane = *state;
    struct jp_ipc_header wrong = HEADER(JP_IPC_DATA_HELLO);
    int fd = connect_control(plane);
    union message m;

    {
        struct jp_ipc_install in = install_message(1);

        for (unsigned i = 0; i < sizeof(in.c2s_secret); i++)
            in.c2s_secret[i] = (uint8_t)(0x91 * (i + 3));
        tell(fd, &wrong, sizeof(wrong));
        tell(fd, &in, sizeof(in));
    }
    while (plane->dp.control_up)
        turn(plane, 1);
    uint8_t key[sizeof(m.install.c2s_secret)];

    for (unsigned i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(0x91 * (i + 3));
    assert_false(in_variables(key, sizeof(key)));
    close(fd);
}

static void stops(void **state)
{
    struct plane *plane = *state;
    struct jp_ipc_header stop = HEADER(JP_IPC_STOP);
    int fd = connect_control(plane);
    bool going = true;

    tell(fd, &stop, sizeof(stop));
    for (unsigned i = 0; i < 10 && going; i++)
        going = control_turn(&plane->dp);
    assert_false(going);
    close(fd);
}

static int listen_on(const char *path)
{
    struct config config = {.control_socket = ""};

    snprintf(config.control_socket, sizeof(config.control_socket), "%s", path);
    return control_listen(&config);
}

/* The place of a dead data plane is taken over, a living one's is not. */
static void stale_socket(void **state)
{
    int first, second, client;

    (void)state;
    first = listen_on(other_path);
    assert_true(first >= 0);
    assert_int_equal(listen_on(other_path), -EADDRINUSE);
    assert_int_equal(accept(first, NULL, NULL),
                     -1); /* without a connection, where that is enough */
    close(first);         /* as a process that died */
    second = listen_on(other_path);
    assert_true(second >= 0);
    client = dial(other_path);
    close(client);
    close(second);
    unlink(other_path);
    assert_int_equal(listen_on("/nonexistent/there/dp.sock"), -ENOENT);

    FILE *other = fopen(other_path, "w"); /* somebody's file is left alone */

    assert_non_null(other);
    fclose(other);
    assert_int_equal(listen_on(other_path), -ENOTSOCK);
    assert_int_equal(unlink(other_path), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(socket_mode),
        TEST(hello),
        TEST(strangers),
        TEST(violations),
        TEST(newer_replaces_older),
        TEST(installs_and_retires),
        TEST(lists),
        TEST(queries),
        TEST(many_at_once),
        TEST(handshakes),
        TEST(handshakes_are_accounted_for),
        TEST(events_leave_room_for_handshakes),
        TEST(keys_do_not_stay),
        TEST(stale_socket),
        TEST(stops),
    };

    snprintf(socket_path, sizeof(socket_path), "/tmp/jetplane-test-%d.sock", getpid());
    snprintf(other_path, sizeof(other_path), "/tmp/jetplane-test-%d.sock.2", getpid());
    atexit(unlink_sockets);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
