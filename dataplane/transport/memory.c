/* The memory of a lcore's full sessions: pools in one piece of address space. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_common.h>
#include <rte_random.h>

#include "pages.h"
#include "sent.h"
#include "setup.h"
#include "state.h"

enum { ALIGN = 64, STREAMS_PER_PAGE = 4 };

struct counts {
    uint32_t sessions, streams, heads, receive, send, echo[ECHO_SIZES], symbols, blocks,
        protections;
    size_t symbol, echo_large;
};

static size_t stride(size_t size)
{
    return RTE_ALIGN_CEIL(size, (size_t)ALIGN);
}

size_t transport_size(void)
{
    return stride(sizeof(struct transport)) + conn_size();
}

/* How many things that take `each` bytes together fit so many MiB. */
static uint32_t fit(uint32_t mb, size_t each)
{
    uint64_t n = ((uint64_t)mb << 20) / each;

    return (uint32_t)RTE_MIN(n, UINT64_C(1) << 28);
}

static uint32_t streams_of(const struct config_full *full)
{
    return fit(full->streams_mb, stride(conn_stream_size()) + 2 * stride(sizeof(struct reader)) +
                                     stride(conn_closed_size()) / STREAMS_PER_PAGE +
                                     2 * sizeof(struct conn_entry *));
}

static struct counts counts_of(const struct config *config)
{
    const struct config_full *full = &config->full;
    struct counts n = {
        .sessions = share_of(config, full->sessions),
        .streams = streams_of(full),
        .receive = fit(full->receive_mb, stride(sizeof(struct reassembly_message)) +
                                             4 * stride(sizeof(struct reassembly_block))),
        .send = fit(full->send_mb, stride(sizeof(struct sendq_message)) +
                                       2 * stride(sizeof(struct sendq_range)) +
                                       2 * stride(sizeof(struct sent_packet))),
        .symbol = symbol_max(config),
        .echo_large = stride(sizeof(struct echo_buffer) +
                             RTE_MAX(full->max_message, (uint32_t)CONN_PACKET_MAX)),
    };

    n.heads = rte_align32pow2(n.streams);
    n.echo[ECHO_SMALL] = fit(full->echo_mb, 4 * (sizeof(struct echo_buffer) + ECHO_SMALL_MAX));
    n.echo[ECHO_LARGE] = fit(full->echo_mb, n.echo_large + n.echo_large / 3);
    n.symbols = fit(full->fec_mb, 2 * n.symbol);
    n.blocks = fit(full->fec_mb, 4 * stride(fec_block_size()));
    n.protections = fit(full->fec_mb, 4 * stride(conn_fec_size()));
    return n;
}

/* Lay out one pool at *at; with base NULL only count. */
static void place(struct pool *pool, uint8_t *base, size_t *at, size_t size, uint32_t n)
{
    if (base)
        pool_init(pool, base + *at, (uint32_t)size, n);
    *at += pool_footprint((uint32_t)size, n);
}

/* Returns the bytes it takes. */
static size_t lay_out(struct transports *ts, const struct counts *n, uint8_t *base)
{
    struct conn_pools *p = &ts->pools;
    size_t at = stride(n->heads * sizeof(*p->table));

    p->table = (struct conn_entry **)base;
    p->table_mask = n->heads - 1;
    p->fec.symbol_max = (uint32_t)n->symbol;
    place(&ts->sessions, base, &at, transport_size(), n->sessions);
    place(&ts->readers, base, &at, sizeof(struct reader), 2 * n->streams);
    place(&ts->echo[ECHO_SMALL], base, &at, sizeof(struct echo_buffer) + ECHO_SMALL_MAX,
          n->echo[ECHO_SMALL]);
    place(&ts->echo[ECHO_LARGE], base, &at, n->echo_large, n->echo[ECHO_LARGE]);
    place(&p->closed, base, &at, conn_closed_size(), n->streams / STREAMS_PER_PAGE);
    place(&p->streams, base, &at, conn_stream_size(), n->streams);
    place(&p->sent, base, &at, sizeof(struct sent_packet), 2 * n->send);
    place(&p->sendq.messages, base, &at, sizeof(struct sendq_message), n->send);
    place(&p->sendq.ranges, base, &at, sizeof(struct sendq_range), 2 * n->send);
    place(&p->reassembly.messages, base, &at, sizeof(struct reassembly_message), n->receive);
    place(&p->reassembly.blocks, base, &at, sizeof(struct reassembly_block), 4 * n->receive);
    place(&p->fec.symbols, base, &at, n->symbol, n->symbols);
    place(&p->fec.blocks, base, &at, fec_block_size(), n->blocks);
    place(&p->protection, base, &at, conn_fec_size(), n->protections);
    return at;
}

size_t transports_footprint(const struct config *config)
{
    struct counts n = counts_of(config);
    struct transports none;

    return config->full.sessions > 0 ? sizeof(none) + lay_out(&none, &n, NULL) : 0;
}

struct transports *transports_new(const struct config *config)
{
    struct counts n = counts_of(config);
    struct transports *ts = calloc(1, sizeof(*ts));

    if (!ts)
        return NULL;
    ts->size = lay_out(ts, &n, NULL);
    ts->pages = pages_map(ts->size);
    if (!ts->pages) {
        free(ts);
        return NULL;
    }
    lay_out(ts, &n, ts->pages);
    ts->pools.table_key = (uint32_t)rte_rand();
    for (unsigned port = 0; port <= JP_PORTS_MAX; port++)
        drr_init(&ts->drr[port], symbol_max(config));
    TAILQ_INIT(&ts->waiting);
    for (unsigned i = 0; i < sizeof(ts->pattern); i++)
        ts->pattern[i] = (uint8_t)i;
    return ts;
}

void transports_free(struct transports *ts)
{
    if (!ts)
        return;
    munmap(ts->pages, ts->size);
    free(ts);
}

uint32_t transports_used(const struct transports *ts)
{
    return ts->sessions.used + ts->readers.used + ts->echo[ECHO_SMALL].used +
           ts->echo[ECHO_LARGE].used + conn_pools_used(&ts->pools);
}
