/* A stream of messages being received, with its pools and credit, for tests. */
#ifndef TESTS_REASSEMBLY_FIXTURE_H
#define TESTS_REASSEMBLY_FIXTURE_H

#include <assert.h>
#include <stdlib.h>

#include "reassembly.h"

struct reassembly_fixture {
    struct reassembly r;
    struct reassembly_pools pools;
    struct flow_rx stream, session;
    void *messages, *blocks;
};

/* A new stream with what the idle one before had. */
static inline void reassembly_fixture_restart(struct reassembly_fixture *f, bool ordered,
                                              uint64_t window)
{
    flow_rx_init(&f->stream, window, window, 0);
    flow_rx_init(&f->session, window, window, 0);
    reassembly_init(&f->r, &f->pools, &f->stream, &f->session, ordered);
}

static inline void reassembly_fixture_init(struct reassembly_fixture *f, bool ordered,
                                           uint64_t window, uint32_t messages, uint32_t blocks)
{
    f->messages =
        aligned_alloc(64, pool_footprint(sizeof(struct reassembly_message), messages) + 64);
    f->blocks = aligned_alloc(64, pool_footprint(sizeof(struct reassembly_block), blocks) + 64);
    assert(f->messages && f->blocks);
    pool_init(&f->pools.messages, f->messages, sizeof(struct reassembly_message), messages);
    pool_init(&f->pools.blocks, f->blocks, sizeof(struct reassembly_block), blocks);
    reassembly_fixture_restart(f, ordered, window);
}

/* Bytes of the pools in use. */
static inline uint64_t reassembly_fixture_memory(const struct reassembly_fixture *f)
{
    return pool_footprint(sizeof(struct reassembly_message), f->pools.messages.used) +
           pool_footprint(sizeof(struct reassembly_block), f->pools.blocks.used);
}

/* Bytes counted and not consumed. */
static inline uint64_t reassembly_fixture_held(const struct reassembly_fixture *f)
{
    return f->session.counted - f->session.consumed;
}

/* Whether nothing is held and all pools are full. */
static inline bool reassembly_fixture_idle(const struct reassembly_fixture *f)
{
    return f->pools.messages.used == 0 && f->pools.blocks.used == 0 && !f->r.table && !f->r.ready &&
           reassembly_fixture_held(f) == 0 && f->stream.counted == f->stream.consumed;
}

static inline void reassembly_fixture_fini(struct reassembly_fixture *f)
{
    reassembly_fini(&f->r);
    assert(reassembly_fixture_idle(f));
    free(f->messages);
    free(f->blocks);
}

/* Byte i of message seq. */
static inline uint8_t message_byte(uint64_t seq, uint32_t i)
{
    return (uint8_t)(seq * 89 + i * 7 + (i >> 8) * 3);
}

#endif
