/* The object pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool.h"
#include "rng.h"

static void objects_are_apart_and_aligned(void **state)
{
    (void)state;
    for (uint32_t size = 8; size < 300; size += 13) {
        enum { N = 50 };
        size_t bytes = pool_footprint(size, N);
        uint8_t *mem = aligned_alloc(64, bytes), *objects[N];
        struct pool pool;

        pool_init(&pool, mem, size, N);
        for (int i = 0; i < N; i++) {
            objects[i] = pool_get(&pool);
            assert_int_equal((uintptr_t)objects[i] % 64, 0);
            assert_true(objects[i] >= mem && objects[i] + size <= mem + bytes);
            memset(objects[i], i, size);
        }
        for (int i = 0; i < N; i++) /* nobody wrote into anybody else's */
            for (uint32_t j = 0; j < size; j++)
                assert_int_equal(objects[i][j], i);
        assert_null(pool_get(&pool));
        free(mem);
    }
}

static void cap_and_reuse(void **state)
{
    uint8_t *mem = aligned_alloc(64, pool_footprint(100, 3));
    struct pool pool;

    (void)state;
    pool_init(&pool, mem, 100, 3);
    assert_int_equal(pool.used, 0);
    assert_int_equal(pool.capacity, 3);
    void *a = pool_get(&pool), *b = pool_get(&pool), *c = pool_get(&pool);
    assert_int_equal(pool.used, 3);
    assert_null(pool_get(&pool));
    assert_null(pool_get(&pool));
    assert_int_equal(pool.used, 3);
    pool_put(&pool, b);
    assert_int_equal(pool.used, 2);
    assert_ptr_equal(pool_get(&pool), b);
    pool_put(&pool, a);
    pool_put(&pool, c);
    assert_ptr_equal(pool_get(&pool), c); /* the warm one first */
    assert_ptr_equal(pool_get(&pool), a);
    assert_null(pool_get(&pool));
    free(mem);
}

static void empty_pool(void **state)
{
    struct pool pool;
    uint8_t nothing;

    (void)state;
    assert_int_equal(pool_footprint(100, 0), 0);
    pool_init(&pool, &nothing, 100, 0);
    assert_null(pool_get(&pool));
}

static void footprint_does_not_overflow(void **state)
{
    (void)state;
    assert_int_equal(pool_footprint(1, 1), 64);
    assert_int_equal(pool_footprint(64, 2), 128);
    assert_int_equal(pool_footprint(65, 2), 256);
    assert_int_equal(pool_footprint(1 << 20, 1 << 20), UINT64_C(1) << 40);
    assert_int_equal(pool_footprint(UINT32_MAX, 1), UINT64_C(1) << 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_apart_and_aligned),
        cmocka_unit_test(cap_and_reuse),
        cmocka_unit_test(empty_pool),
        cmocka_unit_test(footprint_does_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
