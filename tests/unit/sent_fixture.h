/* A map of what was sent with its pool, for tests. */
#ifndef TESTS_SENT_FIXTURE_H
#define TESTS_SENT_FIXTURE_H

#include <assert.h>
#include <stdlib.h>

#include "sent.h"

struct sent_fixture {
    struct sent sent;
    struct pool pool;
    void *memory;
};

static inline void sent_fixture_init(struct sent_fixture *f, uint32_t records, uint32_t max)
{
    f->memory = aligned_alloc(64, pool_footprint(sizeof(struct sent_packet), records));
    assert(f->memory != NULL);
    pool_init(&f->pool, f->memory, sizeof(struct sent_packet), records);
    sent_init(&f->sent, max);
}

/* Everything must have come back. */
static inline void sent_fixture_fini(struct sent_fixture *f)
{
    sent_fini(&f->sent, &f->pool);
    assert(f->pool.used == 0 && f->sent.count == 0 && f->sent.lost == 0);
    free(f->memory);
}

/* Send n packets with the next numbers, `apart` us from each other, the first at `now`. */
static inline struct sent_packet *sent_fixture_send(struct sent_fixture *f, unsigned n,
                                                    uint64_t now, uint64_t apart)
{
    struct sent_packet *p = NULL;

    for (unsigned i = 0; i < n; i++) {
        p = sent_add(&f->sent, &f->pool, f->sent.next_pn, now + i * apart);
        assert(p != NULL);
        p->bytes = 1200;
    }
    return p;
}

static inline unsigned sent_list_count(const struct sent_packet *p, const struct sent_packet *end)
{
    unsigned n = 0;

    for (; p != end; p = p->next)
        n++;
    return n;
}

#endif
