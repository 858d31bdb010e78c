#include "memory.h"

#include <assert.h>
#include <sodium.h>
#include <sys/mman.h>

#include "errors.h"

/* Objects of each pool. Blocks bound what peers can make us hold: 1.2 GiB a loop. */
enum {
    TABLE_HEADS = 1 << 18,
    SYMBOL_BYTES = 9024, /* of the largest packet */
    CLOSED = 1 << 18,
    STREAMS = 1 << 18,
    SENT = 1 << 20,
    MESSAGES_OUT = 1 << 18,
    RANGES = 1 << 19,
    MESSAGES_IN = 1 << 19,
    BLOCKS = 1 << 21,
    SYMBOLS = 1 << 16,
    FEC_RECORDS = 1 << 13,
    PROTECTIONS = 1 << 13,
};

/* Lay out one pool at *at; with base NULL only count. */
static void place(struct pool *pool, uint8_t *base, size_t *at, size_t size, uint32_t n)
{
    if (base)
        pool_init(pool, base + *at, (uint32_t)size, n);
    *at += pool_footprint((uint32_t)size, n);
}

/* Returns the bytes it takes. */
static size_t lay_out(struct conn_pools *p, uint8_t *base)
{
    size_t at = TABLE_HEADS * sizeof(*p->table);

    p->table = (struct conn_entry **)base;
    place(&p->closed, base, &at, conn_closed_size(), CLOSED);
    place(&p->streams, base, &at, conn_stream_size(), STREAMS);
    place(&p->sent, base, &at, sizeof(struct sent_packet), SENT);
    place(&p->sendq.messages, base, &at, sizeof(struct sendq_message), MESSAGES_OUT);
    place(&p->sendq.ranges, base, &at, sizeof(struct sendq_range), RANGES);
    place(&p->reassembly.messages, base, &at, sizeof(struct reassembly_message), MESSAGES_IN);
    place(&p->reassembly.blocks, base, &at, sizeof(struct reassembly_block), BLOCKS);
    place(&p->fec.symbols, base, &at, SYMBOL_BYTES, SYMBOLS);
    place(&p->fec.blocks, base, &at, fec_block_size(), FEC_RECORDS);
    place(&p->protection, base, &at, conn_fec_size(), PROTECTIONS);
    return at;
}

int memory_init(struct memory *m)
{
    *m = (struct memory){0};
    m->size = lay_out(&m->pools, NULL);
    m->base = mmap(NULL, m->size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m->base == MAP_FAILED)
        return failure(JP_NO_MEMORY, NULL, "no addresses for %zu bytes", m->size);
    madvise(m->base, m->size, MADV_DONTDUMP); /* messages in clear */
    lay_out(&m->pools, m->base);
    m->pools.table_mask = TABLE_HEADS - 1;
    m->pools.table_key = randombytes_random();
    m->pools.fec.symbol_max = SYMBOL_BYTES;
    return 0;
}

void memory_fini(struct memory *m)
{
    assert(conn_pools_used(&m->pools) == 0);
    munmap(m->base, m->size);
}
