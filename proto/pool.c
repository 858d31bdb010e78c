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
    *pool = (struct pool){.fresh = mem, .object_size = size, .capacity = n, .fresh_left = n};
}

void *pool_carve(struct pool *pool)
{
    void *object = pool->fresh;

    if (pool->fresh_left == 0)
        return NULL;
    pool->fresh_left--;
    pool->fresh += stride(pool->object_size);
    pool->used++;
    return object;
}
