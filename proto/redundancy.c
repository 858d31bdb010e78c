#include "redundancy.h"

#include <string.h>

enum {
    COUNT_ONE = 16, /* unit of the path's counts, so that halving keeps what is rare */
    MEMORY = 8192,  /* packets after which the path's counts are halved */
    BLOCK = 256,    /* packets between two looks at the path ... */
    BLOCK_MIN = 64, /* ... or these, when spells of losses begin so often */
    BLOCK_ENTERS = 8,
    WORSE_ENTERS = 4, /* in a block, and this many times as often: the path changed */
    WORSE_TIMES = 3,
    BETTER_GAPS = 8, /* mean gaps between spells without one: the path changed */
    ON_ENTERS = 2,   /* spells, and one packet lost in so many: redundancy on */
    ON_LOSS = 1000,
    OFF_LOSS = 4000, /* fewer than one in so many, or none in so many packets: off */
    OFF_CLEAN = 8192,
    TOLERANCE = 16,  /* plans stay while the estimate moves less than this part of it */
    PERIOD = 4096,   /* sources between two looks at a margin */
    PERIOD_LOST = 2, /* that may be chance */
    MARGIN_STEP = REDUNDANCY_MARGIN_ONE / 8,
    MARGIN_MAX = 2 * REDUNDANCY_MARGIN_ONE,
    RUN_MAX = 1 << 20,
};

const struct redundancy_goal redundancy_goals[REDUNDANCY_CLASSES] = {
    [REDUNDANCY_LATENCY] = {CHANCE_ONE / 50000, RLC_RATIO_ONE * 2 / 5, RLC_WINDOW_MAX},
    [REDUNDANCY_BULK] = {CHANCE_ONE / 1000, RLC_RATIO_ONE / 4, FEC_BLOCKS *FEC_K_MAX},
};

void redundancy_init(struct redundancy *r, const struct redundancy_goal goals[REDUNDANCY_CLASSES])
{
    *r = (struct redundancy){.goals = goals};
    for (unsigned c = 0; c < REDUNDANCY_CLASSES; c++)
        r->margin[c] = REDUNDANCY_MARGIN_ONE;
}

static uint32_t chance(uint32_t part, uint32_t of)
{
    uint32_t c = of == 0 ? CHANCE_ONE : (uint32_t)((uint64_t)part * CHANCE_ONE / of);

    return c > 0 ? c : 1;
}

struct redundancy_path redundancy_estimate(const struct redundancy *r)
{
    return (struct redundancy_path){chance(r->path.enters, r->path.good),
                                    chance(r->path.exits, r->path.bad)};
}

/* ---- the path ---- */

static void count(struct redundancy_count *c, bool before, bool lost, uint32_t n)
{
    if (before) {
        c->bad += n;
        c->exits += lost ? 0 : n;
    } else {
        c->good += n;
        c->enters += lost ? n : 0;
    }
}

static bool is_worse(const struct redundancy_count *block, const struct redundancy_count *path)
{
    return block->enters >= WORSE_ENTERS && (uint64_t)block->enters * path->good >
                                                (uint64_t)WORSE_TIMES * path->enters * block->good;
}

static bool is_better(const struct redundancy *r)
{
    return (uint64_t)r->clean * r->path.enters > (uint64_t)BETTER_GAPS * r->path.good;
}

static void add_block(struct redundancy *r)
{
    struct redundancy_count *p = &r->path, *b = &r->block;

    if (is_worse(b, p))
        memset(p, 0, sizeof(*p));
    p->good += b->good * COUNT_ONE;
    p->enters += b->enters * COUNT_ONE;
    p->bad += b->bad * COUNT_ONE;
    p->exits += b->exits * COUNT_ONE;
    if (is_better(r)) { /* spells that do begin are as long as they were */
        p->good = r->clean * COUNT_ONE;
        p->enters = COUNT_ONE;
    }
    while (p->good + p->bad > MEMORY * COUNT_ONE) {
        p->good /= 2;
        p->enters /= 2;
        p->bad /= 2;
        p->exits /= 2;
    }
    memset(b, 0, sizeof(*b));
}

/* ---- the plans ---- */

static bool wants_redundancy(const struct redundancy *r)
{
    const struct redundancy_count *p = &r->path;
    uint64_t all = (uint64_t)p->good + p->bad, lost = p->enters + p->bad - p->exits;

    if (r->planned.enter != 0)
        return r->clean < OFF_CLEAN && lost * OFF_LOSS >= all;
    return p->enters >= ON_ENTERS * COUNT_ONE && lost * ON_LOSS >= all;
}

static bool moved(uint32_t from, uint32_t to)
{
    return (from > to ? from - to : to - from) > from / TOLERANCE;
}

static bool update_plans(struct redundancy *r)
{
    struct redundancy_path path = redundancy_estimate(r);

    if (!wants_redundancy(r)) {
        bool was_on = r->planned.enter != 0;

        memset(r->plan, 0, sizeof(r->plan));
        r->planned.enter = 0;
        return was_on;
    }
    if (!r->stale && !moved(r->planned.enter, path.enter) && !moved(r->planned.exit, path.exit))
        return false;
    for (unsigned c = 0; c < REDUNDANCY_CLASSES; c++)
        r->plan[c] = redundancy_choose(path, &r->goals[c], r->margin[c]);
    r->planned = path;
    r->stale = false;
    return true;
}

bool redundancy_on_packets(struct redundancy *r, bool lost, uint32_t n)
{
    uint32_t all;

    if (n == 0)
        return false;
    if (n > RUN_MAX)
        n = RUN_MAX;
    count(&r->block, r->lost, lost, 1);
    count(&r->block, lost, lost, n - 1);
    r->lost = lost;
    r->clean = lost ? 0 : r->clean < RUN_MAX ? r->clean + n : RUN_MAX;
    all = r->block.good + r->block.bad;
    if (all < BLOCK && (all < BLOCK_MIN || r->block.enters < BLOCK_ENTERS))
        return false;
    add_block(r);
    return update_plans(r);
}

/* ---- the margins ---- */

void redundancy_on_sources(struct redundancy *r, enum redundancy_class c, uint32_t n, uint32_t lost)
{
    struct redundancy_record *record = &r->record[c];
    uint16_t margin = r->margin[c];
    uint64_t expected;

    record->sources += n < RUN_MAX ? n : RUN_MAX;
    record->lost += lost < RUN_MAX ? lost : RUN_MAX;
    if (record->sources < PERIOD)
        return;
    expected = (uint64_t)record->sources * r->goals[c].residual / CHANCE_ONE;
    if (record->lost > PERIOD_LOST + 2 * expected)
        margin = margin + MARGIN_STEP < MARGIN_MAX ? margin + MARGIN_STEP : MARGIN_MAX;
    else if (margin > REDUNDANCY_MARGIN_ONE)
        margin -= MARGIN_STEP / 4;
    r->stale |= margin != r->margin[c];
    r->margin[c] = margin;
    memset(record, 0, sizeof(*record));
}
