#include "plane.h"

#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ip.h>

#include "bytes.h"
#include "congestion.h"
#include "kdf.h"
#include "reset.h"
#include "transport/state.h"

enum { MBUF_ROOM = 2560, RING = 4096 };

/* ---- the plane ---- */

struct plane_size plane_size = {
    .memory_mb = 512,
    .lcores = PLANE_LCORES,
    .sessions = 4000000, /* their memory comes with them */
    .mbufs = 8191,
    .stream_chunks = 4096,
    .fec_blocks = 64,
    .fec_symbols = 512,
    .tx_slots = RING,
};

static void eal_start(void)
{
    char memory[16];
    char *pages = plane_size.hugepages ? "--in-memory" : "--no-huge";
    char *args[] = {"plane", pages, "--no-shconf", "--no-pci", "--no-telemetry",
                    "-l",    "0",   "-m",          memory,     "--log-level=*:error"};

    snprintf(memory, sizeof(memory), "%u", plane_size.memory_mb);
    assert_true(rte_eal_init(RTE_DIM(args), args) >= 0);
}

static struct rte_ring *ring_new(const char *what, unsigned port, unsigned queue, unsigned slots)
{
    char name[RTE_RING_NAMESIZE];

    snprintf(name, sizeof(name), "%s-%u-%u", what, port, queue);
    struct rte_ring *ring = rte_ring_create(name, slots, SOCKET_ID_ANY, RING_F_EXACT_SZ);

    assert_non_null(ring);
    return ring;
}

static void port_start(struct plane *plane, unsigned i)
{
    static struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 1}};
    struct port *port = &plane->dp.port[i];
    struct jp_path path = plane_path(0, PLANE_ECHO, 4), path6 = plane_path(0, PLANE_ECHO, 6);
    struct rte_eth_conf conf = {0};
    char name[16];

    for (unsigned q = 0; q < PLANE_LCORES; q++) {
        plane->in[i][q] = ring_new("in", i, q, RING);
        plane->out[i][q] = ring_new("out", i, q, plane_size.tx_slots);
    }
    snprintf(name, sizeof(name), "rings%u", i);
    int id = rte_eth_from_rings(name, plane->in[i], PLANE_LCORES, plane->out[i], PLANE_LCORES, 0);

    assert_true(id >= 0);
    assert_int_equal(rte_eth_dev_configure((uint16_t)id, PLANE_LCORES, PLANE_LCORES, &conf), 0);
    for (uint16_t q = 0; q < PLANE_LCORES; q++) {
        assert_int_equal(rte_eth_rx_queue_setup((uint16_t)id, q, 0, 0, NULL, plane->mbufs), 0);
        assert_int_equal(rte_eth_tx_queue_setup((uint16_t)id, q, 0, 0, NULL), 0);
    }
    assert_int_equal(rte_eth_dev_mac_addr_add((uint16_t)id, &mac, 0), 0); /* it had none */
    assert_int_equal(rte_eth_dev_start((uint16_t)id), 0);
    *port =
        (struct port){.id = (uint16_t)id, .mtu = 1500, .rx_queues = PLANE_LCORES, .addresses = 2};
    port->vlan = i == PLANE_TAGGED ? PLANE_VLAN : 0;
    memcpy(port->mac, &mac, sizeof(mac));
    memcpy(port->address[0].ip, path.our_ip, 16);
    memcpy(port->address[1].ip, path6.our_ip, 16);
    reset_watch(&plane->dp, i);
}

static void configure(struct dataplane *dp)
{
    struct config *config = &dp->config;

    *config = (struct config){
        .ports = PLANE_PORTS,
        .port = {{.mtu = 1500}, {.mtu = 1500, .vlan = PLANE_VLAN}},
        .listeners = 4,
        .listener = {{.udp_port = PLANE_ECHO, .sink = JP_SINK_ECHO},
                     {.udp_port = PLANE_DISCARD, .sink = JP_SINK_DISCARD},
                     {.udp_port = PLANE_SOURCE,
                      .sink = JP_SINK_SOURCE,
                      .source_rate = 1000,
                      .source_size = 100},
                     {.udp_port = PLANE_FAST_SOURCE, .sink = JP_SINK_SOURCE, .source_size = 1000}},
        .lcores = (uint8_t)plane_size.lcores,
        .max_sessions = plane_size.sessions,
        .steer_ring = 256,
        .fec_blocks = plane_size.fec_blocks,
        .fec_symbols = plane_size.fec_symbols,
        .stream_chunks = plane_size.stream_chunks,
        .reorder_max = 16,
        .reorder_timeout_us = 20000,
        .fec_flush_us = 5000,
        .fec_expire_us = 50000,
        .confirm_timeout_ms = 10000,
        .idle_timeout_max_ms = 60000,
        .max_streams = 100,
        .punt_rate = 10,
        .punt_burst = 4,
        .reset_rate = 10,
        .reset_burst = 4,
        .full = {.sessions = 4000000, /* as above */
                 .max_message = 16384,
                 .window = 262144,
                 .window_max = 1048576,
                 .stream_window = 32768,
                 .stream_window_max = 65536,
                 .streams_mb = 1,
                 .receive_mb = 8,
                 .send_mb = 2,
                 .echo_mb = 1,
                 .fec_mb = 2,
                 .congestion = congestion_find("cubic"),
                 .fec = true,
                 .ecn = true,
                 .mtu_discovery = true},
    };
    for (unsigned i = 0; i < config->listeners; i++)
        dp->listener_of[config->listener[i].udp_port] = (uint8_t)(i + 1);
    for (unsigned i = 0; i < TOEPLITZ_KEY_LEN; i++)
        dp->toeplitz_key[i] = (uint8_t)(0x6d * (i + 1) ^ 0x5a);
    dp->ports = PLANE_PORTS;
    dp->reta_mask = JP_RETA_MAX - 1;
    dp->control_up = true;
    dp->turns = turns_new();
}

static struct plane plane_of_program;

static void plane_end(void)
{
    for (unsigned i = 0; i < PLANE_LCORES && plane_of_program.dp.lcore[i]; i++)
        lcore_free(plane_of_program.dp.lcore[i]);
    aead_free(plane_of_program.aead);
}

static struct plane *plane_start(void)
{
    struct plane *plane = &plane_of_program;

    atexit(plane_end);
    eal_start();
    fec_init();
    configure(&plane->dp);
    plane->dp.stats = &plane->stats;
    plane->dp.tsc_per_us = (double)rte_get_tsc_hz() / 1e6;
    plane->now = 1000000;
    plane->aead = aead_new(aead_best());
    plane->mbufs = rte_pktmbuf_pool_create("plane", plane_size.mbufs, plane_size.mbuf_cache,
                                           PACKET_SIZE, MBUF_ROOM, SOCKET_ID_ANY);
    assert_true(plane->aead && plane->mbufs);
    for (unsigned i = 0; i < PLANE_PORTS; i++)
        port_start(plane, i);
    for (unsigned i = 0; i < plane_size.lcores; i++)
        assert_non_null(lcore_new(&plane->dp, i, plane->mbufs, &plane->stop));
    return plane;
}

void plane_workers(struct plane *plane, unsigned n)
{
    plane->dp.lcores = (uint8_t)n;
    for (unsigned i = 0; i < JP_RETA_MAX; i++)
        plane->dp.reta[i] = (uint8_t)(i % n);
}

int plane_setup(void **state)
{
    static struct plane *plane;

    if (!plane)
        plane = plane_start();
    plane_workers(plane, 1);
    memset(&plane->stats, 0, sizeof(plane->stats));
    plane->now += 3600 * UINT64_C(1000000); /* rate limits forget */
    plane_turn(plane);
    plane->in_use = rte_mempool_in_use_count(plane->mbufs);
    *state = plane;
    return 0;
}

static void check_transports(const struct transports *ts)
{
    assert_int_equal(transports_used(ts), 0);
    assert_int_equal(ts->n_waiting, 0);
}

static void check_pools(const struct lcore *lc)
{
    check_transports(lc->transports);
    assert_int_equal(lc->fec.symbols.used, 0);
    assert_int_equal(lc->fec.blocks.used, 0);
    assert_int_equal(lc->fec_decoders.used, 0);
    assert_int_equal(lc->fec_encoders.used, 0);
    assert_int_equal(lc->streams.pool.used, 0);
    assert_int_equal(lc->streams.empty, 0);
    assert_int_equal(rte_mempool_in_use_count(lc->command_pool), 0);
    assert_int_equal(rte_mempool_in_use_count(lc->event_pool), 0);
}

int plane_teardown(void **state)
{
    struct plane *plane = *state;
    struct event event;
    void *m;

    plane_settle(plane);
    for (unsigned i = 0; i < plane_size.lcores; i++) {
        sessions_shutdown(plane->dp.lcore[i], UINT32_MAX);
        assert_int_equal(session_table_count(plane->dp.lcore[i]->sessions), 0);
    }
    while (plane_ignore_sent(plane) > 0) /* what waits for a port follows */
        plane_turn(plane);
    plane_check_sum(plane);
    assert_int_equal(plane_count(plane, JP_held), 0);
    while (plane_event(plane, &event))
        ;
    for (unsigned i = 0; i < plane_size.lcores; i++) {
        while (rte_ring_dequeue(plane->dp.lcore[i]->punts, &m) == 0)
            rte_pktmbuf_free(m);
        check_pools(plane->dp.lcore[i]);
    }
    assert_int_equal(rte_mempool_in_use_count(plane->mbufs), plane->in_use);
    return 0;
}

void plane_turn(struct plane *plane)
{
    for (unsigned i = 0; i < plane->dp.lcores; i++) {
        plane->dp.lcore[i]->now = plane->now;
        worker_turn(plane->dp.lcore[i]);
    }
}

void plane_settle(struct plane *plane)
{
    uint64_t before;

    do {
        before = plane_count(plane, JP_polls_busy);
        plane_turn(plane);
    } while (plane_count(plane, JP_polls_busy) > before);
}

void plane_pass(struct plane *plane, uint64_t us)
{
    for (uint64_t end = plane->now + us; plane->now < end;) {
        plane->now += RTE_MIN(end - plane->now, (uint64_t)TIMER_TICK_US);
        plane_settle(plane);
    }
}

void plane_inject(struct plane *plane, unsigned port, unsigned queue, const uint8_t *frame,
                  uint32_t len)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(plane->mbufs);

    assert_non_null(m);
    memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
    assert_int_equal(rte_ring_enqueue(plane->in[port][queue], m), 0);
}

struct rte_mbuf *plane_sent(struct plane *plane)
{
    void *m;

    for (unsigned i = 0; i < PLANE_PORTS; i++)
        for (unsigned q = 0; q < PLANE_LCORES; q++)
            if (!plane->stuck[i] && rte_ring_dequeue(plane->out[i][q], &m) == 0)
                return m;
    return NULL;
}

/* Of the interface to drivers, whose header is not installed. */
struct rte_eth_dev *rte_eth_dev_allocated(const char *name);
int rte_eth_dev_callback_process(struct rte_eth_dev *device, enum rte_eth_event_type event,
                                 void *about);

void plane_ask_reset(const struct plane *plane, unsigned port)
{
    char name[RTE_ETH_NAME_MAX_LEN];

    assert_int_equal(rte_eth_dev_get_name_by_port(plane->dp.port[port].id, name), 0);
    rte_eth_dev_callback_process(rte_eth_dev_allocated(name), RTE_ETH_EVENT_INTR_RESET, NULL);
}

unsigned plane_ignore_sent(struct plane *plane)
{
    unsigned n = 0;

    for (struct rte_mbuf *m; (m = plane_sent(plane)); n++)
        rte_pktmbuf_free(m);
    return n;
}

bool plane_event(struct plane *plane, struct event *event)
{
    void *e;

    for (unsigned i = 0; i < plane_size.lcores; i++)
        if (rte_ring_dequeue(plane->dp.lcore[i]->events, &e) == 0) {
            *event = *(struct event *)e;
            rte_mempool_put(plane->dp.lcore[i]->event_pool, e);
            return true;
        }
    return false;
}

void plane_command(struct plane *plane, unsigned worker, const struct command *command)
{
    struct lcore *lc = plane->dp.lcore[worker];
    void *c;

    assert_int_equal(rte_mempool_get(lc->command_pool, &c), 0);
    *(struct command *)c = *command;
    assert_int_equal(rte_ring_enqueue(lc->commands, c), 0);
}

uint64_t plane_count(const struct plane *plane, enum jp_counter counter)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < PLANE_LCORES; i++)
        sum += __atomic_load_n(&plane->stats.lcore[i].counter[counter], __ATOMIC_RELAXED);
    return sum;
}

void plane_check_sum(const struct plane *plane)
{
#define ADD(name, text) +plane_count(plane, JP_##name)
    uint64_t sources = JP_SOURCES(ADD), ends = JP_FATES(ADD) JP_DROPS(ADD);
#undef ADD

    for (unsigned i = 0; i < plane_size.lcores; i++) /* only the main lcore gives these an end */
        ends += rte_ring_count(plane->dp.lcore[i]->punts);
    assert_int_equal(sources, ends + plane_count(plane, JP_held));
}

/* ---- clients ---- */

struct jp_path plane_path(unsigned n, uint16_t listener, unsigned ip_version)
{
    static const uint8_t our4[16] = {[10] = 0xff, 0xff, 198, 18, 0, 1}, our6[16] = {0xfd, [15] = 1};
    struct jp_path path = {
        .our_mac = {2, 0, 0, 0, 0, 1},
        .peer_mac = {2, 0, 0, 1, (uint8_t)(n >> 8), (uint8_t)n},
        .peer_port = (uint16_t)(40000 + n),
        .our_port = listener,
        .ip_version = (uint8_t)ip_version,
    };

    if (ip_version == 4) { /* each from a /24, or /56, of its own: rate limits count those */
        const uint8_t peer[16] = {[10] = 0xff, 0xff, 198, (uint8_t)(18 + (n >> 8 & 1)),
                                  (uint8_t)n,  2};

        memcpy(path.our_ip, our4, 16);
        memcpy(path.peer_ip, peer, 16);
    } else {
        const uint8_t peer[16] = {0xfd, 1, (uint8_t)(n >> 8), (uint8_t)n, [15] = 2};

        memcpy(path.our_ip, our6, 16);
        memcpy(path.peer_ip, peer, 16);
    }
    return path;
}

struct client client_new(struct plane *plane, unsigned n, unsigned owner)
{
    struct client c = {
        .plane = plane,
        .path = plane_path(n, PLANE_ECHO, 4),
        .server_spi = 0x10000 + 0x1000 * n,
        .client_spi = 0xc0000000 + n,
        .alg = AEAD_AES256_GCM,
        .idle_timeout_ms = 30000,
    };

    c.path.port = (uint8_t)plane->dp.port[PLANE_UNTAGGED].id;
    while (owner_of(&plane->dp, c.server_spi) != owner)
        c.server_spi++;
    return c;
}

static void secret_of(const struct client *c, const char *direction, uint8_t secret[KDF_HASH_LEN])
{
    static const uint8_t root[KDF_HASH_LEN] = {0x4a};

    kdf_derive(secret, KDF_HASH_LEN, root, direction, &c->server_spi, sizeof(c->server_spi));
}

int client_install(struct client *c)
{
    unsigned owner = owner_of(&c->plane->dp, c->server_spi);
    const struct config_full *full = &c->plane->dp.config.full;
    struct command command = {
        .type = JP_IPC_INSTALL,
        .u.install =
            {
                .path = c->path,
                .server_spi = c->server_spi,
                .client_spi = c->client_spi,
                .idle_timeout_ms = c->idle_timeout_ms,
                .max_streams = 100,
                .max_packet = 1472,
                .alg = (uint8_t)c->alg,
                .fec_k = c->fec_k,
                .fec_r = c->fec_r,
                .our_max_streams = c->plane->dp.config.max_streams,
                .ours = {full->window, full->stream_window, full->max_message},
                .theirs = c->credit,
                .early_len = c->early_len,
                .ticket_len = c->ticket_len,
            },
    };
    struct event event;

    memset(command.u.install.ticket, 7, c->ticket_len);
    if (c->early_len > 0)
        memcpy(command.u.install.reply, c->early, c->early_len);
    secret_of(c, "c2s", command.u.install.c2s_secret);
    secret_of(c, "s2c", command.u.install.s2c_secret);
    assert_int_equal(epoch_tx_init(&c->tx, c->plane->aead, c->alg, command.u.install.c2s_secret),
                     0);
    assert_int_equal(epoch_rx_init(&c->rx, c->plane->aead, c->alg, command.u.install.s2c_secret),
                     0);
    plane_command(c->plane, owner, &command);
    plane_turn(c->plane);
    do
        assert_true(plane_event(c->plane, &event));
    while (event.type != JP_IPC_INSTALLED);
    assert_int_equal(event.u.installed.server_spi, c->server_spi);
    return event.u.installed.result;
}

struct client client_start(struct plane *plane, unsigned n, uint16_t listener)
{
    struct client c = client_new(plane, n, 0);

    c.path.our_port = listener;
    assert_int_equal(client_install(&c), 0);
    return c;
}

struct session *client_session(const struct client *c)
{
    const struct dataplane *dp = &c->plane->dp;

    return session_find(dp->lcore[owner_of(dp, c->server_spi)]->sessions, c->server_spi);
}

static uint8_t *put_ip4(uint8_t *p, const struct jp_path *path, uint32_t udp_len, uint8_t ecn)
{
    const uint8_t fixed[12] = {
        0x45, ecn, (uint8_t)((20 + udp_len) >> 8), (uint8_t)(20 + udp_len), 0, 1, 0, 0, 64, 17};

    memcpy(p, fixed, 12);
    memcpy(p + 12, path->peer_ip + 12, 4);
    memcpy(p + 16, path->our_ip + 12, 4);
    uint16_t checksum = (uint16_t)~rte_raw_cksum(p, 20);

    memcpy(p + 10, &checksum, 2);
    return p + 20;
}

static uint8_t *put_ip6(uint8_t *p, const struct jp_path *path, uint32_t udp_len, uint8_t ecn)
{
    const uint8_t fixed[8] = {
        0x60, (uint8_t)(ecn << 4), 0, 0, (uint8_t)(udp_len >> 8), (uint8_t)udp_len, 17, 64};

    memcpy(p, fixed, 8);
    memcpy(p + 8, path->peer_ip, 16);
    memcpy(p + 24, path->our_ip, 16);
    return p + 40;
}

uint32_t client_frame(const struct client *c, const uint8_t *payload, uint32_t len, uint8_t *out)
{
    const struct jp_path *path = &c->path;
    uint8_t *p = out;

    memcpy(p, path->our_mac, 6);
    memcpy(p + 6, path->peer_mac, 6);
    p += 12;
    if (path->vlan != 0) {
        be16_store(p, 0x8100);
        be16_store(p + 2, 0x6000 | path->vlan); /* with a priority */
        p += 4;
    }
    be16_store(p, path->ip_version == 4 ? 0x0800 : 0x86dd);
    p = path->ip_version == 4 ? put_ip4(p + 2, path, 8 + len, c->ecn)
                              : put_ip6(p + 2, path, 8 + len, c->ecn);
    be16_store(p, path->peer_port);
    be16_store(p + 2, path->our_port);
    be16_store(p + 4, (uint16_t)(8 + len));
    be16_store(p + 6, 0);
    memcpy(p + 8, payload, len);
    if (path->ip_version == 6) {
        uint16_t checksum = rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)(p - 40), p);

        memcpy(p + 6, &checksum, 2);
    }
    return (uint32_t)(p + 8 - out) + len;
}

uint32_t client_seal_text(struct client *c, uint64_t pn, const uint8_t *text, uint32_t len,
                          uint8_t *payload)
{
    struct aead_op op = {.key = &c->tx.current,
                         .text = payload + WIRE_DATA_HDR,
                         .pn = pn,
                         .spi = c->server_spi,
                         .len = len};

    wire_data_hdr_put(payload, c->server_spi, pn);
    memcpy(op.text, text, len);
    aead_seal(c->plane->aead, &op, 1);
    return WIRE_DATA_HDR + len + WIRE_TAG;
}

uint32_t client_seal(struct client *c, uint64_t pn, const uint8_t *frames, uint32_t len,
                     uint8_t *payload)
{
    uint8_t text[PLANE_FRAME_MAX];

    memcpy(text, frames, len);
    len += (uint32_t)wire_trailer_put(text + len, len);
    return client_seal_text(c, pn, text, len, payload);
}

void client_send_payload(struct client *c, const uint8_t *payload, uint32_t len)
{
    uint8_t frame[PLANE_FRAME_MAX];
    unsigned port = c->path.vlan != 0 ? PLANE_TAGGED : PLANE_UNTAGGED;

    len = client_frame(c, payload, len, frame);
    plane_inject(c->plane, port, c->queue, frame, len);
}

uint64_t client_send(struct client *c, const uint8_t *frames, uint32_t len)
{
    uint8_t payload[PLANE_FRAME_MAX];
    uint64_t pn;

    assert_int_equal(epoch_tx_next(&c->tx, &pn), EPOCH_OK);
    len = client_seal(c, pn, frames, len, payload);
    client_send_payload(c, payload, len);
    return pn;
}

static uint8_t *put_bytes(uint8_t *p, uint32_t len, uint8_t first)
{
    for (uint32_t i = 0; i < len; i++)
        p[i] = (uint8_t)(first + i);
    return p + len;
}

void client_send_stream(struct client *c, uint32_t id, uint64_t seq, uint32_t offset, bool fin,
                        uint32_t len, uint8_t first)
{
    uint8_t frames[PLANE_FRAME_MAX];
    uint8_t *p = put_bytes(frame_put_stream_hdr(frames, id, seq, offset, fin), len, first);

    client_send(c, frames, (uint32_t)(p - frames));
}

void client_send_datagram(struct client *c, uint32_t len, uint8_t first)
{
    uint8_t frames[PLANE_FRAME_MAX];
    uint8_t *p = put_bytes(frame_put_datagram_hdr(frames), len, first);

    client_send(c, frames, (uint32_t)(p - frames));
}

struct seen client_receive(struct client *c)
{
    struct rte_mbuf *m = plane_sent(c->plane);

    assert_non_null(m);
    struct seen d = client_open(c, m);

    assert_int_equal(d.ecn, 0);
    return d;
}

struct seen client_open(struct client *c, struct rte_mbuf *m)
{
    struct wire_info info;
    struct aead_key scratch;
    struct seen d = rig_dissect(m, &c->path);

    assert_int_equal(wire_classify(d.payload, d.payload_len, &info), WIRE_DATA);
    assert_int_equal(info.spi, c->client_spi);
    d.frames = rte_pktmbuf_mtod_offset(m, uint8_t *, d.payload - d.eth + WIRE_DATA_HDR);
    struct aead_op op = {.key = epoch_rx_key(&c->rx, c->plane->aead, info.pn, &scratch),
                         .text = d.frames,
                         .pn = info.pn,
                         .spi = info.spi,
                         .len = info.text_len};

    assert_non_null(op.key);
    aead_open(c->plane->aead, &op, 1);
    assert_true(op.ok);
    epoch_rx_commit(&c->rx, c->plane->aead, info.pn);
    int len = wire_trailer_strip(d.frames, info.text_len);

    assert_true(len > 0);
    d.frames_len = (uint32_t)len;
    d.pn = info.pn;
    return d;
}

struct frame client_expect_data(struct client *c, uint32_t len, uint8_t first)
{
    struct seen d = client_receive(c);
    const uint8_t *p = d.frames, *data;
    struct frame f;
    uint8_t expected[PLANE_FRAME_MAX];

    assert_int_equal(frame_next(&p, d.frames + d.frames_len, false, &f), 1);
    data = f.type == FRAME_STREAM ? f.u.stream.data : f.u.datagram.data;
    assert_true(f.type == FRAME_STREAM || f.type == FRAME_DATAGRAM);
    assert_int_equal(f.type == FRAME_STREAM ? f.u.stream.len : f.u.datagram.len, len);
    put_bytes(expected, len, first);
    assert_memory_equal(data, expected, len);
    rte_pktmbuf_free(d.m);
    return f;
}

void client_expect_nothing(struct client *c)
{
    assert_null(plane_sent(c->plane));
}
