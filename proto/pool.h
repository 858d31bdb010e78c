/* Fixed-size objects from one caller-provided block of memory: a free list, owned by one thread.
 * The cap of everything a peer can make us hold. */
#ifndef PROTO_POOL_H
#define PROTO_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool {
    void *free; /* first free object, linked through its first word */
    uint32_t object_size;
    uint32_t capacity;
    uint32_t used;
};

/* Bytes of memory that n objects of `size` bytes need; objects are 64-byte aligned if the memory
 * is. */
size_t pool_footprint(uint32_t size, uint32_t n);

/* Carve n objects of `size` bytes out of mem (64-byte aligned, pool_footprint bytes, owned by the
 * caller, outliving the pool). */
void pool_init(struct pool *pool, void *mem, uint32_t size, uint32_t n);

/* An object with undefined contents, or NULL when the pool is exhausted. */
static inline void *pool_get(struct pool *pool)
{
    void *object = pool->free;

    if (object) {
        pool->free = *(void **)object;
        pool->used++;
    }
    return object;
}

static inline void pool_put(struct pool *pool, void *object)
{
    *(void **)object = pool->free;
    pool->free = object;
    pool->used--;
}

#endif
