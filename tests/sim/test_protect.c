#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protect.h"
#include "rng.h"

enum { FEEDBACK = 100 };

static uint64_t seed;

static double share(uint64_t part, uint64_t of)
{
    return (double)part / (double)of;
}

static void say(const char *what, const struct protect_result *r)
{
    print_message(
        "%s: lost %.1e with %.1f %% overhead, recovered %.1f packets later, at most %llu\n", what,
        share(r->lost, r->sources), 100 * share(r->repairs, r->sources),
        r->recovered ? share(r->delays, r->recovered) : 0, (unsigned long long)r->delay_max);
}

static struct protect_result adapted(double loss, double burst, uint64_t sources, double residual,
                                     enum redundancy_class c)
{
    struct protect_phase phase = {1000, loss, burst};
    struct protect_path path = {&phase, 1};
    struct redundancy_goal goals[REDUNDANCY_CLASSES];
    struct protect_result result;

    memcpy(goals, redundancy_goals, sizeof(goals));
    if (residual > 0)
        goals[c].residual = (uint32_t)(residual * CHANCE_ONE);
    result = protect_adaptive(seed, &path, sources, goals, c, FEEDBACK);
    say(c == REDUNDANCY_LATENCY ? "latency" : "bulk", &result);
    return result;
}

/* From the first packet on, those before the loss was noticed too. */
static void latency_streams_stand_one_in_ten(void **state)
{
    struct protect_result r = adapted(0.10, 0, 500000, 0, REDUNDANCY_LATENCY);

    (void)state;
    assert_true(share(r.lost, r.sources) <= 1e-4);
    assert_true(share(r.repairs, r.sources) <= 0.40);
    assert_in_range(r.delay_max, 1, RLC_SPAN * 14 / 10);
    assert_true(share(r.delays, r.recovered) < 16);
}

static void clean_paths_get_none(void **state)
{
    struct protect_result r = adapted(0, 1, 50000, 0, REDUNDANCY_LATENCY);

    (void)state;
    assert_int_equal(r.repairs, 0);
    assert_int_equal(r.lost, 0);
}

/* With 1 / 0.65 times the overhead, fixed blocks of k still leave more lost. */
static void check_saving(const struct protect_result *adaptive, double loss, double burst,
                         unsigned k)
{
    struct protect_phase phase = {1000, loss, burst};
    struct protect_path path = {&phase, 1};
    unsigned r = (unsigned)(k * share(adaptive->repairs, adaptive->sources) / 0.65);
    struct protect_result fixed = protect_fixed(seed, &path, adaptive->sources, k, r);

    say("fixed", &fixed);
    assert_true(share(fixed.lost, fixed.sources) > share(adaptive->lost, adaptive->sources));
}

static void bursts_take_less_than_fixed_blocks(void **state)
{
    const double losses[] = {0.01, 0.02, 0.03};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct protect_result r = adapted(losses[i], 3, 200000, 1e-3, REDUNDANCY_LATENCY);

        assert_true(share(r.lost, r.sources) < 2e-3);
        check_saving(&r, losses[i], 3, 20);
        r = adapted(losses[i], 3, 200000, 1e-3, REDUNDANCY_BULK);
        assert_true(share(r.lost, r.sources) < 2e-3);
        check_saving(&r, losses[i], 3, 20);
        check_saving(&r, losses[i], 3, 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latency_streams_stand_one_in_ten),
        cmocka_unit_test(clean_paths_get_none),
        cmocka_unit_test(bursts_take_less_than_fixed_blocks),
    };

    seed = rng_new(1).state;
    fec_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
