#include "pair.h"

#include <stdarg.h>
#include <sys/mman.h>

#include "bytes.h"
#include "wire.h"

enum { HEADER = 10, SPINS_MAX = 1000 }; /* packet number, length of the frames */

const struct end_pools end_pools_default = {
    .streams = 1024,
    .sent = 8192,
    .messages = 8192,
    .ranges = 8192,
    .in_messages = 12288,
    .in_blocks = 32768,
    .symbols = 1024,
    .blocks = 64,
    .protection = 2,
    .closed = 256,
};

char net_label[128];

void net_fail(const struct net *n, const char *what, const char *file, int line, const char *format,
              ...)
{
    va_list args;

    fprintf(stderr, "%s: at %.6f s: ", net_label, (double)n->sim.now / 1e6);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " (%s:%d: %s)\n", file, line, what);
    abort();
}

/* ---- addresses: (index of the end + 1) << 8 | number of the address << 4 | link ---- */

static void address_put(uint8_t ip[16], uint32_t address)
{
    memset(ip, 0, 16);
    ip[10] = ip[11] = 0xff;
    ip[12] = 198;
    ip[13] = 18;
    ip[14] = (uint8_t)(address >> 8);
    ip[15] = (uint8_t)address;
}

static uint32_t address_of(const uint8_t ip[16])
{
    return (uint32_t)ip[14] << 8 | ip[15];
}

static struct jp_path path_between(uint32_t our, uint32_t peer)
{
    struct jp_path path = {.peer_port = 4500, .our_port = 4500, .ip_version = 4};

    address_put(path.our_ip, our);
    address_put(path.peer_ip, peer);
    return path;
}

struct jp_path end_path(const struct end *e, unsigned k, unsigned link)
{
    return path_between(e->address | k << 4 | link, e->peer->address | link);
}

/* ---- packets ---- */

/* What a peer that breaks the rules makes of the frames it meant to send. */
static uint32_t mutate(struct rng *rng, uint8_t *frames, uint32_t len)
{
    for (uint64_t n = 1 + rng_below(rng, 4); n > 0 && len > 0; n--) {
        uint64_t at = rng_below(rng, len);

        switch (rng_below(rng, 4)) {
        case 0:
            frames[at] ^= (uint8_t)(1 << rng_below(rng, 8));
            break;
        case 1:
            frames[at < 24 ? at : at % 24] = (uint8_t)rng_next(rng);
            break;
        case 2:
            frames[0] = (uint8_t)rng_below(rng, 0x29);
            break;
        default:
            len = (uint32_t)at;
        }
    }
    return len;
}

static uint32_t payload_of(uint32_t frames)
{
    return WIRE_DATA_HDR + ((frames + WIRE_TRAILER_MIN + 3) & ~3U) + WIRE_TAG;
}

static void transmit(struct end *e, const struct conn_packet *p, uint64_t pn)
{
    uint8_t bytes[HEADER + CONN_PACKET_MAX + NET_IP_UDP] = {0};
    uint32_t from = address_of(p->path->our_ip), to = address_of(p->path->peer_ip), len = p->len;
    unsigned link = (e->server ? from : to) & 0xf;

    net_check(e->net, link < NET_LINKS, "no link %u", link);
    memcpy(bytes + HEADER, p->frames, len);
    e->spoke_at = e->net->sim.now;
    if (sim_chance(&e->net->sim, e->mutate))
        len = mutate(&e->net->sim.rng, bytes + HEADER, len);
    be64_store(bytes, pn);
    be16_store(bytes + 8, (uint16_t)len);
    link_send(&e->net->link[link][e->server ? DOWN : UP],
              &(struct link_packet){.bytes = bytes,
                                    .len = payload_of(p->len) + NET_IP_UDP,
                                    .from = from,
                                    .to = to,
                                    .ecn = p->ecn});
}

static void receive(struct end *e, const struct link_packet *packet)
{
    struct jp_path path = path_between(packet->to, packet->from);
    uint64_t pn = be64_load(packet->bytes);
    struct conn_received p = {.frames = packet->bytes + HEADER,
                              .path = &path,
                              .pn = pn,
                              .len = be16_load(packet->bytes + 8),
                              .bytes = packet->len - NET_IP_UDP,
                              .ecn = packet->ecn};

    if (packet->corrupt) {
        e->corrupt++;
        return;
    }
    if (replay_check(&e->replay, pn) != REPLAY_FRESH)
        return;
    if (!conn_can_receive(e->conn)) {
        e->no_room++;
        end_pump(e);
        return;
    }
    replay_commit(&e->replay, pn);
    e->heard_at = e->net->sim.now;
    conn_receive(e->conn, e->net->sim.now, &p);
    end_pump(e);
}

static void deliver(void *arg, const struct link_packet *p)
{
    struct net *n = arg;
    unsigned index = (p->to >> 8) - 1;

    if (index < n->n && n->ends[index].conn)
        receive(&n->ends[index], p);
}

/* ---- the network ---- */

void net_init(struct net *n, uint64_t seed, const struct link_config *config)
{
    memset(n, 0, sizeof(*n));
    n->sim.rng = (struct rng){seed};
    n->nat.outside = NET_OUTSIDE;
    for (unsigned i = 0; i < NET_LINKS; i++)
        for (unsigned d = UP; d <= DOWN; d++)
            link_init(&n->link[i][d], &n->sim, config, deliver, n);
}

void net_fini(struct net *n)
{
    for (unsigned i = 0; i < n->n; i++)
        if (n->ends[i].conn)
            end_fini(&n->ends[i]);
    for (unsigned i = 0; i < NET_LINKS; i++)
        for (unsigned d = UP; d <= DOWN; d++)
            link_fini(&n->link[i][d]);
    sim_fini(&n->sim);
}

void net_rebind(struct net *n)
{
    n->nat.inside = 1 << 8; /* the first client */
    n->nat.outside++;
    n->link[0][UP].nat_out = &n->nat;
    n->link[0][DOWN].nat_in = &n->nat;
}

/* ---- ends ---- */

/* Space for an array in one piece of memory: NULL first, to learn how large it is. */
static void *carve(uint8_t *memory, size_t *used, size_t size)
{
    void *at = memory ? memory + *used : NULL;

    *used += (size + 63) & ~(size_t)63;
    return at;
}

static void carve_pool(struct pool *pool, uint8_t *memory, size_t *used, size_t size, uint32_t n)
{
    void *at = carve(memory, used, pool_footprint((uint32_t)size, n));

    if (at)
        pool_init(pool, at, (uint32_t)size, n);
}

static size_t carve_all(struct end *e, const struct end_pools *n, uint8_t *memory)
{
    struct conn_pools *p = &e->pools;
    size_t used = 0;

    e->conn = carve(memory, &used, conn_size());
    p->table_mask = 1023;
    p->table_key = 0x9d2c5680;
    p->table = carve(memory, &used, (p->table_mask + 1) * sizeof(*p->table));
    p->fec.symbol_max = CONN_PACKET_MAX;
    carve_pool(&p->closed, memory, &used, conn_closed_size(), n->closed);
    carve_pool(&p->streams, memory, &used, conn_stream_size(), n->streams);
    carve_pool(&p->sent, memory, &used, sizeof(struct sent_packet), n->sent);
    carve_pool(&p->sendq.messages, memory, &used, sizeof(struct sendq_message), n->messages);
    carve_pool(&p->sendq.ranges, memory, &used, sizeof(struct sendq_range), n->ranges);
    carve_pool(&p->reassembly.messages, memory, &used, sizeof(struct reassembly_message),
               n->in_messages);
    carve_pool(&p->reassembly.blocks, memory, &used, sizeof(struct reassembly_block), n->in_blocks);
    carve_pool(&p->fec.symbols, memory, &used, p->fec.symbol_max, n->symbols);
    carve_pool(&p->fec.blocks, memory, &used, fec_block_size(), n->blocks);
    carve_pool(&p->protection, memory, &used, conn_fec_size(), n->protection);
    return used;
}

static void on_timer(void *arg)
{
    struct end *e = arg;

    if (!e->conn)
        return;
    if (e->spun_at != e->net->sim.now)
        e->spins = 0;
    e->spun_at = e->net->sim.now;
    net_check(e->net, ++e->spins < SPINS_MAX, "the timer spins");
    conn_timeout(e->conn, e->net->sim.now);
    end_pump(e);
}

static struct end *end_new(struct net *n, const struct end_config *config, bool server)
{
    struct end *e = &n->ends[n->n++];
    size_t size = carve_all(e, &config->pools, NULL);

    *e = (struct end){.net = n,
                      .address = n->n << 8,
                      .server = server,
                      .app = config->app,
                      .spun_at = UINT64_MAX};
    e->memory_size = size;
    e->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); /* most stays untouched */
    net_check(n, e->memory != MAP_FAILED, "no memory");
    carve_all(e, &config->pools, e->memory);
    memset(e->pools.table, 0, (e->pools.table_mask + 1) * sizeof(*e->pools.table));
    sim_timer_init(&e->timer, &n->sim, on_timer, e);
    return e;
}

static void end_begin(struct end *e, const struct end_config *config, const struct end_config *peer)
{
    struct conn_config conn = config->conn;
    uint32_t client = e->server ? e->peer->address : e->address;
    const struct link_nat *nat = e->net->link[0][UP].nat_out;

    if (e->server && nat && nat->inside == client)
        client = nat->outside;
    conn.path = e->server ? path_between(e->address, client) : end_path(e, 0, 0);
    conn.user = e;
    conn.pools = &e->pools;
    conn.replay = &e->replay;
    conn.server = e->server;
    conn.peer = peer->conn.local;
    net_check(e->net, conn_init(e->conn, &conn, e->net->sim.now) == 0, "conn_init");
}

struct end *pair_start(struct net *n, const struct end_config *client,
                       const struct end_config *server)
{
    struct end *c = end_new(n, client, false), *s = end_new(n, server, true);

    c->peer = s;
    s->peer = c;
    end_begin(c, client, server);
    end_begin(s, server, client);
    end_pump(c);
    end_pump(s);
    return c;
}

struct end_config end_config_default(const struct conn_ops *ops)
{
    return (struct end_config){
        .conn = {.ops = ops,
                 .congestion = congestion_find("cubic"),
                 .local = {.idle_timeout_ms = 60000,
                           .max_streams = 100,
                           .max_packet = 1472,
                           .max_data = 1 << 20,
                           .max_stream_data = 1 << 18,
                           .max_message = 1 << 20},
                 .window_max = 8 << 20,
                 .stream_window_max = 4 << 20,
                 .heartbeat_us = CONN_HEARTBEAT_US},
        .pools = end_pools_default,
    };
}

void end_pump(struct end *e)
{
    uint8_t frames[CONN_PACKET_MAX];
    struct net *n = e->net;
    uint64_t now = n->sim.now;

    for (;;) {
        struct conn_packet p = {.frames = frames};

        if (e->skip_one_in > 0 && rng_below(&n->sim.rng, e->skip_one_in) == 0)
            e->next_pn += 1 + rng_below(&n->sim.rng, 3);
        if (!conn_send(e->conn, now, e->next_pn, &p))
            break;
        if (!e->loses || !e->loses(e, &p, e->next_pn))
            transmit(e, &p, e->next_pn);
        e->next_pn++;
    }
    sim_timer_set(&e->timer, conn_deadline(e->conn, now));
}

void end_fini(struct end *e)
{
    const struct conn_pools *p = &e->pools;

    conn_fini(e->conn);
    net_check(e->net, conn_pools_used(p) == 0,
              "left: %u closed, %u streams, %u sent, %u messages, %u ranges, %u + %u received, "
              "%u symbols, %u blocks, %u protections",
              p->closed.used, p->streams.used, p->sent.used, p->sendq.messages.used,
              p->sendq.ranges.used, p->reassembly.messages.used, p->reassembly.blocks.used,
              p->fec.symbols.used, p->fec.blocks.used, p->protection.used);
    munmap(e->memory, e->memory_size);
    e->conn = NULL;
    e->memory = NULL;
}
