/* The streams of a session that take turns. */
#include "state.h"

void reader_new(struct transport *t, uint32_t stream)
{
    struct reader *r = pool_get(&t->lc->transports->readers);

    if (!r) { /* one for each stream, but streams may go before their turn comes */
        conn_close(conn_of(t), CLOSE_LIMIT, "too many streams at once", t->lc->now);
        return;
    }
    *r = (struct reader){.stream = stream};
    reader_push(t, r);
}

struct reader *reader_pop(struct transport *t)
{
    struct reader *r = t->readers;

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
