/* Fixed-size objects from one caller-provided block of memory: a free list, owned by one thread.
 * The cap of everything a peer can make us hold. Memory is touched with the first object that needs
 * it, so what is never used costs only addresses. */
#ifndef PROTO_POOL_H
#define PROTO_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool {
    void *free;     /* first of the objects that were given back, linked through their first word */
    uint8_t *fresh; /* the first never used */
    uint32_t object_size;
    uint32_t capacity;
    uint32_t used;
    uint32_t fresh_left;
};

/* Bytes of memory that n objects of `size` bytes need; objects are 64-byte aligned if the memory
 * is. */
size_t pool_footprint(uint32_t size, uint32_t n);

/* Carve n objects of `size` bytes out of mem (64-byte aligned, pool_footprint bytes, owned by the
 * caller, outliving the pool). */
void pool_init(struct pool *pool, void *mem, uint32_t size, uint32_t n);

/* pool_get when nothing was given back. */
void *pool_carve(struct pool *pool);

/* An object with undefined contents, or NULL when the pool is exhausted. */
static inline void *pool_get(struct pool *pool)
{
    void *object = pool->free;

    if (!object)
        return pool_carve(pool);
    pool->free = *(void **)object;
    pool->used++;
    return object;
}

static inline uint32_t pool_left(const struct pool *pool)
{
    return pool->capacity - pool->used;
}

static inline void pool_put(struct pool *pool, void *object)
{
    *(void **)object = pool->free;
    pool->free = object;
    pool->used--;
}

#endif
