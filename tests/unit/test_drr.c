/* Deficit round robin: shares, turns, and that nobody starves or waits longer than the weights
 * say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drr.h"
#include "rng.h"

enum { MTU = 1400 };
static const unsigned weight[DRR_PRIORITIES] = {8, 4, 2, 1};

static void nobody_waits(void **state)
{
    struct drr d;
    struct drr_node n = {0};

    (void)state;
    drr_init(&d, MTU);
    assert_null(drr_next(&d));
    drr_remove(&d, &n); /* nothing happens */
    drr_add(&d, &n, DRR_BULK);
    assert_true(drr_waits(&n));
    assert_ptr_equal(drr_next(&d), &n);
    drr_remove(&d, &n);
    assert_false(drr_waits(&n));
    assert_null(drr_next(&d));
}

/* All priorities wait all the time: of each round, their weight in packets, the highest first. */
static void a_round_is_8_4_2_1(void **state)
{
    struct drr d;
    struct drr_node nodes[DRR_PRIORITIES] = {0};

    (void)state;
    drr_init(&d, MTU);
    for (unsigned p = 0; p < DRR_PRIORITIES; p++)
        drr_add(&d, &nodes[p], p);
    for (unsigned round = 0; round < 10; round++)
        for (unsigned p = 0; p < DRR_PRIORITIES; p++)
            for (unsigned i = 0; i < weight[p]; i++) {
                struct drr_node *n = drr_next(&d);

                assert_ptr_equal(n, &nodes[p]);
                drr_charge(&d, n, MTU);
            }
}

/* Packets of any size: bytes are shared by weight, to a packet per priority at any moment. */
static void bytes_are_shared_by_weight(void **state)
{
    struct rng rng = rng_new(61);
    struct drr d;
    struct drr_node nodes[DRR_PRIORITIES] = {0};
    uint64_t sent[DRR_PRIORITIES] = {0}, total = 0;

    (void)state;
    drr_init(&d, MTU);
    for (unsigned p = 0; p < DRR_PRIORITIES; p++)
        drr_add(&d, &nodes[p], p);
    for (unsigned i = 0; i < 100000; i++) {
        struct drr_node *n = drr_next(&d);
        /* the lower the priority the smaller its packets: counting packets would show */
        uint32_t bytes = 1 + (uint32_t)rng_below(&rng, MTU >> n->priority);

        drr_charge(&d, n, bytes);
        sent[n->priority] += bytes;
        total += bytes;
    }
    for (unsigned p = 0; p < DRR_PRIORITIES; p++) {
        int64_t apart = (int64_t)(sent[p] - total / 15 * weight[p]);

        assert_in_range(llabs(apart), 0, 9 * MTU); /* a round that is under way */
    }
}

/* A System that is idle and back all the time takes no more than its share of Bulk's. */
static void returning_gains_nothing(void **state)
{
    struct drr d;
    struct drr_node system = {0}, bulk = {0};
    unsigned sent[2] = {0};

    (void)state;
    drr_init(&d, MTU);
    drr_add(&d, &bulk, DRR_BULK);
    for (unsigned i = 0; i < 9000; i++) {
        if (!drr_waits(&system))
            drr_add(&d, &system, DRR_SYSTEM);
        struct drr_node *n = drr_next(&d);

        drr_charge(&d, n, MTU);
        drr_remove(&d, &system); /* idle after every packet, its own or not */
        sent[n == &bulk]++;
    }
    assert_int_equal(sent[0], 8000);
    assert_int_equal(sent[1], 1000);
}

/* Others unused, Bulk has the whole link. A packet of System that was idle is the very next. */
static void idle_system_is_next(void **state)
{
    struct drr d;
    struct drr_node nodes[DRR_PRIORITIES] = {0};

    (void)state;
    drr_init(&d, MTU);
    for (unsigned p = 1; p < DRR_PRIORITIES; p++)
        drr_add(&d, &nodes[p], p);
    for (unsigned i = 0; i < 1000; i++) {
        for (unsigned j = 0; j < i % 23; j++)
            drr_charge(&d, drr_next(&d), MTU);
        drr_add(&d, &nodes[DRR_SYSTEM], DRR_SYSTEM);
        for (unsigned j = 0; j < 7 && drr_next(&d) != &nodes[DRR_SYSTEM]; j++)
            drr_charge(&d, drr_next(&d), MTU); /* only if its share is used up: 4 + 2 + 1 */
        assert_ptr_equal(drr_next(&d), &nodes[DRR_SYSTEM]);
        drr_charge(&d, drr_next(&d), MTU);
        drr_remove(&d, &nodes[DRR_SYSTEM]);
    }
}

/* The circle of one priority: a quantum each, who comes waits for those before it. */
static void nodes_take_turns(void **state)
{
    struct drr d;
    struct drr_node n[3] = {0};

    (void)state;
    drr_init(&d, MTU);
    drr_add(&d, &n[0], DRR_CHAT);
    drr_add(&d, &n[1], DRR_CHAT);
    assert_ptr_equal(drr_next(&d), &n[0]);
    drr_charge(&d, &n[0], MTU / 2);
    drr_add(&d, &n[2], DRR_CHAT);
    assert_ptr_equal(drr_next(&d), &n[0]); /* half its turn is left */
    drr_charge(&d, &n[0], MTU);            /* and owed by half */
    assert_ptr_equal(drr_next(&d), &n[1]);
    drr_remove(&d, &n[1]); /* in its turn */
    assert_ptr_equal(drr_next(&d), &n[2]);
    drr_charge(&d, &n[2], MTU);
    assert_ptr_equal(drr_next(&d), &n[0]);
    drr_charge(&d, &n[0], MTU / 2);
    assert_ptr_equal(drr_next(&d), &n[2]);
    drr_charge(&d, &n[0], 1); /* out of turn: nobody's turn is lost */
    assert_ptr_equal(drr_next(&d), &n[2]);
}

/* ---- random arrivals: bounds on the wait of every priority ---- */

enum { NODES = 24, STEPS = 60000 };

struct load {
    struct drr d;
    struct drr_node nodes[NODES];
    uint64_t others[DRR_PRIORITIES][DRR_PRIORITIES]; /* bytes p2 sent since p waits in vain */
};

static bool any_waits(const struct load *l, unsigned p)
{
    return l->d.turn[p] != NULL;
}

static void note_sent(struct load *l, unsigned p, uint32_t bytes)
{
    for (unsigned q = 0; q < DRR_PRIORITIES; q++) {
        if (q == p || !any_waits(l, q))
            memset(l->others[q], 0, sizeof(l->others[q]));
        else
            l->others[q][p] += bytes;
        /* The rest of a round, and of the next what goes first in it; what is under way when the
         * share is used up exceeds it by less than a packet. */
        uint64_t rounds = p < q ? 2 : 1;

        assert_true(l->others[q][p] < (rounds * weight[p] + 1) * MTU);
    }
}

static void nobody_waits_beyond_the_weights(void **state)
{
    struct rng rng = rng_new(62);
    static struct load l;
    uint64_t sent[DRR_PRIORITIES] = {0};

    (void)state;
    memset(&l, 0, sizeof(l));
    drr_init(&l.d, MTU);
    for (unsigned i = 0; i < STEPS; i++) {
        struct drr_node *n = &l.nodes[rng_below(&rng, NODES)];

        if (!drr_waits(n) && rng_below(&rng, 2))
            drr_add(&l.d, n, (unsigned)(n - l.nodes) % DRR_PRIORITIES);
        n = drr_next(&l.d);
        if (!n)
            continue;
        uint32_t bytes = rng_below(&rng, 3) ? MTU : 1 + (uint32_t)rng_below(&rng, MTU);

        drr_charge(&l.d, n, bytes);
        sent[n->priority] += bytes;
        if (rng_below(&rng, 10) == 0)
            drr_remove(&l.d, n);
        note_sent(&l, n->priority, bytes);
    }
    for (unsigned p = 0; p < DRR_PRIORITIES; p++)
        assert_true(sent[p] > 0);
}

/* Sessions on a core, each with streams of its own: the same code twice. */
static void two_levels(void **state)
{
    enum { SESSIONS = 3 };
    struct drr core, session[SESSIONS];
    struct drr_node in_core[SESSIONS] = {0}, stream[SESSIONS][2] = {0};
    unsigned sent[SESSIONS][2] = {0};

    (void)state;
    drr_init(&core, MTU);
    for (unsigned i = 0; i < SESSIONS; i++) {
        drr_init(&session[i], MTU);
        drr_add(&session[i], &stream[i][0], DRR_MEDIA);
        drr_add(&session[i], &stream[i][1], DRR_BULK);
        drr_add(&core, &in_core[i], DRR_MEDIA);
    }
    for (unsigned i = 0; i < SESSIONS * 500; i++) {
        unsigned s = (unsigned)(drr_next(&core) - in_core);
        struct drr_node *n = drr_next(&session[s]);

        drr_charge(&session[s], n, MTU);
        drr_charge(&core, &in_core[s], MTU);
        sent[s][n - stream[s]]++;
    }
    for (unsigned s = 0; s < SESSIONS; s++) {
        assert_int_equal(sent[s][0], 400);
        assert_int_equal(sent[s][1], 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits),
        cmocka_unit_test(a_round_is_8_4_2_1),
        cmocka_unit_test(bytes_are_shared_by_weight),
        cmocka_unit_test(returning_gains_nothing),
        cmocka_unit_test(idle_system_is_next),
        cmocka_unit_test(nodes_take_turns),
        cmocka_unit_test(nobody_waits_beyond_the_weights),
        cmocka_unit_test(two_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
