/* Timers by the real clock: never early, in order, whatever callbacks do to them. */
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "loop.h"
#include "rng.h"

/* What a timer of these tests knows. */
struct note {
    uint64_t due, first;
    int calls, limit;
};

static struct note *note(jp_timer *timer)
{
    return jp_timer_extension(timer);
}

static jp_timer *new_timer(jp_loop *loop, jp_timer_expired *expired)
{
    jp_timer *timer;

    assert_int_equal(jp_timer_create(&timer, loop, expired, sizeof(struct note)), 0);
    return timer;
}

static void count(jp_timer *timer)
{
    note(timer)->calls++;
}

static void once(void **state)
{
    jp_loop *loop = new_loop();
    jp_timer *timer = new_timer(loop, count);

    (void)state;
    assert_int_equal(jp_timer_is_running(timer), 0);
    jp_timer_start(timer, 2000, 0);
    assert_int_equal(jp_timer_is_running(timer), 1);
    jp_timer_stop(timer);
    assert_int_equal(jp_loop_run_once(loop, 4000), 0);
    jp_timer_start(timer, 1000, 0);
    assert_int_equal(jp_loop_run_once(loop, -1), 1);
    assert_int_equal(jp_timer_is_running(timer), 0);
    assert_int_equal(jp_loop_run_once(loop, 2000), 0);
    assert_int_equal(note(timer)->calls, 1);
    jp_timer_start(timer, UINT64_MAX, UINT64_MAX); /* never */
    assert_int_equal(jp_loop_run_once(loop, 1000), 0);
    assert_int_equal(jp_timer_free(timer), 0);
    assert_int_equal(jp_timer_free(NULL), 0);
    free_loop(loop);
}

static void rearmed_forgets(void **state)
{
    jp_loop *loop = new_loop();
    jp_timer *timer = new_timer(loop, count);
    uint64_t begin;

    (void)state;
    jp_timer_start(timer, 500, 500);
    jp_timer_start(timer, 5000, 0);
    begin = jp_loop_now(loop);
    assert_int_equal(jp_loop_run_once(loop, -1), 1);
    assert_true(jp_loop_now(loop) >= begin + 5000);
    assert_int_equal(jp_loop_run_once(loop, 2000), 0);
    jp_timer_free(timer);
    free_loop(loop);
}

static uint64_t last_due, last_count;

static void check_order(jp_timer *timer)
{
    assert_true(jp_loop_now(jp_timer_loop(timer)) >= note(timer)->due);
    assert_true(note(timer)->due >= last_due);
    last_due = note(timer)->due;
    last_count++;
}

static void many_in_order(void **state)
{
    enum { N = 500 };
    jp_loop *loop = new_loop();
    jp_timer *timers[N];
    struct rng rng = rng_new(2);
    uint64_t now, stopped = 0;

    (void)state;
    jp_loop_refresh(loop);
    now = jp_loop_now(loop);
    for (int i = 0; i < N; i++) {
        timers[i] = new_timer(loop, check_order);
        for (int again = 0; again < 2; again++) {
            note(timers[i])->due = now + 20000 + rng_below(&rng, 10000);
            jp_timer_start_at(timers[i], note(timers[i])->due, 0);
        }
        if (rng_below(&rng, 4) == 0) {
            jp_timer_stop(timers[i]);
            stopped++;
        }
    }
    while (last_count < N - stopped)
        assert_true(jp_loop_run_once(loop, -1) > 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(jp_timer_is_running(timers[i]), 0);
        jp_timer_free(timers[i]);
    }
    free_loop(loop);
}

/* Periods end at multiples of their length after the first, however late they are noticed. */
static void check_period(jp_timer *timer)
{
    struct note *n = note(timer);

    assert_true(jp_loop_now(jp_timer_loop(timer)) >= n->due);
    assert_int_equal((jp_timer_loop(timer)->timers.root->at - n->first) % 1000, 0); /* no drift */
    n->calls++;
    if (n->calls == 2)
        usleep(3500); /* misses some, which are not made up for */
    while (n->due <= jp_loop_now(jp_timer_loop(timer)))
        n->due += 1000;
    if (n->calls == n->limit)
        jp_timer_stop(timer);
}

static void periodic(void **state)
{
    jp_loop *loop = new_loop();
    jp_timer *timer = new_timer(loop, check_period);
    uint64_t begin;

    (void)state;
    jp_loop_refresh(loop);
    begin = jp_loop_now(loop);
    note(timer)->due = note(timer)->first = begin + 2000;
    note(timer)->limit = 6;
    jp_timer_start_at(timer, begin + 2000, 1000);
    while (jp_timer_is_running(timer))
        assert_int_equal(jp_loop_run_once(loop, -1), 1);
    assert_int_equal(note(timer)->calls, 6);
    /* six calls and at least two periods missed */
    assert_true(jp_loop_now(loop) >= begin + 2000 + 7 * 1000);
    jp_timer_free(timer);
    free_loop(loop);
}

static void free_itself(jp_timer *timer)
{
    assert_int_equal(jp_timer_free(timer), 0);
}

static void restart_itself(jp_timer *timer)
{
    if (++note(timer)->calls < note(timer)->limit)
        jp_timer_start(timer, 1000, 0);
}

static void from_its_own_callback(void **state)
{
    jp_loop *loop = new_loop();
    jp_timer *timer = new_timer(loop, restart_itself);

    (void)state;
    jp_timer_start(new_timer(loop, free_itself), 100, 100); /* freed while periodic */
    jp_timer_start(new_timer(loop, free_itself), 100, 0);
    note(timer)->limit = 3;
    jp_timer_start(timer, 1000, 0);
    while (jp_timer_is_running(timer))
        jp_loop_run_once(loop, -1);
    assert_int_equal(note(timer)->calls, 3);
    jp_timer_free(timer);
    free_loop(loop);
}

static jp_timer *victims[2];

static void kill_the_others(jp_timer *timer)
{
    for (int i = 0; i < 2; i++)
        if (victims[i] != timer)
            jp_timer_free(victims[i]);
}

/* Both are due in one turn; whichever comes first frees the other. */
static void freed_by_another(void **state)
{
    jp_loop *loop = new_loop();

    (void)state;
    for (int i = 0; i < 2; i++) {
        victims[i] = new_timer(loop, kill_the_others);
        jp_timer_start_at(victims[i], 1, 0);
    }
    assert_int_equal(jp_loop_run_once(loop, -1), 1);
    assert_int_equal(jp_timer_free(victims[0]), 0);
    free_loop(loop);
}

static void again_now(jp_timer *timer)
{
    note(timer)->calls++;
    jp_timer_start_at(timer, 0, 0);
}

/* A timer that is always due lets others, and descriptors, have their turn. */
static void no_starvation(void **state)
{
    jp_loop *loop = new_loop();
    jp_timer *greedy = new_timer(loop, again_now), *modest = new_timer(loop, count);

    (void)state;
    jp_timer_start(greedy, 0, 0);
    jp_timer_start(modest, 0, 0);
    assert_int_equal(jp_loop_run_once(loop, -1), 2);
    assert_int_equal(note(modest)->calls, 1);
    jp_timer_start(modest, 1000, 0);
    while (note(modest)->calls < 2)
        assert_true(jp_loop_run_once(loop, -1) <= 2);
    jp_timer_free(greedy);
    jp_timer_free(modest);
    free_loop(loop);
}

static void creation_is_checked(void **state)
{
    jp_loop *loop = new_loop();
    jp_timer *timer;

    (void)state;
    assert_int_equal(jp_timer_create(NULL, loop, count, 0), JP_INVALID);
    assert_int_equal(jp_timer_create(&timer, NULL, count, 0), JP_INVALID);
    assert_int_equal(jp_timer_create(&timer, loop, NULL, 0), JP_INVALID);
    assert_int_equal(jp_timer_create(&timer, loop, count, SIZE_MAX - 8), JP_NO_MEMORY);
    free_loop(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once),
        cmocka_unit_test(rearmed_forgets),
        cmocka_unit_test(many_in_order),
        cmocka_unit_test(periodic),
        cmocka_unit_test(from_its_own_callback),
        cmocka_unit_test(freed_by_another),
        cmocka_unit_test(no_starvation),
        cmocka_unit_test(creation_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
