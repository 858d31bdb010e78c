/* How much memory a configuration takes. */
#ifndef DATAPLANE_MEMORY_H
#define DATAPLANE_MEMORY_H

#include <stddef.h>

struct config;
struct rte_mempool;

/* Bytes of DPDK memory, sessions not included: their tables are the workers' own pages. */
size_t memory_needed(const struct config *config);
/* The packet buffers, one pool for all ports and lcores; NULL, said on stderr. */
struct rte_mempool *mbufs_new(const struct config *config);

#endif
