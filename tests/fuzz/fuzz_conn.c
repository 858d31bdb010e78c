/* Two connected ends over virtual time, with an application on each, and a peer that lies. The
 * input chooses the memory there is, what the applications do, which packets are lost, late, moved
 * to another address or changed, and which frames an end adds to its packets beside what it means
 * to say. What holds: no crash, no end without progress or without rest, no more to an unproven
 * address than it may get, messages whole, in order and once where nobody lied; and all goes back.
 */
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "conn_lies.h"
#include "fuzz.h"
#include "wire.h"

enum {
    NOW = 1000000000,
    MESSAGES = 192,   /* of both ends together, in a run */
    DATA = 80 * 1024, /* the longest message */
    IN_FLIGHT = 96,   /* packets on the way to an end; more are lost */
    LIE_MAX = 2048,   /* bytes of frames added to a packet */
    ADDRESSES = 16,
    TABLE = 64,
    POOLS = 10,
    BUSY = 16,    /* turns in which time may stand still */
    BURST = 2048, /* packets an end may send in one */
    SYMBOL = 2048,
    QUIET_US = 90000000,
};

struct message {
    uint32_t len;
    uint8_t from, stream;
    bool written, read, reset, reliable;
};

struct packet {
    uint64_t pn, at;
    struct jp_path path; /* as the receiver sees it */
    uint32_t len;
    uint8_t ecn;
    uint8_t frames[CONN_PACKET_MAX];
};

struct end {
    struct conn *c;
    struct conn_pools *pools;
    struct replay replay;
    struct packet *in[IN_FLIGHT]; /* on the way here, in the order they were sent */
    unsigned n_in;
    unsigned last_read[256]; /* by stream: 1 + the message read last */
    uint64_t tainted[4];     /* streams of which this end was told lies */
    uint64_t received[ADDRESSES], sent[ADDRESSES];
    bool proven[ADDRESSES];
    uint8_t lie[LIE_MAX];
    uint32_t lie_len;
    unsigned depth; /* of callbacks */
    bool closed;
};

static struct fuzz {
    struct end end[2]; /* client, server */
    struct conn_pools pools[2];
    void *memory[2][POOLS];
    struct packet packet[2 * IN_FLIGHT], *spare[2 * IN_FLIGHT];
    unsigned spares;
    struct message message[MESSAGES];
    unsigned messages;
    uint64_t now;
    const uint8_t *p, *stop;
    uint32_t delay;
    uint8_t drop, jitter, damage; /* of 256 packets */
    uint8_t meddle;               /* what callbacks do */
    uint8_t port;                 /* of the client, as the server sees it */
    uint16_t link_mtu;
    uint64_t random;
    bool shared, lied;
} fz;

static uint8_t data[DATA + MESSAGES * 8];

static uint8_t take(void)
{
    return fz.p < fz.stop ? *fz.p++ : 0;
}

static uint64_t random_next(void)
{
    uint64_t z = fz.random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ z >> 29;
}

/* Challenges, the same in every run of an input. */
static const char *random_name(void)
{
    return "fuzz";
}
static uint32_t random_word(void)
{
    return (uint32_t)random_next();
}
static void random_fill(void *const out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = (uint8_t)random_next();
}
static struct randombytes_implementation fixed = {
    .implementation_name = random_name, .random = random_word, .buf = random_fill};

static void make_once(void)
{
    if (data[0])
        return;
    randombytes_set_implementation(&fixed);
    fec_init();
    fz.random = 1;
    random_fill(data, sizeof(data));
    data[0] = 1;
}

/* ---- memory ---- */

static void carve(unsigned pools, unsigned i, struct pool *pool, size_t size, uint32_t n)
{
    static size_t held[2][POOLS];
    size_t bytes = pool_footprint((uint32_t)size, n);

    if (held[pools][i] < bytes) {
        free(fz.memory[pools][i]);
        fz.memory[pools][i] = aligned_alloc(64, bytes);
        held[pools][i] = bytes;
    }
    pool_init(pool, fz.memory[pools][i], (uint32_t)size, n);
}

static void pools_begin(unsigned i, uint8_t scarce)
{
    struct conn_pools *p = &fz.pools[i];
    static struct conn_entry *table[2][TABLE];

    memset(table[i], 0, sizeof(table[i]));
    p->table = table[i];
    p->table_mask = TABLE - 1;
    p->table_key = 7;
    p->fec.symbol_max = SYMBOL;
    carve(i, 0, &p->closed, conn_closed_size(), CONN_CLOSED_PAGES + (scarce & 1 ? 1 : 64));
    carve(i, 1, &p->streams, conn_stream_size(), CONN_RESERVE_STREAMS + (scarce & 1 ? 3 : 512));
    carve(i, 2, &p->sent, sizeof(struct sent_packet), scarce & 2 ? 80 : 700);
    carve(i, 3, &p->sendq.messages, sizeof(struct sendq_message), scarce & 4 ? 5 : 512);
    carve(i, 4, &p->sendq.ranges, sizeof(struct sendq_range), scarce & 4 ? 6 : 1024);
    carve(i, 5, &p->reassembly.messages, sizeof(struct reassembly_message),
          CONN_RESERVE_MESSAGES + (scarce & 8 ? 8 : 1024));
    carve(i, 6, &p->reassembly.blocks, sizeof(struct reassembly_block),
          CONN_RESERVE_BLOCKS + (scarce & 8 ? 24 : 4096));
    carve(i, 7, &p->fec.symbols, SYMBOL, scarce & 16 ? 5 : 256);
    carve(i, 8, &p->fec.blocks, fec_block_size(), scarce & 16 ? 1 : 32);
    carve(i, 9, &p->protection, conn_fec_size(), scarce & 16 ? 1 : 4);
}

static void pools_end(const struct conn_pools *p)
{
    FUZZ_CHECK(p->closed.used == 0 && p->streams.used == 0 && p->sent.used == 0);
    FUZZ_CHECK(p->sendq.messages.used == 0 && p->sendq.ranges.used == 0);
    FUZZ_CHECK(p->reassembly.messages.used == 0 && p->reassembly.blocks.used == 0);
    FUZZ_CHECK(p->fec.symbols.used == 0 && p->fec.blocks.used == 0 && p->protection.used == 0);
    for (unsigned i = 0; i < TABLE; i++)
        FUZZ_CHECK(!p->table[i]);
}

/* ---- the applications ---- */

static unsigned index_of(const struct end *e)
{
    return (unsigned)(e - fz.end);
}

static bool is_tainted(const struct end *e, uint32_t stream)
{
    return stream > 255 || e->tainted[stream / 64] >> (stream % 64) & 1;
}

static void write_one(struct end *e, uint32_t stream, uint8_t size)
{
    struct message *m = &fz.message[fz.messages];
    struct conn_stream *s = stream_find(e->c, stream);
    uint32_t len = size < 128   ? 8 + size * 8U
                   : size < 248 ? (size - 127) * 64U
                                : (size - 240) * 5000U;

    if (fz.messages == MESSAGES || !s || stream > 255)
        return;
    *m = (struct message){.len = len, .from = (uint8_t)index_of(e), .stream = (uint8_t)stream};
    m->reliable = s->config.max_retransmissions == SENDQ_RELIABLE && s->config.ttl_us == 0;
    if (conn_write(e->c, stream, data + 8 * fz.messages, len, false, m, fz.now) == 0) {
        m->written = true;
        fz.messages++;
    }
}

static void check_message(struct end *e, uint32_t stream, const struct reassembly_message *in,
                          bool ordered)
{
    const uint8_t *bytes;
    uint32_t n = reassembly_read(in, 0, &bytes);
    unsigned id = 0;

    while (id < fz.messages && memcmp(bytes, data + 8 * id, 8) != 0)
        id++;
    FUZZ_CHECK(n >= 8 && id < fz.messages);
    struct message *m = &fz.message[id];

    FUZZ_CHECK(m->from != index_of(e) && m->stream == stream && m->len == in->len && !m->read);
    for (uint32_t at = 0; at < in->len; at += n) {
        n = reassembly_read(in, at, &bytes);
        FUZZ_CHECK(n > 0 && memcmp(bytes, data + 8 * id + at, n) == 0);
    }
    FUZZ_CHECK(!ordered || id >= e->last_read[stream]);
    e->last_read[stream] = id + 1;
    m->read = true;
}

static void read_all(struct end *e, uint32_t stream)
{
    struct conn_stream_info info;
    struct reassembly_message *m;

    while (conn_stream_info(e->c, stream, &info) && (m = conn_read(e->c, stream)) != NULL) {
        if (!is_tainted(e, stream))
            check_message(e, stream, m, !info.unordered);
        conn_release(e->c, stream, m, fz.now);
    }
}

static struct jp_path path_of(bool server, uint8_t host, uint8_t port)
{
    struct jp_path path = {.peer_ip = {0xfd}, .our_ip = {0xfd}};

    path.our_ip[15] = server ? 200 : host;
    path.peer_ip[15] = server ? host : 200;
    path.our_port = server ? 4500 : port;
    path.peer_port = server ? port : 4500;
    return path;
}

static const struct conn_stream_config configs[] = {
    {.max_retransmissions = SENDQ_RELIABLE, .priority = DRR_CHAT, .protection = CONN_PLAIN},
    {.max_retransmissions = SENDQ_RELIABLE, .priority = DRR_BULK, .protection = CONN_BULK},
    {.max_retransmissions = SENDQ_RELIABLE,
     .priority = DRR_CHAT,
     .protection = CONN_LATENCY,
     .unordered = true},
    {.ttl_us = 30000, .max_retransmissions = 1, .priority = DRR_CHAT, .protection = CONN_LATENCY},
    {.max_retransmissions = 0, .priority = DRR_BULK, .protection = CONN_BULK, .unordered = true},
};
static const struct conn_stream_config *config_of(uint8_t b)
{
    return &configs[b % (sizeof(configs) / sizeof(configs[0]))];
}

/* What an application may do at any time, in callbacks too. */
static void act(struct end *e, uint8_t what, uint8_t a, uint8_t b)
{
    struct conn *c = e->c;

    switch (what % 16) {
    case 0:
        conn_open(c, a % 8 ? a % 32 : CONN_STREAM_ANY, config_of(b), fz.now);
        break;
    case 1:
        conn_finish(c, a % 32, fz.now);
        break;
    case 2:
        for (unsigned i = 0; i < fz.messages; i++)
            fz.message[i].reset |=
                fz.message[i].from == index_of(e) && fz.message[i].stream == a % 32;
        conn_reset(c, a % 32, fz.now);
        break;
    case 3:
        if (b == 0)
            conn_close(c, CLOSE_ADMIN, "enough", fz.now);
        break;
    case 4:
        conn_datagram(c, data, a * 6U, b % DRR_PRIORITIES, NULL);
        break;
    case 5: {
        struct jp_path path = path_of(false, 1 + a % 4, 100);

        conn_migrate(c, &path, fz.now);
        break;
    }
    case 6: {
        struct jp_path path = path_of(false, 1 + a % 4, 100);

        conn_path_add(c, &path, b % 4, fz.now);
        break;
    }
    case 7:
        conn_path_set(c, a % 5, b % 4, fz.now);
        break;
    case 8:
        if (c->config.server)
            conn_ticket(c, data, 1 + a % 128);
        break;
    case 9:
        conn_set_heartbeat(c, a % 8 * 500000U, fz.now);
        break;
    case 10:
        conn_configure(c, a % 32, config_of(b));
        break;
    default:
        write_one(e, a % 32, b);
    }
}

static struct end *end_of(struct conn *c)
{
    return c->user;
}

static void meddle(struct conn *c, uint32_t stream, uint8_t which)
{
    struct end *e = end_of(c);

    if (!(fz.meddle & which) || e->depth > 3)
        return;
    e->depth++;
    act(e, (uint8_t)random_next(), random_next() % 2 ? (uint8_t)stream : (uint8_t)random_next(),
        (uint8_t)random_next());
    e->depth--;
}

static void on_opened(struct conn *c, uint32_t stream)
{
    meddle(c, stream, 1);
}
static void on_readable(struct conn *c, uint32_t stream)
{
    meddle(c, stream, 2);
    if (!(fz.meddle & 128) || random_next() % 4)
        read_all(end_of(c), stream);
}
static void on_ended(struct conn *c, uint32_t stream, enum conn_end how)
{
    (void)how;
    meddle(c, stream, 4);
}
static void on_released(struct conn *c, void *user, enum sendq_fate fate)
{
    struct message *m = user;

    (void)c;
    if (!m)
        return;
    FUZZ_CHECK(m->written);
    m->written = false;
    m->reset |= fate != SENDQ_ACKED;
}
static void on_writable(struct conn *c, int stream)
{
    meddle(c, stream < 0 ? 1 : (uint32_t)stream, 8);
}
static void on_datagram(struct conn *c, const uint8_t *bytes, uint32_t len)
{
    (void)bytes;
    meddle(c, len, 16);
}
static void on_path(struct conn *c, unsigned path, enum conn_path_event event)
{
    (void)event;
    meddle(c, path, 32);
}
static void on_ticket(struct conn *c, const uint8_t *ticket, uint32_t len)
{
    (void)ticket;
    meddle(c, len, 64);
}
static int on_acked(struct conn *c, uint64_t pn)
{
    FUZZ_CHECK(pn < c->next_pn);
    return 0;
}
static void on_closed(struct conn *c, uint64_t code, const char *reason, bool local)
{
    struct end *e = end_of(c);

    FUZZ_CHECK(!e->closed && reason);
    e->closed = true;
    FUZZ_CHECK(!local || code != CLOSE_PROTOCOL || fz.lied);
    meddle(c, 0, 64);
}
static const struct conn_ops ops = {on_opened,   on_readable, on_ended,  on_released, on_writable,
                                    on_datagram, on_path,     on_ticket, on_acked,    on_closed};

/* ---- packets ---- */

static uint32_t payload_of(uint32_t len)
{
    return WIRE_DATA_HDR + ((len + WIRE_TRAILER_MIN + 3) & ~3U) + WIRE_TAG;
}

static unsigned address_of(const struct jp_path *path)
{
    return (path->peer_ip[15] * 4U + path->peer_port) % ADDRESSES;
}

/* No more than three times what came from an address that is not proven. */
static void count_sent(struct end *e, const struct jp_path *path, uint32_t bytes)
{
    unsigned a = address_of(path);

    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (e->c->path[i].open && e->c->path[i].validated)
            e->proven[address_of(&e->c->path[i].address)] = true;
    e->sent[a] += bytes;
    FUZZ_CHECK(!e->c->config.server || e->proven[a] ||
               e->sent[a] <= CONN_AMPLIFICATION * e->received[a]);
}

static void lie_into(struct end *from, struct packet *p)
{
    uint32_t n = from->lie_len < sizeof(p->frames) - p->len ? from->lie_len : 0;

    memmove(p->frames + n, p->frames, p->len); /* a repair is what stands behind it */
    memcpy(p->frames, from->lie, n);
    p->len += n;
    from->lie_len = 0;
    if (random_next() % 256 < fz.damage && p->len > 0) {
        p->frames[random_next() % p->len] ^= (uint8_t)random_next();
        memset(fz.end[!index_of(from)].tainted, 0xff, sizeof(from->tainted));
        fz.lied = true;
    }
}

static bool is_late(const struct packet *a, const struct packet *b)
{
    return a->at > b->at;
}

static void transmit(struct end *from, const struct conn_packet *out, uint64_t pn)
{
    struct end *to = &fz.end[!index_of(from)];
    struct packet *p;
    bool server = from->c->config.server;

    FUZZ_CHECK(payload_of(out->len) <= CONN_PACKET_MAX);
    count_sent(from, out->path, payload_of(out->len));
    if (random_next() % 256 < fz.drop || to->n_in == IN_FLIGHT ||
        payload_of(out->len) > fz.link_mtu)
        return;
    p = fz.spare[--fz.spares];
    p->pn = pn;
    p->ecn = out->ecn;
    p->len = out->len;
    memcpy(p->frames, out->frames, out->len);
    lie_into(from, p);
    p->at = fz.now + fz.delay + (random_next() % 256 < fz.jitter ? random_next() % 30000 : 0);
    p->path = server ? path_of(false, out->path->peer_ip[15], 100)
                     : path_of(true, out->path->our_ip[15], fz.port);
    unsigned i = to->n_in++;

    for (; i > 0 && is_late(to->in[i - 1], p); i--)
        to->in[i] = to->in[i - 1];
    to->in[i] = p;
}

static void check_paths(const struct conn *c)
{
    const struct conn_path *active = &c->path[c->active];

    FUZZ_CHECK(active->open && !active->quiet);
    for (unsigned i = 0; i < CONN_PATHS; i++) {
        const struct conn_path *path = &c->path[i];

        FUZZ_CHECK(!path->open || path->replaces == CONN_PATHS || c->path[path->replaces].open);
        FUZZ_CHECK(!path->open || path->sent.live || !path->sent.head);
    }
}

static void deliver(struct end *e)
{
    struct packet *p = e->in[0];
    struct conn_received r = {.frames = p->frames,
                              .path = &p->path,
                              .pn = p->pn,
                              .len = p->len,
                              .bytes = payload_of(p->len),
                              .ecn = p->ecn};

    memmove(e->in, e->in + 1, --e->n_in * sizeof(e->in[0]));
    if (conn_can_receive(e->c) && replay_commit(&e->replay, p->pn) == REPLAY_FRESH) {
        uint8_t *frames = malloc(p->len);

        memcpy(frames, p->frames, p->len);
        r.frames = frames;
        e->received[address_of(&p->path)] += r.bytes;
        conn_receive(e->c, fz.now, &r);
        free(frames);
        check_paths(e->c);
    }
    fz.spare[fz.spares++] = p;
}

/* All that is to be done at this moment, until nothing is. */
static void work(struct end *e)
{
    uint8_t frames[CONN_PACKET_MAX];

    for (unsigned turns = 0; conn_deadline(e->c, fz.now) <= fz.now || turns == 0; turns++) {
        struct conn_packet out = {.frames = frames};
        unsigned sent = 0;

        FUZZ_CHECK(turns < BUSY);
        if (conn_deadline(e->c, fz.now) <= fz.now)
            conn_timeout(e->c, fz.now);
        for (uint64_t pn = e->c->next_pn; conn_send(e->c, fz.now, pn, &out); pn = e->c->next_pn) {
            FUZZ_CHECK(out.len > 0 && out.len <= CONN_PACKET_MAX && ++sent < BURST);
            transmit(e, &out, pn);
            out = (struct conn_packet){.frames = frames};
        }
        check_paths(e->c);
    }
}

static void run(uint64_t until)
{
    for (;;) {
        uint64_t at = until;

        for (unsigned i = 0; i < 2; i++) {
            struct end *e = &fz.end[i];

            while (e->n_in > 0 && e->in[0]->at <= fz.now)
                deliver(e);
            work(e);
        }
        for (unsigned i = 0; i < 2; i++) {
            struct end *e = &fz.end[i];
            uint64_t due = conn_deadline(e->c, fz.now);

            at = due < at ? due : at;
            at = e->n_in > 0 && e->in[0]->at < at ? e->in[0]->at : at;
        }
        if (fz.now >= until)
            return;
        fz.now = at > fz.now ? at : fz.now;
    }
}

/* ---- lies ---- */

/* The end's next packets say this, too; often, if it is to cost. */
static void lie(struct end *e)
{
    struct end *victim = &fz.end[!index_of(e)];
    struct lies l = {.in = &fz.p, .stop = fz.stop, .victim = victim->c, .tainted = victim->tainted};
    uint8_t what = take(), *start = e->lie + e->lie_len, *p = start;
    unsigned often = what >= 240 ? 400 : 1;

    if (LIE_MAX - e->lie_len < 1100)
        return;
    fz.lied = true;
    p = lie_put(&l, p, what);
    for (uint32_t n = (uint32_t)(p - start); n > 0 && often > 1; often--) {
        if ((uint32_t)(e->lie + LIE_MAX - p) < n)
            break;
        memcpy(p, start, n);
        p += n;
    }
    e->lie_len = (uint32_t)(p - e->lie);
    e->c->ping_due |= !e->c->closed;
}

/* ---- a run ---- */

static void end_begin(unsigned i, uint8_t how)
{
    static const struct congestion_ops *const congestion[] = {&cc_newreno, &cc_cubic, &cc_bbr};
    struct end *e = &fz.end[i];
    struct conn_config config = {
        .ops = &ops,
        .user = e,
        .pools = &fz.pools[fz.shared ? 0 : i],
        .replay = &e->replay,
        .congestion = congestion[how % 3],
        .goals = how & 4 ? redundancy_goals : NULL,
        .local = hs_params_default,
        .path = path_of(i, 1, 100),
        .heartbeat_us = how & 8 ? 1000000 : 0,
        .server = i,
        .ecn = how & 16,
        .mtu_discovery = how & 32,
    };

    config.local.max_data = how & 64 ? 20000 : 400000;
    config.local.max_stream_data = how & 64 ? 12000 : 200000;
    config.local.max_streams = how & 128 ? 4 : 32;
    config.local.max_message = DATA;
    config.local.idle_timeout_ms = 60000;
    config.peer = config.local;
    config.window_max = config.stream_window_max = 1 << 20;
    e->c = aligned_alloc(64, (conn_size() + 63) & ~(size_t)63);
    e->proven[address_of(&config.path)] = true;
    FUZZ_CHECK(conn_init(e->c, &config, fz.now) == 0);
}

static void end_fini(struct end *e)
{
    conn_fini(e->c);
    free(e->c);
}

static void protect(struct end *e, uint8_t how)
{
    struct redundancy_plan window = {.code = REDUNDANCY_WINDOW, .window = 16, .ratio = 128};
    struct redundancy_plan blocks = {
        .code = REDUNDANCY_BLOCKS, .k = 3, .r = 2, .depth = 2, .ratio = 170};

    if (!e->c->config.goals)
        return;
    e->c->redundancy.plan[REDUNDANCY_BULK] = how & 1 ? blocks : window;
    e->c->redundancy.plan[REDUNDANCY_LATENCY] = how & 2 ? blocks : window;
}

static void step(void)
{
    uint8_t what = take();
    struct end *e = &fz.end[what >> 7];

    switch (what & 31) {
    case 0:
    case 1:
    case 2:
    case 3:
        lie(e);
        break;
    case 4:
        protect(e, take());
        break;
    case 5:
        fz.drop = take();
        break;
    case 6:
        fz.jitter = take();
        break;
    case 7:
        fz.damage = take() / 4;
        break;
    case 8:
        fz.port = 100 + take() % 4;
        break;
    case 9:
        fz.delay = take() * 400U;
        break;
    case 10:
        run(fz.now + take() * 10000U);
        break;
    case 11:
        fz.meddle = take();
        break;
    case 12:
        fz.link_mtu = 1280 + take() * 4;
        break;
    case 13:
        for (uint32_t id = 0; id < 64; id++)
            read_all(e, id);
        break;
    default:
        act(e, what, take(), take());
    }
    run(fz.now + (what & 96) * 40U);
}

/* The network becomes good: where nobody lied, and nobody ran out of memory, all that is reliable
 * arrives. */
static void settle(void)
{
    fz.drop = fz.jitter = fz.damage = fz.meddle = 0;
    fz.delay = 10000;
    fz.link_mtu = CONN_PACKET_MAX;
    for (unsigned i = 0; i < 2; i++)
        for (uint32_t id = 0; id < 64; id++)
            read_all(&fz.end[i], id);
    run(fz.now + QUIET_US);
    for (unsigned i = 0; i < fz.messages; i++)
        FUZZ_CHECK(fz.message[i].read || !fz.message[i].reliable || fz.message[i].reset ||
                   fz.lied || fz.end[0].closed || fz.end[1].closed);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    uint8_t scarce;

    if (size < 4)
        return 0;
    make_once();
    memset(fz.end, 0, sizeof(fz.end));
    fz.p = input + 4;
    fz.stop = input + size;
    fz.now = NOW;
    fz.messages = 0;
    fz.drop = fz.jitter = fz.damage = fz.meddle = 0;
    fz.delay = 10000;
    fz.port = 100;
    fz.link_mtu = CONN_PACKET_MAX;
    fz.random = input[3];
    fz.lied = false;
    for (fz.spares = 0; fz.spares < 2 * IN_FLIGHT; fz.spares++)
        fz.spare[fz.spares] = &fz.packet[fz.spares];
    scarce = input[0];
    fz.shared = scarce & 32;
    pools_begin(0, scarce);
    pools_begin(1, scarce);
    end_begin(0, input[1]);
    end_begin(1, input[1]);
    while (fz.p < fz.stop)
        step();
    if (input[2] & 1)
        settle();
    end_fini(&fz.end[0]);
    end_fini(&fz.end[1]);
    pools_end(&fz.pools[0]);
    pools_end(&fz.pools[1]);
    return 0;
}

/* Streams of every kind, with messages of every size, over a network that is good or bad, with FEC
 * or without; and then a lie of each kind. */
size_t fuzz_seed(unsigned index, uint8_t *out)
{
    uint8_t *p = out;

    if (index >= 48)
        return 0;
    *p++ = index & 1 ? (uint8_t)(1 << index % 6) : 0;
    *p++ = (uint8_t)(index * 37 + 4);
    *p++ = index < 24;
    *p++ = (uint8_t)index;
    *p++ = 4, *p++ = (uint8_t)index;
    *p++ = 128 + 4, *p++ = (uint8_t)(index / 2);
    *p++ = 5, *p++ = index % 3 ? 0 : 20;
    *p++ = 11, *p++ = index % 4 == 3 ? 255 : 0;
    for (uint8_t i = 0; i < 12; i++) {
        uint8_t who = i & 1 ? 128 : 0;

        *p++ = who + 16, *p++ = (uint8_t)(i + 1), *p++ = i;
        *p++ = who + 27 + 32, *p++ = (uint8_t)(i + 1), *p++ = (uint8_t)(i * 23 + index);
        *p++ = who + 28, *p++ = (uint8_t)(i + 1), *p++ = (uint8_t)(i * 40);
        if (index >= 24) {
            *p++ = who + 64, *p++ = (uint8_t)(index + i);
            for (uint8_t j = 0; j < 8; j++)
                *p++ = (uint8_t)(index * 7 + j * 31);
        }
        *p++ = who + 10, *p++ = i % 4;
        *p++ = who + 16 + 4 + i % 4, *p++ = i, *p++ = index % 5;
        *p++ = who + 17 + i % 2, *p++ = (uint8_t)(i / 2 + 1), *p++ = 0;
    }
    return (size_t)(p - out);
}
