#include "rig.h"

#include <stdlib.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "bytes.h"
#include "wire.h"

static void eal_start(void)
{
    char *args[] = {
        "rig", "--no-huge", "--no-shconf", "--no-pci",         "--no-telemetry",     "-l",
        "0",   "-m",        "512",         "--vdev=net_ring0", "--log-level=*:error"};

    assert_true(rte_eal_init(RTE_DIM(args), args) >= 0);
    assert_int_equal(rte_eth_dev_count_avail(), 1);
}

static void port_start(struct rte_mempool *mbufs)
{
    struct rte_eth_conf conf = {0};

    assert_int_equal(rte_eth_dev_configure(0, 1, 1, &conf), 0);
    assert_int_equal(rte_eth_rx_queue_setup(0, 0, 256, 0, NULL, mbufs), 0);
    assert_int_equal(rte_eth_tx_queue_setup(0, 0, 256, 0, NULL), 0);
    assert_int_equal(rte_eth_dev_start(0), 0);
}

static void pool_start(struct pool *pool, size_t size, uint32_t n)
{
    void *mem = rte_malloc("pool", pool_footprint((uint32_t)size, n), 64);

    assert_non_null(mem);
    pool_init(pool, mem, (uint32_t)size, n);
}

static void paths_start(struct rig *rig)
{
    static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};
    static const uint8_t our4[16] = {[10] = 0xff, 0xff, 198, 18, 0, 1};
    static const uint8_t peer4[16] = {[10] = 0xff, 0xff, 198, 18, 0, 2};
    static const uint8_t our6[16] = {0xfd, [14] = 0x12, 1};
    static const uint8_t peer6[16] = {0xfd, [14] = 0xfe, 2};
    struct port *port = &rig->dp.port[0];

    *port = (struct port){.id = 0, .mtu = 1500, .addresses = 2, .rx_queues = 1};
    memcpy(port->mac, our_mac, 6);
    port->address[0].prefix_len = 120;
    memcpy(port->address[0].ip, our4, 16);
    port->address[1].prefix_len = 64;
    memcpy(port->address[1].ip, our6, 16);
    rig->path4 = (struct jp_path){.peer_port = 40000, .our_port = 4500, .ip_version = 4};
    memcpy(rig->path4.our_mac, our_mac, 6);
    memcpy(rig->path4.peer_mac, peer_mac, 6);
    rig->path6 = rig->path4;
    memcpy(rig->path4.our_ip, our4, 16);
    memcpy(rig->path4.peer_ip, peer4, 16);
    rig->path6.ip_version = 6;
    rig->path6.vlan = 0x123;
    memcpy(rig->path6.our_ip, our6, 16);
    memcpy(rig->path6.peer_ip, peer6, 16);
}

struct rig *rig_start(void)
{
    static struct rig rig;
    struct lcore *lc = &rig.lc;

    eal_start();
    fec_init();
    paths_start(&rig);
    rig.dp.ports = rig.dp.lcores = 1;
    rig.dp.lcore[0] = lc;
    lc->dp = &rig.dp;
    lc->counter = rig.counter;
    lc->mbufs = rte_pktmbuf_pool_create("rig", 4095, 0, PACKET_SIZE, RIG_MBUF_ROOM, SOCKET_ID_ANY);
    assert_non_null(lc->mbufs);
    port_start(lc->mbufs);
    lc->now = 1000000;
    lc->aead = aead_new(aead_best());
    lc->egress = egress_new(SOCKET_ID_ANY);
    assert_true(lc->aead && lc->egress);
    lc->fec.symbol_max = 2048;
    pool_start(&lc->fec.symbols, lc->fec.symbol_max, 64);
    pool_start(&lc->fec.blocks, fec_block_size(), 16);
    pool_start(&lc->fec_encoders, sizeof(struct fec_enc), 4);
    pool_start(&lc->streams.pool, sizeof(struct stream_chunk), 8);
    lc->wheel = rte_malloc("wheel", sizeof(struct wheel), 64);
    wheel_init(lc->wheel, lc->now / TIMER_TICK_US);
    lc->far = rte_malloc("wheel", sizeof(struct wheel), 64);
    wheel_init(lc->far, lc->now / TIMER_FAR_TICK_US);
    return &rig;
}

static unsigned in_use(const struct lcore *lc)
{
    return rte_mempool_in_use_count(lc->mbufs) + lc->fec.symbols.used + lc->fec.blocks.used +
           lc->fec_encoders.used + lc->streams.pool.used + lc->streams.empty;
}

int rig_setup(void **state)
{
    static struct rig *rig;

    if (!rig)
        rig = rig_start();
    memset(rig->counter, 0, sizeof(rig->counter));
    rig->taken = in_use(&rig->lc);
    *state = rig;
    return 0;
}

int rig_teardown(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(in_use(&rig->lc), rig->taken);
    return 0;
}

struct rig_session *rig_session(struct rig *rig, const struct jp_path *path, enum aead_alg alg)
{
    static const uint8_t secret[KDF_HASH_LEN] = {1, 2, 3};
    struct rig_session *rs = rte_zmalloc("session", sizeof(*rs), 64);
    struct session *s = &rs->s;

    assert_non_null(rs);
    s->server_spi = 0x1111;
    s->client_spi = 0xc0ffee01;
    s->confirmed = true;
    s->max_packet = 1472;
    s->max_streams = 100;
    s->idle_timeout_ms = 30000;
    s->last_rx = s->created = rig->lc.now;
    egress_session_path(&rig->lc, s, path);
    streams_init(&s->streams, &rig->lc.streams, 100);
    assert_int_equal(epoch_tx_init(&s->tx, rig->lc.aead, alg, secret), 0);
    assert_int_equal(epoch_rx_init(&rs->peer, rig->lc.aead, alg, secret), 0);
    return rs;
}

void rig_session_free(struct rig *rig, struct rig_session *rs)
{
    if (wheel_armed(&rs->s.timer))
        wheel_cancel(&rs->s.timer);
    egress_session_end(&rig->lc, &rs->s);
    streams_fini(&rs->s.streams, &rig->lc.streams);
    rte_free(rs);
}

struct rte_mbuf *rig_data(struct rig *rig, uint32_t at, uint32_t len, uint8_t first)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(rig->lc.mbufs);
    uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(at + len));

    assert_non_null(p);
    for (uint32_t i = 0; i < len; i++)
        p[at + i] = (uint8_t)(first + i);
    *packet_of(m) = (struct packet){.data = (uint16_t)at, .data_len = (uint16_t)len};
    return m;
}

unsigned rig_sent(struct rte_mbuf **out, unsigned max)
{
    unsigned n = 0, got;

    do
        n += got = rte_eth_rx_burst(0, 0, out + n, (uint16_t)(max - n < 64 ? max - n : 64));
    while (got > 0);
    return n;
}

struct rte_mbuf *rig_one(void)
{
    struct rte_mbuf *m[2];

    assert_int_equal(rig_sent(m, 2), 1);
    return m[0];
}

/* RFC 1071, plainly: not the way the code under test sums. */
static uint32_t sum16(uint32_t sum, const uint8_t *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? p[i] * 256u : p[i];
    while (sum > 0xffff)
        sum = sum % 0x10000 + sum / 0x10000;
    return sum;
}

static void dissect_ipv4(struct seen *d, const struct jp_path *path, uint32_t len)
{
    static const uint8_t middle[] = {0, 0, 0x40, 0, 64, 17};

    assert_int_equal(d->ip[0], 0x45);
    d->ecn = d->ip[1];
    assert_int_equal(be16_load(d->ip + 2), len);
    assert_memory_equal(d->ip + 4, middle, sizeof(middle));
    assert_int_equal(sum16(0, d->ip, 20), 0xffff);
    assert_memory_equal(d->ip + 12, path->our_ip + 12, 4);
    assert_memory_equal(d->ip + 16, path->peer_ip + 12, 4);
    d->udp = d->ip + 20;
    assert_int_equal(be16_load(d->udp + 6), 0);
}

static void dissect_ipv6(struct seen *d, const struct jp_path *path, uint32_t len)
{
    uint8_t pseudo[8] = {[2] = (uint8_t)((len - 40) >> 8), (uint8_t)(len - 40), [7] = 17};

    d->ecn = d->ip[1] >> 4;
    assert_int_equal(be32_load(d->ip) & ~UINT32_C(0xf00000), 0x60000000);
    assert_int_equal(be16_load(d->ip + 4), len - 40);
    assert_int_equal(d->ip[6], 17);
    assert_int_equal(d->ip[7], 64);
    assert_memory_equal(d->ip + 8, path->our_ip, 16);
    assert_memory_equal(d->ip + 24, path->peer_ip, 16);
    d->udp = d->ip + 40;
    assert_int_not_equal(be16_load(d->udp + 6), 0);
    assert_int_equal(sum16(sum16(sum16(0, pseudo, 8), d->ip + 8, 32), d->udp, len - 40), 0xffff);
}

struct seen rig_dissect(struct rte_mbuf *m, const struct jp_path *path)
{
    struct seen d = {.m = m, .eth = rte_pktmbuf_mtod(m, uint8_t *)};
    const uint8_t *type = d.eth + 12;

    assert_int_equal(m->nb_segs, 1);
    assert_int_equal(m->pkt_len, m->data_len);
    assert_memory_equal(d.eth, path->peer_mac, 6);
    assert_memory_equal(d.eth + 6, path->our_mac, 6);
    if (path->vlan != 0) {
        assert_int_equal(be16_load(type), 0x8100);
        assert_int_equal(be16_load(type + 2), path->vlan);
        type += 4;
    }
    assert_int_equal(be16_load(type), path->ip_version == 4 ? 0x0800 : 0x86dd);
    d.ip = type + 2;
    uint32_t len = m->data_len - (uint32_t)(d.ip - d.eth);

    if (path->ip_version == 4)
        dissect_ipv4(&d, path, len);
    else
        dissect_ipv6(&d, path, len);
    len -= (uint32_t)(d.udp - d.ip);
    assert_int_equal(be16_load(d.udp), path->our_port);
    assert_int_equal(be16_load(d.udp + 2), path->peer_port);
    assert_int_equal(be16_load(d.udp + 4), len);
    assert_int_equal(d.ecn & ~3, 0);
    d.payload = d.udp + 8;
    d.payload_len = len - 8;
    return d;
}

struct seen rig_open(struct rig *rig, struct rig_session *rs, struct rte_mbuf *m)
{
    struct seen d = rig_dissect(m, &rs->s.path);
    struct aead_key scratch;
    struct wire_info info;

    assert_true(d.payload_len <= rs->s.max_packet);
    assert_int_equal(wire_classify(d.payload, d.payload_len, &info), WIRE_DATA);
    assert_int_equal(info.spi, rs->s.client_spi);
    d.frames = rte_pktmbuf_mtod_offset(m, uint8_t *, d.payload - d.eth + WIRE_DATA_HDR);
    struct aead_op op = {.key = epoch_rx_key(&rs->peer, rig->lc.aead, info.pn, &scratch),
                         .text = d.frames,
                         .pn = info.pn,
                         .spi = info.spi,
                         .len = info.text_len};

    assert_non_null(op.key);
    aead_open(rig->lc.aead, &op, 1);
    assert_true(op.ok);
    epoch_rx_commit(&rs->peer, rig->lc.aead, info.pn);
    int len = wire_trailer_strip(d.frames, info.text_len);

    assert_true(len > 0);
    d.frames_len = (uint32_t)len;
    d.pn = info.pn;
    return d;
}
