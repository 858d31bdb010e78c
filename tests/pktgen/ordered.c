/* jetgen as ThreadSanitizer has to see it: built with pktgen/main.c and handover.c into a program
 * of its own. The sanitizer sees nothing of what DPDK's libraries do (see handover.h), so it is
 * told that what was done before a launch is done for the worker, and the worker's part for who
 * waits for its end. */
#include <dlfcn.h>
#include <stdint.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "handover.h"

struct launch {
    lcore_function_t *function;
    void *argument;
    uint32_t begun, ended;
};
static struct launch launch[RTE_MAX_LCORE];

static int run(void *of)
{
    struct launch *l = of;
    int rc;

    __atomic_load_n(&l->begun, __ATOMIC_ACQUIRE);
    rc = l->function(l->argument);
    __atomic_fetch_add(&l->ended, 1, __ATOMIC_RELEASE);
    return rc;
}

int rte_eal_remote_launch(lcore_function_t *function, void *argument, unsigned lcore)
{
    static int (*real)(lcore_function_t *, void *, unsigned);
    struct launch *l = &launch[lcore];

    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "rte_eal_remote_launch");
        handover_pools();
    }
    l->function = function;
    l->argument = argument;
    __atomic_fetch_add(&l->begun, 1, __ATOMIC_RELEASE);
    return real(run, l, lcore);
}

void rte_eal_mp_wait_lcore(void)
{
    void (*real)(void);

    *(void **)&real = dlsym(RTLD_NEXT, "rte_eal_mp_wait_lcore");
    real();
    for (unsigned i = 0; i < RTE_MAX_LCORE; i++)
        __atomic_load_n(&launch[i].ended, __ATOMIC_ACQUIRE);
}
