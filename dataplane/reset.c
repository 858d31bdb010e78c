#include "reset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_rcu_qsbr.h>

#include "rest.h"
#include "setup.h"

/* From one reset of a port to the next; each that fails in turn doubles it. */
enum { WAIT_MIN_S = 1, WAIT_MAX_S = 64 };

static struct {
    bool asked;     /* atomic, set by DPDK's interrupt thread */
    uint64_t again; /* TSC: no reset before */
    unsigned wait_s;
} reset[JP_PORTS_MAX];

static int on_asked(uint16_t id, enum rte_eth_event_type type, void *asked, void *none)
{
    (void)id, (void)type, (void)none;
    __atomic_store_n((bool *)asked, true, __ATOMIC_RELEASE);
    return 0;
}

void reset_watch(const struct dataplane *dp, unsigned i)
{
    int ret = rte_eth_dev_callback_register(dp->port[i].id, RTE_ETH_EVENT_INTR_RESET, on_asked,
                                            &reset[i].asked);

    if (ret != 0)
        port_error(dp, i, ret, "nobody will hear it ask for a reset: %s", rte_strerror(-ret));
}

static void say(const struct dataplane *dp, unsigned i, const char *what)
{
    fprintf(stderr, "jetplane-dp: ports[%u] (%s): %s\n", i, dp->stats->port[i].name, what);
}

/* When this returns no worker is with the port's queues, or goes there. */
static void take_off(struct dataplane *dp, unsigned i)
{
    say(dp, i, "the device asks for a reset: nothing is received or sent before it is back");
    __atomic_store_n(&dp->port[i].off, true, __ATOMIC_RELEASE);
    rte_rcu_qsbr_synchronize(dp->turns, RTE_QSBR_THRID_INVALID);
    for (unsigned w = 0; w < dp->lcores; w++)
        rest_remove(dp->lcore[w], i);
    port_count(dp, i); /* the device may forget what it counted */
    port_sample(dp, i);
}

static void put_on(struct dataplane *dp, unsigned i)
{
    for (unsigned w = 0; w < dp->lcores; w++)
        rest_add(dp->lcore[w], i);
    __atomic_store_n(&dp->port[i].off, false, __ATOMIC_RELEASE);
    port_sample(dp, i);
    say(dp, i, "was reset and is back");
}

/* No device is behind these drivers, and they do not ask by themselves. Those of sockets and taps
 * would have to open them anew, for which there are no privileges any more; af_packet does not even
 * try. A memif that stops while its peer goes makes DPDK's interrupt thread end the process. */
static bool can_restart(const char *driver)
{
    static const char *const cannot[] = {"net_af_packet", "net_af_xdp", "net_memif", "net_tap"};

    for (unsigned i = 0; i < RTE_DIM(cannot); i++)
        if (strcmp(driver, cannot[i]) == 0)
            return false;
    return true;
}

static void refuse(const struct dataplane *dp, unsigned i)
{
    say(dp, i,
        "the device asks for a reset, which its driver does not survive: it stays as it is. "
        "Start jetplane-dp anew if nothing comes through");
    __atomic_store_n(&reset[i].asked, false, __ATOMIC_RELAXED);
}

/* The driver's own way, or else by stopping it. */
static int reset_device(uint16_t id)
{
    struct rte_flow_error error;
    int ret = rte_eth_dev_reset(id);

    if (ret != -ENOTSUP)
        return ret;
    rte_flow_flush(id, &error); /* some rules would outlive the queues they point to */
    return rte_eth_dev_stop(id);
}

/* Reset it and set it up as at start. */
static int renew(struct dataplane *dp, unsigned i)
{
    int ret = reset_device(dp->port[i].id);

    __atomic_store_n(&reset[i].asked, false,
                     __ATOMIC_RELAXED); /* what asked until now has got it */
    if (ret != 0)
        return port_error(dp, i, ret, "cannot be reset: %s", rte_strerror(-ret));
    ret = port_open(dp, i, dp->lcore[0]->mbufs);
    if (ret != 0)
        return ret;
    steering_apply(dp, i);
    port_recount(dp, i);
    return 0;
}

static void try(struct dataplane *dp, unsigned i, uint64_t now)
{
    unsigned wait_s = dp->port[i].off ? RTE_MIN(2 * reset[i].wait_s, WAIT_MAX_S) : WAIT_MIN_S;
    int ret;

    if (!dp->port[i].off)
        take_off(dp, i);
    ret = renew(dp, i);
    if (ret == 0) {
        wait_s = WAIT_MIN_S;
        put_on(dp, i);
    } else {
        port_error(dp, i, ret, "the reset failed and is tried again in %u s", wait_s);
    }
    reset[i].wait_s = wait_s;
    reset[i].again = now + wait_s * rte_get_tsc_hz();
}

void resets_turn(struct dataplane *dp, uint64_t now)
{
    for (unsigned i = 0; i < dp->ports; i++) {
        bool asked = __atomic_load_n(&reset[i].asked, __ATOMIC_ACQUIRE);

        if (likely(!asked && !dp->port[i].off))
            continue;
        if (!can_restart(dp->stats->port[i].driver))
            refuse(dp, i);
        else if (now >= reset[i].again)
            try(dp, i, now);
    }
}
