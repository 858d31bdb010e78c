#include "peer.h"

#include <stdlib.h>

#include "bytes.h"
#include "transport/state.h"

enum { TICK_US = 250, LIMIT_US = 60000000 };

struct frame_on_link {
    struct frame_on_link *next;
    uint64_t at;
    bool up;     /* to the plane */
    bool second; /* along that path */
    uint8_t ecn;
    uint32_t len; /* of frames */
    uint64_t pn;
    uint8_t bytes[PLANE_FRAME_MAX];
};

static struct peer *peers[PEERS_MAX];
uint64_t peers_others;

/* ---- the link ---- */

static uint32_t draw(struct peer *p)
{
    p->seed = p->seed * 1664525 + 1013904223;
    return p->seed >> 8;
}

static void link_put(struct peer *p, struct frame_on_link *f)
{
    struct frame_on_link **at = &p->link;

    if (p->cut || draw(p) % 1000 < p->loss) {
        free(f);
        return;
    }
    f->at = p->client.plane->now + p->delay_us + (p->jitter_us ? draw(p) % p->jitter_us : 0);
    while (*at && (*at)->at <= f->at)
        at = &(*at)->next;
    f->next = *at;
    *at = f;
}

static void to_plane(struct peer *p, struct frame_on_link *f)
{
    if (p->ce > 0 && f->ecn != 0) {
        p->ce--;
        f->ecn = ECN_CE;
    }
    struct client c = p->client;

    c.ecn = f->ecn;
    if (f->second)
        c.path = p->second;
    client_send_payload(&c, f->bytes, f->len);
}

static void to_peer(struct peer *p, const struct frame_on_link *f)
{
    struct conn_received r = {.frames = f->bytes,
                              .path = f->second ? &p->second : &p->home,
                              .pn = f->pn,
                              .len = f->len,
                              .bytes = f->len + WIRE_OVERHEAD_MAX,
                              .ecn = f->ecn};

    p->along[f->second]++;
    if (!conn_is_closed(p->conn) && replay_commit(&p->replay, f->pn) == REPLAY_FRESH)
        conn_receive(p->conn, p->client.plane->now, &r);
}

static void link_deliver(struct peer *p)
{
    struct frame_on_link *f;

    while ((f = p->link) && f->at <= p->client.plane->now) {
        p->link = f->next;
        if (f->up)
            to_plane(p, f);
        else
            to_peer(p, f);
        free(f);
    }
}

/* ---- what it says, and hears ---- */

static uint8_t byte_of(uint32_t stream, uint64_t message, uint32_t at)
{
    return (uint8_t)(stream * 31 + message * 7 + at + (at >> 8));
}

/* Messages that come in any order begin with their number. */
static void fill(const struct peer *p, const struct peer_stream *s, uint8_t *data, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        data[i] = byte_of((uint32_t)s->id, s->written, i);
    if (p->unordered && len >= 2)
        be16_store(data, (uint16_t)s->written);
}

static uint32_t size_of(const struct peer_stream *s, uint64_t message)
{
    return s->size ? s->size
                   : (uint32_t)((message * 2654435761u + (uint32_t)s->id * 40503u) >> 7) %
                         (PEER_MESSAGE_MAX + 1);
}

static struct peer_stream *stream_of(struct peer *p, uint32_t id)
{
    for (unsigned i = 0; i < p->streams; i++)
        if (p->stream[i].id == (int)id)
            return &p->stream[i];
    return NULL;
}

static void write_all(struct peer *p, struct peer_stream *s)
{
    while (s->written < s->to_write && !conn_is_closed(p->conn)) {
        uint32_t len = size_of(s, s->written);
        uint8_t *data = malloc(len + 1);

        fill(p, s, data, len);
        if (conn_write(p->conn, (uint32_t)s->id, data, len, s->compressed, data,
                       p->client.plane->now) != 0) {
            free(data);
            return;
        }
        if (++s->written == s->to_write && s->finish)
            conn_finish(p->conn, (uint32_t)s->id, p->client.plane->now);
    }
}

/* Returns the message's number as it was written. */
static uint64_t check_bytes(const struct peer *p, const struct reassembly_message *m,
                            uint32_t stream)
{
    const uint8_t *data;
    uint64_t number = m->seq;
    uint32_t skip = 0;

    if (p->unordered && m->len >= 2) {
        reassembly_read(m, 0, &data);
        number = be16_load(data);
        skip = 2;
    }
    for (uint32_t at = 0, n; at < m->len; at += n) {
        n = reassembly_read(m, at, &data);
        for (uint32_t i = at < skip ? skip : 0; i < n; i++)
            if (data[i] !=
                (p->source ? (uint8_t)(m->seq + at + i) : byte_of(stream, number, at + i)))
                fail_msg("stream %u, message %llu, byte %u is wrong", stream,
                         (unsigned long long)number, at + i);
    }
    return number;
}

static void read_all(struct peer *p, uint32_t id)
{
    struct peer_stream *s = stream_of(p, id);
    struct reassembly_message *m;
    struct conn_stream_info info;

    while (!p->stalled && (m = conn_read(p->conn, id))) {
        uint64_t number = check_bytes(p, m, id);

        if (s && !p->source) {
            assert_int_equal(m->len, size_of(s, number));
            s->numbers += number;
            assert_int_equal(m->compressed, s->compressed);
        }
        if (s && !p->unordered)
            assert_int_equal(m->seq, s->received);
        if (s)
            s->received++;
        assert_true(conn_stream_info(p->conn, id, &info));
        assert_int_equal(info.unordered, p->unordered);
        p->messages++;
        p->bytes += m->len;
        conn_release(p->conn, id, m, p->client.plane->now);
    }
}

static void on_opened(struct conn *c, uint32_t stream)
{
    struct peer *p = conn_user(c);

    assert_true(p->source);
    p->stream[p->streams++] = (struct peer_stream){.id = (int)stream};
}

static void on_readable(struct conn *c, uint32_t stream)
{
    read_all(conn_user(c), stream);
}

static void on_ended(struct conn *c, uint32_t stream, enum conn_end how)
{
    struct peer_stream *s = stream_of(conn_user(c), stream);

    if (!s)
        return; /* a test's own */
    s->ended |= how == CONN_END_PEER;
    s->over |= how == CONN_END_BOTH;
}

static void on_released(struct conn *c, void *user, enum sendq_fate fate)
{
    (void)c;
    (void)fate;
    free(user);
}

static void on_writable(struct conn *c, int stream)
{
    struct peer *p = conn_user(c);

    if (stream >= 0)
        write_all(p, stream_of(p, (uint32_t)stream));
}

static void on_datagram(struct conn *c, const uint8_t *data, uint32_t len)
{
    struct peer *p = conn_user(c);

    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(data[i], (uint8_t)(data[0] + i));
    p->datagrams++;
}

static void on_path(struct conn *c, unsigned path, enum conn_path_event event)
{
    (void)c, (void)path, (void)event;
}

static void on_ticket(struct conn *c, const uint8_t *ticket, uint32_t len)
{
    (void)c, (void)ticket, (void)len;
}

static int on_acked(struct conn *c, uint64_t pn)
{
    struct peer *p = conn_user(c);

    return epoch_tx_acked(&p->client.tx, pn);
}

static void on_closed(struct conn *c, uint64_t code, const char *reason, bool local)
{
    struct peer *p = conn_user(c);

    (void)reason;
    p->closed = true;
    p->local = local;
    p->code = code;
}

static const struct conn_ops ops = {
    .opened = on_opened,
    .readable = on_readable,
    .ended = on_ended,
    .released = on_released,
    .writable = on_writable,
    .datagram = on_datagram,
    .path = on_path,
    .ticket = on_ticket,
    .acked = on_acked,
    .closed = on_closed,
};

/* ---- life ---- */

static void make_pool(struct pool *pool, uint8_t **at, size_t size, uint32_t n)
{
    pool_init(pool, *at, (uint32_t)size, n);
    *at += pool_footprint((uint32_t)size, n);
}

static void make_pools(struct peer *p)
{
    uint8_t *at = p->memory = aligned_alloc(64, 64 << 20);
    struct conn_pools *pools = &p->pools;

    memset(at, 0, 4096 * sizeof(void *));
    pools->table = (struct conn_entry **)at;
    pools->table_mask = 4095;
    at += 4096 * sizeof(void *);
    pools->fec.symbol_max = 1536;
    make_pool(&pools->closed, &at, conn_closed_size(), 64);
    make_pool(&pools->streams, &at, conn_stream_size(), 2048);
    make_pool(&pools->sent, &at, sizeof(struct sent_packet), 8192);
    make_pool(&pools->sendq.messages, &at, sizeof(struct sendq_message), 16384);
    make_pool(&pools->sendq.ranges, &at, sizeof(struct sendq_range), 16384);
    make_pool(&pools->reassembly.messages, &at, sizeof(struct reassembly_message), 16384);
    make_pool(&pools->reassembly.blocks, &at, sizeof(struct reassembly_block), 32768);
    make_pool(&pools->fec.symbols, &at, 1536, 1024);
    make_pool(&pools->fec.blocks, &at, fec_block_size(), 64);
    make_pool(&pools->protection, &at, conn_fec_size(), 4);
    assert_true(at <= (uint8_t *)p->memory + (64 << 20));
}

static void begin(struct peer *p)
{
    const struct config *config = &p->client.plane->dp.config;
    struct conn_config conn = {
        .ops = &ops,
        .user = p,
        .pools = &p->pools,
        .replay = &p->replay,
        .congestion = congestion_find("cubic"),
        .goals = redundancy_goals,
        .local = {.idle_timeout_ms = p->client.idle_timeout_ms,
                  .max_streams = 100,
                  .max_packet = 1472,
                  .max_data = p->client.credit.max_data,
                  .max_stream_data = p->client.credit.max_stream_data,
                  .max_message = p->client.credit.max_message},
        .peer = {.idle_timeout_ms = p->client.idle_timeout_ms,
                 .max_streams = config->max_streams,
                 .max_packet = 1452,
                 .max_data = config->full.window,
                 .max_stream_data = config->full.stream_window,
                 .max_message = config->full.max_message},
        .path = p->client.path,
        .window_max = p->client.credit.max_data,
        .stream_window_max = p->client.credit.max_stream_data,
        .ecn = true,
        .mtu_discovery = true,
    };

    p->conn = aligned_alloc(64, (conn_size() + 63) & ~(size_t)63);
    assert_int_equal(conn_init(p->conn, &conn, p->client.plane->now), 0);
}

struct peer *peer_start(struct plane *plane, unsigned n, uint16_t listener)
{
    struct peer *p = calloc(1, sizeof(*p));
    unsigned slot = 0;

    p->client = client_new(plane, n, 0);
    p->client.path.our_port = listener;
    p->client.credit = (struct jp_ipc_credit){1 << 20, 1 << 18, 1 << 16};
    assert_int_equal(client_install(&p->client), 0);
    p->home = p->client.path;
    p->delay_us = 5000;
    p->seed = 1 + n;
    make_pools(p);
    begin(p);
    while (peers[slot])
        slot++;
    peers[slot] = p;
    return p;
}

void peer_free(struct peer *p)
{
    struct frame_on_link *next;

    for (struct frame_on_link *f = p->link; f; f = next) {
        next = f->next;
        free(f);
    }
    conn_fini(p->conn);
    assert_int_equal(p->pools.streams.used, 0);
    assert_int_equal(p->pools.sent.used, 0);
    for (unsigned i = 0; i < PEERS_MAX; i++)
        if (peers[i] == p)
            peers[i] = NULL;
    free(p->conn);
    free(p->memory);
    free(p);
}

struct peer_stream *peer_open(struct peer *p, uint32_t messages,
                              const struct conn_stream_config *config)
{
    struct peer_stream *s = &p->stream[p->streams++];
    int id = conn_open(p->conn, CONN_STREAM_ANY, config ? config : &conn_stream_default,
                       p->client.plane->now);

    assert_true(id >= 0);
    *s = (struct peer_stream){.id = id, .to_write = messages};
    return s;
}

void peers_forget(void)
{
    memset(peers, 0, sizeof(peers));
    peers_others = 0;
}

/* ---- time ---- */

static void send_packets(struct peer *p)
{
    struct conn_packet packet;
    uint8_t frames[CONN_PACKET_MAX];

    for (;;) {
        struct client *c = &p->client;
        struct frame_on_link *f;
        uint64_t pn;

        packet = (struct conn_packet){.frames = frames};
        if (epoch_of(c->tx.next_pn) != c->tx.epoch && epoch_tx_rotate(&c->tx, c->plane->aead) != 0)
            return;
        if (!conn_send(p->conn, c->plane->now, c->tx.next_pn, &packet))
            return;
        assert_int_equal(epoch_tx_next(&c->tx, &pn), EPOCH_OK);
        f = malloc(sizeof(*f));
        *f = (struct frame_on_link){.up = true, .ecn = packet.ecn};
        f->second = p->second.peer_port && packet.path->peer_port == p->second.peer_port;
        f->len = client_seal(c, pn, frames, packet.len, f->bytes);
        link_put(p, f);
    }
}

static bool goes_along(struct rte_mbuf *m, const struct jp_path *path)
{
    const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *);
    uint8_t ip_version = be16_load(eth + 12) == 0x0800 ? 4 : 6;
    const uint8_t *udp = eth + 14 + (ip_version == 4 ? 20 : 40);

    return path->ip_version == ip_version && path->peer_port == be16_load(udp + 2);
}

/* Whose address it goes to; NULL: nobody's any more. */
static struct peer *peer_of(struct rte_mbuf *m, bool *second)
{
    for (unsigned i = 0; i < PEERS_MAX; i++)
        if (peers[i]) {
            *second = goes_along(m, &peers[i]->second);
            if (*second || goes_along(m, &peers[i]->client.path))
                return peers[i];
        }
    return NULL;
}

/* What the plane sent goes on the links. */
static void take_sent(struct plane *plane)
{
    struct rte_mbuf *m;

    while ((m = plane_sent(plane))) {
        struct frame_on_link *f;
        struct seen d;
        struct client c;
        bool second;
        struct peer *p = peer_of(m, &second);

        if (!p) {
            peers_others++;
            rte_pktmbuf_free(m);
            continue;
        }
        c = p->client;
        if (second)
            c.path = p->second;
        d = client_open(&c, m);
        p->client.rx = c.rx;
        f = malloc(sizeof(*f));
        *f =
            (struct frame_on_link){.second = second, .ecn = d.ecn, .len = d.frames_len, .pn = d.pn};
        memcpy(f->bytes, d.frames, d.frames_len);
        rte_pktmbuf_free(m);
        link_put(p, f);
    }
}

static void peer_turn(struct peer *p)
{
    uint64_t now = p->client.plane->now;

    link_deliver(p);
    if (conn_deadline(p->conn, now) <= now)
        conn_timeout(p->conn, now);
    for (unsigned i = 0; i < p->streams; i++) {
        write_all(p, &p->stream[i]);
        read_all(p, (uint32_t)p->stream[i].id);
    }
    send_packets(p);
}

void peers_pass(struct plane *plane, uint64_t us)
{
    for (uint64_t end = plane->now + us; plane->now < end;) {
        plane->now += RTE_MIN(end - plane->now, (uint64_t)TICK_US);
        plane_turn(plane);
        take_sent(plane);
        for (unsigned i = 0; i < PEERS_MAX; i++)
            if (peers[i])
                peer_turn(peers[i]);
    }
}

void peers_run(struct plane *plane, bool (*done)(void))
{
    for (uint64_t end = plane->now + LIMIT_US; !done();) {
        if (plane->now >= end)
            fail_msg("still not done after a minute");
        peers_pass(plane, 1000);
    }
}

bool peers_echoed(void)
{
    for (unsigned i = 0; i < PEERS_MAX; i++)
        for (unsigned j = 0; peers[i] && j < peers[i]->streams; j++) {
            const struct peer_stream *s = &peers[i]->stream[j];

            if (s->received < s->to_write || (s->finish && !s->over))
                return false;
        }
    return true;
}
