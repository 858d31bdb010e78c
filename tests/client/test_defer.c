/* Calls from many threads to many loops: each once, in order, in the right thread. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"
#include "loop.h"

enum { LOOPS = 3, PRODUCERS = 4, CALLS = 2000 };

/* What a loop has seen; its own thread's only. */
struct seen {
    int next[PRODUCERS];
    int total;
};

struct message {
    jp_loop *to;
    int producer, number;
};

static void receive(void *argument)
{
    struct message *m = argument;
    struct seen *seen = jp_loop_extension(m->to);

    assert_true(jp_loop_is_mine(m->to));
    assert_int_equal(m->number, seen->next[m->producer]);
    seen->next[m->producer]++;
    if (++seen->total == PRODUCERS * CALLS)
        jp_loop_stop(m->to);
    free(m);
}

static void *run(void *loop)
{
    assert_int_equal(jp_loop_adopt(loop), 0);
    assert_int_equal(jp_loop_run(loop), 0);
    return NULL;
}

struct producer {
    jp_loop **loops;
    int id;
};

static void *produce(void *argument)
{
    struct producer *p = argument;

    for (int number = 0; number < CALLS; number++)
        for (int i = 0; i < LOOPS; i++) {
            struct message *m = malloc(sizeof(*m));

            *m = (struct message){.to = p->loops[i], .producer = p->id, .number = number};
            assert_int_equal(jp_run_on(p->loops[i], receive, m, free), 0);
        }
    return NULL;
}

static void many_threads_many_loops(void **state)
{
    jp_loop *loops[LOOPS];
    pthread_t runners[LOOPS], producers[PRODUCERS];
    struct producer p[PRODUCERS];

    (void)state;
    assert_int_equal(jp_init(), 0);
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(jp_loop_create(&loops[i], sizeof(struct seen)), 0);
        pthread_create(&runners[i], NULL, run, loops[i]);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        p[i] = (struct producer){.loops = loops, .id = i};
        pthread_create(&producers[i], NULL, produce, &p[i]);
    }
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(runners[i], NULL);
        assert_int_equal(jp_loop_adopt(loops[i]), 0);
        assert_int_equal(((struct seen *)jp_loop_extension(loops[i]))->total, PRODUCERS * CALLS);
        assert_int_equal(jp_loop_free(loops[i]), 0);
    }
    assert_int_equal(jp_finish(), 0);
}

static void add(void *argument)
{
    *(int *)argument += 1;
}

static void add_hundred(void *argument)
{
    *(int *)argument += 100;
}

static void inline_when_there(void **state)
{
    jp_loop *loop = new_loop();
    int sum = 0;

    (void)state;
    assert_int_equal(jp_defer(loop, add_hundred, &sum, NULL), 0);
    assert_int_equal(jp_run_on(loop, add, &sum, NULL), 0);
    assert_int_equal(sum, 1);
    assert_int_equal(jp_loop_run_once(loop, -1), 1);
    assert_int_equal(sum, 101);
    assert_int_equal(jp_defer(NULL, add, &sum, NULL), JP_INVALID);
    assert_int_equal(jp_run_on(loop, NULL, &sum, NULL), JP_INVALID);
    free_loop(loop);
}

static void dropped_with_the_loop(void **state)
{
    jp_loop *loop = new_loop();
    int sum = 0;

    (void)state;
    assert_int_equal(jp_defer(loop, add, &sum, add_hundred), 0);
    assert_int_equal(jp_defer(loop, add, &sum, NULL), 0);
    assert_int_equal(jp_defer(loop, add, &sum, add_hundred), 0);
    free_loop(loop);
    assert_int_equal(sum, 200);
}

/* One write to the eventfd for any number of calls. */
static void wakeups_are_coalesced(void **state)
{
    jp_loop *loop = new_loop();
    uint64_t writes;
    int sum = 0;

    (void)state;
    for (int i = 0; i < 100; i++)
        jp_defer(loop, add, &sum, NULL);
    assert_int_equal(read(loop->eventfd, &writes, sizeof(writes)), sizeof(writes));
    assert_int_equal(writes, 1);
    loop->woken = false;
    jp_defer(loop, add, &sum, NULL);
    assert_int_equal(jp_loop_run_once(loop, -1), 101);
    assert_int_equal(sum, 101);
    free_loop(loop);
}

struct chain {
    jp_loop *loop;
    int calls;
};

static void link_on(void *argument)
{
    struct chain *c = argument;

    c->calls++;
    jp_defer(c->loop, link_on, c, NULL);
}

/* What a call defers waits for the next turn: the loop is not held up. */
static void no_starvation(void **state)
{
    struct chain c = {.loop = new_loop()};

    (void)state;
    jp_defer(c.loop, link_on, &c, NULL);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(jp_loop_run_once(c.loop, -1), 1);
        assert_int_equal(c.calls, i);
    }
    free_loop(c.loop);
}

static void *stop_later(void *loop)
{
    jp_loop_stop(loop);
    return NULL;
}

/* The last thing another thread does to a loop may be to stop it: it is freed right after. */
static void stopped_by_another_and_freed(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        jp_loop *loop = new_loop();
        pthread_t thread;

        pthread_create(&thread, NULL, stop_later, loop);
        assert_int_equal(jp_loop_run(loop), 0);
        free_loop(loop);
        pthread_join(thread, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_many_loops), cmocka_unit_test(inline_when_there),
        cmocka_unit_test(dropped_with_the_loop),   cmocka_unit_test(wakeups_are_coalesced),
        cmocka_unit_test(no_starvation),           cmocka_unit_test(stopped_by_another_and_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
