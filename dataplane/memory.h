/* How much memory a configuration takes. */
#ifndef DATAPLANE_MEMORY_H
#define DATAPLANE_MEMORY_H

#include <stddef.h>

enum {
    MBUFS_CACHE = 512, /* packet buffers each worker keeps at hand */
    /* what one worker may have under way besides what its ports and rings hold: bursts, what egress
     * was given, and that cache, which takes in half as much again */
    MBUFS_UNDER_WAY = 2048 + MBUFS_CACHE * 3 / 2,
};

struct config;
struct rte_mempool;

/* Bytes of DPDK memory, sessions not included: their tables are the workers' own pages. */
size_t memory_needed(const struct config *config);
/* The packet buffers, one pool for all ports and lcores; NULL, said on stderr. */
struct rte_mempool *mbufs_new(const struct config *config);

#endif
