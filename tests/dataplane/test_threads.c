/* All of the data plane's threads at once: workers that hand packets over to each other, and the
 * main lcore, which passes on what they say, what they are told and what is relayed, and resets
 * ports. The test's own thread is the rest of the world, by wire and sockets. To be run with
 * -Db_sanitize=thread too. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_lcore.h>

#include "bytes.h"
#include "handover.h"
#include "handshake.h"
#include "plane.h"
#include "relay.h"
#include "reset.h"
#include "rng.h"

/* With more workers a ring would have several producers, whose order DPDK chains in a way that is
 * sound, but that ThreadSanitizer does not follow. */
enum { WORKERS = 2, CLIENTS = 16, RELAYED = 4 /* of them */ };
enum { PACKETS = 30000, AT_ONCE = 16, WINDOW = 256, LEN = 64, PREFIXES = 500, PATIENCE = 100000 };
enum { LAST_TURNS = 100, RESET_ROUNDS = 100 };

static struct world {
    struct plane *plane;
    struct client client[CLIENTS];
    char socket_path[64];
    int control, relay;
    bool ended; /* atomic */
    pthread_t main, worker[WORKERS];
    uint64_t sent, echoes, relayed;      /* packets: with data, back by UDP, back by TCP */
    unsigned heard[JP_IPC_LIST_END + 1]; /* messages by type */
} world;

#define HEADER(t) ((struct jp_ipc_header){JP_IPC_MAGIC, JP_IPC_VERSION, t})

/* ---- the threads of a data plane ---- */

static void *run_worker(void *lcore)
{
    if (rte_thread_register() != 0)
        abort();
    worker_run(lcore);
    rte_thread_unregister();
    return NULL;
}

static void *run_main(void *arg)
{
    struct dataplane *dp = arg;
    unsigned turns = 0;
    uint64_t now = 0;

    if (rte_thread_register() != 0)
        abort();
    while (turns < LAST_TURNS) {
        control_turn(dp);
        stats_heartbeat(dp);
        ports_sample(dp);
        stats_sample(dp);
        resets_turn(dp, now += rte_get_tsc_hz()); /* no port waits for a second reset */
        turns += __atomic_load_n(&world.ended, __ATOMIC_ACQUIRE);
    }
    rte_thread_unregister();
    return NULL;
}

static void threads_start(struct plane *plane)
{
    struct dataplane *dp = &plane->dp;

    dp->tsc_start = rte_rdtsc() - (uint64_t)((double)plane->now * dp->tsc_per_us);
    world.ended = false;
    assert_int_equal(pthread_create(&world.main, NULL, run_main, dp), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&world.worker[i], NULL, run_worker, dp->lcore[i]), 0);
}

/* As jetplane-dp stops. */
static void threads_stop(struct plane *plane)
{
    __atomic_store_n(&plane->stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(world.worker[i], NULL);
    __atomic_store_n(&world.ended, true, __ATOMIC_RELEASE);
    pthread_join(world.main, NULL);
    plane->stop = false;
    for (unsigned i = 0; i < WORKERS; i++) {
        plane->dp.lcore[i]->quiet = false;
        plane->now = RTE_MAX(plane->now, plane->dp.lcore[i]->now);
    }
}

/* ---- the control plane ---- */

/* Connected and greeted, with a socket to relay over. */
static void control_start(void)
{
    struct jp_ipc_control_hello hello = {HEADER(JP_IPC_CONTROL_HELLO), (uint32_t)getpid(), 0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } ancillary = {0};
    struct iovec part = {&hello, sizeof(hello)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = ancillary.bytes,
                             .msg_controllen = sizeof(ancillary.bytes)};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    ancillary.align = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&ancillary.align), &pair[1], sizeof(int));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.socket_path);
    world.relay = pair[0];
    world.control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(world.control, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(sendmsg(world.control, &message, MSG_NOSIGNAL), sizeof(hello));
    close(pair[1]);
}

/* False when the socket is full. */
static bool tell(const void *message, size_t len)
{
    return send(world.control, message, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Sessions come and go, and are looked at. */
static void control_work(unsigned round)
{
    struct jp_ipc_list list = {HEADER(JP_IPC_LIST), round, 0, JP_IPC_LIST_MAX, 0};
    struct jp_ipc_query query = {HEADER(JP_IPC_QUERY), round, world.client[0].server_spi, 0};
    struct jp_ipc_install install = {
        .h = HEADER(JP_IPC_INSTALL),
        .path = plane_path(round % PREFIXES, PLANE_ECHO, 4),
        .server_spi = 0x2000000 + round,
        .client_spi = 0xd0000000 + round,
        .idle_timeout_ms = 30000,
        .max_streams = 10,
        .max_packet = 1452,
        .alg = AEAD_AES256_GCM,
    };
    struct jp_ipc_retire retire = {HEADER(JP_IPC_RETIRE), install.server_spi - 2, 0};

    tell(&install, sizeof(install));
    tell(&retire, sizeof(retire));
    tell(&list, sizeof(list));
    tell(&query, sizeof(query));
}

static void control_hear(void)
{
    union {
        struct jp_ipc_header h;
        uint8_t bytes[2048];
    } m;

    while (recv(world.control, &m, sizeof(m), 0) > 0) {
        assert_true(m.h.magic == JP_IPC_MAGIC && m.h.type <= JP_IPC_LIST_END);
        world.heard[m.h.type]++;
    }
    assert_int_equal(errno, EAGAIN);
}

/* ---- clients ---- */

static void relay_send_packet(const struct client *c, const uint8_t *packet, uint32_t len)
{
    struct jp_ipc_relay head = {.path = c->path, .spi = c->server_spi, .len = (uint16_t)len};
    struct iovec part[] = {{&head, sizeof(head)}, {(void *)(uintptr_t)packet, len}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};

    while (sendmsg(world.relay, &message, MSG_NOSIGNAL) < 0) {
        assert_int_equal(errno, EAGAIN);
        usleep(100);
    }
}

/* Data, by whatever queue. */
static void send_data(struct client *c, struct rng *rng)
{
    uint8_t frames[PLANE_FRAME_MAX], payload[PLANE_FRAME_MAX], *p = frame_put_datagram_hdr(frames);
    uint32_t len;

    memset(p, (int)world.sent, LEN);
    len = client_seal(c, c->tx.next_pn++, frames, (uint32_t)(p + LEN - frames), payload);
    c->queue = (unsigned)rng_below(rng, WORKERS);
    if (c->path.tcp)
        relay_send_packet(c, payload, len);
    else
        client_send_payload(c, payload, len);
    world.sent++;
}

/* A hello for the control plane, or a packet of a session that is none. */
static void send_noise(struct plane *plane, struct rng *rng)
{
    struct client c = client_new(plane, (unsigned)rng_below(rng, PREFIXES), 0);
    uint8_t payload[HS_CLIENT_HELLO_LEN] = {0};

    c.queue = (unsigned)rng_below(rng, WORKERS);
    if (rng_below(rng, 2) == 0)
        wire_hs_hdr_put(payload, WIRE_CLIENT_HELLO);
    else
        wire_data_hdr_put(payload, (uint32_t)(0x5000000 + rng_below(rng, 1000)), 1);
    client_send_payload(&c, payload, sizeof(payload));
}

/* Whose it is, by the SPI behind the headers of IPv4; CLIENTS: nobody's here. */
static unsigned client_of(struct rte_mbuf *m)
{
    enum { SPI = RTE_ETHER_HDR_LEN + 20 + 8 };
    uint32_t spi = m->data_len < SPI + 4 ? 0 : be32_load(rte_pktmbuf_mtod(m, uint8_t *) + SPI);

    return RTE_MIN(spi - world.client[0].client_spi, (uint32_t)CLIENTS);
}

/* Does the packet, which must be authentic, bring data back? */
static bool is_echo(struct client *c, struct rte_mbuf *m)
{
    struct seen d = client_open(c, m);
    const uint8_t *p = d.frames;
    struct frame f;

    while (frame_next(&p, d.frames + d.frames_len, false, &f) == 1)
        if (f.type == FRAME_DATAGRAM) {
            assert_int_equal(f.u.datagram.len, LEN);
            assert_int_equal(f.u.datagram.data[0], f.u.datagram.data[LEN - 1]);
            return true;
        }
    return false;
}

static void receive(struct plane *plane)
{
    struct {
        struct jp_ipc_relay head;
        uint8_t packet[PLANE_FRAME_MAX];
    } relayed;

    for (struct rte_mbuf *m; (m = plane_sent(plane)); rte_pktmbuf_free(m)) {
        unsigned n;

        handover_take((void *const *)&m, 1);
        n = client_of(m);
        world.echoes += n < CLIENTS && is_echo(&world.client[n], m);
    }
    while (recv(world.relay, &relayed, sizeof(relayed), 0) > 0)
        world.relayed++;
    control_hear();
}

/* Let them work until at most so many packets are under way. */
static void wait_for(struct plane *plane, uint64_t under_way)
{
    for (unsigned i = 0; world.sent - plane_count(plane, JP_delivered) > under_way; i++) {
        if (i == PATIENCE)
            fail_msg("of %lu packets %lu were delivered", world.sent,
                     plane_count(plane, JP_delivered));
        receive(plane);
        usleep(100);
    }
}

/* ---- the test ---- */

static int setup(void **state)
{
    static struct dataplane shared; /* for its descriptor: the counters are the plane's own */
    struct plane *plane;

    plane_setup(state);
    plane = *state;
    plane_workers(plane, WORKERS);
    relay_setup(&plane->dp);
    plane->dp.control_up = false;
    assert_int_equal(stats_create(&shared), 0);
    snprintf(world.socket_path, sizeof(world.socket_path), "/tmp/test_threads-%d", getpid());
    snprintf(plane->dp.config.control_socket, sizeof(plane->dp.config.control_socket), "%s",
             world.socket_path);
    for (unsigned i = 0; i < PLANE_PORTS; i++)
        handover_port(plane->dp.port[i].id, plane->in[i], WORKERS);
    for (unsigned i = 0; i < CLIENTS; i++) {
        world.client[i] = client_new(plane, i, i % WORKERS);
        if (i < RELAYED) {
            world.client[i].path.port = JP_IPC_RELAY_PORT;
            world.client[i].path.tcp = 1;
        }
        assert_int_equal(client_install(&world.client[i]), 0);
    }
    return control_open(&plane->dp);
}

static int teardown(void **state)
{
    struct plane *plane = *state;

    close(world.control);
    close(world.relay);
    control_close(&plane->dp);
    return plane_teardown(state);
}

static void all_at_once(void **state)
{
    struct plane *plane = *state;
    struct rng rng = rng_new(7);

    threads_start(plane);
    control_start();
    for (unsigned round = 0; world.sent < PACKETS; round++) {
        for (unsigned i = 0; i < AT_ONCE; i++)
            send_data(&world.client[rng_below(&rng, CLIENTS)], &rng);
        send_noise(plane, &rng);
        if (round % 8 == 0)
            control_work(round);
        if (round % RESET_ROUNDS == 0)
            plane_ask_reset(plane, round / RESET_ROUNDS % PLANE_PORTS);
        receive(plane);
        wait_for(plane, WINDOW);
    }
    wait_for(plane, 0);
    threads_stop(plane);
    receive(plane);
    assert_int_equal(plane_count(plane, JP_delivered), world.sent);
    assert_in_range(plane_count(plane, JP_handed_in), PACKETS / 4, PACKETS);
    assert_true(world.echoes > 0 && world.relayed > 0);
    for (unsigned type = JP_IPC_DATA_HELLO; type <= JP_IPC_LIST_END; type++)
        if (world.heard[type] == 0)
            fail_msg("no message of type %u", type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_at_once, setup, teardown),
    };

    plane_size.mbuf_cache = 64;
    handover_pools();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
