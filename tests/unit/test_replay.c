/* The replay window, by hand and against a model that remembers everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replay.h"
#include "rng.h"

/* short, for the tables below */
#define FRESH REPLAY_FRESH
#define SEEN  REPLAY_SEEN
#define OLD   REPLAY_OLD
#define W     REPLAY_WINDOW

struct step {
    uint64_t pn;
    enum replay_verdict verdict;
};

/* Commit each step's number: check and commit must both say the verdict. */
static void run(const char *name, const struct step *steps, size_t n)
{
    struct replay r = {0};

    for (size_t i = 0; i < n; i++) {
        enum replay_verdict checked = replay_check(&r, steps[i].pn);
        enum replay_verdict committed = replay_commit(&r, steps[i].pn);

        if (checked != steps[i].verdict || committed != steps[i].verdict)
            fail_msg("%s, step %zu: number %llu is %d at check, %d at commit, not %d", name, i,
                     (unsigned long long)steps[i].pn, checked, committed, steps[i].verdict);
    }
}
#define RUN(name, ...)                                                                             \
    run(name, (const struct step[]){__VA_ARGS__},                                                  \
        sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static void first_packets(void **state)
{
    (void)state;
    RUN("in order", {0, FRESH}, {1, FRESH}, {2, FRESH}, {1, SEEN}, {2, SEEN}, {0, SEEN},
        {3, FRESH});
    RUN("zero late", {1, FRESH}, {0, FRESH}, {0, SEEN}, {1, SEEN});
    RUN("zero twice", {0, FRESH}, {0, SEEN}, {0, SEEN}, {1, FRESH});
    RUN("starts high", {1000000, FRESH}, {1000000, SEEN}, {999999, FRESH}, {1000000 - W, OLD});
    RUN("descending", {9, FRESH}, {8, FRESH}, {7, FRESH}, {6, FRESH}, {9, SEEN}, {6, SEEN},
        {5, FRESH});
    RUN("starts at a word", {64, FRESH}, {63, FRESH}, {65, FRESH}, {64, SEEN}, {63, SEEN},
        {0, FRESH});
}

static void window_edges(void **state)
{
    (void)state;
    RUN("oldest in the window", {W - 1, FRESH}, {0, FRESH}, {0, SEEN}, {W, FRESH}, {0, OLD},
        {1, FRESH});
    RUN("just before it", {W, FRESH}, {0, OLD}, {1, FRESH}, {1, SEEN});
    RUN("oldest not seen", {W + 5, FRESH}, {6, FRESH}, {5, OLD}, {6, SEEN}, {7, FRESH});
    RUN("zero stays old", {2 * W, FRESH}, {0, OLD}, {1, OLD}, {W, OLD}, {W + 1, FRESH});
}

static void slides(void **state)
{
    (void)state;
    RUN("by one word", {0, FRESH}, {64, FRESH}, {0, SEEN}, {64, SEEN}, {1, FRESH}, {63, FRESH});
    RUN("within a word", {0, FRESH}, {63, FRESH}, {62, FRESH}, {63, SEEN}, {1, FRESH}, {0, SEEN});
    RUN("by a window", {0, FRESH}, {W, FRESH}, {0, OLD}, {1, FRESH}, {W - 1, FRESH}, {W, SEEN});
    RUN("by a window less one", {0, FRESH}, {W - 1, FRESH}, {0, SEEN}, {1, FRESH}, {W - 1, SEEN});
    RUN("by the ring", {7, FRESH}, {7 + REPLAY_WORDS * 64, FRESH},
        {7 + REPLAY_WORDS * 64 - 1, FRESH}, {7 + 64, OLD}, {7 + REPLAY_WORDS * 64, SEEN},
        {8 + 64, FRESH});
    RUN("by the ring and one", {7, FRESH}, {8 + REPLAY_WORDS * 64, FRESH}, {8 + 64, OLD},
        {9 + 64, FRESH});
    RUN("by two windows", {5, FRESH}, {5 + 2 * W, FRESH}, {5 + W, OLD}, {6 + W, FRESH},
        {5 + 2 * W, SEEN});
    RUN("by far", {5, FRESH}, {UINT64_C(1) << 40, FRESH}, {5, OLD},
        {(UINT64_C(1) << 40) - 1, FRESH});
    RUN("twice by far", {1, FRESH}, {1 << 30, FRESH}, {UINT64_C(1) << 50, FRESH},
        {(UINT64_C(1) << 50) - W, OLD}, {(UINT64_C(1) << 50) - W + 1, FRESH});
}

/* Old bits of a reused word must not look seen, nor new ones be lost. */
static void reused_words(void **state)
{
    const uint64_t turn = REPLAY_WORDS * 64;
    struct replay r = {0};

    (void)state;
    for (uint64_t pn = 0; pn < turn; pn++)
        assert_int_equal(replay_commit(&r, pn), REPLAY_FRESH);
    for (uint64_t pn = turn; pn < 3 * turn; pn += 3) /* one in three */
        assert_int_equal(replay_commit(&r, pn), REPLAY_FRESH);
    uint64_t highest = r.end - 1;
    for (uint64_t pn = highest - W + 1; pn <= highest; pn++)
        assert_int_equal(replay_check(&r, pn), (pn - turn) % 3 == 0 ? REPLAY_SEEN : REPLAY_FRESH);
}

static void word_boundaries(void **state)
{
    (void)state;
    for (uint64_t base = 0; base < 3 * W; base += 64) {
        for (int64_t d = -2; d <= 2; d++) {
            struct replay r = {0};
            uint64_t pn = base + 64 + (uint64_t)d;

            assert_int_equal(replay_commit(&r, pn), REPLAY_FRESH);
            assert_int_equal(r.end, pn + 1);
            assert_int_equal(replay_check(&r, pn), REPLAY_SEEN);
            assert_int_equal(replay_check(&r, pn - 1), REPLAY_FRESH);
            assert_int_equal(replay_check(&r, pn + 1), REPLAY_FRESH);
            assert_int_equal(replay_commit(&r, pn + 64), REPLAY_FRESH);
            assert_int_equal(replay_check(&r, pn), REPLAY_SEEN);
            assert_int_equal(replay_check(&r, pn + 63), REPLAY_FRESH);
        }
    }
}

static void end_of_numbers(void **state)
{
    const uint64_t top = UINT64_MAX - 1; /* the highest usable one */

    (void)state;
    RUN("first is last", {top, FRESH}, {top, SEEN}, {top - 1, FRESH}, {UINT64_MAX, OLD});
    RUN("never wraps", {UINT64_MAX, OLD}, {0, FRESH}, {UINT64_MAX, OLD}, {0, SEEN});
    RUN("edge", {top - 1, FRESH}, {UINT64_MAX, OLD}, {top, FRESH}, {top - W, OLD},
        {top - W + 1, FRESH});
    RUN("zero is old there", {top, FRESH}, {0, OLD}, {1, OLD}, {top / 2, OLD}, {top - 64, FRESH});
    RUN("from zero in a leap", {0, FRESH}, {top, FRESH}, {0, OLD}, {top - 1, FRESH}, {top, SEEN});
    RUN("over 2^63", {(UINT64_C(1) << 63) - 1, FRESH}, {UINT64_C(1) << 63, FRESH},
        {(UINT64_C(1) << 63) - 1, SEEN}, {UINT64_C(1) << 63, SEEN});
    RUN("over 2^32", {UINT32_MAX, FRESH}, {UINT64_C(1) << 32, FRESH}, {UINT32_MAX, SEEN},
        {UINT64_C(1) << 32, SEEN}, {UINT32_MAX - 1, FRESH});
}

static void check_changes_nothing(void **state)
{
    struct replay r = {0}, before;

    (void)state;
    replay_commit(&r, 5000);
    before = r;
    for (uint64_t pn = 0; pn < 20000; pn++)
        replay_check(&r, pn);
    assert_memory_equal(&r, &before, sizeof(r));
    replay_commit(&r, 5000); /* seen */
    replay_commit(&r, 3);    /* old */
    assert_memory_equal(&r, &before, sizeof(r));
}

/* A walk over SPAN numbers from base: mostly forward, often back, sometimes a leap. */
enum { SPAN = 1 << 17 };

static void walk(struct rng *rng, uint64_t base)
{
    static bool seen[SPAN];
    struct replay r = {0};
    int64_t highest = -1;

    memset(seen, 0, sizeof(seen));
    for (;;) {
        int64_t at = highest + 1;

        switch (rng_below(rng, 8)) {
        case 0:
        case 1:
        case 2:
            at = highest - (int64_t)rng_below(rng, W + 200);
            break;
        case 3:
            at += (int64_t)rng_below(rng, 100);
            break;
        case 4:
            if (rng_below(rng, 64) == 0)
                at += (int64_t)rng_below(rng, 2 * W);
            break;
        }
        if (at < 0)
            continue;
        if (at >= SPAN)
            return;
        enum replay_verdict expected = highest - at >= W ? REPLAY_OLD
                                       : seen[at]        ? REPLAY_SEEN
                                                         : REPLAY_FRESH;
        assert_int_equal(replay_check(&r, base + (uint64_t)at), expected);
        if (rng_below(rng, 8) == 0) /* its tag was wrong */
            continue;
        assert_int_equal(replay_commit(&r, base + (uint64_t)at), expected);
        seen[at] = true;
        if (at > highest)
            highest = at;
    }
}

static void random_walks(void **state)
{
    struct rng rng = rng_new(2);

    (void)state;
    for (int i = 0; i < 20; i++) {
        walk(&rng, 0);
        walk(&rng, (UINT64_C(1) << 32) - 1000 - rng_below(&rng, SPAN));
        walk(&rng, rng_next(&rng) >> 1);
        walk(&rng, UINT64_MAX - SPAN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_packets),
        cmocka_unit_test(window_edges),
        cmocka_unit_test(slides),
        cmocka_unit_test(reused_words),
        cmocka_unit_test(word_boundaries),
        cmocka_unit_test(end_of_numbers),
        cmocka_unit_test(check_changes_nothing),
        cmocka_unit_test(random_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
