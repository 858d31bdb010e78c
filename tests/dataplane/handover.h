/* ThreadSanitizer sees what our own code and DPDK's headers do, but nothing of what DPDK's
 * libraries do, as they are not built with it: to its eyes neither a pool nor a port of rings
 * orders who gives an object before who takes it. This says so once more, in C11's terms and for
 * each object, so that nothing else is ordered by it and races elsewhere are still seen. (Rings are
 * in DPDK's headers; builds for the sanitizer take the variant that uses C11's atomics.) */
#ifndef TESTS_HANDOVER_H
#define TESTS_HANDOVER_H

#include <stdint.h>

struct rte_ring;

/* Of all this program's pools. Before there are threads. */
void handover_pools(void);
/* Of a port that is made of these rings, one a queue; who takes what it sent calls handover_take.
 */
void handover_port(uint16_t port, struct rte_ring *const *in, uint16_t queues);
void handover_take(void *const *objects, unsigned n);

#endif
