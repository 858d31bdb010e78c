#define ALLOW_EXPERIMENTAL_API /* DPDK 22.11 calls all of power monitoring that */
#include "rest.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include <rte_cpuflags.h>
#include <rte_ethdev.h>
#include <rte_pause.h>
#include <rte_power_intrinsics.h>

#include "setup.h"

/* Only ports end a rest: for timers, commands and what other lcores hand over, a worker wakes by
 * itself, so none of them is later by more than this. */
enum { REST_MS = 1 };

/* ---- interrupt ---- */

static bool has_interrupts(const struct lcore *lc, unsigned i)
{
    return lc->dp->config.idle == IDLE_INTERRUPT && lc->index < lc->dp->port[i].rx_queues;
}

/* Drivers without a way to turn them on have them on always. */
int rest_add(struct lcore *lc, unsigned i)
{
    uint16_t port = lc->dp->port[i].id, queue = (uint16_t)lc->index;
    int ret;

    if (!has_interrupts(lc, i))
        return 0;
    ret = rte_eth_dev_rx_intr_ctl_q(port, queue, lc->interrupts, RTE_INTR_EVENT_ADD, NULL);
    if (ret == 0 && (ret = rte_eth_dev_rx_intr_enable(port, queue)) == -ENOTSUP)
        return 0;
    if (ret == 0)
        ret = rte_eth_dev_rx_intr_disable(port, queue);
    if (ret != 0)
        port_error(lc->dp, i, ret, "idle: interrupt: %s has no receive interrupts",
                   lc->dp->stats->port[i].driver);
    return ret;
}

void rest_remove(struct lcore *lc, unsigned i)
{
    if (has_interrupts(lc, i))
        rte_eth_dev_rx_intr_ctl_q(lc->dp->port[i].id, (uint16_t)lc->index, lc->interrupts,
                                  RTE_INTR_EVENT_DEL, NULL);
}

static int open_interrupts(struct lcore *lc)
{
    int ret = 0;

    lc->interrupts = epoll_create1(EPOLL_CLOEXEC);
    if (lc->interrupts < 0) {
        ret = -errno;
        perror("jetplane-dp: idle: interrupt");
    }
    for (unsigned i = 0; ret == 0 && i < lc->dp->ports; i++)
        ret = rest_add(lc, i);
    return ret;
}

static bool await_interrupt(struct lcore *lc)
{
    const struct dataplane *dp = lc->dp;
    struct rte_epoll_event events[JP_PORTS_MAX];
    int n;

    for (unsigned i = 0; i < dp->ports; i++)
        if (polls(lc, i))
            rte_eth_dev_rx_intr_enable(dp->port[i].id, (uint16_t)lc->index);
    n = rte_epoll_wait(lc->interrupts, events, JP_PORTS_MAX, REST_MS);
    for (unsigned i = 0; i < dp->ports; i++)
        if (polls(lc, i))
            rte_eth_dev_rx_intr_disable(dp->port[i].id, (uint16_t)lc->index);
    count(lc, JP_interrupts, n > 0);
    return n > 0;
}

/* ---- monitor ---- */

static unsigned queues(const struct lcore *lc)
{
    unsigned n = 0;

    for (unsigned i = 0; i < lc->dp->ports; i++)
        n += polls(lc, i);
    return n;
}

static int check_monitor(const struct lcore *lc)
{
    struct rte_cpu_intrinsics cpu = {0};
    struct rte_power_monitor_cond next;
    int ret;

    rte_cpu_get_intrinsics_support(&cpu);
    if (!cpu.power_monitor || !cpu.power_pause || (queues(lc) > 1 && !cpu.power_monitor_multi)) {
        fprintf(stderr, "jetplane-dp: idle: monitor: this CPU cannot (umwait%s)\n",
                cpu.power_monitor && queues(lc) > 1 ? ", and RTM for several ports" : "");
        return -ENOTSUP;
    }
    for (unsigned i = 0; i < lc->dp->ports; i++)
        if (polls(lc, i) &&
            (ret = rte_eth_get_monitor_addr(lc->dp->port[i].id, (uint16_t)lc->index, &next)) != 0)
            return port_error(lc->dp, i, ret, "idle: monitor: %s does not say what to watch",
                              lc->dp->stats->port[i].driver);
    return 0;
}

/* Until a port writes where its next packet will be. */
static void monitor(const struct lcore *lc)
{
    struct rte_power_monitor_cond next[JP_PORTS_MAX];
    uint64_t until = rte_rdtsc() + (uint64_t)(lc->dp->tsc_per_us * 1000 * REST_MS);
    uint32_t n = 0;

    for (unsigned i = 0; i < lc->dp->ports; i++)
        if (polls(lc, i) &&
            rte_eth_get_monitor_addr(lc->dp->port[i].id, (uint16_t)lc->index, &next[n]) == 0)
            n++;
    if (n > 1)
        rte_power_monitor_multi(next, n, until);
    else if (n == 1)
        rte_power_monitor(next, until);
    else
        rte_power_pause(until);
}

/* ---- */

int rest_open(struct lcore *lc)
{
    switch (lc->dp->config.idle) {
    case IDLE_INTERRUPT:
        return open_interrupts(lc);
    case IDLE_MONITOR:
        return check_monitor(lc);
    default:
        return 0;
    }
}

bool rest(struct lcore *lc)
{
    switch (lc->dp->config.idle) {
    case IDLE_PAUSE:
        rte_pause();
        break;
    case IDLE_SLEEP:
        rte_delay_us_sleep(lc->dp->config.idle_sleep_us);
        break;
    case IDLE_INTERRUPT:
        return await_interrupt(lc);
    case IDLE_MONITOR:
        monitor(lc);
        break;
    default:
        break;
    }
    return false;
}
