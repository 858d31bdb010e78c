#include "pool.h"

/* Objects start on cache lines of their own: neighbours never share one. */
static size_t stride(uint32_t size)
{
    return ((size_t)size + 63) & ~(size_t)63;
}

size_t pool_footprint(uint32_t size, uint32_t n)
{
    return stride(size) * n;
}

void pool_init(struct pool *pool, void *mem, uint32_t size, uint32_t n)
{
    uint8_t *objects = mem;

    *pool = (struct pool){.object_size = size, .capacity = n, .used = n};
    for (uint32_t i = n; i > 0; i--) /* so that they leave in ascending order */
        pool_put(pool, objects + stride(size) * (i - 1));
}
