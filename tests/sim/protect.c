#include "protect.h"

#include "rng.h"

enum {
    SYMBOL = 64,
    SYMBOLS = 4096,
    BLOCKS = 32,
    FATES = 1024,     /* > feedback */
    SOURCES = 1 << 13 /* remembered: more than any recovery takes */
};

/* ---- the path ---- */

struct path {
    const struct protect_path *model;
    struct rng rng;
    uint64_t left; /* packets of this phase */
    unsigned phase;
    bool bad;
};

static bool happens(struct rng *r, double chance)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53 < chance;
}

static bool loses(struct path *p)
{
    const struct protect_phase *now;
    double exit, enter;

    if (p->left == 0) {
        p->phase = (p->phase + 1) % p->model->n;
        p->left = p->model->phases[p->phase].packets;
    }
    p->left--;
    now = &p->model->phases[p->phase];
    exit = now->burst == 0 ? 1 - now->loss : 1 / now->burst;
    enter = now->loss * exit / (1 - now->loss);
    p->bad = p->bad ? !happens(&p->rng, exit) : happens(&p->rng, enter);
    return p->bad;
}

static struct path path_new(uint64_t seed, const struct protect_path *model)
{
    return (struct path){model, {seed}, 0, model->n - 1, false};
}

static void recovered(struct protect_result *to, uint64_t delay)
{
    to->recovered++;
    to->delays += delay;
    if (delay > to->delay_max)
        to->delay_max = delay;
}

/* ---- fixed blocks ---- */

static void fixed_block(struct protect_result *result, struct path *p, unsigned k, unsigned r)
{
    unsigned got = 0, missing[FEC_K_MAX], n = 0;

    for (unsigned x = 0; x < k + r; x++) {
        bool lost = loses(p);

        result->losses += lost;
        got += !lost;
        if (lost && x < k)
            missing[n++] = x;
        if (got < k)
            continue;
        for (; n > 0; n--)
            recovered(result, x - missing[n - 1]);
    }
    result->lost += n;
    result->sources += k;
    result->repairs += r;
}

struct protect_result protect_fixed(uint64_t seed, const struct protect_path *path,
                                    uint64_t sources, unsigned k, unsigned r)
{
    struct path p = path_new(seed, path);
    struct protect_result result = {0};

    while (result.sources < sources)
        fixed_block(&result, &p, k, r);
    return result;
}

/* ---- the controller and its codes ---- */

struct session {
    struct protect_result result;
    struct path path;
    struct redundancy redundancy;
    enum redundancy_class which;
    unsigned feedback;
    struct fec_pools pools;
    void *memory[2];
    struct redundancy_plan plan; /* in use */
    struct rlc_enc window;
    struct rlc_dec window_dec;
    struct fec_enc blocks[REDUNDANCY_DEPTH_MAX];
    struct fec_dec blocks_dec;
    uint64_t next_block;
    uint64_t packets;
    bool fate[FATES]; /* of packets: lost */
    struct {
        uint64_t sent; /* when: packet number */
        bool protected, here;
    } source[SOURCES];
    uint64_t next_source;
    uint64_t window_source[SOURCES];
    uint64_t block_source[SOURCES][FEC_K_MAX];
};

/* The fate of the next packet; the sender hears of an older one. */
static bool send(struct session *s)
{
    bool lost = loses(&s->path);

    s->fate[s->packets % FATES] = lost;
    s->result.losses += lost;
    if (s->packets >= s->feedback)
        redundancy_on_packets(&s->redundancy, s->fate[(s->packets - s->feedback) % FATES], 1);
    s->packets++;
    return lost;
}

static void rescue(struct session *s, uint64_t source)
{
    assert(!s->source[source % SOURCES].here);
    s->source[source % SOURCES].here = true;
    recovered(&s->result, s->packets - 1 - s->source[source % SOURCES].sent);
}

static void window_recover(struct session *s)
{
    struct rlc_recovered out[RLC_ROWS];
    unsigned n = rlc_dec_recover(&s->window_dec, out);

    for (unsigned i = 0; i < n; i++)
        rescue(s, s->window_source[out[i].id % SOURCES]);
}

static void send_window(struct session *s, uint64_t source, const uint8_t *symbol)
{
    _Alignas(64) uint8_t out[SYMBOL];
    struct rlc_repair repair;
    uint64_t id = s->window.next;
    int due;

    s->window_source[id % SOURCES] = source;
    due = rlc_enc_add(&s->window, &s->pools, symbol, SYMBOL);
    assert(due >= 0);
    if (s->source[source % SOURCES].here) {
        rlc_dec_source(&s->window_dec, &s->pools, id, symbol, SYMBOL);
        window_recover(s);
    }
    if (due == 0)
        return;
    rlc_enc_repair(&s->window, out, &repair);
    s->result.repairs++;
    if (!send(s) && rlc_dec_repair(&s->window_dec, &s->pools, &repair) == RLC_HELD)
        window_recover(s);
}

static void block_recover(struct session *s, uint64_t block)
{
    struct fec_recovered out[FEC_R_MAX];
    unsigned n = fec_dec_recover(&s->blocks_dec, &s->pools, block, out);

    for (unsigned i = 0; i < n; i++)
        rescue(s, s->block_source[block % SOURCES][out[i].index]);
}

static void flush_block(struct session *s, struct fec_enc *e)
{
    for (unsigned i = 0; i < e->r; i++) {
        s->result.repairs++;
        if (!send(s) && fec_dec_repair(&s->blocks_dec, &s->pools, 0, e->block, e->count, e->r, i,
                                       fec_enc_repair(e, i), e->longest) == FEC_HELD)
            block_recover(s, e->block);
    }
    fec_enc_close(e, &s->pools);
}

static void send_block(struct session *s, uint64_t source, const uint8_t *symbol)
{
    struct fec_enc *e = &s->blocks[source % s->plan.depth];
    unsigned index = e->count;
    int full;

    if (index == 0)
        e->block = s->next_block++;
    s->block_source[e->block % SOURCES][index] = source;
    full = fec_enc_add(e, &s->pools, 0, symbol, SYMBOL);
    assert(full >= 0);
    if (s->source[source % SOURCES].here && fec_dec_source(&s->blocks_dec, &s->pools, 0, e->block,
                                                           index, symbol, SYMBOL) == FEC_DELIVER)
        block_recover(s, e->block);
    if (full)
        flush_block(s, e);
}

/* Take up a new plan: blocks that are open end; a window of another ratio goes on. */
static void take_plan(struct session *s)
{
    const struct redundancy_plan *plan = &s->redundancy.plan[s->which];

    if (memcmp(plan, &s->plan, sizeof(*plan)) == 0)
        return;
    for (unsigned i = 0; i < REDUNDANCY_DEPTH_MAX; i++)
        if (s->blocks[i].count > 0)
            flush_block(s, &s->blocks[i]);
    if (plan->code != REDUNDANCY_WINDOW)
        rlc_enc_forget(&s->window, &s->pools, s->window.next);
    s->plan = *plan;
    for (unsigned i = 0; plan->code == REDUNDANCY_BLOCKS && i < plan->depth; i++)
        fec_enc_init(&s->blocks[i], plan->k, plan->r);
    if (plan->code == REDUNDANCY_WINDOW)
        rlc_enc_set(&s->window, plan->window, plan->ratio);
}

/* The oldest source that is remembered is forgotten. */
static void judge(struct session *s, uint64_t source)
{
    bool here = s->source[source % SOURCES].here;

    s->result.lost += !here;
    if (s->source[source % SOURCES].protected)
        redundancy_on_sources(&s->redundancy, s->which, 1, !here);
}

static void send_source(struct session *s)
{
    static const uint8_t symbol[SYMBOL] = {0, SYMBOL - 2, 'j', 'e', 't'};
    uint64_t source = s->next_source++;

    if (source >= SOURCES)
        judge(s, source - SOURCES);
    take_plan(s);
    s->source[source % SOURCES].sent = s->packets;
    s->source[source % SOURCES].protected = s->plan.code != REDUNDANCY_NONE;
    s->source[source % SOURCES].here = !send(s);
    s->result.sources++;
    if (s->plan.code == REDUNDANCY_WINDOW)
        send_window(s, source, symbol);
    else if (s->plan.code == REDUNDANCY_BLOCKS)
        send_block(s, source, symbol);
}

static void pools_make(struct session *s)
{
    uint32_t block_size = (uint32_t)fec_block_size();

    s->memory[0] = aligned_alloc(64, pool_footprint(SYMBOL, SYMBOLS));
    s->memory[1] = aligned_alloc(64, pool_footprint(block_size, BLOCKS));
    assert(s->memory[0] != NULL && s->memory[1] != NULL);
    pool_init(&s->pools.symbols, s->memory[0], SYMBOL, SYMBOLS);
    pool_init(&s->pools.blocks, s->memory[1], block_size, BLOCKS);
    s->pools.symbol_max = SYMBOL;
}

static void session_free(struct session *s)
{
    rlc_enc_fini(&s->window, &s->pools);
    rlc_dec_release(&s->window_dec, &s->pools);
    for (unsigned i = 0; i < REDUNDANCY_DEPTH_MAX; i++)
        fec_enc_fini(&s->blocks[i], &s->pools);
    fec_dec_fini(&s->blocks_dec, &s->pools);
    assert(s->pools.symbols.used + s->pools.blocks.used == 0);
    free(s->memory[0]);
    free(s->memory[1]);
    free(s);
}

struct protect_result protect_adaptive(uint64_t seed, const struct protect_path *path,
                                       uint64_t sources, const struct redundancy_goal *goals,
                                       enum redundancy_class c, unsigned feedback)
{
    struct session *s = aligned_alloc(64, (sizeof(*s) + 63) / 64 * 64);
    struct protect_result result;

    assert(s != NULL && feedback < FATES);
    memset(s, 0, sizeof(*s));
    s->path = path_new(seed, path);
    s->which = c;
    s->feedback = feedback;
    pools_make(s);
    redundancy_init(&s->redundancy, goals);
    rlc_enc_init(&s->window);
    rlc_dec_init(&s->window_dec);
    fec_dec_init(&s->blocks_dec);
    while (s->result.sources < sources)
        send_source(s);
    for (uint64_t i = sources > SOURCES ? sources - SOURCES : 0; i < sources; i++)
        judge(s, i);
    result = s->result;
    session_free(s);
    return result;
}
