/* Loss recovery and congestion control on modelled links: what a bulk sender gets of them. Every
 * figure is printed; virtual time makes them the same every run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bulk.h"
#include "step.h"

enum { MBIT = 1000000, MS = 1000, S = 1000000 };

static struct bulk_net net;

static void say(const char *what, const struct link_config *c, double share)
{
    printf("%-8s %4u Mbit/s, RTT %3u ms, loss %3.1f %%: %5.1f %% of the link\n", what,
           (unsigned)(c->rate / MBIT), 2 * c->delay_us / MS, c->loss / 1e4, 100 * share);
}

/* One endless flow's share of the link from second `from` on, for 30. */
static double steady_share(const char *algorithm, const struct link_config *c, uint64_t from)
{
    double share;
    struct bulk *b;

    bulk_net_init(&net, c->rate / MBIT + c->delay_us, c);
    b = bulk_start(&net, 0, algorithm, 0, UINT64_MAX);
    bulk_goodput(&net, b, from * S);
    share = bulk_goodput(&net, b, (uint64_t)30 * S) / (double)c->rate;
    bulk_net_fini(&net);
    say(algorithm, c, share);
    return share;
}

/* 10 and 100 Mbit/s, 20 to 200 ms, 10 s after the start. */
static double worst_share(const char *algorithm, uint32_t loss)
{
    static const uint32_t rtts[] = {20, 50, 100, 200};
    double worst = 1;

    for (unsigned i = 0; i < 8; i += STEP) {
        struct link_config c = link_path(i < 4 ? 10 * MBIT : 100 * MBIT, rtts[i % 4] * MS);
        double share;

        c.loss = loss;
        share = steady_share(algorithm, &c, 10);
        worst = share < worst ? share : worst;
    }
    return worst;
}

static void newreno_fills_the_link(void **state)
{
    (void)state;
    assert_true(worst_share("newreno", 0) > 0.9);
}

static void cubic_fills_the_link(void **state)
{
    (void)state;
    assert_true(worst_share("cubic", 0) > 0.9);
}

static void bbr_fills_the_link(void **state)
{
    (void)state;
    assert_true(worst_share("bbr", 0) > 0.9);
}

static void bbr_stands_loss(void **state)
{
    (void)state;
    assert_true(worst_share("bbr", 5000) > 0.9);
    assert_true(worst_share("bbr", 20000) > 0.85);
}

/* Where ACKs are delayed for longer than the path takes, the window must cover the delay. */
static void bbr_covers_delayed_acks(void **state)
{
    struct link_config c = link_path(10 * MBIT, 4 * MS);

    (void)state;
    assert_true(steady_share("bbr", &c, 5) > 0.9);
}

static void bbr_leaves_the_queue_empty(void **state)
{
    struct link_config c = link_path(100 * MBIT, 50 * MS);
    struct bulk *b;

    (void)state;
    c.queue *= 4;
    bulk_net_init(&net, 1, &c);
    b = bulk_start(&net, 0, "bbr", 0, UINT64_MAX);
    sim_run(&net.sim, 10 * S);
    for (int i = 0; i < 100; i++) {
        sim_run(&net.sim, net.sim.now + 100 * MS);
        assert_true(b->rtt.smoothed < 75 * MS); /* CUBIC would make it 250 */
    }
    assert_int_equal(net.up.stats.tail_drops, 0);
    bulk_net_fini(&net);
}

/* Two flows of which the second comes 10 s later, what each gets of the minute that begins after
 * 60 s: the mean of several runs, as a queue that drops at its tail makes single ones chaotic. No
 * run may leave either less than `least`. */
static void two_flows(const char *first, const char *second, double least, double shares[2])
{
    enum { RUNS = 8 };
    struct link_config c = link_path(20 * MBIT, 50 * MS);
    struct rng rng = rng_new(2);

    shares[0] = shares[1] = 0;
    for (int i = 0; i < RUNS; i++) {
        const struct bulk *b;
        double share[2];
        uint64_t before;

        bulk_net_init(&net, rng_next(&rng), &c);
        bulk_start(&net, 0, first, 0, UINT64_MAX);
        b = bulk_start(&net, 1, second, 10 * S + rng_below(&rng, S), UINT64_MAX);
        sim_run(&net.sim, 60 * S);
        before = b->rx.chunks;
        share[0] = bulk_goodput(&net, &net.flows[0], 60 * S) / (double)c.rate;
        share[1] = (double)(b->rx.chunks - before) * BULK_CHUNK * 8 / 60 / (double)c.rate;
        bulk_net_fini(&net);
        assert_true(share[0] + share[1] > 0.9);
        assert_true(share[0] > least && share[1] > least);
        shares[0] += share[0] / RUNS;
        shares[1] += share[1] / RUNS;
    }
    say(first, &c, shares[0]);
    say(second, &c, shares[1]);
}

static void cubic_shares_with_cubic(void **state)
{
    double shares[2];

    (void)state;
    two_flows("cubic", "cubic", 0.35, shares);
    assert_true(shares[0] < 1.2 * shares[1] && shares[1] < 1.2 * shares[0]);
}

/* With a queue this short the first keeps more: a probe costs the smaller flow its gain. */
static void bbr_shares_with_bbr(void **state)
{
    double shares[2];

    (void)state;
    two_flows("bbr", "bbr", 0.25, shares);
    assert_true(shares[0] < 2 * shares[1] && shares[1] < 2 * shares[0]);
}

static void bbr_and_cubic_live_together(void **state)
{
    double shares[2];

    (void)state;
    two_flows("cubic", "bbr", 0.2, shares);
    assert_true(shares[0] < 2 * shares[1] && shares[1] < 2 * shares[0]);
}

/* For 5 s nothing arrives; then everything is as before. */
static void blackhole(const char *algorithm)
{
    struct link_config c = link_path(10 * MBIT, 50 * MS);
    double share;
    struct bulk *b;

    bulk_net_init(&net, 3, &c);
    b = bulk_start(&net, 0, algorithm, 0, UINT64_MAX);
    sim_run(&net.sim, 20 * S);
    assert_int_equal(b->persistent, 0);
    net.up.config.blackhole = true;
    sim_run(&net.sim, 21 * S); /* what was on its way arrives */
    assert_true(bulk_goodput(&net, b, 4 * S) == 0);
    assert_in_range(b->probes, 3, 10); /* ever rarer */
    bulk_watch(b);
    net.up.config.blackhole = false;
    sim_run(&net.sim, 35 * S);
    assert_int_equal(b->persistent, 1);
    assert_true(b->cwnd_min < 8 * BULK_PACKET);
    share = bulk_goodput(&net, b, 10 * S) / (double)c.rate;
    say(algorithm, &c, share);
    assert_true(share > 0.9);
    bulk_net_fini(&net);
}

static void blackhole_then_recovery(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CONGESTION_ALGORITHMS; i++)
        blackhole(congestion_algorithms[i]->name);
}

/* Some packets come up to 10 ms late: the thresholds learn it and the window is given back. */
static void reordering_is_no_loss(void **state)
{
    struct link_config c = link_path(10 * MBIT, 50 * MS);

    (void)state;
    c.reorder = 10000;
    c.reorder_us = 10 * MS;
    for (unsigned i = 0; i < CONGESTION_ALGORITHMS; i++)
        assert_true(steady_share(congestion_algorithms[i]->name, &c, 5) > 0.9);
}

/* Marks instead of drops: the link is full, its queue short, and nothing is lost. */
static void ecn_avoids_loss(void **state)
{
    struct link_config c = link_path(20 * MBIT, 40 * MS);

    (void)state;
    c.queue *= 8;
    c.mark = 150000;
    for (unsigned i = 0; i < CONGESTION_ALGORITHMS; i++) {
        struct bulk *b;
        double share;

        bulk_net_init(&net, 4, &c);
        b = bulk_start(&net, 0, congestion_algorithms[i]->name, 0, UINT64_MAX);
        b->ecn = true;
        sim_run(&net.sim, 5 * S);
        share = bulk_goodput(&net, b, 20 * S) / (double)c.rate;
        say(congestion_algorithms[i]->name, &c, share);
        assert_true(share > 0.85);
        assert_true(net.up.stats.marked > 0);
        assert_int_equal(net.up.stats.tail_drops, 0);
        bulk_net_fini(&net);
    }
}

/* A transfer that ends, whatever the link does: every chunk arrives, every record is given back,
 * and no ACK is taken for an impossible one. */
static void finite_transfers_arrive(void **state)
{
    struct rng rng = rng_new(5);

    (void)state;
    for (unsigned i = 0; i < 300 / STEP; i++) {
        struct link_config c =
            link_path((1 + rng_below(&rng, 50)) * MBIT, (uint32_t)rng_below(&rng, 300) * MS);
        struct bulk *b;

        c.loss = (uint32_t)rng_below(&rng, 100000);
        c.burst_begin = (uint32_t)rng_below(&rng, 5000);
        c.burst_end = 300000;
        c.burst_loss = 900000;
        c.duplicate = (uint32_t)rng_below(&rng, 20000);
        c.corrupt = (uint32_t)rng_below(&rng, 20000);
        c.reorder = (uint32_t)rng_below(&rng, 50000);
        c.reorder_us = (uint32_t)rng_below(&rng, 50 * MS);
        bulk_net_init(&net, rng_next(&rng), &c);
        net.down.config.loss = (uint32_t)rng_below(&rng, 200000);
        b = bulk_start(&net, 0, congestion_algorithms[i % CONGESTION_ALGORITHMS]->name, 0, 1000);
        b->skip_one_in = (uint32_t)rng_below(&rng, 500);
        sim_run(&net.sim, (uint64_t)600 * S);
        assert_int_equal(b->rx.chunks, 1000);
        assert_int_equal(b->pool.used, 0);
        assert_int_equal(b->congestion.in_flight, 0);
        assert_int_equal(loss_deadline(&b->loss, &b->sent, &b->rtt), UINT64_MAX);
        bulk_net_fini(&net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newreno_fills_the_link),      cmocka_unit_test(cubic_fills_the_link),
        cmocka_unit_test(bbr_fills_the_link),          cmocka_unit_test(bbr_stands_loss),
        cmocka_unit_test(bbr_covers_delayed_acks),     cmocka_unit_test(bbr_leaves_the_queue_empty),
        cmocka_unit_test(cubic_shares_with_cubic),     cmocka_unit_test(bbr_shares_with_bbr),
        cmocka_unit_test(bbr_and_cubic_live_together), cmocka_unit_test(blackhole_then_recovery),
        cmocka_unit_test(reordering_is_no_loss),       cmocka_unit_test(ecn_avoids_loss),
        cmocka_unit_test(finite_transfers_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
