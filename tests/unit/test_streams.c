/* The stream table: found again, capped, and given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rng.h"
#include "streams.h"

/* A pool of n chunks full of garbage, as a used one is. */
static struct stream_pool dirty_pool(uint32_t n, void **mem)
{
    size_t bytes = pool_footprint(sizeof(struct stream_chunk), n);
    struct stream_pool pool = {0};

    *mem = aligned_alloc(64, bytes);
    memset(*mem, 0xa5, bytes);
    pool_init(&pool.pool, *mem, sizeof(struct stream_chunk), n);
    return pool;
}

static void made_once_and_found(void **state)
{
    enum { MAX = 300 };
    struct rng rng = rng_new(5);
    struct stream *made[MAX] = {0};
    struct streams t;
    uint32_t count = 0;
    void *mem;
    struct stream_pool pool = dirty_pool(MAX / STREAMS_PER_CHUNK + 1, &mem);

    (void)state;
    streams_init(&t, &pool, MAX);
    for (int i = 0; i < 20000; i++) {
        uint32_t id = (uint32_t)rng_below(&rng, MAX);
        struct stream *s = streams_get(&t, &pool, id);

        assert_non_null(s);
        if (!made[id]) {
            assert_int_equal(s->id, id);
            assert_int_equal(s->tx_seq, 0);
            assert_int_equal(s->rx.next_seq, 0);
            assert_int_equal(s->rx.next_offset, 0);
            assert_int_equal(s->rx.held, 0);
            assert_null(s->rx.head);
            made[id] = s;
            s->tx_seq = 1000 + id;
            count++;
        }
        assert_ptr_equal(s, made[id]);
        assert_int_equal(s->tx_seq, 1000 + id);
        assert_int_equal(t.count, count);
        assert_int_equal(pool.pool.used, (count + STREAMS_PER_CHUNK - 2) / STREAMS_PER_CHUNK);
    }
    streams_fini(&t, &pool);
    assert_int_equal(pool.pool.used, 0);
    free(mem);
}

static void a_walk_meets_each_once(void **state)
{
    struct streams t;
    bool met[50] = {0};
    void *mem;
    struct stream_pool pool = dirty_pool(10, &mem);

    (void)state;
    streams_init(&t, &pool, 1000);
    for (uint32_t count = 0; count <= 50; count++) {
        struct streams_walk at = {0};
        struct stream *s;
        uint32_t n = 0;

        for (; (s = streams_next(&t, &at)); n++) {
            assert_ptr_equal(streams_get(&t, &pool, s->id), s);
            assert_false(met[s->id / 7]);
            met[s->id / 7] = true;
        }
        assert_int_equal(n, count);
        memset(met, 0, sizeof(met));
        streams_get(&t, &pool, 7 * count);
    }
    streams_fini(&t, &pool);
    free(mem);
}

static void ids_are_capped(void **state)
{
    struct streams t;
    void *mem;
    struct stream_pool pool = dirty_pool(10, &mem);

    (void)state;
    streams_init(&t, &pool, 10);
    assert_null(streams_get(&t, &pool, 10));
    assert_null(streams_get(&t, &pool, 65535));
    assert_null(streams_get(&t, &pool, UINT32_MAX));
    assert_int_equal(pool.pool.used, 0);
    assert_non_null(streams_get(&t, &pool, 9));
    assert_null(streams_get(&t, &pool, 10));
    assert_int_equal(streams_get(&t, &pool, 9)->id, 9);
    streams_fini(&t, &pool);
    streams_init(&t, &pool, 0);
    assert_null(streams_get(&t, &pool, 0));
    streams_fini(&t, &pool);
    free(mem);
}

static void dry_pool(void **state)
{
    struct streams t;
    void *mem;
    struct stream_pool pool = dirty_pool(1, &mem);

    (void)state;
    streams_init(&t, &pool, 100);
    for (uint32_t id = 0; id < 1 + STREAMS_PER_CHUNK; id++)
        assert_non_null(streams_get(&t, &pool, id));
    assert_null(streams_get(&t, &pool, 1 + STREAMS_PER_CHUNK));
    assert_int_equal(t.count, 1 + STREAMS_PER_CHUNK);
    assert_int_equal(streams_get(&t, &pool, 3)->id, 3); /* those that exist go on */
    streams_fini(&t, &pool);
    assert_int_equal(t.count, 0);
    streams_init(&t, &pool, 100);
    assert_int_equal(streams_get(&t, &pool, STREAMS_PER_CHUNK)->id, STREAMS_PER_CHUNK);
    streams_fini(&t, &pool);
    streams_init(&t, &pool, 100);
    streams_fini(&t, &pool); /* of an empty table */
    assert_int_equal(pool.pool.used, 0);
    assert_int_equal(pool.empty, 0);
    free(mem);
}

/* One table takes all it can get: every other one, and those that come later while a chunk is left,
 * still get their first. */
static void first_chunks_are_kept(void **state)
{
    enum { TABLES = 5, CHUNKS = 9 };
    struct streams greedy, t[TABLES];
    void *mem;
    struct stream_pool pool = dirty_pool(CHUNKS, &mem);
    uint32_t id = 0;

    (void)state;
    streams_init(&greedy, &pool, 1000);
    for (unsigned i = 0; i < TABLES; i++)
        streams_init(&t[i], &pool, 1000);
    while (streams_get(&greedy, &pool, id))
        id++;
    assert_int_equal(id, 1 + (CHUNKS - TABLES) * STREAMS_PER_CHUNK);
    for (unsigned i = 0; i < TABLES; i++)
        for (id = 0; id < 1 + STREAMS_PER_CHUNK; id++)
            assert_non_null(streams_get(&t[i], &pool, id));
    assert_int_equal(pool.pool.used, CHUNKS);
    streams_fini(&greedy, &pool);
    for (id = 0; streams_get(&t[0], &pool, id);) /* all others have theirs: no more is kept */
        id++;
    assert_int_equal(id, 1 + (CHUNKS - TABLES + 1) * STREAMS_PER_CHUNK);
    for (unsigned i = 0; i < TABLES; i++)
        streams_fini(&t[i], &pool);
    assert_int_equal(pool.pool.used, 0);
    assert_int_equal(pool.empty, 0);
    free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_once_and_found),   cmocka_unit_test(a_walk_meets_each_once),
        cmocka_unit_test(ids_are_capped),        cmocka_unit_test(dry_pool),
        cmocka_unit_test(first_chunks_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
