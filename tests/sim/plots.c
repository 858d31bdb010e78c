/* Writes what sessions get over time, a CSV file a scenario: seconds, goodput in Mbit/s, smoothed
 * RTT in ms, FEC repairs in % of the sources of the last second. scripts/plots draws them. */
#include <errno.h>

#include "app.h"

enum { MBIT = 1000000, MS = 1000, S = 1000000, STEP = 200 * MS, STEPS = 300 };

struct world {
    const char *name, *algorithm;
    struct link_config link;
    enum conn_protection protection;
    uint32_t size, interval_us; /* of messages; 0: as fast as they are taken */
    void (*happens)(struct net *n, unsigned step);
};

static struct net net;
static struct app app;

/* ---- what happens ---- */

static void rate_changes(struct net *n, unsigned step)
{
    if (step == STEPS / 3)
        n->link[0][UP].config.rate /= 4;
    if (step == 2 * STEPS / 3)
        n->link[0][UP].config.rate *= 4;
}

static void goes_dark(struct net *n, unsigned step)
{
    if (step == STEPS / 3)
        n->link[0][UP].config.blackhole = true;
    if (step == STEPS / 3 + 25)
        n->link[0][UP].config.blackhole = false;
}

static void is_rebound(struct net *n, unsigned step)
{
    if (step > 0 && step % (STEPS / 6) == 0)
        net_rebind(n);
}

static void gets_worse(struct net *n, unsigned step)
{
    static const uint32_t loss[] = {0, 10000, 50000, 100000, 20000, 0};

    n->link[0][UP].config.loss = loss[step * 6 / STEPS];
}

static void has_spells(struct net *n, unsigned step)
{
    struct link_config *c = &n->link[0][UP].config;

    c->burst_begin = step < STEPS / 4 || step > 3 * STEPS / 4 ? 0 : 10000;
    c->burst_end = 333333;
    c->burst_loss = 1000000;
}

#define LINE(mbit, rtt_ms)                                                                         \
    {                                                                                              \
        .rate = (uint64_t)(mbit)*MBIT, .delay_us = (rtt_ms)*MS / 2,                                \
        .queue = (mbit) * (rtt_ms)*125 > 65536 ? (mbit) * (rtt_ms)*125 : 65536                     \
    }

static const struct world worlds[] = {
    {"clean-cubic", "cubic", LINE(100, 50), CONN_PLAIN, 65536, 0, NULL},
    {"clean-bbr", "bbr", LINE(100, 50), CONN_PLAIN, 65536, 0, NULL},
    {"rate-cubic", "cubic", LINE(40, 50), CONN_PLAIN, 65536, 0, rate_changes},
    {"rate-bbr", "bbr", LINE(40, 50), CONN_PLAIN, 65536, 0, rate_changes},
    {"dark-cubic", "cubic", LINE(20, 50), CONN_PLAIN, 65536, 0, goes_dark},
    {"rebound-bbr", "bbr", LINE(20, 50), CONN_PLAIN, 65536, 0, is_rebound},
    {"loss-bulk-bbr", "bbr", LINE(20, 50), CONN_BULK, 65536, 0, gets_worse},
    {"loss-media-bbr", "bbr", LINE(20, 50), CONN_LATENCY, 1000, 5 * MS, gets_worse},
    {"spells-bulk-bbr", "bbr", LINE(20, 50), CONN_BULK, 65536, 0, has_spells},
    {"spells-media-bbr", "bbr", LINE(20, 50), CONN_LATENCY, 1000, 5 * MS, has_spells},
};

/* ---- a run ---- */

static void begin(const struct world *w)
{
    struct end_config config = end_config_default(&app_ops);
    struct flow_plan plan = {.config = {.max_retransmissions = SENDQ_RELIABLE,
                                        .priority = DRR_CHAT,
                                        .protection = (uint8_t)w->protection},
                             .messages = 100000,
                             .size_min = w->size,
                             .size_max = w->size,
                             .interval_us = w->interval_us},
                     nothing = {.config = conn_stream_default};

    snprintf(net_label, sizeof(net_label), "%s", w->name);
    net_init(&net, 1, &w->link);
    app_init(&app, &net, 1);
    config.app = &app;
    config.conn.congestion = congestion_find(w->algorithm);
    config.conn.goals = redundancy_goals;
    config.conn.window_max = config.conn.stream_window_max = 32 << 20;
    config.pools.in_blocks = 200000;
    if (w->happens == is_rebound)
        net_rebind(&net);
    app_stream(&app, false, 0, &plan, &nothing);
    app_start(&app, pair_start(&net, &config, &config));
}

static double overhead(const struct conn_stats *before, const struct conn_stats *after)
{
    uint64_t sources = after->fec_sources - before->fec_sources;
    uint64_t repairs = after->fec_repairs - before->fec_repairs;

    return sources > 0 ? 100.0 * (double)repairs / (double)sources : 0;
}

static void run(const struct world *w, FILE *out)
{
    enum { SECOND = S / STEP };
    struct conn_stats stats[SECOND + 1] = {0};
    uint64_t bytes = 0;

    begin(w);
    fprintf(out, "seconds,goodput_mbit,rtt_ms,fec_percent\n");
    for (unsigned step = 1; step <= STEPS; step++) {
        struct conn_stats *now = &stats[step % (SECOND + 1)];
        uint64_t before = bytes;

        if (w->happens)
            w->happens(&net, step - 1);
        sim_run(&net.sim, (uint64_t)step * STEP);
        bytes = app_received(&app);
        conn_stats(app.end[0]->conn, now);
        fprintf(out, "%.1f,%.3f,%.2f,%.2f\n", (double)net.sim.now / S,
                (double)(bytes - before) * 8 / STEP, (double)now->path[0].rtt_us / MS,
                overhead(&stats[(step + 1) % (SECOND + 1)], now));
    }
    app.over = true;
    net_fini(&net);
    app_fini(&app);
}

int main(int argc, char **argv)
{
    fec_init();
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    for (unsigned i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++) {
        char path[4096];
        FILE *out;

        snprintf(path, sizeof(path), "%s/%s.csv", argv[1], worlds[i].name);
        out = fopen(path, "w");
        if (!out) {
            fprintf(stderr, "%s: %s\n", path, strerror(errno));
            return 1;
        }
        run(&worlds[i], out);
        if (fclose(out) != 0) {
            fprintf(stderr, "%s: %s\n", path, strerror(errno));
            return 1;
        }
        printf("%s\n", path);
    }
    return 0;
}
