/* What a code leaves lost on a path, exactly or nearly, by following the chances of each number of
 * losses from packet to packet; and the cheapest code that leaves little enough. */
#include <string.h>

#include "redundancy.h"

enum { GOOD, BAD };
enum { LOSSES = 32, RATIO_STEP = 4 };

/* Chance of each state of the path and number of losses; those beyond are forgotten, or stay at
 * the end. */
struct spread {
    uint32_t p[2][LOSSES + 1];
};

static uint32_t times(uint32_t a, uint32_t b)
{
    return (uint32_t)((uint64_t)a * b / CHANCE_ONE);
}

static uint32_t loss_of(struct redundancy_path path)
{
    return (uint32_t)((uint64_t)path.enter * CHANCE_ONE / ((uint64_t)path.enter + path.exit));
}

/* The path as every depth-th packet sees it. */
static struct redundancy_path at_depth(struct redundancy_path path, unsigned depth)
{
    uint64_t sum = (uint64_t)path.enter + path.exit;
    uint32_t memory = sum < CHANCE_ONE ? CHANCE_ONE - (uint32_t)sum : 0, fades = CHANCE_ONE;
    uint32_t loss = loss_of(path);

    for (unsigned i = 0; i < depth; i++)
        fades = times(fades, memory);
    if (depth == 1 || memory == 0)
        return path;
    return (struct redundancy_path){times(loss, CHANCE_ONE - fades) + 1,
                                    times(CHANCE_ONE - loss, CHANCE_ONE - fades) + 1};
}

/* A packet: good[m] and bad[m] become the chances that it is received, or lost, behind m losses. */
static void move(struct redundancy_path path, struct spread *s)
{
    for (unsigned m = 0; m <= LOSSES; m++) {
        uint32_t good = s->p[GOOD][m], bad = s->p[BAD][m];
        uint32_t begin = times(good, path.enter), end = times(bad, path.exit);

        s->p[GOOD][m] = good - begin + end;
        s->p[BAD][m] = bad - end + begin;
    }
}

/* ---- blocks ---- */

/* Repairs a block of k needs, `max` + 1 when more than max. Exact: what stays lost of n packets is
 * the mean of all losses without the blocks that have r or fewer. */
static unsigned repairs_of(struct redundancy_path path, unsigned k, unsigned max, uint32_t residual)
{
    uint32_t loss = loss_of(path);
    struct spread s = {{{0}}};

    s.p[BAD][0] = loss;
    s.p[GOOD][0] = CHANCE_ONE - loss;
    for (unsigned n = 1; n <= k + max; n++) {
        uint64_t mean = (uint64_t)n * loss, recovered = 0;

        move(path, &s);
        memmove(&s.p[BAD][1], &s.p[BAD][0], LOSSES * sizeof(s.p[BAD][0]));
        s.p[BAD][0] = 0;
        for (unsigned m = 1; n > k && m <= n - k; m++)
            recovered += (uint64_t)m * (s.p[GOOD][m] + s.p[BAD][m]);
        if (n > k && mean <= recovered + (uint64_t)n * residual)
            return n - k;
    }
    return max + 1;
}

/* REDUNDANCY_NONE when blocks cannot meet the goal. */
static struct redundancy_plan plan_blocks(struct redundancy_path path, unsigned depth,
                                          const struct redundancy_goal *goal, unsigned margin)
{
    unsigned k = goal->span / depth < FEC_K_MAX ? goal->span / depth : FEC_K_MAX;
    unsigned max = k * goal->overhead / RLC_RATIO_ONE, r;

    if (max > FEC_R_MAX)
        max = FEC_R_MAX;
    r = repairs_of(at_depth(path, depth), k, max, goal->residual);
    if (r > max)
        return (struct redundancy_plan){.code = REDUNDANCY_NONE};
    r = (r * margin + REDUNDANCY_MARGIN_ONE / 2) / REDUNDANCY_MARGIN_ONE;
    if (r > max)
        r = max;
    return (struct redundancy_plan){.code = REDUNDANCY_BLOCKS,
                                    .k = (uint8_t)k,
                                    .r = (uint8_t)r,
                                    .depth = (uint8_t)depth,
                                    .ratio = (uint16_t)(r * RLC_RATIO_ONE / k)};
}

/* ---- window ---- */

/* What stays lost, nearly: a first loss is followed until as many repairs as losses arrived, or it
 * is behind the window. Then the sources that were short of a repair are lost, and, as measured,
 * half as many that were not. */
static uint32_t window_leaves(struct redundancy_path path, unsigned window, unsigned ratio)
{
    struct spread s = {{{0}}};
    unsigned credit = RLC_RATIO_ONE / 2;
    uint64_t missing = 0;

    s.p[BAD][1] = CHANCE_ONE;
    for (unsigned i = 1; i < window; i++) {
        uint32_t full = 0;

        move(path, &s);
        full = s.p[BAD][LOSSES];
        memmove(&s.p[BAD][1], &s.p[BAD][0], LOSSES * sizeof(s.p[BAD][0]));
        s.p[BAD][0] = 0;
        s.p[BAD][LOSSES] += full;
        credit += ratio;
        if (credit < RLC_RATIO_ONE)
            continue;
        credit -= RLC_RATIO_ONE;
        move(path, &s);
        memmove(&s.p[GOOD][0], &s.p[GOOD][1], LOSSES * sizeof(s.p[GOOD][0]));
        s.p[GOOD][LOSSES] = s.p[GOOD][0] = 0;
    }
    for (unsigned m = 1; m <= LOSSES; m++)
        missing += (uint64_t)m * (s.p[GOOD][m] + s.p[BAD][m]);
    missing += missing / 2;
    missing = missing / CHANCE_ONE * path.enter +
              (uint64_t)times((uint32_t)(missing % CHANCE_ONE), path.enter);
    return missing < CHANCE_ONE ? (uint32_t)missing : CHANCE_ONE;
}

static struct redundancy_plan plan_window(struct redundancy_path path,
                                          const struct redundancy_goal *goal, unsigned margin)
{
    unsigned window = goal->span < RLC_WINDOW_MAX ? goal->span : RLC_WINDOW_MAX;
    unsigned low = 1, high = goal->overhead / RATIO_STEP + 1; /* in steps */
    unsigned ratio;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (window_leaves(path, window, middle * RATIO_STEP) <= goal->residual)
            high = middle;
        else
            low = middle + 1;
    }
    ratio = low * RATIO_STEP * margin / REDUNDANCY_MARGIN_ONE;
    if (ratio > goal->overhead)
        ratio = goal->overhead;
    return (struct redundancy_plan){
        .code = REDUNDANCY_WINDOW, .window = (uint8_t)window, .ratio = (uint16_t)ratio};
}

struct redundancy_plan redundancy_choose(struct redundancy_path path,
                                         const struct redundancy_goal *goal, unsigned margin)
{
    struct redundancy_plan best = plan_window(path, goal, margin);

    for (unsigned depth = 1; depth <= REDUNDANCY_DEPTH_MAX; depth *= 2) {
        struct redundancy_plan blocks = plan_blocks(path, depth, goal, margin);

        if (blocks.code != REDUNDANCY_NONE && blocks.ratio < best.ratio)
            best = blocks;
    }
    return best;
}
