/* Ports that ask to be reset, as some VFs do when their physical function was. Their workers leave
 * them alone for that time: what light sessions send there is dropped (tx_reset), what full
 * sessions send waits. No session ends. All of it is the main lcore's, but for the asking. */
#ifndef DATAPLANE_RESET_H
#define DATAPLANE_RESET_H

#include <stdint.h>

struct dataplane;

/* From now on hear port i ask. */
void reset_watch(const struct dataplane *dp, unsigned i);
/* Reset the ports that asked, and try again those that failed, now being a reading of the TSC.
 * Waits for the workers' turns and for drivers: seconds at worst. */
void resets_turn(struct dataplane *dp, uint64_t now);

#endif
