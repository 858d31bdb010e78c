/* The heap against a plain search for the minimum. */
#include "fixture.h"
#include "heap.h"
#include "rng.h"

enum { ENTRIES = 200, STEPS = 20000 };

struct model {
    struct heap heap;
    struct heap_entry entries[ENTRIES];
    bool in[ENTRIES];
    uint64_t order;
};

static const struct heap_entry *minimum(const struct model *m)
{
    const struct heap_entry *best = NULL;

    for (int i = 0; i < ENTRIES; i++) {
        const struct heap_entry *e = &m->entries[i];

        if (m->in[i] &&
            (!best || e->at < best->at || (e->at == best->at && e->order < best->order)))
            best = e;
    }
    return best;
}

static void insert(struct model *m, int i, uint64_t at)
{
    m->entries[i].at = at;
    m->entries[i].order = m->order++;
    heap_insert(&m->heap, &m->entries[i]);
    m->in[i] = true;
}

static void remove_entry(struct model *m, int i)
{
    heap_remove(&m->heap, &m->entries[i]);
    m->in[i] = false;
}

static void like_a_search(void **state)
{
    static struct model m;
    struct rng rng = rng_new(1);

    (void)state;
    for (int step = 0; step < STEPS; step++) {
        int i = (int)rng_below(&rng, ENTRIES);

        if (m.in[i])
            remove_entry(&m, i);
        else
            insert(&m, i, rng_below(&rng, 50));
        if (m.heap.root && rng_below(&rng, 4) == 0)
            remove_entry(&m, (int)(m.heap.root - m.entries));
        assert_ptr_equal(m.heap.root, minimum(&m));
    }
    while (m.heap.root) {
        assert_ptr_equal(m.heap.root, minimum(&m));
        remove_entry(&m, (int)(m.heap.root - m.entries));
    }
    assert_null(minimum(&m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_a_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
