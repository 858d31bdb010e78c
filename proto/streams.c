#include "streams.h"

void streams_init(struct streams *t, uint32_t max)
{
    *t = (struct streams){.max = max};
}

static struct stream *make(struct streams *t, struct pool *chunks, uint32_t id)
{
    struct stream_chunk *c = t->chunks;

    if (!c || c->used == STREAMS_PER_CHUNK) {
        c = pool_get(chunks);
        if (!c)
            return NULL;
        c->next = t->chunks;
        c->used = 0;
        t->chunks = c;
    }
    struct stream *s = &c->s[c->used];

    c->ids[c->used++] = id;
    *s = (struct stream){.id = id};
    t->count++;
    return s;
}

struct stream *streams_find(struct streams *t, struct pool *chunks, uint32_t id)
{
    if (id >= t->max)
        return NULL;
    for (struct stream_chunk *c = t->chunks; c; c = c->next)
        for (uint32_t i = 0; i < c->used; i++)
            if (c->ids[i] == id)
                return t->last = &c->s[i];

    struct stream *s = make(t, chunks, id);

    if (s)
        t->last = s;
    return s;
}

void streams_fini(struct streams *t, struct pool *chunks)
{
    for (struct stream_chunk *c = t->chunks, *next; c; c = next) {
        next = c->next;
        pool_put(chunks, c);
    }
    streams_init(t, t->max);
}
