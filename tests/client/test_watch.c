/* Descriptors on the loop, and callbacks that free and pause what is ready in the same turn. */
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

enum { PAIRS = 8 };

struct pairs {
    jp_loop *loop;
    int near[PAIRS], far[PAIRS];
    jp_watch *watches[PAIRS];
    int calls;
    unsigned events; /* of the last call */
};

static struct pairs p;

static void open_pairs(jp_watch_ready *ready)
{
    p = (struct pairs){.loop = new_loop()};
    for (int i = 0; i < PAIRS; i++) {
        int s[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
        p.near[i] = s[0];
        p.far[i] = s[1];
        assert_int_equal(jp_watch_create(&p.watches[i], p.loop, s[0], JP_READABLE, ready, 0), 0);
    }
}

static void poke(int i)
{
    assert_int_equal(write(p.far[i], "x", 1), 1);
}

static void close_pairs(void)
{
    for (int i = 0; i < PAIRS; i++) {
        assert_int_equal(jp_watch_free(p.watches[i]), 0);
        close(p.near[i]);
        close(p.far[i]);
    }
    free_loop(p.loop);
}

static void drain(jp_watch *watch, unsigned events)
{
    char c;

    p.calls++;
    p.events = events;
    if (events & JP_READABLE)
        assert_true(read(jp_watch_fd(watch), &c, 1) >= 0);
}

static void readable_and_writable(void **state)
{
    (void)state;
    open_pairs(drain);
    assert_int_equal(jp_loop_run_once(p.loop, 0), 0);
    poke(3);
    assert_int_equal(jp_loop_run_once(p.loop, -1), 1);
    assert_int_equal(p.events, JP_READABLE);
    jp_watch_set(p.watches[3], JP_WRITABLE);
    assert_int_equal(jp_loop_run_once(p.loop, -1), 1);
    assert_int_equal(p.events, JP_WRITABLE);
    poke(3);
    jp_watch_set(p.watches[3], JP_READABLE | JP_WRITABLE);
    assert_int_equal(jp_loop_run_once(p.loop, -1), 1);
    assert_int_equal(p.events, JP_READABLE | JP_WRITABLE);
    jp_watch_set(p.watches[3], 0);
    jp_watch_set(p.watches[3], 0);
    poke(3);
    assert_int_equal(jp_loop_run_once(p.loop, 0), 0);
    jp_watch_set(p.watches[3], JP_READABLE);
    shutdown(p.far[3], SHUT_RDWR);
    assert_int_equal(jp_loop_run_once(p.loop, -1), 1);
    assert_int_equal(p.events, JP_READABLE | JP_HANGUP);
    close_pairs();
}

static void free_all(jp_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
    p.calls++;
    for (int i = 0; i < PAIRS; i++) {
        assert_int_equal(jp_watch_free(p.watches[i]), 0);
        p.watches[i] = NULL;
    }
}

static void all_freed_while_ready(void **state)
{
    (void)state;
    open_pairs(free_all);
    for (int i = 0; i < PAIRS; i++)
        poke(i);
    assert_int_equal(jp_loop_run_once(p.loop, -1), 1);
    assert_int_equal(p.calls, 1);
    close_pairs();
}

/* Against the rules, but not to be paid for with a crash. */
static void close_then_free_all(jp_watch *watch, unsigned events)
{
    for (int i = 0; i < PAIRS; i++)
        close(p.near[i]);
    free_all(watch, events);
}

static void all_closed_and_freed_while_ready(void **state)
{
    (void)state;
    open_pairs(close_then_free_all);
    for (int i = 0; i < PAIRS; i++)
        poke(i);
    assert_int_equal(jp_loop_run_once(p.loop, -1), 1);
    for (int i = 0; i < PAIRS; i++)
        p.near[i] = -1;
    close_pairs();
}

static void pause_all(jp_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
    p.calls++;
    for (int i = 0; i < PAIRS; i++)
        jp_watch_set(p.watches[i], 0);
}

static void all_paused_while_ready(void **state)
{
    (void)state;
    open_pairs(pause_all);
    for (int i = 0; i < PAIRS; i++) {
        poke(i);
        shutdown(p.far[i], SHUT_RDWR); /* a hangup, which needs no asking for */
    }
    assert_int_equal(jp_loop_run_once(p.loop, -1), 1);
    for (int i = 0; i < PAIRS; i++)
        jp_watch_set(p.watches[i], JP_READABLE);
    assert_int_equal(jp_loop_run_once(p.loop, -1), 1);
    close_pairs();
}

/* The next descriptor gets the number of the one just closed: news of the old one must not reach
 * its successor. */
static void replace_all(jp_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
    if (p.calls++)
        return;
    for (int i = 0; i < PAIRS; i++) {
        int s[2];

        jp_watch_free(p.watches[i]);
        close(p.near[i]);
        close(p.far[i]);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
        p.near[i] = s[0];
        p.far[i] = s[1];
        jp_watch_create(&p.watches[i], p.loop, s[0], JP_READABLE, replace_all, 0);
    }
}

static void descriptors_used_again(void **state)
{
    (void)state;
    open_pairs(replace_all);
    for (int i = 0; i < PAIRS; i++)
        poke(i);
    assert_int_equal(jp_loop_run_once(p.loop, -1), 1);
    assert_int_equal(jp_loop_run_once(p.loop, 0), 0);
    assert_int_equal(p.calls, 1);
    close_pairs();
}

static void bad_descriptors(void **state)
{
    jp_loop *loop = new_loop();
    jp_watch *watch;

    (void)state;
    assert_int_equal(jp_watch_create(&watch, loop, -1, JP_READABLE, drain, 0), JP_SYSTEM);
    assert_string_equal(jp_error_detail(), "jp_watch_set: Bad file descriptor");
    assert_null(watch);
    assert_int_equal(jp_watch_create(&watch, loop, 0, 99, drain, 0), JP_INVALID);
    assert_int_equal(jp_watch_create(&watch, loop, 0, 0, NULL, 0), JP_INVALID);
    free_loop(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readable_and_writable),
        cmocka_unit_test(all_freed_while_ready),
        cmocka_unit_test(all_closed_and_freed_while_ready),
        cmocka_unit_test(all_paused_while_ready),
        cmocka_unit_test(descriptors_used_again),
        cmocka_unit_test(bad_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
