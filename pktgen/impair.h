/* What a path does to packets: decisions only, drawn before a packet is sealed so that its payload
 * can say whether this copy will be lost. Loss has a state for each session, as if each had a path
 * of its own. */
#ifndef PKTGEN_IMPAIR_H
#define PKTGEN_IMPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "prng.h"

/* As scripts give it; all zero: a perfect path. Probabilities are per packet. */
struct impair_config {
    double loss;
    struct {
        double enter, exit; /* of the bad state */
        double loss;        /* in it */
    } gilbert;
    struct {
        uint32_t every, length; /* of every so many packets the first `length` are lost; 0: none */
    } burst;
    struct {
        double p;
        uint32_t distance;   /* packets of its session that overtake it */
        uint32_t timeout_ms; /* or so long, if they do not come */
    } reorder;
    double duplicate, corrupt, loss_rx;
    /* packets besides the real ones, for each of these */
    double replay, forge;
    struct {
        double random, truncated, wrong_spi, hello, headers;
    } garbage;
};

/* The same as thresholds. */
struct impair {
    uint64_t loss, gilbert_enter, gilbert_exit, gilbert_loss;
    uint64_t reorder, duplicate, corrupt, loss_rx;
    uint64_t replay, forge, random, truncated, wrong_spi, hello, headers;
    uint32_t burst_every, burst_length;
    uint32_t reorder_distance, reorder_timeout_us;
    bool extras;  /* some of those that add packets are on */
    bool recalls; /* some of those that need packets sent before */
};

struct impair_state {
    uint32_t position; /* in the pattern of bursts */
    bool bad;          /* Gilbert-Elliott */
};

enum impair_action {
    IMPAIR_LOSE = 1,
    IMPAIR_CORRUPT = 2,
    IMPAIR_REORDER = 4,
    IMPAIR_DUPLICATE = 8,
};

enum impair_extra {
    EXTRA_REPLAY = 1,
    EXTRA_FORGE = 2,
    EXTRA_RANDOM = 4,
    EXTRA_TRUNCATED = 8,
    EXTRA_WRONG_SPI = 16,
    EXTRA_HELLO = 32,
    EXTRA_HEADERS = 64,
};

struct impair impair_new(const struct impair_config *config);
/* The fate of the next packet of a session: a set of enum impair_action. Lost goes alone, and what
 * is corrupted is not duplicated. */
unsigned impair_decide(const struct impair *im, struct impair_state *state, struct prng *r);
/* What to send besides: a set of enum impair_extra. */
unsigned impair_extras(const struct impair *im, struct prng *r);

#endif
