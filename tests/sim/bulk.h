/* A bulk transfer over modelled links, of nothing but loss recovery and congestion control: the
 * sender has chunks, one a packet, and sends those again that were lost; the receiver counts each
 * once and acknowledges as ack.h says. Several flows may share the links. */
#ifndef TESTS_BULK_H
#define TESTS_BULK_H

#include "ack.h"
#include "congestion.h"
#include "link.h"
#include "loss.h"
#include "pacer.h"
#include "pool.h"
#include "replay.h"

enum { BULK_FLOWS = 4, BULK_PACKET = 1472, BULK_CHUNK = 1440, BULK_IN_FLIGHT = 16384 };

struct bulk_receiver {
    struct replay replay;
    struct ack ack;
    struct sim_timer timer;
    uint8_t *have; /* a bit per chunk */
    size_t have_size;
    uint64_t chunks; /* different ones */
    uint64_t again;  /* packets with one that was here */
    uint64_t ce;     /* packets marked so far */
};

struct bulk {
    struct bulk_net *net;
    unsigned index; /* of this flow: its sender's address; the receiver's is BULK_FLOWS more */
    struct bulk_receiver rx;
    struct rtt rtt;
    struct sent sent;
    struct loss loss;
    struct congestion congestion;
    struct pacer pacer;
    struct pool pool;
    void *pool_memory;
    struct sim_timer timer;
    uint64_t next_pn, next_chunk, chunks; /* to send: chunks */
    uint64_t *again;                      /* lost chunks to send again: a stack */
    size_t again_n, again_size;
    uint64_t ce;                 /* the receiver's count, as last heard */
    uint32_t skip_one_in;        /* packet numbers skipped: 0 none */
    unsigned probes, persistent; /* how often */
    uint32_t cwnd_min, cwnd_max; /* since bulk_watch */
    bool ecn;
    int error; /* what loss_on_ack said */
};

struct bulk_net {
    struct sim sim;
    struct link up, down; /* data, acknowledgements */
    struct bulk flows[BULK_FLOWS];
};

/* Both ways the same rate and delay; what goes wrong only happens to data. */
void bulk_net_init(struct bulk_net *net, uint64_t seed, const struct link_config *config);
void bulk_net_fini(struct bulk_net *net);
/* Start flow number i at `at`, with so many chunks; UINT64_MAX: endless. */
struct bulk *bulk_start(struct bulk_net *net, unsigned i, const char *algorithm, uint64_t at,
                        uint64_t chunks);
/* Forget how small and large the window was. */
void bulk_watch(struct bulk *b);
/* Run for `us` more; bits per second of different chunks that the flow received meanwhile. */
double bulk_goodput(struct bulk_net *net, const struct bulk *b, uint64_t us);

#endif
