#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>

#include "interrupt.h"
#include "session.h"

enum { POLL_US = 2000, LINK_POLLS = 50 };

void run_collect(const struct jetgen *g, double seconds, struct results *r)
{
    memset(r, 0, sizeof(*r));
    r->tsc_per_us = g->tsc_per_us;
    for (unsigned i = 0; i < g->options.workers; i++) {
        const struct worker *w = g->worker[i];

        r->sessions += __atomic_load_n(&w->up, __ATOMIC_RELAXED);
        for (unsigned c = 0; c < COUNTERS; c++)
            r->counter[c] += __atomic_load_n(&w->results.counter[c], __ATOMIC_RELAXED);
        histogram_merge(&r->latency, &w->results.latency);
        histogram_merge(&r->handshake, &w->results.handshake);
    }
    snprintf(r->phase, sizeof(r->phase), "%s", phase_name(g->phase->kind));
    results_close(r, seconds);
}

/* From the first worker's start to the last packet of any. */
static double duration(const struct jetgen *g)
{
    uint64_t start = UINT64_MAX, last = 0;

    for (unsigned i = 0; i < g->options.workers; i++) {
        start = RTE_MIN(start, g->worker[i]->started);
        last = RTE_MAX(last, g->worker[i]->last);
    }
    return last > start ? (double)(last - start) / g->tsc_per_us / 1e6 : 0;
}

static bool running(const struct jetgen *g)
{
    for (unsigned i = 0; i < g->options.workers; i++)
        if (rte_eal_get_lcore_state(g->worker[i]->lcore) == RUNNING)
            return true;
    return false;
}

/* Can the phase be begun now? Opening makes room for its sessions. */
static int prepare(struct jetgen *g, const struct phase *phase, char *error)
{
    uint64_t ports = (uint64_t)g->options.sources * (65536 - SOURCE_PORT_MIN);

    if (phase->kind == PHASE_OPEN) {
        if (g->sessions > 0)
            return snprintf(error, SCRIPT_ERROR_MAX, "sessions are open; jetgen.close them first");
        if (phase->open.sessions > ports)
            return snprintf(error, SCRIPT_ERROR_MAX,
                            "%u source addresses have ports for %llu sessions: say --sources",
                            g->options.sources, (unsigned long long)ports);
        g->open = phase->open;
        g->sessions = phase->open.sessions;
        if (sessions_new(g) != 0)
            return snprintf(error, SCRIPT_ERROR_MAX, "no memory for %u sessions",
                            phase->open.sessions);
    }
    if (phase->kind == PHASE_RUN && g->sessions == 0)
        return snprintf(error, SCRIPT_ERROR_MAX, "no sessions are open; jetgen.open some first");
    if (phase->kind == PHASE_RUN && phase->run.size_max > sessions_message_max(g))
        return snprintf(error, SCRIPT_ERROR_MAX, "size %u: packets of these sessions take %u",
                        phase->run.size_max, sessions_message_max(g));
    return 0;
}

/* The port's peer went away: start it anew when there is one again. Workers keep off meanwhile. */
static void watch_link(struct jetgen *g)
{
    struct rte_eth_link link;

    if (!g->reconnects || rte_eth_link_get_nowait(g->port, &link) != 0 || link.link_status)
        return;
    __atomic_store_n(&g->halt, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < g->options.workers; i++)
        while (!__atomic_load_n(&g->worker[i]->halted, __ATOMIC_ACQUIRE))
            rte_delay_us_sleep(POLL_US);
    __atomic_store_n(&g->halt, !port_reconnect(g), __ATOMIC_RELEASE);
}

static void run_workers(struct jetgen *g)
{
    static struct progress progress; /* large; main lcore only */

    for (unsigned i = 0; i < g->options.workers; i++) {
        g->worker[i]->stop = g->worker[i]->halted = g->worker[i]->over = false;
        memset(&g->worker[i]->results, 0, sizeof(g->worker[i]->results));
    }
    for (unsigned i = 0; i < g->options.workers; i++)
        rte_eal_remote_launch(worker_run, g->worker[i], g->worker[i]->lcore);
    progress_begin(&progress, g);
    for (unsigned polls = 0; running(g); polls++) {
        rte_delay_us_sleep(POLL_US);
        if (polls % LINK_POLLS == 0)
            watch_link(g);
        for (unsigned i = 0; interrupted && i < g->options.workers; i++)
            __atomic_store_n(&g->worker[i]->stop, true, __ATOMIC_RELAXED);
        progress_show(&progress, g);
    }
    rte_eal_mp_wait_lcore();
}

int run_phase(struct run *run, const struct phase *phase, struct results *results,
              char error[SCRIPT_ERROR_MAX])
{
    struct jetgen *g = run->g;

    if (prepare(g, phase, error) != 0)
        return -1;
    g->phase = phase;
    g->phase_id++;
    g->impair = impair_new(&phase->impair);
    run_workers(g);
    run_collect(g, duration(g), results);
    report_add(&run->report, results);
    if (phase->kind == PHASE_CLOSE)
        sessions_free(g);
    g->impair = (struct impair){0};
    for (unsigned i = 0; i < g->options.workers; i++)
        if (g->worker[i]->error[0] != '\0') {
            snprintf(error, SCRIPT_ERROR_MAX, "%s", g->worker[i]->error);
            return -1;
        }
    return 0;
}
