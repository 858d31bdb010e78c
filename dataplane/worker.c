#include <sys/prctl.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_rcu_qsbr.h>

#include "command.h"
#include "egress/egress.h"
#include "pipeline.h"
#include "relay.h"
#include "rest.h"
#include "session.h"
#include "setup.h"
#include "transport/transport.h"

/* Empty turns before a worker rests. */
enum { IDLE_TURNS = 1024 };
enum { SHUTDOWN_US = 2000000 };

/* A burst from the worker's queue of a port, as it came: nothing of a packet is looked at yet. */
static void receive(struct lcore *lc, unsigned port)
{
    struct burst *b = &lc->rx;

    b->n = rte_eth_rx_burst(lc->dp->port[port].id, (uint16_t)lc->index, b->m, BURST_MAX);
    b->port = (uint8_t)port;
    count(lc, JP_rx_packets, b->n);
}

/* Packets that other lcores handed over. */
static unsigned take_over(struct lcore *lc)
{
    struct burst *b = &lc->rx;
    unsigned n = rte_ring_dequeue_burst(lc->steered, (void **)b->m, BURST_MAX, NULL);

    if (n == 0)
        return 0;
    b->n = (uint16_t)n;
    for (unsigned i = 0; i < n; i++)
        session_expect(lc->sessions, packet_of(b->m[i])->spi);
    count(lc, JP_handed_in, n);
    pipeline_owned(lc, b);
    return n;
}

static uint32_t pooled(const struct lcore *lc)
{
    return lc->fec.symbols.used + lc->fec.blocks.used + lc->fec_decoders.used +
           lc->fec_encoders.used + lc->streams.pool.used +
           (lc->transports ? transports_used(lc->transports) : 0);
}

unsigned worker_turn(struct lcore *lc)
{
    unsigned work = 0;

    lap_start(lc);
    for (unsigned i = 0; i < lc->dp->ports; i++) {
        if (!polls(lc, i) || !port_is_linked(&lc->dp->port[i]))
            continue;
        receive(lc, i);
        work += lc->rx.n;
        if (lc->rx.n > 0) {
            lap(lc, JP_rx_cycles);
            pipeline_rx(lc, &lc->rx);
        }
    }
    work += take_over(lc);
    work += relay_take(lc);
    work += commands_run(lc);
    work += timers_run(lc);
    pipeline_released(lc);
    if (lc->transports)
        work += transports_run(lc);
    sessions_reap(lc);
    egress_run(lc);
    if (lc->lap != 0)
        __atomic_store_n(&lc->counter[JP_pooled], pooled(lc), __ATOMIC_RELAXED);
    count(lc, JP_polls, 1);
    count(lc, JP_polls_busy, work > 0);
    return work;
}

static bool all_quiet(const struct dataplane *dp)
{
    for (unsigned i = 0; i < dp->lcores; i++)
        if (!__atomic_load_n(&dp->lcore[i]->quiet, __ATOMIC_ACQUIRE))
            return false;
    return true;
}

/* Give everything that is still under way its fate, what others hand over until the last of them
 * stopped receiving too; then close the sessions. */
static void finish(struct lcore *lc)
{
    bool quiet;

    lc->lap = 0;
    __atomic_store_n(&lc->quiet, true, __ATOMIC_RELEASE);
    do {
        quiet = all_quiet(lc->dp);
        egress_run(lc);
    } while (take_over(lc) > 0 || !quiet);
    sessions_shutdown(lc, SHUTDOWN_US);
    egress_run(lc);
}

int worker_run(void *arg)
{
    struct lcore *lc = arg;
    uint64_t last = rte_rdtsc();
    unsigned idle = 0, id = lc->index;

    prctl(PR_SET_TIMERSLACK, 1); /* or a rest takes 50 us longer than it should */
    rte_rcu_qsbr_thread_register(lc->dp->turns, id);
    rte_rcu_qsbr_thread_online(lc->dp->turns, id);
    while (!__atomic_load_n(lc->stop, __ATOMIC_RELAXED)) {
        uint64_t tsc = rte_rdtsc();

        rte_rcu_qsbr_quiescent(lc->dp->turns, id);
        count(lc, idle == 0 ? JP_cycles_busy : JP_cycles_idle, tsc - last); /* of the turn before */
        last = tsc;
        lc->now = (uint64_t)((double)(tsc - lc->dp->tsc_start) / lc->dp->tsc_per_us);
        idle = worker_turn(lc) > 0 ? 0 : idle + 1;
        if (idle > IDLE_TURNS && rest(lc))
            idle = 1; /* something comes: look closely. The rest itself was idle */
    }
    finish(lc);
    rte_rcu_qsbr_thread_offline(lc->dp->turns, id);
    rte_rcu_qsbr_thread_unregister(lc->dp->turns, id);
    return 0;
}
