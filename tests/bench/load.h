/* Load for a data plane of one lcore: rounds of valid packets of many sessions, sealed before the
 * clock starts and waiting on a port in memory. The same packets can be opened by the AEAD alone:
 * the yardstick. Nothing is ever replayed.
 *
 * Cache: a round is written just before it is measured. 256 packets of 1400 bytes stay in a 1 MiB
 * L2, 1024 in the L3, where a NIC's direct cache access would put them; `cold` flushes them to
 * memory. Sessions are as their packets before left them, and so are their keys: what seals the
 * packets and what the AEAD alone works with are copies. (Sealing again, for bench_echo, finds its
 * own warm.)
 *
 * The data plane's clock stands still during a round, so no delayed ACK goes out: those are the
 * transmit path's work. What is sent at once (an ACK every 64 packets of a session) is. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "aead_backend.h"
#include "plane.h"

enum {
    LOAD_SLICE = 256,
    LOAD_ROUND_MAX = 15 * LOAD_SLICE,
    LOAD_SIZE_MAX = 1400,
    LOAD_FEC_SESSIONS_MAX = 64
};

#define LOAD_ONE(name, text) +1
enum { LOAD_STAGES = JP_STAGES(LOAD_ONE) };
#undef LOAD_ONE

struct load_options {
    unsigned sessions; /* each packet is of a random one */
    unsigned size;     /* bytes of data a packet, as one STREAM message; 0: IMIX */
    enum aead_alg alg;
    uint16_t listener;
    unsigned lcore;       /* whose load it is */
    uint8_t fec_k, fec_r; /* 0: no FEC */
    double loss;          /* part of the packets that never arrive */
    unsigned round;       /* packets: slices of LOAD_SLICE, <= LOAD_ROUND_MAX */
    unsigned rounds;
    bool cold;
};

#define LOAD_USAGE                                                                                 \
    "  sessions=N  each packet is of a random one (default 1000)\n"                                \
    "  size=N      bytes of data a packet, 1 to 1400, as one STREAM message, or imix: 64, 576\n"   \
    "              and 1400 as 7 to 4 to 1 (default 1400)\n"                                       \
    "  alg=NAME    aes-256-gcm (default) or chacha20-poly1305\n"                                   \
    "  fec=K+R     sources and repairs of a block; at most 64 sessions (default none)\n"           \
    "  round=N     packets made, then measured, in 256s from 256 to 3840: 256 of 1400\n"           \
    "              bytes fit a 1 MiB L2, the default 1024 the L3\n"                                \
    "  rounds=N    of each kind, in turns; the medians count (default 300)\n"                      \
    "  cold=1      packets come from memory\n"

struct load {
    struct load_options o;
    struct plane *plane;
    struct lcore *lc;
    struct load_session *session;
    /* Copies of the sessions': of packets to the data plane, and from it. Apart, so that none of
     * them comes into the cache behind another. */
    struct aead_key *seal_key, *open_key, *send_key;
    uint64_t random;
    struct fec_pools fec;
    /* the round */
    struct rte_mbuf *m[LOAD_ROUND_MAX];
    struct aead_text text[LOAD_ROUND_MAX];
    uint32_t of[LOAD_ROUND_MAX]; /* the session's index */
    uint8_t aad[LOAD_ROUND_MAX][AEAD_AAD_LEN];
    uint64_t bytes; /* of data */
};

/* DPDK, the plane of so many lcores and its pools; `sessions` is the most that all loads of an
 * lcore together have. */
struct plane *load_plane(unsigned lcores, unsigned sessions, bool fec);
/* Defaults, and what the arguments say (LOAD_USAGE). */
struct load_options load_options(int argc, char **argv);
/* A load with its sessions installed. Ends the program where that fails. */
struct load *load_new(struct plane *plane, const struct load_options *o);

/* What slices took, so short that few are interrupted: TSC cycles; and each stage, in the bursts
 * whose stages were measured. */
struct load_samples {
    unsigned n, n_stages;
    uint64_t *total, *stage[LOAD_STAGES];
};
struct load_samples load_samples(const struct load_options *o);

/* Make the next round, sealed. */
void load_fill(struct load *l);
/* Open it by the AEAD alone, in bursts as the data plane does; then load_seal must follow, which
 * seals it again. */
void load_open(struct load *l, struct load_samples *samples);
void load_seal(struct load *l, struct load_samples *samples);
/* Let the data plane take it in. */
void load_run(struct load *l, struct load_samples *samples);
/* Let every session have had packets: their streams are made, their timers armed. */
void load_warm(struct load *l);
/* The same for packets to be sent: load_seal seals their data, then it is submitted. */
void load_fill_egress(struct load *l);
void load_run_egress(struct load *l, struct load_samples *samples);

/* Report each stage's median, as "<name>.cycles". */
void load_report_stages(struct load_samples *samples);
/* Nanoseconds a packet, of the median. */
double load_ns(struct load_samples *samples, const struct load *l);

#endif
