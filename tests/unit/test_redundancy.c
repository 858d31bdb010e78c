#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "binomial.h"
#include "redundancy.h"
#include "rng.h"

static struct redundancy r;

static uint32_t chance(double c)
{
    return (uint32_t)(c * CHANCE_ONE);
}

/* A path with such a loss in bursts of such a mean length; 0: independent. */
static struct redundancy_path path_of(double loss, double burst)
{
    double exit = burst == 0 ? 1 - loss : 1 / burst;

    return (struct redundancy_path){chance(loss * exit / (1 - loss)), chance(exit)};
}

static bool is_lost(struct rng *rng, struct redundancy_path path, bool before)
{
    uint32_t at = (uint32_t)rng_below(rng, CHANCE_ONE);

    return before ? at >= path.exit : at < path.enter;
}

/* Tell r of n packets on the path; how often the plans were made anew. */
static unsigned feed(struct rng *rng, struct redundancy_path path, unsigned n)
{
    unsigned changes = 0;

    while (n-- > 0)
        changes += redundancy_on_packets(&r, is_lost(rng, path, r.lost), 1);
    return changes;
}

/* One packet in so many is lost, as regular as can be. */
static void feed_evenly(unsigned gap, unsigned n)
{
    for (; n >= gap; n -= gap) {
        redundancy_on_packets(&r, true, 1);
        redundancy_on_packets(&r, false, gap - 1);
    }
}

/* ---- plans ---- */

/* Of independent losses, blocks get the repairs that the binomial distribution asks for. */
static void blocks_are_exact(void **state)
{
    const double losses[] = {0.001, 0.01, 0.05}, residuals[] = {1e-3, 1e-4, 1e-5};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 3; j++) {
            /* what a source is lost with: it, and at least r of the others */
            double p = losses[i];
            struct redundancy_goal goal = {chance(residuals[j]), RLC_RATIO_ONE, 16};
            struct redundancy_plan plan;
            unsigned repairs = 1;

            while (p * binomial_tail(16 + repairs - 1, repairs, p) > residuals[j])
                repairs++;
            plan = redundancy_choose(path_of(p, 0), &goal, REDUNDANCY_MARGIN_ONE);
            if (plan.code == REDUNDANCY_BLOCKS && plan.depth == 1)
                assert_int_equal(plan.r, repairs);
            assert_in_range(plan.ratio, 1, repairs * RLC_RATIO_ONE / 16);
        }
    }
}

static void plans_keep_to_their_goal(void **state)
{
    struct rng rng = rng_new(11);

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        struct redundancy_goal goal = {1 + (uint32_t)(rng_next(&rng) >> (33 + rng_below(&rng, 31))),
                                       (uint16_t)(16 + rng_below(&rng, RLC_RATIO_ONE - 15)),
                                       (uint16_t)(16 + rng_below(&rng, 1000))};
        struct redundancy_path path = {
            1 + (uint32_t)(rng_below(&rng, CHANCE_ONE) >> rng_below(&rng, 31)),
            1 + (uint32_t)(rng_below(&rng, CHANCE_ONE) >> rng_below(&rng, 31))};
        struct redundancy_plan p =
            redundancy_choose(path, &goal, REDUNDANCY_MARGIN_ONE + (unsigned)rng_below(&rng, 257));

        assert_in_range(p.ratio, 1, goal.overhead);
        if (p.code == REDUNDANCY_BLOCKS) {
            assert_in_range(p.k, 1, FEC_K_MAX);
            assert_in_range(p.r, 1, FEC_R_MAX);
            assert_in_range(p.depth, 1, REDUNDANCY_DEPTH_MAX);
            assert_in_range(p.k * p.depth, 1, goal.span);
        } else {
            assert_int_equal(p.code, REDUNDANCY_WINDOW);
            assert_in_range(p.window, 1, RLC_WINDOW_MAX);
            assert_in_range(p.window, 1, goal.span);
        }
    }
}

/* More loss or longer spells take no less; a looser goal takes no more. */
static void plans_are_monotonic(void **state)
{
    const double losses[] = {0.001, 0.003, 0.01, 0.03, 0.06}, bursts[] = {1.5, 2, 3, 5};
    struct redundancy_goal goal = {chance(1e-4), RLC_RATIO_ONE, 64}, loose = goal;
    unsigned ratio[5][4];

    (void)state;
    loose.residual *= 10;
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned j = 0; j < 4; j++) {
            struct redundancy_path path = path_of(losses[i], bursts[j]);

            ratio[i][j] = redundancy_choose(path, &goal, REDUNDANCY_MARGIN_ONE).ratio;
            assert_true(redundancy_choose(path, &loose, REDUNDANCY_MARGIN_ONE).ratio <=
                        ratio[i][j]);
            assert_true(i == 0 || ratio[i][j] >= ratio[i - 1][j]);
            assert_true(j == 0 || ratio[i][j] >= ratio[i][j - 1]);
        }
    }
    assert_true(ratio[4][3] > 4 * ratio[0][0]);
}

static void classes_get_what_suits_them(void **state)
{
    struct redundancy_path path = path_of(0.02, 3);
    struct redundancy_plan latency =
        redundancy_choose(path, &redundancy_goals[REDUNDANCY_LATENCY], REDUNDANCY_MARGIN_ONE);
    struct redundancy_plan bulk =
        redundancy_choose(path, &redundancy_goals[REDUNDANCY_BULK], REDUNDANCY_MARGIN_ONE);

    (void)state;
    assert_int_equal(latency.code, REDUNDANCY_WINDOW);
    assert_int_equal(bulk.code, REDUNDANCY_BLOCKS);
    assert_in_range(bulk.depth, 4, REDUNDANCY_DEPTH_MAX);
    assert_true(2 * bulk.ratio < latency.ratio);
}

/* ---- the path ---- */

static void paths_are_estimated(void **state)
{
    struct rng rng = rng_new(12);
    const double losses[] = {0.005, 0.02, 0.10}, bursts[] = {0, 2, 3, 6};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 4; j++) {
            struct redundancy_path path = path_of(losses[i], bursts[j]), is;
            double enter = 0, exit = 0;

            redundancy_init(&r, redundancy_goals);
            feed(&rng, path, 10000);
            for (unsigned k = 0; k < 60; k++) { /* it wavers: what counts is its mean */
                feed(&rng, path, 5000);
                is = redundancy_estimate(&r);
                enter += is.enter / 60.0;
                exit += is.exit / 60.0;
            }
            assert_true(fabs(enter / path.enter - 1) < 0.3);
            assert_true(fabs(exit / path.exit - 1) < 0.2);
        }
    }
}

static void clean_paths_cost_nothing(void **state)
{
    struct rng rng = rng_new(13);

    (void)state;
    redundancy_init(&r, redundancy_goals);
    assert_int_equal(feed(&rng, (struct redundancy_path){0, CHANCE_ONE}, 100000), 0);
    assert_int_equal(r.plan[REDUNDANCY_LATENCY].code, REDUNDANCY_NONE);
    for (unsigned i = 0; i < 20; i++) { /* a spell now and then changes nothing */
        assert_false(redundancy_on_packets(&r, true, 30));
        assert_int_equal(feed(&rng, (struct redundancy_path){0, CHANCE_ONE}, 10000), 0);
    }
    assert_int_equal(r.plan[REDUNDANCY_LATENCY].code, REDUNDANCY_NONE);
}

static void it_goes_on_fast_and_off_late(void **state)
{
    struct rng rng = rng_new(14);
    struct redundancy_path path = path_of(0.05, 3);
    unsigned n = 0, changes;

    (void)state;
    redundancy_init(&r, redundancy_goals);
    feed(&rng, (struct redundancy_path){0, CHANCE_ONE}, 100000);
    for (; r.plan[REDUNDANCY_LATENCY].code == REDUNDANCY_NONE; n++)
        feed(&rng, path, 1);
    assert_in_range(n, 1, 1500);
    feed(&rng, path, 20000);
    changes = feed(&rng, path, 100000);
    assert_in_range(changes, 0, 100); /* estimates waver, plans hardly */

    redundancy_on_packets(&r, false, 1);
    for (n = 0; r.plan[REDUNDANCY_LATENCY].code != REDUNDANCY_NONE; n++)
        redundancy_on_packets(&r, false, 1);
    assert_in_range(n, 1000, 9000);
}

/* What was long ago does not hide what is. */
static void changes_are_noticed(void **state)
{
    const struct redundancy_plan *plan = &r.plan[REDUNDANCY_LATENCY];
    unsigned before;

    (void)state;
    redundancy_init(&r, redundancy_goals);
    feed_evenly(500, 100000);
    feed_evenly(25, 1000); /* much worse: at once */
    assert_in_range(redundancy_estimate(&r).enter, CHANCE_ONE / 40, CHANCE_ONE / 20);
    feed_evenly(25, 20000);
    redundancy_on_packets(&r, false, 2000); /* much better: at once */
    assert_in_range(redundancy_estimate(&r).enter, 1, CHANCE_ONE / 500);

    redundancy_init(&r, redundancy_goals);
    feed_evenly(50, 50000);
    before = plan->ratio;
    feed_evenly(25, 20000); /* somewhat worse: after a while */
    assert_true(plan->ratio > before);
    assert_in_range(redundancy_estimate(&r).enter, CHANCE_ONE / 30, CHANCE_ONE / 20);
}

/* Runs count as their packets one by one do. */
static void runs_are_packets(void **state)
{
    struct rng rng = rng_new(15);
    struct redundancy one;

    (void)state;
    redundancy_init(&r, redundancy_goals);
    for (unsigned i = 0; i < 20000; i++) {
        bool lost = i % 2;
        unsigned left = 256 - r.block.good - r.block.bad; /* packets until the plans may change */
        unsigned n = (unsigned)(lost ? 1 + rng_below(&rng, 4) : 40 + rng_below(&rng, 20));

        n = n < left ? n : left;
        one = r;
        redundancy_on_packets(&r, lost, n);
        for (; n > 0; n--)
            redundancy_on_packets(&one, lost, 1);
        assert_memory_equal(&r, &one, sizeof(r));
    }
}

/* Whatever a peer claims: within the caps, and no estimate is zero. */
static void claims_stay_within_the_caps(void **state)
{
    struct rng rng = rng_new(16);

    (void)state;
    redundancy_init(&r, redundancy_goals);
    for (unsigned i = 0; i < 200000; i++) {
        struct redundancy_path is;
        bool wild = rng_below(&rng, 100) == 0;

        redundancy_on_packets(&r, rng_next(&rng) & 1,
                              wild ? (uint32_t)rng_next(&rng) : (uint32_t)rng_below(&rng, 9));
        redundancy_on_sources(&r, rng_below(&rng, REDUNDANCY_CLASSES),
                              (uint32_t)rng_below(&rng, 99), wild ? (uint32_t)rng_next(&rng) : 0);
        is = redundancy_estimate(&r);
        assert_in_range(is.enter, 1, CHANCE_ONE);
        assert_in_range(is.exit, 1, CHANCE_ONE);
        for (unsigned c = 0; c < REDUNDANCY_CLASSES; c++) {
            assert_in_range(r.plan[c].ratio, 0, redundancy_goals[c].overhead);
            assert_in_range(r.margin[c], REDUNDANCY_MARGIN_ONE, 2 * REDUNDANCY_MARGIN_ONE);
        }
    }
}

/* More is sent while more stays lost than planned, and no longer. */
static void what_stays_lost_raises_the_margin(void **state)
{
    unsigned before;

    (void)state;
    redundancy_init(&r, redundancy_goals);
    feed_evenly(50, 50000);
    before = r.plan[REDUNDANCY_LATENCY].ratio;
    for (unsigned i = 0; i < 10; i++)
        redundancy_on_sources(&r, REDUNDANCY_LATENCY, 5000, 20);
    feed_evenly(50, 1000);
    assert_int_equal(r.margin[REDUNDANCY_LATENCY], 2 * REDUNDANCY_MARGIN_ONE);
    assert_int_equal(r.margin[REDUNDANCY_BULK], REDUNDANCY_MARGIN_ONE);
    assert_true(r.plan[REDUNDANCY_LATENCY].ratio > before);
    for (unsigned i = 0; i < 40; i++)
        redundancy_on_sources(&r, REDUNDANCY_LATENCY, 5000, 0);
    assert_int_equal(r.margin[REDUNDANCY_LATENCY], REDUNDANCY_MARGIN_ONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_exact),
        cmocka_unit_test(plans_keep_to_their_goal),
        cmocka_unit_test(plans_are_monotonic),
        cmocka_unit_test(classes_get_what_suits_them),
        cmocka_unit_test(paths_are_estimated),
        cmocka_unit_test(clean_paths_cost_nothing),
        cmocka_unit_test(it_goes_on_fast_and_off_late),
        cmocka_unit_test(changes_are_noticed),
        cmocka_unit_test(runs_are_packets),
        cmocka_unit_test(claims_stay_within_the_caps),
        cmocka_unit_test(what_stays_lost_raises_the_margin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
