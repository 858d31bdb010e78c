/* The timing wheel, by hand and against a list of deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rng.h"
#include "wheel.h"

/* The wheel at tick 1000. */
static struct wheel *wheel_at_1000(void)
{
    static struct wheel w;

    wheel_init(&w, 1000);
    return &w;
}

static void fires_at_its_tick(void **state)
{
    static const uint64_t deadlines[] = {1001, 1002, 1023, 1024, 1025,
                                         2023, 2024, 2025, 5000, 100000};

    (void)state;
    for (size_t i = 0; i < sizeof(deadlines) / sizeof(*deadlines); i++) {
        struct wheel *w = wheel_at_1000();
        struct wheel_entry e = {0}, *out[4];

        wheel_arm(w, &e, deadlines[i]);
        for (uint64_t now = 1000; now < deadlines[i]; now++)
            assert_int_equal(wheel_expire(w, now, out, 4), 0);
        assert_true(wheel_armed(&e));
        assert_int_equal(wheel_expire(w, deadlines[i], out, 4), 1);
        assert_ptr_equal(out[0], &e);
        assert_false(wheel_armed(&e));
        assert_int_equal(wheel_expire(w, deadlines[i] + 5000, out, 4), 0);
    }
}

static void past_fires_at_the_next_tick(void **state)
{
    struct wheel *w = wheel_at_1000();
    struct wheel_entry past = {0}, present = {0}, *out[4];

    (void)state;
    wheel_arm(w, &past, 3);
    wheel_arm(w, &present, 1000);
    assert_int_equal(wheel_expire(w, 1000, out, 4), 0);
    assert_int_equal(wheel_expire(w, 1001, out, 4), 2);
}

static void rearm_and_cancel(void **state)
{
    struct wheel *w = wheel_at_1000();
    struct wheel_entry e = {0}, other = {0}, *out[4];

    (void)state;
    wheel_cancel(&e); /* not armed: nothing */
    wheel_arm(w, &e, 1010);
    wheel_arm(w, &other, 1010);
    wheel_arm(w, &e, 1020);
    assert_int_equal(wheel_expire(w, 1019, out, 4), 1);
    assert_ptr_equal(out[0], &other);
    assert_int_equal(wheel_expire(w, 1020, out, 4), 1);
    wheel_arm(w, &e, 1030);
    wheel_cancel(&e);
    assert_false(wheel_armed(&e));
    assert_int_equal(wheel_expire(w, 9000, out, 4), 0);
}

static void leaps_and_turning_back(void **state)
{
    struct wheel *w = wheel_at_1000();
    struct wheel_entry a = {0}, b = {0}, c = {0}, *out[4];

    (void)state;
    wheel_arm(w, &a, 1500);
    wheel_arm(w, &b, 900000);
    wheel_arm(w, &c, UINT64_C(1) << 40);
    assert_int_equal(wheel_expire(w, 10, out, 4), 0); /* time never goes back */
    assert_int_equal(wheel_expire(w, 1000000, out, 4), 2);
    assert_int_equal(wheel_expire(w, UINT64_C(1) << 39, out, 4), 0);
    assert_int_equal(wheel_expire(w, UINT64_C(1) << 40, out, 4), 1);
    assert_ptr_equal(out[0], &c);
}

static void a_full_answer_is_resumed(void **state)
{
    enum { N = 1000, MAX = 7 };
    struct wheel *w = wheel_at_1000();
    static struct wheel_entry entries[N];
    struct wheel_entry *out[MAX];
    unsigned taken = 0, n;

    (void)state;
    memset(entries, 0, sizeof(entries));
    for (unsigned i = 0; i < N; i++)
        wheel_arm(w, &entries[i], 1005 + WHEEL_SLOTS * (i % 3)); /* one slot, three turns */
    do {
        n = wheel_expire(w, 1010, out, MAX);
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(out[i]->deadline, 1005);
        taken += n;
    } while (n == MAX);
    assert_int_equal(taken, (N + 2) / 3);
    assert_int_equal(wheel_expire(w, 5000, out, 0), 0); /* no room: nothing lost */
    do
        taken += n = wheel_expire(w, 5000, out, MAX);
    while (n == MAX);
    assert_int_equal(taken, N);
}

/* What each entry should be doing. */
struct model {
    uint64_t deadline; /* when it fires; 0: not armed */
};

/* Expire up to now, max at a time, and compare with the model. */
static void expire_both(struct wheel *w, struct wheel_entry *entries, struct model *model,
                        unsigned n, uint64_t now, unsigned max)
{
    struct wheel_entry *out[16];
    unsigned got;

    do {
        got = wheel_expire(w, now, out, max);
        for (unsigned i = 0; i < got; i++) {
            struct model *m = &model[out[i] - entries];

            assert_in_range(m->deadline, 1, now);
            m->deadline = 0;
        }
    } while (got == max);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(wheel_armed(&entries[i]), model[i].deadline != 0);
        if (model[i].deadline)
            assert_true(model[i].deadline > now);
    }
}

static void random_against_a_list(void **state)
{
    enum { N = 200 };
    static struct wheel w;
    struct rng rng = rng_new(6);

    (void)state;
    for (int round = 0; round < 20; round++) {
        struct wheel_entry entries[N] = {0};
        struct model model[N] = {0};
        uint64_t now = rng_below(&rng, 2) ? 0 : rng_next(&rng) >> 2;

        wheel_init(&w, now);
        for (int i = 0; i < 4000; i++) {
            unsigned at = (unsigned)rng_below(&rng, N);

            switch (rng_below(&rng, 8)) {
            case 0:
                wheel_cancel(&entries[at]);
                model[at].deadline = 0;
                break;
            case 1:
                now += rng_below(&rng, 20) ? rng_below(&rng, 40) : rng_below(&rng, 5000);
                expire_both(&w, entries, model, N, now, 1 + (unsigned)rng_below(&rng, 16));
                break;
            default: {
                uint64_t deadline = now + rng_below(&rng, rng_below(&rng, 4) ? 300 : 5000);

                deadline -= rng_below(&rng, 20) || deadline < 100 ? 0 : 100;
                wheel_arm(&w, &entries[at], deadline);
                model[at].deadline = deadline > now ? deadline : now + 1;
            }
            }
        }
        expire_both(&w, entries, model, N, now + 10000, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_at_its_tick),        cmocka_unit_test(past_fires_at_the_next_tick),
        cmocka_unit_test(rearm_and_cancel),         cmocka_unit_test(leaps_and_turning_back),
        cmocka_unit_test(a_full_answer_is_resumed), cmocka_unit_test(random_against_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
