/* Starting DPDK's environment as the configuration says. */
#ifndef DATAPLANE_EAL_H
#define DATAPLANE_EAL_H

#include <stdbool.h>

struct config;

/* Lcore 0 is the main lcore, worker i is lcore i + 1. Fills in config->cpu when it was left out. 0
 * or -errno, said on stderr. Leaves no file behind, however the process ends. */
int eal_start(struct config *config, bool verbose);

#endif
