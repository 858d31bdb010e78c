/* Path MTU discovery against links of every size: what it finds, and that it finds it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "conn_state.h"
#include "rng.h"

static struct conn *conn_new(uint16_t local, uint16_t peer, bool discovery)
{
    struct conn *c = aligned_alloc(64, (sizeof(*c) + 63) & ~(size_t)63);

    memset(c, 0, sizeof(*c));
    c->config.local.max_packet = local;
    c->config.peer.max_packet = peer;
    c->config.mtu_discovery = discovery;
    c->path[0].open = c->path[0].validated = true;
    congestion_init(&c->path[0].congestion, &cc_newreno, CONN_PACKET_MIN, 0);
    rtt_init(&c->path[0].rtt);
    mtu_start(c, &c->path[0], 0);
    return c;
}

/* Probe until the search rests; how many probes it took. */
static unsigned discover(struct conn *c, uint32_t link, struct rng *rng, unsigned loss,
                         uint64_t now)
{
    struct conn_path *path = &c->path[0];
    unsigned probes = 0;
    uint32_t size;

    while ((size = mtu_probe(c, path, now)) > 0) {
        assert_true(size > path->mtu && size % 4 == 0);
        mtu_sent(path, now);
        assert_int_equal(mtu_probe(c, path, now), 0); /* one at a time */
        assert_true(mtu_deadline(path) == UINT64_MAX);
        if (size <= link && rng_below(rng, 100) >= loss)
            mtu_acked(c, path, size, now);
        else
            mtu_lost(c, path, size, now);
        assert_true(++probes < 100);
    }
    assert_int_equal(path->congestion.packet, path->mtu);
    return probes;
}

static void finds_what_the_link_carries(void **state)
{
    struct rng rng = rng_new(1);

    (void)state;
    for (uint32_t link = CONN_PACKET_MIN; link <= 9100; link += 1 + (uint32_t)rng_below(&rng, 40)) {
        struct conn *c = conn_new(9000, 9000, true);
        unsigned probes = discover(c, link, &rng, 0, 0);
        uint32_t most = link < CONN_PACKET_MAX ? link : CONN_PACKET_MAX;

        assert_true(c->path[0].mtu <= most && most - c->path[0].mtu < 20);
        assert_true(probes <= 45);
        free(c);
    }
}

static void finds_usual_links_at_once(void **state)
{
    static const uint16_t links[] = {1452, 1472, 8952, 8972};
    struct rng rng = rng_new(2);

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct conn *c = conn_new(9000, links[i], true);

        assert_true(discover(c, links[i], &rng, 0, 0) <= i + 1);
        assert_int_equal(c->path[0].mtu, links[i]);
        free(c);
    }
}

static void never_beyond_either_side(void **state)
{
    struct rng rng = rng_new(3);

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        uint16_t a = 1280 + (uint16_t)rng_below(&rng, 7721),
                 b = 1280 + (uint16_t)rng_below(&rng, 7721);
        struct conn *c = conn_new(a, b, true);
        uint16_t least = a < b ? a : b;

        discover(c, 65535, &rng, 30, 0);
        assert_true(c->path[0].mtu >= CONN_PACKET_MIN && c->path[0].mtu <= least);
        free(c);
    }
}

static void off(void **state)
{
    struct conn *c = conn_new(9000, 1472, false);

    (void)state;
    assert_int_equal(c->path[0].mtu, 1472);
    assert_int_equal(c->path[0].congestion.packet, 1472);
    assert_int_equal(mtu_probe(c, &c->path[0], 0), 0);
    assert_true(mtu_deadline(&c->path[0]) == UINT64_MAX);
    mtu_black_hole(c, &c->path[0], 0);
    assert_int_equal(c->path[0].mtu, 1472);
    free(c);
}

/* The link gets wider: found at the next raise. Then narrower: a black hole, back to the base. */
static void follows_the_link(void **state)
{
    struct rng rng = rng_new(4);
    struct conn *c = conn_new(1472, 1472, true);
    struct conn_path *path = &c->path[0];

    (void)state;
    discover(c, 1300, &rng, 0, 0);
    assert_true(path->mtu <= 1300);
    uint64_t raise = mtu_deadline(path);

    assert_int_equal(raise, 600000000);
    assert_int_equal(mtu_probe(c, path, raise - 1), 0);
    discover(c, 1500, &rng, 0, raise);
    assert_int_equal(path->mtu, 1472);
    mtu_black_hole(c, path, raise);
    assert_int_equal(path->mtu, CONN_PACKET_MIN);
    assert_int_equal(path->congestion.packet, CONN_PACKET_MIN);
    assert_int_equal(mtu_probe(c, path, raise), 0); /* not at once */
    discover(c, 1400, &rng, 0, mtu_deadline(path));
    assert_in_range(path->mtu, 1381, 1400);
    free(c);
}

/* Large packets are lost time and again, small ones are not asked: a black hole, too. */
static void large_packets_never_arrive(void **state)
{
    struct sent_packet large = {.bytes = 1400}, small = {.bytes = CONN_PACKET_MIN};
    const struct loss_event lost = {.lost = &large}, arrived = {.acked = &large},
                            small_lost = {.lost = &small}, small_arrived = {.acked = &small};
    struct rng rng = rng_new(5);
    struct conn *c = conn_new(1472, 1472, true);
    struct conn_path *path = &c->path[0];

    (void)state;
    discover(c, 1472, &rng, 0, 0);
    for (unsigned i = 0; i < 5; i++)
        mtu_settle(c, path, &lost, 0);
    mtu_settle(c, path, &arrived, 0);
    for (unsigned i = 0; i < 5; i++) {
        mtu_settle(c, path, &lost, 0);
        mtu_settle(c, path, &small_lost, 0);
        mtu_settle(c, path, &small_arrived, 0);
    }
    assert_int_equal(path->mtu, 1472);
    mtu_settle(c, path, &lost, 0);
    assert_int_equal(path->mtu, CONN_PACKET_MIN);
    free(c);
}

static void late_and_foreign_verdicts(void **state)
{
    struct conn *c = conn_new(1472, 1472, true);
    struct conn_path *path = &c->path[0];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(mtu_probe(c, path, 0), 1452);
        mtu_sent(path, 0);
        mtu_lost(c, path, 1300, 0); /* not this probe */
        assert_int_equal(mtu_probe(c, path, 0), 0);
        mtu_lost(c, path, 1452, 0);
    }
    assert_true(mtu_probe(c, path, 0) < 1452);
    mtu_acked(c, path, 1452, 0); /* it came after all */
    assert_int_equal(path->mtu, 1452);
    mtu_acked(c, path, 1300, 0);
    assert_int_equal(path->mtu, 1452);
    free(c);
}

/* No probe where it may not go: no window, no validation, a quiet path. No timer spins either. */
static void waits_for_the_path(void **state)
{
    struct conn *c = conn_new(1472, 1472, true);
    struct conn_path *path = &c->path[0];

    (void)state;
    path->congestion.in_flight = path->congestion.cwnd - 1451;
    assert_int_equal(mtu_probe(c, path, 0), 0);
    assert_true(mtu_deadline(path) == UINT64_MAX);
    path->congestion.in_flight--;
    assert_int_equal(mtu_probe(c, path, 0), 1452);
    path->quiet = true;
    assert_int_equal(mtu_probe(c, path, 0), 0);
    path->quiet = path->validated = false;
    assert_int_equal(mtu_probe(c, path, 0), 0);
    assert_true(mtu_deadline(path) == UINT64_MAX);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_the_link_carries),
        cmocka_unit_test(finds_usual_links_at_once),
        cmocka_unit_test(never_beyond_either_side),
        cmocka_unit_test(off),
        cmocka_unit_test(follows_the_link),
        cmocka_unit_test(large_packets_never_arrive),
        cmocka_unit_test(late_and_foreign_verdicts),
        cmocka_unit_test(waits_for_the_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
