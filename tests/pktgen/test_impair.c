/* Impairments: that what is asked for is what happens, as often as asked. Intervals hold all but
 * one of a million runs; the seed makes every run the same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "impair.h"
#include "rng.h"

enum { PACKETS = 400000, ACTIONS = 4, EXTRAS = 7 };
#define SIGMAS 4.9

static struct prng prng(void)
{
    return (struct prng){rng_new(3).state};
}

/* n of PACKETS, each independently with probability p. */
static void happened(uint64_t n, double p)
{
    double half = SIGMAS * sqrt(PACKETS * p * (1 - p)) + 1;

    assert_true(fabs((double)n - PACKETS * p) <= half);
}

/* How often each action was decided on. */
static void decide(const struct impair_config *config, uint64_t actions[ACTIONS])
{
    struct impair im = impair_new(config);
    struct impair_state state = {0};
    struct prng r = prng();

    memset(actions, 0, ACTIONS * sizeof(*actions));
    for (unsigned i = 0; i < PACKETS; i++) {
        unsigned decided = impair_decide(&im, &state, &r);

        for (unsigned a = 0; a < ACTIONS; a++)
            actions[a] += decided >> a & 1;
        if (decided & IMPAIR_LOSE)
            assert_int_equal(decided, IMPAIR_LOSE);
        assert_false(decided & IMPAIR_CORRUPT && decided & IMPAIR_DUPLICATE);
    }
}

static void a_perfect_path_does_nothing(void **state)
{
    struct impair im = impair_new(&(struct impair_config){0});
    struct impair_state session = {0};
    struct prng r = prng(), untouched = r;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(impair_decide(&im, &session, &r), 0);
        assert_int_equal(impair_extras(&im, &r), 0);
    }
    assert_int_equal(r.state, untouched.state);
    assert_false(im.extras || im.recalls);
}

static void certain_is_always(void **state)
{
    uint64_t actions[ACTIONS];

    (void)state;
    decide(&(struct impair_config){.loss = 1}, actions);
    assert_int_equal(actions[0], PACKETS);
    decide(&(struct impair_config){.corrupt = 1, .reorder = {.p = 1}, .duplicate = 1}, actions);
    assert_int_equal(actions[0], 0);
    assert_int_equal(actions[1], PACKETS);
    assert_int_equal(actions[2], PACKETS);
    assert_int_equal(actions[3], 0);
}

static void each_happens_as_often_as_asked(void **state)
{
    static const double p[] = {0.0001, 0.01, 0.05, 0.5, 0.99};
    uint64_t actions[ACTIONS];

    (void)state;
    for (unsigned i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
        decide(&(struct impair_config){.loss = p[i]}, actions);
        happened(actions[0], p[i]);
        decide(&(struct impair_config){.corrupt = p[i]}, actions);
        happened(actions[1], p[i]);
        decide(&(struct impair_config){.reorder = {.p = p[i]}}, actions);
        happened(actions[2], p[i]);
        decide(&(struct impair_config){.duplicate = p[i]}, actions);
        happened(actions[3], p[i]);
    }
}

static void they_are_independent(void **state)
{
    const struct impair_config config = {
        .loss = 0.1, .corrupt = 0.2, .reorder = {.p = 0.3}, .duplicate = 0.4};
    uint64_t actions[ACTIONS];

    (void)state;
    decide(&config, actions);
    happened(actions[0], 0.1);
    happened(actions[1], 0.9 * 0.2);
    happened(actions[2], 0.9 * 0.3);
    happened(actions[3], 0.9 * 0.8 * 0.4);
}

static void gilbert_elliott_loses_in_bursts(void **state)
{
    const double enter = 0.01, leave = 0.25, loss = 0.8, bad = enter / (enter + leave);
    struct impair im = impair_new(
        &(struct impair_config){.gilbert = {.enter = enter, .exit = leave, .loss = loss}});
    struct impair_state session = {0};
    struct prng r = prng();
    uint64_t lost = 0, pairs = 0, spells = 0, in_bad = 0;
    bool was_lost = false, was_bad = false;

    (void)state;
    for (unsigned i = 0; i < PACKETS; i++) {
        bool now = impair_decide(&im, &session, &r) == IMPAIR_LOSE;

        lost += now;
        pairs += now && was_lost;
        spells += session.bad && !was_bad;
        in_bad += session.bad;
        was_lost = now;
        was_bad = session.bad;
    }
    /* the standard errors of a chain this sticky are a few times those of independent packets */
    assert_true(fabs((double)in_bad / PACKETS - bad) < 0.05 * bad);
    assert_true(fabs((double)lost / PACKETS - bad * loss) < 0.05 * bad * loss);
    assert_true(fabs((double)in_bad / (double)spells - 1 / leave) < 0.05 / leave);
    assert_true(fabs((double)pairs / (double)lost - (1 - leave) * loss) < 0.05);
}

static void bursts_come_like_clockwork(void **state)
{
    struct impair im = impair_new(&(struct impair_config){.burst = {.every = 50, .length = 4}});
    struct impair_state one = {0}, other = {0};
    struct prng r = prng();

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(impair_decide(&im, &one, &r), i % 50 < 4 ? IMPAIR_LOSE : 0);
        if (i % 3 == 0) /* a session's pattern goes by its own packets */
            assert_int_equal(impair_decide(&im, &other, &r), i / 3 % 50 < 4 ? IMPAIR_LOSE : 0);
    }
}

static void extras_come_as_often_as_asked(void **state)
{
    const double p[EXTRAS] = {0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07};
    struct impair im = impair_new(&(struct impair_config){
        .replay = p[0],
        .forge = p[1],
        .garbage =
            {.random = p[2], .truncated = p[3], .wrong_spi = p[4], .hello = p[5], .headers = p[6]},
    });
    uint64_t extras[EXTRAS] = {0};
    struct prng r = prng();

    (void)state;
    assert_true(im.extras && im.recalls);
    for (unsigned i = 0; i < PACKETS; i++) {
        unsigned decided = impair_extras(&im, &r);

        for (unsigned e = 0; e < EXTRAS; e++)
            extras[e] += decided >> e & 1;
    }
    for (unsigned e = 0; e < EXTRAS; e++)
        happened(extras[e], p[e]);
}

static void what_needs_packets_sent_before_is_known(void **state)
{
    const struct impair_config recall[] = {
        {.replay = 0.1}, {.garbage = {.truncated = 0.1}}, {.garbage = {.headers = 0.1}}};
    const struct impair_config no_recall[] = {{.forge = 0.1},
                                              {.garbage = {.random = 0.1}},
                                              {.garbage = {.wrong_spi = 0.1}},
                                              {.garbage = {.hello = 0.1}}};

    (void)state;
    for (unsigned i = 0; i < sizeof(recall) / sizeof(recall[0]); i++)
        assert_true(impair_new(&recall[i]).recalls && impair_new(&recall[i]).extras);
    for (unsigned i = 0; i < sizeof(no_recall) / sizeof(no_recall[0]); i++)
        assert_true(!impair_new(&no_recall[i]).recalls && impair_new(&no_recall[i]).extras);
}

static void a_seed_decides_everything(void **state)
{
    struct impair im =
        impair_new(&(struct impair_config){.loss = 0.3,
                                           .corrupt = 0.3,
                                           .duplicate = 0.3,
                                           .gilbert = {.enter = 0.1, .exit = 0.1, .loss = 1}});
    struct impair_state a = {0}, b = {0}, c = {0};
    struct prng one = {42}, same = {42}, another = {43};
    unsigned different = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        unsigned decided = impair_decide(&im, &a, &one);

        assert_int_equal(decided, impair_decide(&im, &b, &same));
        different += decided != impair_decide(&im, &c, &another);
    }
    assert_in_range(different, 100, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perfect_path_does_nothing),
        cmocka_unit_test(certain_is_always),
        cmocka_unit_test(each_happens_as_often_as_asked),
        cmocka_unit_test(they_are_independent),
        cmocka_unit_test(gilbert_elliott_loses_in_bursts),
        cmocka_unit_test(bursts_come_like_clockwork),
        cmocka_unit_test(extras_come_as_often_as_asked),
        cmocka_unit_test(what_needs_packets_sent_before_is_known),
        cmocka_unit_test(a_seed_decides_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
