/* One worker lcore: everything its hot path touches hangs off this struct, and no other thread
 * writes it. */
#ifndef DATAPLANE_LCORE_H
#define DATAPLANE_LCORE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "aead.h"
#include "burst.h"
#include "config.h"
#include "fec.h"
#include "jetplane/ipc.h"
#include "jetplane/stats.h"
#include "limit.h"
#include "outline.h"
#include "pool.h"
#include "streams.h"
#include "toeplitz.h"
#include "wheel.h"

struct session;
struct session_table;
struct transports;
struct rte_rcu_qsbr;

/* A port as workers see it. Read-only once they run, but for off. */
struct port {
    uint16_t id; /* of DPDK */
    uint16_t vlan;
    uint16_t mtu;
    uint16_t rx_queues; /* a worker with a higher index does not poll this port; it sends on its
                           queue all the same */
    bool off;           /* atomic, the main lcore's: workers leave it alone (reset.h) */
    bool has_peer;      /* a memif: who is at its other end comes and goes (port_is_linked) */
    uint8_t mac[6];
    uint8_t addresses;
    struct config_address address[CONFIG_ADDRESSES_MAX];
    bool tx_udp_checksum; /* the port computes it, for IPv6 */
};

/* What all lcores share. Read-only once the workers run, but for control_up and ports' off. */
struct dataplane {
    struct config config;
    struct port port[JP_PORTS_MAX + 1]; /* behind the real ones: the relay (relay.h) */
    uint8_t ports;
    uint8_t lcores;
    uint8_t tier; /* enum jp_tier */
    uint16_t reta_mask;
    uint8_t reta[JP_RETA_MAX];
    uint8_t toeplitz_key[TOEPLITZ_KEY_LEN];
    uint8_t listener_of[65536]; /* UDP port -> index into config.listener + 1, 0: closed */
    double tsc_per_us;
    uint64_t tsc_start;
    struct jp_stats *stats;
    struct rte_rcu_qsbr *turns; /* the workers report each turn to it (unmap.c) */
    struct lcore *lcore[JP_LCORES_MAX];
    bool control_up; /* main lcore's, atomic: a control plane is there; if not, do not punt but
                        count punt_full */
};

static inline unsigned owner_of(const struct dataplane *dp, uint32_t spi)
{
    return dp->reta[toeplitz_spi(dp->toeplitz_key, spi) & dp->reta_mask];
}

static inline bool port_is_off(const struct port *port)
{
    return unlikely(__atomic_load_n(&port->off, __ATOMIC_ACQUIRE));
}

/* link.c */
bool link_is_up(uint16_t id);

/* May workers call the driver? DPDK's memif looks for its rings before it looks whether it is
 * connected: who is interrupted in between, while a peer comes, has a connection and no rings. That
 * its link is up it says last, and that it is down first; then unmap.c waits for the workers. */
static inline bool port_is_linked(const struct port *port)
{
    return likely(!port->has_peer) || link_is_up(port->id);
}

struct lcore {
    /* set up by the main lcore before the worker starts */
    unsigned index; /* worker index; its queue on every port */
    const struct dataplane *dp;
    uint64_t *counter; /* enum jp_counter; in shared memory, this worker is the only writer */
    struct rte_mempool *mbufs; /* private area: struct packet (burst.h) */
    struct rte_ring *steered;  /* multi-producer: packets other lcores handed over */
    struct rte_ring *commands; /* from the main lcore: struct command * (command.h) */
    struct rte_ring *events;   /* to the main lcore: struct event *, and mbufs to punt in `punts` */
    struct rte_ring *punts;
    struct rte_ring *relay_in, *relay_out; /* mbufs by TCP from and to the main lcore (relay.h) */
    struct rte_mempool *command_pool, *event_pool;
    struct prefix_limit *punt_limit, *punt_cookie_limit; /* of hellos without and with cookie */
    struct prefix_limit *reset_limit;
    struct bucket reset_total;              /* over all prefixes */
    const bool *stop;                       /* set by the main lcore; atomic */
    int interrupts;                         /* epoll: of its queues (rest.c) */
    struct outlines outlines[JP_PORTS_MAX]; /* of the ports */
    uint16_t spi_hash[4][256]; /* what each byte of an SPI adds (xor) to its hash's low bits */

    bool quiet; /* atomic, set by the worker: it stopped receiving and hands on no more packets */

    /* the worker's own */
    uint64_t now; /* us since the data plane started; read once a turn */
    uint64_t turns;
    uint64_t lap; /* TSC when the stage that runs began; 0: this turn is not measured */
    struct aead *aead;
    struct session_table *sessions;
    struct wheel *wheel; /* one timer per session; ticks of TIMER_TICK_US */
    struct wheel *far;  /* the same for timers more than a turn ahead; ticks of TIMER_FAR_TICK_US */
    struct wheel *fine; /* the same for full sessions; ticks of TIMER_FINE_TICK_US */
    struct transports *transports; /* NULL: light sessions only */
    struct fec_pools fec;
    struct pool fec_decoders; /* struct fec_dec, for sessions whose peer sends FEC */
    struct pool fec_encoders;
    struct stream_pool streams;
    struct burst rx;              /* the burst on the receive path */
    bool moved;                   /* a session has changed its path since that was decrypted */
    struct packet_queue unread;   /* authentic, their frames not read yet */
    struct packet_queue frames;   /* read from their packets, not reordered yet */
    struct packet_queue released; /* in order, to be delivered */
    struct reorder_limits reorder;
    uint32_t held_max;      /* packets in all reorder queues, so that receiving never starves; a
                               session may hold a quarter of what is left of it */
    struct session *doomed; /* to be ended when the burst is through */
    struct egress *egress;  /* the transmit path (egress/egress.h) */
};

enum { TIMER_TICK_US = 1000, TIMER_FAR_TICK_US = 64 * TIMER_TICK_US, TIMER_FINE_TICK_US = 50 };

/* Does the worker receive from port i now? */
static inline bool polls(const struct lcore *lc, unsigned i)
{
    const struct port *port = &lc->dp->port[i];

    return lc->index < port->rx_queues && !port_is_off(port);
}

/* Other processes read the counters; a relaxed store costs what a plain one does. */
static inline void count(struct lcore *lc, enum jp_counter c, uint64_t n)
{
    __atomic_store_n(&lc->counter[c], lc->counter[c] + n, __ATOMIC_RELAXED);
}

/* Reading the clock at every stage would cost more than some stages do: one turn of so many is
 * measured, and stands for all. */
enum { TURNS_A_LAP = 17 };

/* A turn begins. */
static inline void lap_start(struct lcore *lc)
{
    lc->lap = lc->turns++ % TURNS_A_LAP == 0 ? rte_rdtsc() : 0;
}

/* A stage is through with a burst: the time since the last lap was its own. */
static inline void lap(struct lcore *lc, enum jp_counter stage)
{
    uint64_t tsc;

    if (likely(lc->lap == 0))
        return;
    tsc = rte_rdtsc();
    count(lc, stage, (tsc - lc->lap) * TURNS_A_LAP);
    lc->lap = tsc;
}

#endif
