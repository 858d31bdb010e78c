#include "streams.h"

void streams_init(struct streams *t, struct stream_pool *chunks, uint32_t max)
{
    *t = (struct streams){.max = max};
    chunks->empty++;
}

/* A table's first chunk may be any, a further one only what the empty tables leave. */
static struct stream_chunk *chunk_get(struct streams *t, struct stream_pool *chunks)
{
    struct pool *pool = &chunks->pool;
    struct stream_chunk *c;

    if (t->chunks && pool->capacity - pool->used <= chunks->empty)
        return NULL;
    if (!(c = pool_get(pool)))
        return NULL;
    if (!t->chunks)
        chunks->empty--;
    c->next = t->chunks;
    c->used = 0;
    return t->chunks = c;
}

static struct stream *make(struct streams *t, struct stream_pool *chunks, uint32_t id)
{
    struct stream_chunk *c = t->chunks;

    if (t->count == 0) {
        t->count = 1;
        t->first = (struct stream){.id = id};
        return &t->first;
    }
    if ((!c || c->used == STREAMS_PER_CHUNK) && !(c = chunk_get(t, chunks)))
        return NULL;
    struct stream *s = &c->s[c->used];

    c->ids[c->used++] = id;
    *s = (struct stream){.id = id};
    t->count++;
    return s;
}

struct stream *streams_find(struct streams *t, struct stream_pool *chunks, uint32_t id)
{
    if (id >= t->max)
        return NULL;
    if (t->count > 0 && t->first.id == id)
        return t->last = &t->first;
    for (struct stream_chunk *c = t->chunks; c; c = c->next)
        for (uint32_t i = 0; i < c->used; i++)
            if (c->ids[i] == id)
                return t->last = &c->s[i];

    struct stream *s = make(t, chunks, id);

    if (s)
        t->last = s;
    return s;
}

struct stream *streams_next(struct streams *t, struct streams_walk *at)
{
    if (!at->began) {
        *at = (struct streams_walk){.began = true, .chunk = t->chunks};
        return t->count > 0 ? &t->first : NULL;
    }
    if (at->chunk && at->next == at->chunk->used) {
        at->chunk = at->chunk->next;
        at->next = 0;
    }
    return at->chunk ? &at->chunk->s[at->next++] : NULL;
}

void streams_fini(struct streams *t, struct stream_pool *chunks)
{
    if (!t->chunks)
        chunks->empty--;
    for (struct stream_chunk *c = t->chunks, *next; c; c = next) {
        next = c->next;
        pool_put(&chunks->pool, c);
    }
    *t = (struct streams){0};
}
