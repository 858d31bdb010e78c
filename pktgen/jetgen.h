/* The generator as all its lcores see it. Written by the main lcore while no phase runs. */
#ifndef PKTGEN_JETGEN_H
#define PKTGEN_JETGEN_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "impair.h"
#include "options.h"
#include "payload.h"
#include "phase.h"

enum { TIMER_TICK_US = 1000, SOURCE_PORT_MIN = 1024 };

struct worker;

struct jetgen {
    struct options options;
    uint16_t port;   /* of DPDK */
    bool reconnects; /* it is a memif client, which does not come up again by itself */
    bool halt;       /* atomic: workers must leave the port alone */
    uint8_t our_mac[6];
    uint64_t peer_mac; /* atomic: the target's, as its six bytes lie in memory; whoever hears of a
                          new one writes it */
    double tsc_per_us;
    uint64_t tsc_start;
    struct rte_mempool *mbufs;
    uint64_t asked[2], heard[2]; /* packets and bytes on the port before there was a phase */
    struct payload_pattern pattern;

    uint32_t sessions;       /* 0: none are open */
    struct open_params open; /* of the sessions */
    const struct phase *phase;
    uint32_t phase_id;    /* counts phases */
    struct impair impair; /* of the phase */
    struct worker *worker[OPTIONS_WORKERS_MAX];
};

/* Microseconds since the start. */
static inline uint64_t jetgen_us(const struct jetgen *g, uint64_t tsc)
{
    return (uint64_t)((double)(tsc - g->tsc_start) / g->tsc_per_us);
}

/* Start DPDK as the options say. 0, or -errno after saying why not. */
int eal_start(struct options *o);
/* Start the port with a queue pair for each of options.queues and find the target's Ethernet
 * address. 0, or -errno after saying why not. */
int port_start(struct jetgen *g);
void port_stop(struct jetgen *g);
/* Start the port anew after it lost its peer, while no worker touches it. False when there is no
 * peer yet. */
bool port_reconnect(struct jetgen *g);
/* See that nothing is unmapped under the workers' hands (unmap.c); NULL: no more. */
void unmap_guard(const struct jetgen *g);
/* Bytes of huge pages that packet buffers need. */
size_t port_memory(const struct options *o);
/* UDP payload bytes a packet takes. */
static inline uint32_t jetgen_payload_max(const struct options *o)
{
    return o->mtu - (o->target.version == 4 ? 20u : 40u) - 8;
}

#endif
