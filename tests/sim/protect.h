/* Redundancy on a path that loses packets in spells: the codes and their controller against fixed
 * blocks, packet by packet, without a clock. Delays are in packets sent since the one that was
 * lost. Seeded: the same every time. */
#ifndef TESTS_PROTECT_H
#define TESTS_PROTECT_H

#include "redundancy.h"

/* Gilbert's chain for so many packets; phases repeat. burst is the mean length of a spell, 0:
 * losses are independent. */
struct protect_phase {
    uint32_t packets;
    double loss, burst;
};

struct protect_path {
    const struct protect_phase *phases;
    unsigned n;
};

struct protect_result {
    uint64_t sources, repairs;
    uint64_t losses;    /* of all packets */
    uint64_t lost;      /* sources that were neither received nor recovered */
    uint64_t recovered; /* sources */
    uint64_t delays;    /* of those, together */
    uint64_t delay_max;
};

/* Blocks of k sources and r repairs of a code of which any k of them are enough. */
struct protect_result protect_fixed(uint64_t seed, const struct protect_path *path,
                                    uint64_t sources, unsigned k, unsigned r);
/* As the controller says for streams of a class, with the real codes; it hears of a packet's fate
 * `feedback` packets later. */
struct protect_result protect_adaptive(uint64_t seed, const struct protect_path *path,
                                       uint64_t sources, const struct redundancy_goal *goals,
                                       enum redundancy_class c, unsigned feedback);

#endif
