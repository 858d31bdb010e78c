/* What comes back to jetgen: frames of anybody, in buffers that end where they do, and what a
 * server that it shook hands with says. What holds: who is told our Ethernet address asked for one
 * of our own, every frame has one fate, every message one verdict, and all buffers come back. */
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <sodium.h>

#include "fixed_random.h"
#include "frame.h"
#include "fuzz.h"
#include "fuzz_ethernet.h"
#include "fuzz_input.h"
#include "handshakes.h"
#include "receive.h"
#include "send.h"
#include "wire.h"

enum {
    SESSIONS = 3,
    STREAMS = 3,
    SENT = 1000, /* messages of each session */
    STEPS_MAX = 64,
    MBUFS = 16383,
    ROOM = 2560,
    RING = 1024,
    PORT = 4500,
    BYTES_MAX = 1400,
    TARGET_V6 = 1,
    WITH_FEC = 2,
    MEND = 128,
};
enum op { RAW, PAYLOAD, FRAMES, ECHO, ANSWER, RESET, PASS, OPS };

static struct {
    struct jetgen g;
    struct phase phase;
    struct rte_ring *in, *out;
    struct hs_server server;
    struct aead *aead;
    struct epoch_tx tx[SESSIONS]; /* the server's keys */
    unsigned in_use;
    struct fixed_random source;
} fz;

/* ---- once ---- */

static void port_start_on_rings(void)
{
    struct rte_eth_conf conf = {0};
    int id;

    fz.in = rte_ring_create("in", RING, SOCKET_ID_ANY, RING_F_EXACT_SZ);
    fz.out = rte_ring_create("out", RING, SOCKET_ID_ANY, RING_F_EXACT_SZ);
    id = rte_eth_from_rings("rings", &fz.in, 1, &fz.out, 1, 0);
    FUZZ_CHECK(fz.in && fz.out && id >= 0);
    fz.g.port = (uint16_t)id;
    FUZZ_CHECK(rte_eth_dev_configure(fz.g.port, 1, 1, &conf) == 0);
    FUZZ_CHECK(rte_eth_rx_queue_setup(fz.g.port, 0, 0, 0, NULL, fz.g.mbufs) == 0);
    FUZZ_CHECK(rte_eth_tx_queue_setup(fz.g.port, 0, 0, 0, NULL) == 0);
    FUZZ_CHECK(rte_eth_dev_start(fz.g.port) == 0);
}

static void make_server(void)
{
    static const uint8_t seed[crypto_sign_SEEDBYTES] = {1};

    crypto_sign_seed_keypair(fz.server.identity, fz.server.identity_secret, seed);
    fz.server.params = hs_params_default;
    fz.server.suites[0] = AEAD_AES256_GCM;
    fz.server.suites[1] = AEAD_CHACHA20_POLY1305;
    strcpy(fz.source.label, "fuzz_jetgen");
    fz.aead = aead_new(aead_best());
    FUZZ_CHECK(fz.aead);
}

static void stop(void)
{
    worker_free(fz.g.worker[0]);
    aead_free(fz.aead);
}

static void prepare(void)
{
    char *args[] = {"jetgen", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
                    "-l",     "0",         "-m",          "256",      "--log-level=*:error"};

    FUZZ_CHECK(sodium_init() >= 0 && rte_eal_init(RTE_DIM(args), args) >= 0);
    fec_init();
    fz.g.options = (struct options){
        .workers = 1, .queues = 1, .sources = 2, .port = PORT, .mtu = 1500, .seed = 1};
    fz.g.tsc_per_us = (double)rte_get_tsc_hz() / 1e6;
    fz.g.mbufs = rte_pktmbuf_pool_create("mbufs", MBUFS, 0, 0, ROOM, SOCKET_ID_ANY);
    FUZZ_CHECK(fz.g.mbufs);
    payload_pattern_init(&fz.g.pattern, 1);
    memcpy(fz.g.our_mac, "\2\0\0\0\0\1", 6);
    port_start_on_rings();
    make_server();
    fz.g.phase = &fz.phase;
    fz.g.worker[0] = worker_new(&fz.g, 0);
    FUZZ_CHECK(fz.g.worker[0]);
    fz.in_use = rte_mempool_in_use_count(fz.g.mbufs);
    atexit(stop);
}

/* ---- what jetgen sends ---- */

/* The answer to `asked`, len bytes; it tells our address to who asked for it, and no more. */
static void check_neighbour(const struct rte_mbuf *m, const uint8_t *asked, size_t len)
{
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    bool arp = be16_load(frame + 12) == RTE_ETHER_TYPE_ARP;
    uint8_t ours[16] = {[10] = 0xff, 0xff};

    if (arp) {
        FUZZ_CHECK(len >= ETH + 28 && m->data_len == ETH + 28 && asked[ETH + 7] == 1);
        FUZZ_CHECK(memcmp(frame, asked + ETH + 8, 6) == 0);
        FUZZ_CHECK(memcmp(frame + ETH + 14, asked + ETH + 24, 4) == 0);
        FUZZ_CHECK(memcmp(frame + ETH + 24, asked + ETH + 14, 4) == 0);
        memcpy(ours + 12, frame + ETH + 14, 4);
    } else {
        FUZZ_CHECK(len >= ETH + IP6 + 24 && m->data_len == ETH + IP6 + 32);
        FUZZ_CHECK(asked[ETH + IP6] == 135 && memcmp(frame, asked + 6, 6) == 0);
        FUZZ_CHECK(memcmp(frame + ETH + IP6 + 8, asked + ETH + IP6 + 8, 16) == 0);
        FUZZ_CHECK(memcmp(frame + ETH + 24, asked + ETH + 8, 16) == 0);
        FUZZ_CHECK(rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)(frame + ETH),
                                         frame + ETH + IP6) == 0);
        memcpy(ours, frame + ETH + IP6 + 8, 16);
    }
    FUZZ_CHECK(m->pkt_len == m->data_len && memcmp(frame + 6, fz.g.our_mac, 6) == 0);
    FUZZ_CHECK(source_session(&fz.g, ours, SOURCE_PORT_MIN) != UINT32_MAX);
}

static bool is_neighbour(const uint8_t *frame)
{
    return be16_load(frame + 12) == RTE_ETHER_TYPE_ARP ||
           (be16_load(frame + 12) == RTE_ETHER_TYPE_IPV6 && frame[ETH + 6] == IPPROTO_ICMPV6);
}

/* `asked` is the frame that came last, NULL: none that may be answered so. */
static void hear(const uint8_t *asked, size_t len)
{
    unsigned answers = 0;
    struct rte_mbuf *m;

    for (void *p; rte_ring_dequeue(fz.out, &p) == 0; rte_pktmbuf_free(m)) {
        m = p;
        if (!is_neighbour(rte_pktmbuf_mtod(m, const uint8_t *)))
            continue;
        FUZZ_CHECK(asked && answers++ == 0);
        check_neighbour(m, asked, len);
    }
}

/* ---- what comes ---- */

static uint64_t sum(const enum counter *which, unsigned n)
{
    uint64_t all = 0;

    while (n-- > 0)
        all += fz.g.worker[0]->results.counter[which[n]];
    return all;
}

/* Before it is known whether it is authentic. */
static uint64_t fates(void)
{
    static const enum counter which[] = {C_rx_malformed,   C_rx_other,      C_neighbours,
                                         C_rx_unknown_spi, C_rx_replayed,   C_rx_auth_failed,
                                         C_server_hellos,  C_server_retries};

    return sum(which, RTE_DIM(which));
}

static uint64_t verdicts(void)
{
    static const enum counter which[] = {C_delivered, C_duplicate_delivered, C_late_delivered,
                                         C_corrupt_delivered};

    return sum(which, RTE_DIM(which));
}

static void come(struct rte_mbuf *m, const uint8_t *asked, size_t len)
{
    struct worker *w = fz.g.worker[0];
    uint64_t before = fates();

    FUZZ_CHECK(rte_ring_enqueue(fz.in, m) == 0);
    FUZZ_CHECK(receive(w) == 1 && fates() - before <= 1);
    send_flush(w);
    hear(asked, len);
}

/* It came from anywhere. */
static void come_raw(struct input *in)
{
    bool right = take8(in) & MEND;
    const uint8_t *bytes;
    size_t len = take_bytes(in, take16(in) % ROOM, &bytes);

    come(frame_of(fz.g.mbufs, bytes, len, right), bytes, len);
}

/* A UDP payload of the target's to a session. */
static void come_payload(const struct session *s, const uint8_t *payload, uint32_t len)
{
    struct jp_path back = s->path;
    uint8_t frame[PATH_HEADER_MAX + WIRE_HS_MAX + ROOM], *udp;
    uint16_t n;

    memcpy(back.our_ip, s->path.peer_ip, 16);
    memcpy(back.peer_ip, s->path.our_ip, 16);
    back.our_port = s->path.peer_port;
    back.peer_port = s->path.our_port;
    n = path_header(frame, &back);
    memcpy(frame + n, payload, len);
    udp = frame + n - 8;
    path_header_fill(udp, back.ip_version, (uint16_t)(len + 8));
    if (back.ip_version == 6)
        path_checksum(udp, (uint16_t)(len + 8));
    come(frame_of(fz.g.mbufs, frame, n + len, false), NULL, 0);
}

/* Frames, sealed by the server. */
static void come_sealed(struct session *s, const uint8_t *frames, uint32_t len)
{
    struct epoch_tx *tx = &fz.tx[s->index];
    uint8_t packet[WIRE_DATA_HDR + ROOM + WIRE_TRAILER_MAX + WIRE_TAG];
    uint8_t *text = packet + WIRE_DATA_HDR;
    struct aead_op op;
    uint64_t pn;

    if (s->state != SESSION_UP || epoch_tx_next(tx, &pn) != EPOCH_OK)
        return;
    wire_data_hdr_put(packet, s->client_spi, pn);
    memcpy(text, frames, len);
    len += (uint32_t)wire_trailer_put(text + len, len);
    op = (struct aead_op){
        .key = &tx->current, .text = text, .pn = pn, .spi = s->client_spi, .len = len};
    aead_seal(fz.aead, &op, 1);
    come_payload(s, packet, WIRE_DATA_HDR + len + WIRE_TAG);
}

/* What the session sent comes back, or something like it. */
static void come_echo(struct session *s, struct input *in)
{
    uint8_t frames[BYTES_MAX];
    unsigned how = take8(in);
    struct payload p = {
        .counter = take16(in) % (SENT + 2),
        .session = s->index + (how & 0x40 ? 1 : 0),
        .stream = how & 1 ? 0 : 1 + how / 2 % STREAMS,
        .phase = fz.g.phase_id - (how & 0x20 ? 1 : 0),
        .flags = (uint16_t)((how & 1 ? PAYLOAD_DATAGRAM : 0) | (how & 0x10 ? PAYLOAD_LOST : 0)),
        .len = (uint16_t)(PAYLOAD_MIN + take8(in))};
    uint8_t *data = how & 1 ? frame_put_datagram_hdr(frames)
                            : frame_put_stream_hdr(frames, p.stream, 0, 0, true);
    uint64_t before = verdicts();
    bool up = s->state == SESSION_UP;

    payload_put(&fz.g.pattern, &p, data);
    if (how & 0x80)
        data[take8(in) % p.len] ^= 1;
    come_sealed(s, frames, (uint32_t)(data + p.len - frames));
    FUZZ_CHECK(verdicts() - before == up);
}

static void come_frames(struct session *s, struct input *in)
{
    const uint8_t *bytes;
    size_t len = take_bytes(in, take16(in) % BYTES_MAX, &bytes);

    if (len > 0)
        come_sealed(s, bytes, (uint32_t)len);
}

static void come_bytes(struct session *s, struct input *in)
{
    const uint8_t *bytes;
    size_t len = take_bytes(in, take16(in) % BYTES_MAX, &bytes);

    come_payload(s, bytes, (uint32_t)len);
}

static void change(struct input *in, uint8_t *bytes, size_t len)
{
    for (unsigned n = take8(in) % 4; n > 0; n--) {
        size_t at = take16(in) % len;

        bytes[at] ^= (uint8_t)take8(in);
    }
}

/* The session has the server's keys: so has the harness. */
static void note_up(struct session *s, const struct hs_result *keys)
{
    if (s->state != SESSION_UP)
        return;
    epoch_tx_init(&fz.tx[s->index], fz.aead, keys->alg, keys->s2c_secret);
    s->counter = SENT;
}

/* A ServerHello or a Retry, changed. */
static void come_answer(struct session *s, struct input *in)
{
    static const uint8_t addr[HS_ADDR_LEN];
    struct hs_random rnd = fixed_random_of(&fz.source);
    unsigned how = take8(in);
    struct hs_result keys;
    uint8_t answer[WIRE_HS_MAX];
    size_t len;

    if (s->state != SESSION_HELLO)
        return;
    if (how % 4 == 3)
        len = hs_server_retry(&fz.server, s->handshake->client.hello, addr, 1, answer);
    else if (hs_server_answer(&fz.server, fz.aead, s->handshake->client.hello, 256 + s->index, &rnd,
                              &keys, answer, &len) != HS_OK)
        return;
    if (how & 4)
        change(in, answer, len);
    come_payload(s, answer, (uint32_t)len);
    note_up(s, &keys);
}

/* "I know no session for this packet", changed. */
static void come_reset(struct session *s, struct input *in)
{
    uint8_t quote[WIRE_QUOTE] = {0}, reset[HS_RESET_LEN];

    wire_data_hdr_put(quote, s->server_spi, take8(in));
    hs_reset_make(&fz.server, quote, reset);
    change(in, reset, sizeof(reset));
    come_payload(s, reset, sizeof(reset));
}

/* ---- an input ---- */

static void pass(uint64_t us)
{
    struct worker *w = fz.g.worker[0];

    w->now += us;
    timers_run(w);
    handshakes_run(w);
    send_flush(w);
    hear(NULL, 0);
}

static void step(struct input *in)
{
    struct worker *w = fz.g.worker[0];
    unsigned what = take8(in);
    struct session *s = &w->sessions[what / 16 % SESSIONS];

    switch ((enum op)(what % 16 % OPS)) {
    case RAW:
        come_raw(in);
        break;
    case PAYLOAD:
        come_bytes(s, in);
        break;
    case FRAMES:
        come_frames(s, in);
        break;
    case ECHO:
        come_echo(s, in);
        break;
    case ANSWER:
        come_answer(s, in);
        break;
    case RESET:
        come_reset(s, in);
        break;
    default:
        pass(UINT64_C(100) << take8(in) % 16);
    }
}

static void address(struct address *a, bool v6, uint8_t last)
{
    static const uint8_t four[16] = {[10] = 0xff, 0xff, 198, 18}, six[16] = {0xfd};

    *a = (struct address){.version = v6 ? 6 : 4};
    memcpy(a->ip, v6 ? six : four, 16);
    a->ip[15] = last;
}

/* The first session is up, the others shake hands. */
static void begin(unsigned how)
{
    struct worker *w = fz.g.worker[0];
    struct hs_result keys = {.alg = AEAD_AES256_GCM, .server_spi = 256, .peer = hs_params_default};
    struct jetgen *g = &fz.g;

    address(&g->options.target, how & TARGET_V6, 1);
    address(&g->options.source, how & TARGET_V6, 2);
    g->sessions = SESSIONS;
    g->open = (struct open_params){.sessions = SESSIONS,
                                   .inflight = SESSIONS,
                                   .idle_timeout = 30,
                                   .streams = STREAMS,
                                   .fec_k = how & WITH_FEC ? 4 : 0,
                                   .fec_r = how & WITH_FEC ? 2 : 0,
                                   .fec_flush_us = 1000,
                                   .fec_expire_us = 10000};
    g->phase_id = 3;
    g->tsc_start = rte_rdtsc();
    memset(&w->results, 0, sizeof(w->results));
    w->now = 0;
    FUZZ_CHECK(sessions_new(g) == 0);
    memcpy(keys.server_identity, fz.server.identity, HS_IDENTITY_LEN);
    session_queue_pop(&w->waiting);
    FUZZ_CHECK(session_up(w, &w->sessions[0], &keys) == 0);
    note_up(&w->sessions[0], &keys);
    pass(1000);
}

static void end(void)
{
    struct worker *w = fz.g.worker[0];

    sessions_free(&fz.g);
    send_flush(w);
    hear(NULL, 0);
    FUZZ_CHECK(w->up == 0 && w->unconfirmed == 0);
    FUZZ_CHECK(w->results.counter[C_misdirected] == 0);
    FUZZ_CHECK(rte_mempool_in_use_count(fz.g.mbufs) == fz.in_use);
}

/* The first byte says between which addresses, and whether with FEC. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};

    if (!fz.aead)
        prepare();
    begin(take8(&in));
    for (unsigned i = 0; i < STEPS_MAX && in.p < in.end; i++)
        step(&in);
    end();
    return 0;
}

static uint8_t *put_arp(uint8_t *p, unsigned index)
{
    static const uint8_t arp[] = {RAW, 0,  0, 42, 255, 255, 255, 255, 255, 255, 2,   0,  0, 0, 0, 9,
                                  8,   6,  0, 1,  8,   0,   6,   4,   0,   1,   2,   0,  0, 0, 0, 9,
                                  198, 18, 0, 1,  0,   0,   0,   0,   0,   0,   198, 18, 1, 2};

    memcpy(p, arp, sizeof(arp));
    p[25] = (uint8_t)(1 + index % 2); /* the target's answer */
    return p + sizeof(arp);
}

static uint8_t *put_solicitation(uint8_t *p, unsigned index)
{
    uint8_t *ip = p + 4 + ETH;

    memset(p, 0, 4 + ETH + IP6 + 32);
    memcpy(p, (uint8_t[]){RAW, MEND, 0, ETH + IP6 + (index % 3 ? 32 : 24)}, 4);
    memcpy(p + 4, "\x33\x33\xff\0\0\2\2\0\0\0\0\x9\x86\xdd\x60", 15);
    memcpy(ip + 5, (uint8_t[]){index % 3 ? 32 : 24, IPPROTO_ICMPV6, 255, 0xfd}, 4);
    ip[23] = 1;
    memcpy(ip + 24, "\xff\2", 2);
    ip[IP6] = (uint8_t)(135 + index % 2);
    ip[IP6 + 8] = 0xfd;
    ip[IP6 + 23] = (uint8_t)(2 - index % 2);
    ip[IP6 + 24] = (uint8_t)(1 + index % 2);
    ip[IP6 + 25] = 1;
    return p + 4 + p[3];
}

/* Frames of every kind, in a packet of the first session. */
static uint8_t *put_frames(uint8_t *p, unsigned index)
{
    static const uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct frame_ack_range acked = {index % 3, 0};
    uint8_t *frames = p + 3, *at = frames;

    at = frame_put_ack(at, 0, &acked, 1);
    at = index % 2 ? frame_put_ping(at) : frame_put_path(at, FRAME_PATH_CHALLENGE, data);
    if (index % 4 == 3)
        at = frame_put_close(at, 7, "over");
    if (index % 4 == 2) {
        at = frame_put_fec_repair_hdr(at, 0, 1, 1, 0);
        memcpy(at, "\0\1\1", 3);
        at += 3;
    }
    p[0] = FRAMES;
    be16_store(p + 1, (uint16_t)(at - frames));
    return at;
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    uint8_t *p = out;

    if (index >= 24)
        return 0;
    *p++ = (uint8_t)index % 4;
    p = index % 2 ? put_solicitation(p, index / 2) : put_arp(p, index / 2);
    for (unsigned i = 0; i <= index % 5; i++) {
        memcpy(p, (uint8_t[]){ECHO, (uint8_t)(i << index % 8), 0, (uint8_t)(i * 5), 40, 0}, 6);
        p += 5 + (i << index % 8 >> 7 & 1);
    }
    if (index % 3 == 1)
        p = put_frames(p, index / 3);
    memcpy(p, (uint8_t[]){16 + ANSWER, (uint8_t)index, PASS, 12, 32 + ANSWER, 4}, 6);
    p += 6;
    if (index % 3 == 2)
        memcpy(p, (uint8_t[]){RESET, 0, 0, PASS, 9}, 5), p += 5;
    return (size_t)(p - out);
}
