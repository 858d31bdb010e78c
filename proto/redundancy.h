/* How much redundancy to send, and of which code: decided from what the peer says was lost.
 *
 * The path is modelled as Gilbert's chain: a spell of losses begins with the chance `enter` and
 * ends with the chance `exit` at each packet. Both are counted from the fate of packets in the
 * order they were sent, forgotten over some thousand packets, and replaced at once when they
 * clearly changed. For each class of streams the cheapest code that meets its goal on such a path
 * is chosen; how much of it is then trimmed by what really stays lost. Nothing is sent while the
 * path is clean.
 *
 * Packets recovered by FEC were lost on the path, and count as lost here. Whatever a peer claims,
 * the overhead stays within the goal's cap. Fixed point throughout; owned by one thread. */
#ifndef PROTO_REDUNDANCY_H
#define PROTO_REDUNDANCY_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "fec.h"
#include "rlc.h"

enum { REDUNDANCY_DEPTH_MAX = FEC_BLOCKS };

/* Chances are in 1 / CHANCE_ONE. */
#define CHANCE_ONE (UINT32_C(1) << 31)

struct redundancy_path {
    uint32_t enter; /* 1 to CHANCE_ONE */
    uint32_t exit;  /* 1 to CHANCE_ONE; a spell of losses is CHANCE_ONE / exit packets long */
};

enum redundancy_class { REDUNDANCY_LATENCY, REDUNDANCY_BULK, REDUNDANCY_CLASSES };

struct redundancy_goal {
    uint32_t residual; /* sources that may stay lost: chance */
    uint16_t overhead; /* cap: repairs per source, in 1 / RLC_RATIO_ONE, <= RLC_RATIO_ONE */
    uint16_t span;     /* sources that a recovery may have to wait for, >= 16 */
};
/* Latency streams leave 2 in 10^5 lost, with at most 40 % and 64 sources; bulk streams, which
 * repeat what stays lost, 1 in 10^3, with at most 25 % and 512. */
extern const struct redundancy_goal redundancy_goals[REDUNDANCY_CLASSES];

enum redundancy_code {
    REDUNDANCY_NONE,
    REDUNDANCY_BLOCKS, /* Reed-Solomon: k sources, r repairs, sources dealt to `depth` blocks in
                          turn */
    REDUNDANCY_WINDOW, /* sliding window: rlc_enc_set(window, ratio) */
};

struct redundancy_plan {
    uint8_t code; /* enum redundancy_code */
    uint8_t k, r, depth;
    uint8_t window;
    uint16_t ratio; /* of both codes: repairs per source, in 1 / RLC_RATIO_ONE */
};

/* The cheapest plan that meets the goal on this path, times margin / REDUNDANCY_MARGIN_ONE; the
 * most that its cap allows when none does. About 40 us. */
enum { REDUNDANCY_MARGIN_ONE = 256 };
struct redundancy_plan redundancy_choose(struct redundancy_path path,
                                         const struct redundancy_goal *goal, unsigned margin);

/* Packets by what became of them and of the one before. */
struct redundancy_count {
    uint32_t good, enters; /* that follow one received, and of them those lost */
    uint32_t bad, exits;   /* that follow one lost, and of them those received */
};

/* How a class fares: sources in this period, and of them those that stayed lost. */
struct redundancy_record {
    uint32_t sources, lost;
};

struct redundancy {
    const struct redundancy_goal *goals;
    struct redundancy_count path;   /* forgets */
    struct redundancy_count block;  /* since path was updated */
    struct redundancy_path planned; /* what the plans are for; enter is 0: for a clean path */
    struct redundancy_record record[REDUNDANCY_CLASSES];
    struct redundancy_plan plan[REDUNDANCY_CLASSES]; /* read these */
    uint16_t margin[REDUNDANCY_CLASSES];
    uint32_t clean; /* packets received in a row */
    bool lost;      /* the fate of the newest packet */
    bool stale;     /* a margin changed since the plans were made */
};
static_assert(sizeof(struct redundancy) <= 128, "two cache lines a session");

/* The goals are the caller's and outlive this; redundancy_goals for one. */
void redundancy_init(struct redundancy *r, const struct redundancy_goal goals[REDUNDANCY_CLASSES]);
/* The next n packets in sending order, of all kinds, were received, or lost. True when the plans
 * were made anew. */
bool redundancy_on_packets(struct redundancy *r, bool lost, uint32_t n);
/* Of n more protected sources of a class, so many were neither received nor recovered. */
void redundancy_on_sources(struct redundancy *r, enum redundancy_class c, uint32_t n,
                           uint32_t lost);
/* The path as it is estimated, whether or not redundancy is on. */
struct redundancy_path redundancy_estimate(const struct redundancy *r);

#endif
