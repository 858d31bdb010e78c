/* Sessions in thousands of worlds, each drawn from a seed: all reliable data arrives once, intact,
 * in order; pools stay below their caps and are empty in the end; idle sessions hold nothing; a
 * peer that breaks the rules does no harm. TEST_SEED runs one of them again and says more;
 * SIM_SCENARIOS is how many. */
#include <signal.h>

#include "scenario.h"

enum { S = 1000000, TIME_LIMIT = 1800 * S, QUIET = 5 * S, MTU_FOUND = 30 * S, ANSWER = S / 2 };

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
enum { SCENARIOS = 2000 };
#else
enum { SCENARIOS = 10000 };
#endif

static struct scenario scenario;

static struct {
    uint64_t packets, lost, again, bytes, recovered, migrations, no_room, closed, died;
    uint64_t seconds; /* virtual */
} sum;

/* A link on which nothing goes wrong. */
static void clear(struct scenario *s)
{
    for (unsigned i = 0; i < NET_LINKS; i++)
        for (unsigned d = UP; d <= DOWN; d++) {
            struct link_config *c = &s->net.link[i][d].config;

            *c = (struct link_config){.rate = c->rate, .delay_us = c->delay_us, .mtu = c->mtu};
        }
}

/* An end gave its session up, as it had to: it heard nothing for all its heartbeats, although what
 * its peer heard was answered. */
static bool died(const struct scenario *s)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct app_end *a = &s->app.state[i];
        const struct end *e = &s->net.ends[i], *peer = e->peer;
        uint64_t now = s->net.sim.now;

        if (!a->closed || !a->local || a->code != CLOSE_DEAD)
            continue;
        net_check(&s->net,
                  now - e->heard_at >= CONN_MISSES_MAX * (uint64_t)s->config[i].conn.heartbeat_us,
                  "given up too soon");
        net_check(&s->net, peer->spoke_at >= peer->heard_at || now - peer->heard_at < ANSWER,
                  "the peer did not answer");
        return true;
    }
    return false;
}

static void check_open(const struct scenario *s)
{
    for (unsigned i = 0; i < 2; i++)
        net_check(&s->net, !s->app.state[i].closed, "%s: closed: %s", i ? "server" : "client",
                  s->app.state[i].reason);
}

/* Nobody has anything to do: hardly anything is sent, and nothing held. */
static void check_idle(struct scenario *s)
{
    struct conn_stats before, after;

    clear(s);
    sim_run(&s->net.sim, s->net.sim.now + MTU_FOUND);
    for (unsigned i = 0; i < 2; i++) {
        const struct end *e = &s->net.ends[i];
        const struct conn_pools *p = &e->pools;

        net_check(&s->net, conn_is_idle(e->conn) || p->sent.used < 4, "not idle");
        net_check(&s->net,
                  conn_pools_used(&e->pools) - p->sent.used - p->closed.used - p->protection.used ==
                      0,
                  "%u objects are held", conn_pools_used(&e->pools));
    }
    conn_stats(s->client->conn, &before);
    sim_run(&s->net.sim, s->net.sim.now + 20 * S);
    conn_stats(s->client->conn, &after);
    net_check(&s->net, after.packets_sent - before.packets_sent < 40, "%llu packets when idle",
              (unsigned long long)(after.packets_sent - before.packets_sent));
}

static void check_close(struct scenario *s)
{
    struct end *e = s->seed & 1 ? s->client : s->server;
    const struct app_end *peer = &s->app.state[!e->server];

    conn_close(e->conn, CLOSE_SHUTDOWN, "that was all", s->net.sim.now);
    end_pump(e);
    sim_run(&s->net.sim, s->net.sim.now + QUIET);
    net_check(&s->net,
              peer->closed && !peer->local && peer->code == CLOSE_SHUTDOWN &&
                  strcmp(peer->reason, "that was all") == 0,
              "CLOSE did not arrive");
}

static void count(const struct scenario *s)
{
    for (unsigned i = 0; i < 2; i++) {
        struct conn_stats stats;

        conn_stats(s->net.ends[i].conn, &stats);
        sum.packets += stats.packets_sent;
        sum.lost += stats.packets_lost;
        sum.again += stats.stream_bytes_again;
        sum.recovered += stats.fec_recovered;
        sum.no_room += s->net.ends[i].no_room;
        sum.migrations += s->app.state[i].paths[CONN_PATH_CHANGED];
        sum.closed += s->app.state[i].closed;
    }
    sum.bytes += app_received(&s->app);
    sum.seconds += s->net.sim.now / S;
}

static void run(uint64_t seed)
{
    struct scenario *s = &scenario;

    scenario_init(s, seed);
    if (s->fate != FATE_DONE) {
        sim_run(&s->net.sim, s->end_at);
    } else {
        while (!app_done(&s->app) && s->net.sim.now < TIME_LIMIT) {
            sim_run(&s->net.sim, s->net.sim.now + S / 10);
            if (died(s)) {
                sum.died++;
                count(s);
                scenario_fini(s);
                return;
            }
            check_open(s);
        }
        if (!app_done(&s->app))
            app_say(&s->app);
        net_check(&s->net, app_done(&s->app), "not done; nothing came since %.3f s",
                  (double)s->app.progress_at / 1e6);
        app_check(&s->app);
        check_idle(s);
        check_open(s);
        check_close(s);
    }
    count(s);
    scenario_fini(s);
}

/* Whatever ends the process says which scenario it was. */
static void say_which(void)
{
    fprintf(stderr, "%s\n", net_label);
}

static void on_signal(int signal_number)
{
    say_which();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

int main(void)
{
    const char *seed = getenv("TEST_SEED"), *number = getenv("SIM_SCENARIOS");
    uint64_t n = number ? strtoull(number, NULL, 0) : SCENARIOS;

#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_set_death_callback(say_which);
#else
    signal(SIGSEGV, on_signal);
#endif
    signal(SIGABRT, on_signal);
    fec_init();
    if (seed) {
        run(strtoull(seed, NULL, 0));
        n = 1;
    }
    for (uint64_t i = 1; !seed && i <= n; i++)
        run(i);
    printf(
        "%llu scenarios, %llu s of virtual time: %llu packets, %llu declared lost, %llu bytes of "
        "messages, %llu of them sent again, %llu packets rebuilt, %llu moves, %llu packets "
        "refused, %llu sessions closed, %llu of them as nothing got through\n",
        (unsigned long long)n, (unsigned long long)sum.seconds, (unsigned long long)sum.packets,
        (unsigned long long)sum.lost, (unsigned long long)sum.bytes, (unsigned long long)sum.again,
        (unsigned long long)sum.recovered, (unsigned long long)sum.migrations,
        (unsigned long long)sum.no_room, (unsigned long long)sum.closed,
        (unsigned long long)sum.died);
    return 0;
}
