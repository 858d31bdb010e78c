#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "command.h"
#include "egress/egress.h"
#include "session.h"
#include "setup.h"
#include "transport/transport.h"

enum { COMMANDS = 256, EVENTS = 1024, PUNTS = 256, RELAYED = 512 };

/* SPIs fall on lcores about evenly, not exactly. */
uint32_t share_of(const struct config *config, uint32_t sessions)
{
    uint32_t even = (sessions + config->lcores - 1) / config->lcores;

    return config->lcores == 1 ? even : even + even / 8 + 64;
}

/* Sessions with FEC: each needs at least one block. */
static uint32_t fec_sessions(const struct config *config)
{
    return RTE_MIN(config->fec_blocks, share_of(config, config->max_sessions));
}

static bool make_pool(struct pool *pool, size_t size, uint32_t n, int socket)
{
    void *memory = rte_malloc_socket(NULL, pool_footprint((uint32_t)size, n), 64, socket);

    if (memory)
        pool_init(pool, memory, (uint32_t)size, n);
    return memory;
}

uint32_t symbol_max(const struct config *config)
{
    uint32_t max = 0;

    for (unsigned i = 0; i < config->ports; i++)
        max = RTE_MAX(max, (uint32_t)config->port[i].mtu);
    return RTE_ALIGN_CEIL(max, 64u);
}

static bool make_pools(struct lcore *lc, int socket)
{
    const struct config *config = &lc->dp->config;
    uint32_t n = fec_sessions(config);

    lc->fec.symbol_max = symbol_max(config);
    return make_pool(&lc->fec.symbols, lc->fec.symbol_max, config->fec_symbols, socket) &&
           make_pool(&lc->fec.blocks, fec_block_size(), config->fec_blocks, socket) &&
           make_pool(&lc->fec_decoders, sizeof(struct fec_dec), n, socket) &&
           make_pool(&lc->fec_encoders, sizeof(struct fec_enc), n, socket) &&
           make_pool(&lc->streams.pool, sizeof(struct stream_chunk), config->stream_chunks, socket);
}

size_t lcore_footprint(const struct config *config)
{
    size_t rest = 2 << 20; /* rings, commands, events, wheel, rate limits, transmit queue */

    return rest + rte_ring_get_memsize(config->steer_ring) +
           pool_footprint(symbol_max(config), config->fec_symbols) +
           pool_footprint((uint32_t)fec_block_size(), config->fec_blocks) +
           pool_footprint(sizeof(struct fec_dec), fec_sessions(config)) +
           pool_footprint(sizeof(struct fec_enc), fec_sessions(config)) +
           pool_footprint(sizeof(struct stream_chunk), config->stream_chunks);
}

static struct rte_ring *make_ring(const char *what, unsigned index, uint32_t size, int socket,
                                  unsigned flags)
{
    char name[RTE_RING_NAMESIZE];

    snprintf(name, sizeof(name), "%s-%u", what, index);
    return rte_ring_create(name, size, socket, flags);
}

static struct rte_mempool *make_mempool(const char *what, unsigned index, unsigned n, size_t size,
                                        int socket)
{
    char name[RTE_MEMPOOL_NAMESIZE];

    snprintf(name, sizeof(name), "%s-%u", what, index);
    return rte_mempool_create(name, n, (unsigned)size, 0, 0, NULL, NULL, NULL, NULL, socket, 0);
}

static bool make_rings(struct lcore *lc, int socket)
{
    unsigned i = lc->index, pair = RING_F_SP_ENQ | RING_F_SC_DEQ;

    lc->steered = make_ring("steered", i, lc->dp->config.steer_ring, socket, RING_F_SC_DEQ);
    lc->commands = make_ring("commands", i, COMMANDS, socket, pair);
    lc->events = make_ring("events", i, EVENTS, socket, pair);
    lc->punts = make_ring("punts", i, PUNTS, socket, pair);
    lc->relay_in = make_ring("relay-in", i, RELAYED, socket, pair);
    lc->relay_out = make_ring("relay-out", i, RELAYED, socket, pair);
    lc->command_pool = make_mempool("commands", i, COMMANDS - 1, sizeof(struct command), socket);
    lc->event_pool = make_mempool("events", i, EVENTS - 1, sizeof(struct event), socket);
    return lc->steered && lc->commands && lc->events && lc->punts && lc->relay_in &&
           lc->relay_out && lc->command_pool && lc->event_pool;
}

static struct prefix_limit *make_limit(uint32_t per_second, uint32_t burst, int socket)
{
    struct prefix_limit *limit = rte_malloc_socket(NULL, sizeof(*limit), 64, socket);

    if (limit)
        prefix_limit_init(limit, (struct rate){per_second, burst});
    return limit;
}

static bool make_rest(struct lcore *lc, int socket)
{
    const struct config *config = &lc->dp->config;

    lc->aead = aead_new(aead_best());
    lc->sessions = session_table_new(share_of(config, config->max_sessions));
    lc->wheel = rte_malloc_socket(NULL, sizeof(*lc->wheel), 64, socket);
    lc->far = rte_malloc_socket(NULL, sizeof(*lc->far), 64, socket);
    lc->fine = rte_malloc_socket(NULL, sizeof(*lc->fine), 64, socket);
    if (config->full.sessions > 0)
        lc->transports = transports_new(config);
    lc->egress = egress_new(socket);
    lc->punt_limit = make_limit(config->punt_rate, config->punt_burst, socket);
    lc->punt_cookie_limit = make_limit(config->punt_rate, config->punt_burst, socket);
    lc->reset_limit = make_limit(config->reset_rate, config->reset_burst, socket);
    return lc->aead && lc->sessions && lc->wheel && lc->far && lc->fine && lc->egress &&
           (lc->transports || config->full.sessions == 0) && lc->punt_limit &&
           lc->punt_cookie_limit && lc->reset_limit;
}

/* The Toeplitz hash is linear: bytes can be hashed ahead, and their hashes added. */
static void hash_spi_bytes(struct lcore *lc)
{
    static_assert(JP_RETA_MAX - 1 <= UINT16_MAX, "16 bits of the hash choose an owner");

    for (unsigned byte = 0; byte < 4; byte++)
        for (uint32_t value = 0; value < 256; value++)
            lc->spi_hash[byte][value] =
                (uint16_t)toeplitz_spi(lc->dp->toeplitz_key, value << 8 * byte);
}

struct lcore *lcore_new(struct dataplane *dp, unsigned index, struct rte_mempool *mbufs,
                        const bool *stop)
{
    int socket = (int)rte_lcore_to_socket_id(index + 1); /* the main lcore is 0 */
    struct lcore *lc = rte_zmalloc_socket("lcore", sizeof(*lc), 128, socket);

    if (lc) {
        lc->index = index;
        lc->dp = dp;
        lc->counter = dp->stats->lcore[index].counter;
        lc->mbufs = mbufs;
        lc->stop = stop;
        lc->reorder = (struct reorder_limits){.max_held = dp->config.reorder_max,
                                              .timeout_us = dp->config.reorder_timeout_us};
        lc->held_max = mbufs->size / 2 / dp->config.lcores;
        for (unsigned i = 0; i < dp->ports; i++)
            outlines_init(&lc->outlines[i], &dp->port[i]);
        hash_spi_bytes(lc);
        queue_init(&lc->unread);
        queue_init(&lc->frames);
        queue_init(&lc->released);
    }
    if (!lc || !make_pools(lc, socket) || !make_rings(lc, socket) || !make_rest(lc, socket)) {
        fprintf(stderr,
                "no memory for worker %u: fewer max_sessions, fec_symbols or mbufs take less\n",
                index);
        return NULL;
    }
    wheel_init(lc->wheel, 0);
    wheel_init(lc->far, 0);
    wheel_init(lc->fine, 0);
    dp->lcore[index] = lc;
    return lc;
}

void lcore_free(struct lcore *lc)
{
    commands_wipe(lc);
    aead_free(lc->aead);
    session_table_free(lc->sessions);
    transports_free(lc->transports);
    lc->aead = NULL;
    lc->sessions = NULL;
    lc->transports = NULL;
}
