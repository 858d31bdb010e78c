/* When a memif peer goes away, DPDK's driver unmaps the rings from its interrupt thread while a
 * worker may be reading them: it clears its flag "connected" first, but gives nobody the time to
 * notice. So this program's munmap, which the driver finds before libc's, waits until every worker
 * has begun a new turn. */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "setup.h"

static struct rte_rcu_qsbr *guard;

struct rte_rcu_qsbr *turns_new(void)
{
    struct rte_rcu_qsbr *turns =
        rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(JP_LCORES_MAX), RTE_CACHE_LINE_SIZE);

    if (turns)
        rte_rcu_qsbr_init(turns, JP_LCORES_MAX);
    return turns;
}

void unmap_guard(struct rte_rcu_qsbr *turns)
{
    __atomic_store_n(&guard, turns, __ATOMIC_RELEASE);
}

/* Of the calling thread; a worker does not wait for itself. */
static unsigned worker_index(void)
{
    unsigned id = rte_lcore_id(); /* main is 0, the workers follow */

    return id == 0 || id == LCORE_ID_ANY ? RTE_QSBR_THRID_INVALID : id - 1;
}

int munmap(void *address, size_t length)
{
    struct rte_rcu_qsbr *turns = __atomic_load_n(&guard, __ATOMIC_ACQUIRE);

    if (turns)
        rte_rcu_qsbr_synchronize(turns, worker_index());
    return (int)syscall(SYS_munmap, address, length);
}
