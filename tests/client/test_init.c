/* jp_init and jp_finish are counted, from any thread. */
#include <pthread.h>

#include "fixture.h"

enum { THREADS = 8, ROUNDS = 200 };

static void *come_and_go(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        jp_loop *loop = new_loop();

        free_loop(loop);
    }
    return unused;
}

static void many_threads(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, come_and_go, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(jp_finish(), JP_NOT_INITIALISED);
}

static void counted(void **state)
{
    jp_loop *loop;

    (void)state;
    assert_int_equal(jp_init(), 0);
    assert_int_equal(jp_init(), 0);
    assert_int_equal(jp_loop_create(&loop, 0), 0);
    assert_int_equal(jp_finish(), 0);
    assert_int_equal(jp_finish(), JP_BUSY);
    assert_int_equal(jp_loop_free(loop), 0);
    assert_int_equal(jp_finish(), 0);
    assert_int_equal(jp_finish(), JP_NOT_INITIALISED);
    assert_string_equal(jp_error_detail(), "jp_finish: called more often than jp_init");
    assert_string_equal(jp_version(), JP_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counted),
        cmocka_unit_test(many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
