/* When a memif peer goes away, DPDK's driver unmaps the rings from its interrupt thread, while a
 * worker may be reading them: it clears its flag "connected" first, but gives nobody the time to
 * notice. So this program's munmap, which the driver finds before libc's, waits until every worker
 * has begun a new turn. */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "worker.h"

enum { POLL_US = 10, PATIENCE_POLLS = 100000 };

static const struct jetgen *guarded; /* atomic */

void unmap_guard(const struct jetgen *g)
{
    __atomic_store_n(&guarded, g, __ATOMIC_RELEASE);
}

static bool is_running(const struct worker *w)
{
    return rte_eal_get_lcore_state(w->lcore) == RUNNING;
}

/* Wait for the worker to begin a new turn, unless it is the one that waits. */
static void pass_turn(const struct worker *w)
{
    uint64_t turns = __atomic_load_n(&w->turns, __ATOMIC_ACQUIRE);

    if (w->lcore == rte_lcore_id())
        return;
    for (unsigned i = 0; i < PATIENCE_POLLS && is_running(w) &&
                         __atomic_load_n(&w->turns, __ATOMIC_ACQUIRE) == turns;
         i++)
        rte_delay_us_sleep(POLL_US);
}

int munmap(void *address, size_t length)
{
    const struct jetgen *g = __atomic_load_n(&guarded, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; g && i < g->options.workers; i++)
        pass_turn(g->worker[i]);
    return (int)syscall(SYS_munmap, address, length);
}
