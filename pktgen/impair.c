#include "impair.h"

struct impair impair_new(const struct impair_config *c)
{
    struct impair im = {
        .loss = prng_threshold(c->loss),
        .gilbert_enter = prng_threshold(c->gilbert.enter),
        .gilbert_exit = prng_threshold(c->gilbert.exit),
        .gilbert_loss = prng_threshold(c->gilbert.loss),
        .reorder = prng_threshold(c->reorder.p),
        .duplicate = prng_threshold(c->duplicate),
        .corrupt = prng_threshold(c->corrupt),
        .loss_rx = prng_threshold(c->loss_rx),
        .replay = prng_threshold(c->replay),
        .forge = prng_threshold(c->forge),
        .random = prng_threshold(c->garbage.random),
        .truncated = prng_threshold(c->garbage.truncated),
        .wrong_spi = prng_threshold(c->garbage.wrong_spi),
        .hello = prng_threshold(c->garbage.hello),
        .headers = prng_threshold(c->garbage.headers),
        .burst_every = c->burst.every,
        .burst_length = c->burst.length,
        .reorder_distance = c->reorder.distance,
        .reorder_timeout_us = c->reorder.timeout_ms * 1000,
    };

    im.recalls = im.replay || im.truncated || im.headers;
    im.extras = im.recalls || im.forge || im.random || im.wrong_spi || im.hello;
    return im;
}

static bool gilbert_loses(const struct impair *im, struct impair_state *state, struct prng *r)
{
    if (im->gilbert_enter == 0)
        return false;
    if (prng_chance(r, state->bad ? im->gilbert_exit : im->gilbert_enter))
        state->bad = !state->bad;
    return state->bad && prng_chance(r, im->gilbert_loss);
}

static bool burst_loses(const struct impair *im, struct impair_state *state)
{
    uint32_t position = state->position;

    if (im->burst_every == 0)
        return false;
    state->position = position + 1 < im->burst_every ? position + 1 : 0;
    return position < im->burst_length;
}

unsigned impair_decide(const struct impair *im, struct impair_state *state, struct prng *r)
{
    /* every model sees every packet, whatever the others say */
    bool lost = prng_chance(r, im->loss);
    unsigned actions = 0;

    lost |= gilbert_loses(im, state, r);
    lost |= burst_loses(im, state);
    if (lost)
        return IMPAIR_LOSE;
    if (prng_chance(r, im->reorder))
        actions |= IMPAIR_REORDER;
    if (prng_chance(r, im->corrupt))
        actions |= IMPAIR_CORRUPT;
    else if (prng_chance(r, im->duplicate))
        actions |= IMPAIR_DUPLICATE;
    return actions;
}

unsigned impair_extras(const struct impair *im, struct prng *r)
{
    unsigned extras = 0;

    if (prng_chance(r, im->replay))
        extras |= EXTRA_REPLAY;
    if (prng_chance(r, im->forge))
        extras |= EXTRA_FORGE;
    if (prng_chance(r, im->random))
        extras |= EXTRA_RANDOM;
    if (prng_chance(r, im->truncated))
        extras |= EXTRA_TRUNCATED;
    if (prng_chance(r, im->wrong_spi))
        extras |= EXTRA_WRONG_SPI;
    if (prng_chance(r, im->hello))
        extras |= EXTRA_HELLO;
    if (prng_chance(r, im->headers))
        extras |= EXTRA_HEADERS;
    return extras;
}
