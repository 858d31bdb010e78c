/* Ports whose devices ask to be reset: all sessions live on. */
#include "reset.h"

#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "peer.h"

enum { EXTRA = PLANE_PORTS, PATIENCE = 10000 };

/* ---- the main lcore ---- */

static uint64_t clock_s; /* what the main lcore's clock says: it never goes back */
static char said[4096];  /* in its last turn */

/* A turn of it so many seconds later. */
static void turn_after(struct plane *plane, uint64_t s)
{
    int log = memfd_create("log", 0), old = dup(STDERR_FILENO);

    fflush(stderr);
    dup2(log, STDERR_FILENO);
    clock_s += s;
    resets_turn(&plane->dp, clock_s * rte_get_tsc_hz());
    fflush(stderr);
    dup2(old, STDERR_FILENO);
    said[pread(log, said, sizeof(said) - 1, 0)] = 0;
    close(log);
    close(old);
}

static void expect_said(const char *what)
{
    if (!strstr(said, what))
        fail_msg("not \"%s\" but \"%s\"", what, said);
}

static bool is_up(const struct plane *plane, unsigned port)
{
    struct rte_eth_link link;

    assert_int_equal(rte_eth_link_get_nowait(plane->dp.port[port].id, &link), 0);
    assert_int_equal(link.link_status, plane->stats.port[port].link_up);
    return link.link_status;
}

static void expect_silence(struct plane *plane, uint64_t s)
{
    turn_after(plane, s);
    assert_string_equal(said, "");
}

static void expect_back(struct plane *plane, unsigned port)
{
    expect_said("was reset and is back");
    assert_true(is_up(plane, port));
    expect_silence(plane, 100);
}

static int setup(void **state)
{
    clock_s += 100;
    return plane_setup(state);
}

/* ---- ports of rings ---- */

static void echo(struct client *c)
{
    client_send_datagram(c, 100, 7);
    plane_turn(c->plane);
    plane_turn(c->plane); /* the owner's, if another received it */
    client_expect_data(c, 100, 7);
}

static void port_comes_back(void **state)
{
    struct plane *plane = *state;
    struct jp_stats_port *shared = &plane->stats.port[PLANE_UNTAGGED];
    struct client c[2];
    uint64_t counted;

    plane_workers(plane, 2);
    for (unsigned i = 0; i < 2; i++) {
        c[i] = client_new(plane, i, i);
        assert_int_equal(client_install(&c[i]), 0);
        echo(&c[i]);
    }
    ports_sample(&plane->dp);
    counted = shared->rx_packets;
    assert_int_equal(rte_eth_dev_stop(plane->dp.port[PLANE_UNTAGGED].id), 0); /* dead */
    expect_silence(plane, 100);
    plane_ask_reset(plane, PLANE_UNTAGGED);
    turn_after(plane, 0);
    expect_said("the device asks for a reset: nothing is received or sent before");
    expect_back(plane, PLANE_UNTAGGED);
    for (unsigned i = 0; i < 2; i++)
        echo(&c[i]);
    ports_sample(&plane->dp);
    assert_int_equal(shared->rx_packets, counted + 2);
    assert_int_equal(plane_count(plane, JP_sessions), 2);
    assert_int_equal(plane_count(plane, JP_tx_reset), 0);
}

/* One that asks all the time is reset once a second. */
static void who_asks_too_often_waits(void **state)
{
    struct plane *plane = *state;

    plane_ask_reset(plane, PLANE_TAGGED);
    turn_after(plane, 0);
    expect_said("was reset and is back");
    plane_ask_reset(plane, PLANE_TAGGED);
    expect_silence(plane, 0);
    turn_after(plane, 1);
    expect_back(plane, PLANE_TAGGED);
}

/* Its device seems to come back with another Ethernet address, which its driver cannot change:
 * sessions go on sending from the old one. */
static void break_port(struct plane *plane)
{
    plane->dp.port[PLANE_UNTAGGED].mac[5] ^= 1;
    plane_ask_reset(plane, PLANE_UNTAGGED);
    turn_after(plane, 0);
    expect_said("does not take back its Ethernet address");
    expect_said("the reset failed and is tried again in 1 s");
    assert_false(plane->stats.port[PLANE_UNTAGGED].link_up);
}

static void repair_port(struct plane *plane)
{
    plane->dp.port[PLANE_UNTAGGED].mac[5] ^= 1;
    turn_after(plane, 64);
    expect_back(plane, PLANE_UNTAGGED);
}

static void failed_resets_are_tried_again(void **state)
{
    struct plane *plane = *state;
    struct jp_stats_port *shared = &plane->stats.port[PLANE_UNTAGGED];
    struct client c = client_start(plane, 1, PLANE_ECHO);

    echo(&c);
    break_port(plane);
    uint64_t counted = shared->rx_packets;

    assert_int_equal(rte_eth_stats_reset(plane->dp.port[PLANE_UNTAGGED].id), 0); /* it forgets */
    expect_silence(plane, 0);
    turn_after(plane, 1);
    expect_said("in 2 s");
    expect_silence(plane, 1);
    turn_after(plane, 1);
    expect_said("in 4 s");
    for (unsigned i = 0; i < 6; i++) {
        turn_after(plane, 64);
        expect_said("the reset failed");
    }
    plane_ask_reset(plane, PLANE_UNTAGGED); /* which is what is tried anyhow */
    expect_silence(plane, 63);
    repair_port(plane);
    echo(&c);
    ports_sample(&plane->dp);
    assert_int_equal(shared->rx_packets, counted + 1);
}

/* What came to the port waits there; what light sessions send is dropped; another port works. */
static void light_sessions_live_on(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_SOURCE), other = client_new(plane, 2, 0);
    uint64_t came;

    other.path.vlan = PLANE_VLAN;
    other.path.port = (uint8_t)plane->dp.port[PLANE_TAGGED].id;
    assert_int_equal(client_install(&other), 0);
    client_send_datagram(&c, 1, 1);
    plane_pass(plane, 10000);
    assert_true(plane_ignore_sent(plane) > 0);
    break_port(plane);
    came = plane_count(plane, JP_rx_packets);
    client_send_datagram(&c, 1, 1);
    rte_errno = 0;
    plane_pass(plane, 100000);
    assert_int_equal(rte_errno, 0); /* as DPDK sets it for who uses a port that is stopped */
    assert_int_equal(plane_count(plane, JP_rx_packets), came);
    assert_in_range(plane_count(plane, JP_tx_reset), 50, 200);
    assert_int_equal(plane_count(plane, JP_tx_full), 0);
    client_expect_nothing(&c);
    echo(&other);
    repair_port(plane);
    came = plane_count(plane, JP_tx_reset);
    plane_pass(plane, 10000);
    assert_int_equal(plane_count(plane, JP_rx_packets), 3);
    assert_int_equal(plane_count(plane, JP_tx_reset), came);
    assert_true(plane_ignore_sent(plane) > 0);
    assert_non_null(client_session(&c));
}

/* What full sessions send waits, and nothing is dropped. */
static void full_sessions_live_on(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);

    for (unsigned i = 0; i < 4; i++)
        peer_open(p, 40, NULL)->finish = true;
    peers_pass(plane, 30000);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(peers_echoed());
        break_port(plane);
        peers_pass(plane, 500000);
        repair_port(plane);
        peers_pass(plane, 20000);
    }
    peers_run(plane, peers_echoed);
    assert_int_equal(plane_count(plane, JP_tx_reset) + plane_count(plane, JP_tx_full), 0);
    peer_free(p);
}

/* ---- ports of other drivers ---- */

/* One more port of the plane, as a data plane starts its own. */
static void start_extra(struct plane *plane, const char *device, const char *options)
{
    struct dataplane *dp = &plane->dp;
    struct config_port *config = &dp->config.port[EXTRA];
    struct jp_path path = plane_path(0, PLANE_ECHO, 4);

    assert_int_equal(rte_eal_hotplug_add("vdev", device, options), 0);
    *config = (struct config_port){.mtu = 1500, .addresses = 1, .address[0].prefix_len = 24};
    snprintf(config->device, sizeof(config->device), "%s", device);
    memcpy(config->address[0].ip, path.our_ip, sizeof(path.our_ip));
    dp->config.ports = EXTRA + 1;
    assert_int_equal(ports_start(dp, plane->mbufs), 0);
    outlines_init(&dp->lcore[0]->outlines[EXTRA], &dp->port[EXTRA]);
}

/* The plane has it no more; the device goes with the process. */
static void end_extra(struct plane *plane)
{
    plane->dp.config.ports = plane->dp.ports = EXTRA;
    memset(&plane->dp.port[EXTRA], 0, sizeof(plane->dp.port[EXTRA]));
}

/* The other end of a memif. */
static uint16_t start_end(const struct plane *plane, const char *options)
{
    struct rte_eth_conf conf = {0};
    uint16_t id;

    assert_int_equal(rte_eal_hotplug_add("vdev", "net_memif1", options), 0);
    assert_int_equal(rte_eth_dev_get_port_by_name("net_memif1", &id), 0);
    assert_int_equal(rte_eth_dev_configure(id, 1, 1, &conf), 0);
    assert_int_equal(rte_eth_rx_queue_setup(id, 0, 0, 0, NULL, plane->mbufs), 0);
    assert_int_equal(rte_eth_tx_queue_setup(id, 0, 0, 0, NULL), 0);
    assert_int_equal(rte_eth_dev_start(id), 0);
    return id;
}

static void await_link(uint16_t id)
{
    struct rte_eth_link link = {0};

    for (unsigned i = 0; !link.link_status; i++) {
        assert_true(i < PATIENCE);
        usleep(1000);
        rte_eth_link_get_nowait(id, &link);
    }
}

/* A datagram there and back through the memif. */
static void echo_through(struct client *c, uint16_t end)
{
    uint8_t frames[64], payload[PLANE_FRAME_MAX], frame[PLANE_FRAME_MAX];
    uint8_t *p = frame_put_datagram_hdr(frames);
    struct rte_mbuf *m = rte_pktmbuf_alloc(c->plane->mbufs);
    uint64_t pn;
    uint32_t len;

    await_link(end);
    await_link(c->plane->dp.port[EXTRA].id);
    memset(p, 5, 10);
    assert_int_equal(epoch_tx_next(&c->tx, &pn), EPOCH_OK);
    len = client_seal(c, pn, frames, (uint32_t)(p + 10 - frames), payload);
    len = client_frame(c, payload, len, frame);
    memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
    for (unsigned i = 0; rte_eth_tx_burst(end, 0, &m, 1) == 0; i++) { /* or has it no room yet? */
        assert_true(i < PATIENCE);
        plane_turn(c->plane);
    }
    plane_turn(c->plane);
    assert_int_equal(rte_eth_rx_burst(end, 0, &m, 1), 1);
    struct seen d = client_open(c, m);

    assert_memory_equal(d.frames + (p - frames), p, 10);
    rte_pktmbuf_free(d.m);
}

static void expect_refusal(struct plane *plane)
{
    plane_ask_reset(plane, EXTRA);
    turn_after(plane, 0);
    expect_said(plane->dp.config.port[EXTRA].device);
    expect_said("asks for a reset, which its driver does not survive: it stays as it is");
    expect_silence(plane, 100);
    assert_int_equal(plane_count(plane, JP_tx_reset), 0);
}

/* Stopping one may end the process, when its peer goes at the same time. */
static void memif_stays(void **state)
{
    struct plane *plane = *state;
    char options[128];

    snprintf(options, sizeof(options), "role=server,socket=/tmp/test_reset-%d", getpid());
    uint16_t end = start_end(plane, options);

    snprintf(options, sizeof(options), "role=client,socket=/tmp/test_reset-%d", getpid());
    start_extra(plane, "net_memif0", options);
    struct client c = client_new(plane, 1, 0);

    memcpy(c.path.our_mac, plane->dp.port[EXTRA].mac, sizeof(c.path.our_mac));
    c.path.port = (uint8_t)plane->dp.port[EXTRA].id;
    assert_int_equal(client_install(&c), 0);
    echo_through(&c, end);
    expect_refusal(plane);
    echo_through(&c, end);
    end_extra(plane);
}

/* A network of its own, whose one interface gives back what is sent. */
static bool has_loopback(void)
{
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd;

    if (unshare(CLONE_NEWNET) < 0 || (fd = socket(AF_UNIX, SOCK_DGRAM, 0)) < 0)
        return false;
    bool done = ioctl(fd, SIOCSIFFLAGS, &up) == 0;

    close(fd);
    return done;
}

/* Its driver closes the sockets when it stops, and opens none when it starts. */
static void af_packet_stays(void **state)
{
    struct plane *plane = *state;
    struct rte_mbuf *m = rte_pktmbuf_alloc(plane->mbufs);

    if (!has_loopback()) {
        rte_pktmbuf_free(m);
        skip();
    }
    start_extra(plane, "net_af_packet0", "iface=lo");
    expect_refusal(plane);
    memset(rte_pktmbuf_append(m, 60), 0, 60);
    assert_int_equal(rte_eth_tx_burst(plane->dp.port[EXTRA].id, 0, &m, 1), 1);
    for (unsigned i = 0; plane_count(plane, JP_rx_packets) == 0; i++) {
        assert_true(i < PATIENCE);
        usleep(1000);
        plane_turn(plane);
    }
    end_extra(plane);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, plane_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(port_comes_back),
        TEST(who_asks_too_often_waits),
        TEST(failed_resets_are_tried_again),
        TEST(light_sessions_live_on),
        TEST(full_sessions_live_on),
        TEST(memif_stays),
        TEST(af_packet_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
