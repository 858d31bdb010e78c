/* The cold side of jetplane-dp, on the main lcore: ports, steering, statistics and the control
 * socket. */
#ifndef DATAPLANE_SETUP_H
#define DATAPLANE_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "lcore.h"

struct rte_mempool;

/* ports.c: find, configure and start every configured port with one rx and one tx queue per worker;
 * fills dp->port[] and the shared statistics' static part. 0 or -errno, said on stderr. */
int ports_start(struct dataplane *dp, struct rte_mempool *mbufs);
/* Configure port i as it was found to be at start, with its queues, and start it: for the first
 * time or after a reset. 0 or -errno, said on stderr. */
int port_open(const struct dataplane *dp, unsigned i, struct rte_mempool *mbufs);
/* Say what is wrong with port i of the configuration; returns ret. */
__attribute__((format(printf, 4, 5))) int port_error(const struct dataplane *dp, unsigned i,
                                                     int ret, const char *format, ...);
void ports_stop(struct dataplane *dp);
/* Refresh the shared statistics of all ports, or one. */
void ports_sample(struct dataplane *dp);
void port_sample(const struct dataplane *dp, unsigned i);
/* What it counted alone: also of one that is off, as long as it was not stopped. */
void port_count(const struct dataplane *dp, unsigned i);
/* Port i was reset: what it counts from now on comes on top of what is shared. */
void port_recount(const struct dataplane *dp, unsigned i);
/* link.c. The first once, while sockets can be made; then whether port i's link is up, said on
 * stderr when that changed. */
void link_open(void);
bool link_sample(const struct dataplane *dp, unsigned i);

/* The largest UDP payload that every port carries, over IPv6 too. */
uint16_t ports_max_packet(const struct dataplane *dp);

/* steering.c: pick the best tier each port takes (validating the rules before creating them), set
 * RETA and hash key, and fill dp->tier, reta and toeplitz_key. Cannot fail: software always works.
 */
void steering_setup(struct dataplane *dp);
/* Tell port i, which was reset, once more what was picked. */
void steering_apply(struct dataplane *dp, unsigned i);

/* stats.c: the shared memory file; dp->stats and its descriptor. */
int stats_create(struct dataplane *dp);
int stats_fd(void);
void stats_heartbeat(struct dataplane *dp); /* the main lcore is alive */
void stats_sample(struct dataplane *dp);    /* refresh what is shared of memory */

/* control.c: the socket to jetplaned. control_turn moves punts and events up and messages down,
 * after sleeping for at most a millisecond when there is nothing to do; it waits for neither side.
 */
int control_open(struct dataplane *dp);
/* Returns false when the data plane was asked to stop. */
bool control_turn(struct dataplane *dp);
void control_close(struct dataplane *dp);

/* unmap.c: where workers report their turns; NULL: no memory. */
struct rte_rcu_qsbr;
struct rte_rcu_qsbr *turns_new(void);
/* From now on nothing is unmapped before every worker that reports has begun a new turn; NULL: no
 * more. */
void unmap_guard(struct rte_rcu_qsbr *turns);

/* worker.c: one lcore's loop, until *lc->stop. */
int worker_run(void *lcore);
/* One turn of it at lc->now: receive, commands, timers, transmit. Returns how much it found to do.
 */
unsigned worker_turn(struct lcore *lc);
/* lcore.c: make worker `index`'s struct lcore with all it owns, once steering is set up; NULL, said
 * on stderr, when memory is short. */
struct lcore *lcore_new(struct dataplane *dp, unsigned index, struct rte_mempool *mbufs,
                        const bool *stop);
/* Give back what is not DPDK's memory, which goes with the process: crypto state and sessions. */
void lcore_free(struct lcore *lc);
/* Of so many sessions over all workers, what one has room for. */
uint32_t share_of(const struct config *config, uint32_t sessions);
/* Bytes of a FEC symbol, which is no longer than a packet. */
uint32_t symbol_max(const struct config *config);
/* Bytes of DPDK memory that lcore_new takes for one worker of this configuration: what main
 * reserves. */
size_t lcore_footprint(const struct config *config);

#endif
