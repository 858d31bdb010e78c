#include "scenario.h"

enum { MS = 1000, S = 1000000, KB = 1024, MBIT = 1000000 };

static uint64_t below(struct scenario *s, uint64_t n)
{
    return rng_below(&s->rng, n);
}

static bool chance(struct scenario *s, unsigned percent)
{
    return below(s, 100) < percent;
}

/* min to max, small ones as likely as large ones: uniform in its logarithm. */
static uint64_t scaled(struct scenario *s, uint64_t min, uint64_t max)
{
    unsigned doublings = 0;

    while (min << (doublings + 1) <= max)
        doublings++;
    min <<= below(s, doublings + 1);
    min += below(s, min + 1);
    return min < max ? min : max;
}

/* ---- the path ---- */

static void draw_faults(struct scenario *s, struct link_config *link)
{
    if (chance(s, 40))
        link->loss = (uint32_t)scaled(s, 1000, 100000);
    if (chance(s, 20)) {
        link->burst_begin = (uint32_t)scaled(s, 500, 20000);
        link->burst_end = 300000 + (uint32_t)below(s, 500000);
        link->burst_loss = 300000 + (uint32_t)below(s, 700000);
    }
    if (chance(s, 25)) {
        link->reorder = (uint32_t)scaled(s, 1000, 300000);
        link->reorder_us = (uint32_t)scaled(s, 100, 50 * MS);
    }
    if (chance(s, 20))
        link->duplicate = (uint32_t)scaled(s, 1000, 200000);
    if (chance(s, 20))
        link->corrupt = (uint32_t)scaled(s, 1000, 50000);
}

static void draw_link(struct scenario *s)
{
    struct link_config link = {.delay_us = (uint32_t)scaled(s, 100, 150 * MS)};
    uint64_t bdp;

    if (chance(s, 90))
        link.rate = scaled(s, MBIT / 2, 200 * MBIT);
    bdp = link.rate / 8 * 2 * link.delay_us / S;
    if (chance(s, 80))
        link.queue = (uint32_t)scaled(s, 16 * KB, bdp > 32 * KB ? 4 * bdp : 128 * KB);
    if (chance(s, 20))
        link.mtu = NET_IP_UDP + CONN_PACKET_MIN + (uint32_t)below(s, 300);
    if (chance(s, 20))
        link.mark = 10 * KB + (uint32_t)below(s, 100 * KB);
    s->link[UP] = s->link[DOWN] = link;
    draw_faults(s, &s->link[UP]);
    draw_faults(s, &s->link[DOWN]);
}

/* ---- the ends ---- */

static void draw_limits(struct scenario *s, struct end_config *c)
{
    struct hs_params *p = &c->conn.local;

    p->idle_timeout_ms = 600000; /* readers may be late */
    p->max_streams = (uint16_t)scaled(s, 4, 200);
    p->max_packet = (uint16_t)(chance(s, 70) ? 1472 : 1280 + below(s, 7720));
    if (chance(s, 40))
        p->max_data = (uint32_t)scaled(s, 2000, 1 << 20);
    if (chance(s, 40))
        p->max_stream_data = (uint32_t)scaled(s, 2000, 1 << 20);
    c->conn.heartbeat_us = chance(s, 90) ? CONN_HEARTBEAT_US : 0;
}

/* As little as sessions can do with. */
static void draw_small_pools(struct scenario *s, struct end_config *c)
{
    struct end_pools *p = &c->pools;

    s->small = true;
    c->conn.window_max = c->conn.local.max_data =
        FLOW_RESERVE + 100000 + (uint32_t)below(s, 100000);
    c->conn.local.max_stream_data = 100000;
    p->sent = 70 + (uint32_t)below(s, 200);
    p->messages = 4 + (uint32_t)below(s, 60);
    p->ranges = 4 + (uint32_t)below(s, 60);
    p->in_messages = 600 + (uint32_t)c->conn.window_max / FLOW_MESSAGE_COST;
    p->in_blocks = 5000 + REASSEMBLY_OVERHEAD * (uint32_t)c->conn.window_max / REASSEMBLY_BLOCK;
    p->symbols = (uint32_t)below(s, 100);
    p->blocks = (uint32_t)below(s, 8);
    p->protection = (uint32_t)below(s, 3);
}

static void draw_end(struct scenario *s, struct end_config *c)
{
    *c = end_config_default(&app_ops);
    c->app = &s->app;
    c->conn.congestion = congestion_algorithms[below(s, CONGESTION_ALGORITHMS)];
    c->conn.ecn = chance(s, 30);
    c->conn.goals = chance(s, 50) ? redundancy_goals : NULL;
    draw_limits(s, c);
    if (chance(s, 15))
        draw_small_pools(s, c);
    else if (s->fate != FATE_DONE && chance(s, 30)) /* less than the windows promise */
        c->pools.in_blocks = 4800 + (uint32_t)below(s, 500);
}

static void draw_ends(struct scenario *s)
{
    for (unsigned i = 0; i < 2; i++)
        draw_end(s, &s->config[i]);
    if (s->link[UP].mtu > 0 || chance(s, 30))
        s->config[0].conn.mtu_discovery = s->config[1].conn.mtu_discovery = true;
}

/* ---- the applications ---- */

static struct flow_plan draw_flow(struct scenario *s, bool datagrams)
{
    struct flow_plan p = {.config = {.max_retransmissions = SENDQ_RELIABLE}};
    unsigned kind = (unsigned)below(s, 10);

    p.config.priority = (uint8_t)below(s, DRR_PRIORITIES);
    p.config.protection = (uint8_t)below(s, 3);
    p.config.unordered = chance(s, 25);
    if (chance(s, 15))
        p.config.ttl_us = (uint32_t)scaled(s, MS, S);
    if (chance(s, 15))
        p.config.max_retransmissions = (uint8_t)below(s, 4);
    p.messages = (uint32_t)(chance(s, 10) ? 0 : scaled(s, 1, kind < 4 ? 200 : 30));
    p.size_min = (uint32_t)(chance(s, 30) ? 0 : below(s, 100));
    p.size_max = p.size_min + (uint32_t)scaled(s, 1, kind < 4 ? 200 : kind < 9 ? 8000 : 60000);
    if (kind == 9 && !s->small && chance(s, 10)) {
        p.messages = 1;
        p.size_min = p.size_max = (uint32_t)scaled(s, 70000, 1000000);
    }
    if (chance(s, 20))
        p.interval_us = (uint32_t)scaled(s, 100, 20 * MS);
    if (!s->small && chance(s, 1)) {
        p.messages = (uint32_t)scaled(s, 500, 5000);
        p.size_min = (uint32_t)below(s, 100);
        p.size_max = p.size_min + 1400;
    }
    if (!datagrams && chance(s, 5))
        p.reset_after = 1 + (uint32_t)below(s, p.messages + 1);
    if (datagrams) {
        p.size_min = (uint32_t)below(s, 100);
        p.size_max = p.size_min + (uint32_t)below(s, 1000);
    }
    return p;
}

static void draw_app(struct scenario *s)
{
    unsigned n = (unsigned)scaled(s, 1, 24);

    app_init(&s->app, &s->net, s->seed);
    for (unsigned i = 0; i < n; i++) {
        struct flow_plan opener = draw_flow(s, false), other = draw_flow(s, false);

        other.config.unordered &= other.messages > 0;
        app_stream(&s->app, chance(s, 40), chance(s, 50) ? 0 : below(s, S), &opener, &other);
    }
    for (unsigned i = 0; i < 2; i++) {
        struct flow_plan plan = draw_flow(s, true);

        if (chance(s, 30))
            app_datagrams(&s->app, i, &plan);
        if (chance(s, 20)) {
            s->app.state[i].read_delay_us = (uint32_t)scaled(s, MS, 300 * MS);
            s->app.state[i].read_batch = (uint32_t)(chance(s, 30) ? 0 : 20 + below(s, 50));
        }
    }
}

/* ---- what happens to the path ---- */

static void rebind(void *arg)
{
    struct scenario *s = arg;

    net_rebind(&s->net);
}

static void migrate(void *arg)
{
    struct scenario *s = arg;
    struct jp_path path = end_path(s->client, 1 + s->migrations++ % 7, 0);

    conn_migrate(s->client->conn, &path, s->net.sim.now);
    end_pump(s->client);
}

static void blackhole_on(void *arg)
{
    struct scenario *s = arg;

    s->net.link[0][UP].config.blackhole = s->net.link[0][DOWN].config.blackhole = true;
}

static void blackhole_off(void *arg)
{
    struct scenario *s = arg;

    s->net.link[0][UP].config.blackhole = s->net.link[0][DOWN].config.blackhole = false;
}

static void narrow(void *arg)
{
    struct scenario *s = arg;

    for (unsigned i = 0; i < NET_LINKS; i++)
        s->net.link[i][UP].config.mtu = s->net.link[i][DOWN].config.mtu =
            NET_IP_UDP + CONN_PACKET_MIN;
}

static void add_path(void *arg)
{
    struct scenario *s = arg;
    struct jp_path path = end_path(s->client, 0, 1);
    enum path_use use = 1 + (enum path_use)below(s, 3);

    conn_path_add(s->client->conn, &path, use, s->net.sim.now);
    end_pump(s->client);
}

static void change_path(void *arg)
{
    struct scenario *s = arg;

    conn_path_set(s->client->conn, (unsigned)below(s, 2), (enum path_use)below(s, 4),
                  s->net.sim.now);
    end_pump(s->client);
}

static void draw_events(struct scenario *s)
{
    struct sim *sim = &s->net.sim;
    uint64_t at;

    if (chance(s, 15)) {
        net_rebind(&s->net);                                /* before the session begins */
        s->config[0].conn.heartbeat_us = CONN_HEARTBEAT_US; /* or nobody learns of it */
        for (unsigned n = 1 + (unsigned)below(s, 3); n > 0; n--)
            sim_at(sim, below(s, 3 * S), rebind, s);
    } else if (chance(s, 15)) {
        for (unsigned n = 1 + (unsigned)below(s, 3); n > 0; n--)
            sim_at(sim, below(s, 3 * S), migrate, s);
    } else if (chance(s, 15)) {
        s->multipath = true;
        sim_at(sim, below(s, S), add_path, s);
        if (chance(s, 30))
            sim_at(sim, S + below(s, S), change_path, s);
    }
    if (chance(s, 10)) {
        at = below(s, 3 * S);
        sim_at(sim, at, blackhole_on, s);
        sim_at(sim, at + scaled(s, 10 * MS, 6 * S), blackhole_off, s);
    }
    if (s->config[0].conn.mtu_discovery && chance(s, 20))
        sim_at(sim, below(s, 2 * S), narrow, s);
}

/* ---- the whole ---- */

void scenario_init(struct scenario *s, uint64_t seed)
{
    *s = (struct scenario){.seed = seed, .rng = {seed * UINT64_C(0x9e3779b97f4a7c15)}};
    snprintf(net_label, sizeof(net_label), "TEST_SEED=%llu", (unsigned long long)seed);
    s->fate = chance(s, 80) ? FATE_DONE : chance(s, 40) ? FATE_ABANDONED : FATE_HOSTILE;
    s->end_at = s->fate == FATE_HOSTILE ? 20 * S : below(s, 2 * S);
    draw_link(s);
    draw_ends(s);
    net_init(&s->net, rng_next(&s->rng), &s->link[UP]);
    for (unsigned i = 0; i < NET_LINKS; i++)
        s->net.link[i][DOWN].config = s->link[DOWN];
    draw_app(s);
    draw_events(s);
    s->client = pair_start(&s->net, &s->config[0], &s->config[1]);
    s->server = s->client->peer;
    for (unsigned i = 0; i < 2; i++)
        s->net.ends[i].skip_one_in = chance(s, 20) ? 1 + (uint32_t)below(s, 300) : 0;
    if (s->fate == FATE_HOSTILE)
        s->net.ends[below(s, 2)].mutate = (uint32_t)scaled(s, 1000, 300000);
    s->app.hostile = s->fate == FATE_HOSTILE;
    app_start(&s->app, s->client);
}

void scenario_fini(struct scenario *s)
{
    s->app.over = true;
    net_fini(&s->net);
    app_fini(&s->app);
}
