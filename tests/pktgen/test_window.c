/* The window against a list of what is under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rng.h"
#include "window.h"

static void what_returns_makes_room(void **state)
{
    struct window w = {.tick = 100};

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        window_sent(&w, 100);
    assert_int_equal(w.under_way, 10);
    window_advance(&w, 103);
    for (unsigned i = 0; i < 10; i++)
        window_returned(&w, 100);
    assert_int_equal(w.under_way, 0);
    window_returned(&w, 100); /* more than were sent */
    assert_int_equal(w.under_way, 0);
}

static void what_does_not_return_is_given_up(void **state)
{
    struct window w = {.tick = 7};

    (void)state;
    window_sent(&w, 7);
    window_sent(&w, 8);
    window_advance(&w, 7 + WINDOW_BUCKETS - 1);
    assert_int_equal(w.under_way, 2);
    window_advance(&w, 7 + WINDOW_BUCKETS);
    assert_int_equal(w.under_way, 1);
    window_sent(&w, 7 + WINDOW_BUCKETS);
    window_returned(&w, 7); /* too late to count, or to be taken for another */
    assert_int_equal(w.under_way, 2);
    window_advance(&w, 1000000);
    assert_int_equal(w.under_way, 0);
}

static void it_always_knows_what_is_under_way(void **state)
{
    enum { MAX = 100000 };
    static uint64_t sent[MAX];
    struct rng r = rng_new(5);
    struct window w = {.tick = 1};
    unsigned n = 0;

    (void)state;
    for (unsigned i = 0; i < 50000; i++) {
        unsigned kept = 0, which;

        if (rng_below(&r, 50) == 0)
            window_advance(&w, w.tick + rng_below(&r, 2 * WINDOW_BUCKETS));
        for (unsigned j = 0; j < n; j++) /* the list forgets as the window does */
            if (w.tick - sent[j] < WINDOW_BUCKETS)
                sent[kept++] = sent[j];
        n = kept;
        if (n > 0 && rng_below(&r, 2) == 0) {
            which = (unsigned)rng_below(&r, n);
            window_returned(&w, sent[which]);
            sent[which] = sent[--n];
        } else {
            sent[n++] = w.tick;
            window_sent(&w, w.tick);
        }
        assert_int_equal(w.under_way, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_returns_makes_room),
        cmocka_unit_test(what_does_not_return_is_given_up),
        cmocka_unit_test(it_always_knows_what_is_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
