/* The streams of a session that take turns. A stream may be over before its turn comes. */
#include <assert.h>

#include "state.h"

void reader_new(struct transport *t, uint32_t stream)
{
    struct reader *r = pool_get(&t->lc->transports->readers);

    if (!r) { /* there are twice as many as streams: see readers_trim */
        conn_close(conn_of(t), CLOSE_LIMIT, "too many streams at once", t->lc->now);
        return;
    }
    *r = (struct reader){.stream = stream};
    reader_push(t, r);
}

struct reader *reader_pop(struct transport *t)
{
    struct reader *r = t->readers;

    assert(r); /* as n_readers says */
    t->readers = r->next;
    if (!t->readers)
        t->readers_tail = &t->readers;
    t->n_readers--;
    return r;
}

void reader_push(struct transport *t, struct reader *r)
{
    r->next = NULL;
    *t->readers_tail = r;
    t->readers_tail = &r->next;
    t->n_readers++;
}

void reader_free(struct transport *t, struct reader *r)
{
    pool_put(&t->lc->transports->readers, r);
}

void readers_drop(struct transport *t)
{
    while (t->readers)
        reader_free(t, reader_pop(t));
}

void readers_trim(struct transport *t)
{
    uint32_t n = t->n_readers;
    struct conn_stream_info info;

    if (2 * ++t->streams_over <= n)
        return;
    t->streams_over = 0;
    while (n-- > 0) {
        struct reader *r = reader_pop(t);

        if (conn_stream_info(conn_of(t), r->stream, &info))
            reader_push(t, r);
        else
            reader_free(t, r);
    }
}
