/* The loop itself: turns, stopping, teardown, threads it belongs to. */
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "fixture.h"

static void nothing(void *unused)
{
    (void)unused;
}

static void ignore(jp_timer *timer)
{
    (void)timer;
}

static void ignore_watch(jp_watch *watch, unsigned events)
{
    (void)watch, (void)events;
}

static void ignore_resolve(jp_resolve *resolve, int error, const jp_address *addresses,
                           size_t count)
{
    (void)resolve, (void)error, (void)addresses, (void)count;
}

static void stop(void *loop)
{
    jp_loop_stop(loop);
}

static void extension_is_zeroed_and_aligned(void **state)
{
    jp_loop *loop;
    unsigned char *p;

    (void)state;
    assert_int_equal(jp_init(), 0);
    assert_int_equal(jp_loop_create(&loop, 100), 0);
    p = jp_loop_extension(loop);
    assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    memset(p, 1, 100);
    free_loop(loop);
    assert_int_equal(jp_loop_create(&loop, 0), JP_NOT_INITIALISED);
    assert_null(loop);
    assert_int_equal(jp_init(), 0);
    assert_int_equal(jp_loop_create(&loop, SIZE_MAX), JP_NO_MEMORY);
    assert_int_equal(jp_loop_create(NULL, 0), JP_INVALID);
    assert_int_equal(jp_finish(), 0);
}

static void run_once_waits_no_longer_than_told(void **state)
{
    jp_loop *loop = new_loop();
    uint64_t begin = jp_loop_now(loop);

    (void)state;
    assert_int_equal(jp_loop_run_once(loop, 0), 0);
    assert_int_equal(jp_loop_run_once(loop, 3000), 0);
    assert_true(jp_loop_now(loop) >= begin + 3000);
    jp_defer(loop, nothing, NULL, NULL);
    jp_defer(loop, nothing, NULL, NULL);
    assert_int_equal(jp_loop_run_once(loop, -1), 2);
    free_loop(loop);
}

static void stops(void **state)
{
    jp_loop *loop = new_loop();

    (void)state;
    jp_loop_stop(loop); /* before it runs: the next run ends at once */
    assert_int_equal(jp_loop_run(loop), 0);
    jp_loop_stop(loop);
    assert_int_equal(jp_loop_run_once(loop, -1), 0);
    jp_defer(loop, stop, loop, NULL);
    assert_int_equal(jp_loop_run(loop), 0);
    jp_defer(loop, stop, loop, NULL);
    assert_int_equal(jp_loop_run_once(loop, -1), 1);
    assert_int_equal(jp_loop_run_once(loop, 0), 0); /* the stop is used up */
    free_loop(loop);
}

static void teardown_order(void **state)
{
    jp_loop *loop = new_loop();
    jp_timer *a, *b;
    jp_watch *watch;
    jp_resolve *resolve;
    jp_loop *other;

    (void)state;
    assert_int_equal(jp_timer_create(&a, loop, ignore, 0), 0);
    assert_int_equal(jp_timer_create(&b, loop, ignore, 0), 0);
    assert_int_equal(jp_loop_create(&other, 0), 0);
    assert_int_equal(jp_watch_create(&watch, loop, jp_loop_fd(other), JP_READABLE, ignore_watch, 0),
                     0);
    assert_int_equal(
        jp_resolve_start(&resolve, loop, "198.18.0.1", 1, JP_NO_FAMILY, ignore_resolve, 0), 0);
    assert_int_equal(jp_loop_free(loop), JP_BUSY);
    assert_string_equal(jp_error_detail(),
                        "jp_loop_free: still alive: 2 timers, 1 watch, 1 host name lookup");
    assert_int_equal(jp_timer_free(a), 0);
    assert_int_equal(jp_watch_free(watch), 0);
    assert_int_equal(jp_resolve_cancel(resolve), 0);
    assert_int_equal(jp_loop_free(loop), JP_BUSY);
    assert_string_equal(jp_error_detail(), "jp_loop_free: still alive: 1 timer");
    assert_int_equal(jp_finish(), JP_BUSY);
    assert_string_equal(jp_error_detail(), "jp_finish: 2 loops still alive");
    assert_int_equal(jp_timer_free(b), 0);
    assert_int_equal(jp_loop_free(other), 0);
    assert_int_equal(jp_loop_free(NULL), 0);
    free_loop(loop);
}

static void inside(void *argument)
{
    jp_loop *loop = argument;

    assert_int_equal(jp_loop_run(loop), JP_RUNNING);
    assert_int_equal(jp_loop_run_once(loop, 0), JP_RUNNING);
    assert_int_equal(jp_loop_free(loop), JP_RUNNING);
    assert_int_equal(jp_loop_adopt(loop), JP_RUNNING);
}

static void not_from_within(void **state)
{
    jp_loop *loop = new_loop();

    (void)state;
    jp_defer(loop, inside, loop, NULL);
    assert_int_equal(jp_loop_run_once(loop, 0), 1);
    free_loop(loop);
}

static bool readable(jp_loop *loop, int timeout)
{
    struct pollfd p = {.fd = jp_loop_fd(loop), .events = POLLIN};

    return poll(&p, 1, timeout) == 1;
}

/* A foreign loop sees calls and timers, also those set outside of a turn or by its callbacks. */
static void in_a_foreign_loop(void **state)
{
    jp_loop *loop = new_loop();
    jp_timer *timer;

    (void)state;
    assert_int_equal(jp_timer_create(&timer, loop, ignore, 0), 0);
    assert_false(readable(loop, 0));
    jp_defer(loop, nothing, NULL, NULL);
    assert_true(readable(loop, 0));
    assert_int_equal(jp_loop_run_once(loop, 0), 1);
    assert_false(readable(loop, 0));
    jp_timer_start(timer, 1000, 0);
    assert_true(readable(loop, 5000));
    assert_int_equal(jp_loop_run_once(loop, 0), 1);
    assert_false(readable(loop, 0));
    jp_timer_start_at(timer, 0, 0); /* long ago */
    assert_true(readable(loop, 5000));
    assert_int_equal(jp_loop_run_once(loop, 0), 1);
    jp_timer_start(timer, 1000, 1000);
    for (int i = 0; i < 3; i++) {
        assert_true(readable(loop, 5000));
        while (jp_loop_run_once(loop, 0) == 0)
            assert_true(readable(loop, 5000)); /* an early alarm */
    }
    assert_int_equal(jp_timer_free(timer), 0);
    free_loop(loop);
}

static char trace[16];

static void before_hook(jp_loop *loop)
{
    (void)loop;
    strcat(trace, "b");
}

static void after_hook(jp_loop *loop)
{
    (void)loop;
    strcat(trace, "a");
}

static void trace_call(void *unused)
{
    (void)unused;
    strcat(trace, "c");
}

static void hooks(void **state)
{
    jp_loop *loop = new_loop();

    (void)state;
    assert_int_equal(jp_loop_set_hooks(loop, before_hook, after_hook), 0);
    jp_defer(loop, trace_call, NULL, NULL);
    assert_int_equal(jp_loop_run_once(loop, 0), 1);
    assert_string_equal(trace, "bac");
    assert_int_equal(jp_loop_set_hooks(loop, NULL, NULL), 0);
    assert_int_equal(jp_loop_run_once(loop, 0), 0);
    assert_string_equal(trace, "bac");
    free_loop(loop);
}

struct objects {
    jp_loop *loop;
    jp_timer *timer;
    jp_watch *watch;
    jp_resolve *resolve;
};

/* Every operation, by a thread that does not own the loop. */
static void *trespass(void *argument)
{
    struct objects *o = argument;
    jp_timer *timer;
    jp_watch *watch;
    jp_resolve *resolve;

    assert_false(jp_loop_is_mine(o->loop));
    assert_int_equal(jp_loop_run(o->loop), JP_WRONG_THREAD);
    assert_string_equal(jp_error_detail(), "jp_loop_run: the loop belongs to another thread");
    assert_int_equal(jp_loop_run_once(o->loop, 0), JP_WRONG_THREAD);
    assert_int_equal(jp_loop_free(o->loop), JP_WRONG_THREAD);
    assert_int_equal(jp_loop_refresh(o->loop), JP_WRONG_THREAD);
    assert_int_equal(jp_loop_set_hooks(o->loop, NULL, NULL), JP_WRONG_THREAD);
    assert_int_equal(jp_timer_create(&timer, o->loop, ignore, 0), JP_WRONG_THREAD);
    assert_int_equal(jp_timer_start(o->timer, 1, 1), JP_WRONG_THREAD);
    assert_int_equal(jp_timer_start_at(o->timer, 1, 1), JP_WRONG_THREAD);
    assert_int_equal(jp_timer_stop(o->timer), JP_WRONG_THREAD);
    assert_int_equal(jp_timer_is_running(o->timer), JP_WRONG_THREAD);
    assert_int_equal(jp_timer_free(o->timer), JP_WRONG_THREAD);
    assert_int_equal(jp_watch_create(&watch, o->loop, 0, 0, ignore_watch, 0), JP_WRONG_THREAD);
    assert_int_equal(jp_watch_set(o->watch, 0), JP_WRONG_THREAD);
    assert_int_equal(jp_watch_free(o->watch), JP_WRONG_THREAD);
    assert_int_equal(jp_resolve_start(&resolve, o->loop, "::1", 1, JP_NO_FAMILY, ignore_resolve, 0),
                     JP_WRONG_THREAD);
    assert_int_equal(jp_resolve_cancel(o->resolve), JP_WRONG_THREAD);
    return NULL;
}

static void wrong_thread_is_reported(void **state)
{
    struct objects o = {.loop = new_loop()};
    pthread_t thread;

    (void)state;
    assert_true(jp_loop_is_mine(o.loop));
    assert_int_equal(jp_timer_create(&o.timer, o.loop, ignore, 0), 0);
    assert_int_equal(jp_watch_create(&o.watch, o.loop, 0, 0, ignore_watch, 0), 0);
    assert_int_equal(
        jp_resolve_start(&o.resolve, o.loop, "198.18.0.1", 1, JP_NO_FAMILY, ignore_resolve, 0), 0);
    pthread_create(&thread, NULL, trespass, &o);
    pthread_join(thread, NULL);
    assert_int_equal(jp_timer_is_running(o.timer), 0);
    assert_int_equal(jp_timer_free(o.timer), 0);
    assert_int_equal(jp_watch_free(o.watch), 0);
    assert_int_equal(jp_resolve_cancel(o.resolve), 0);
    free_loop(o.loop);
}

static void *adopt_and_run(void *loop)
{
    assert_int_equal(jp_loop_adopt(loop), 0);
    assert_int_equal(jp_loop_run(loop), 0);
    return NULL;
}

static void adoption(void **state)
{
    jp_loop *loop = new_loop();
    pthread_t thread;

    (void)state;
    pthread_create(&thread, NULL, adopt_and_run, loop);
    jp_loop_stop(loop);
    pthread_join(thread, NULL);
    assert_int_equal(jp_loop_free(loop), JP_WRONG_THREAD); /* its owner is gone */
    assert_int_equal(jp_loop_adopt(loop), 0);
    free_loop(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extension_is_zeroed_and_aligned),
        cmocka_unit_test(run_once_waits_no_longer_than_told),
        cmocka_unit_test(stops),
        cmocka_unit_test(teardown_order),
        cmocka_unit_test(not_from_within),
        cmocka_unit_test(in_a_foreign_loop),
        cmocka_unit_test(hooks),
        cmocka_unit_test(wrong_thread_is_reported),
        cmocka_unit_test(adoption),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
