/* Steering: every tier finds the same owner, owners are used evenly, and ports that can do nothing
 * say so. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_thash.h>

#include "setup.h"
#include "steering_rules.h"

static uint64_t random_state;

/* splitmix64 */
static uint32_t random32(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z >> 32);
}

/* As a control plane chooses them: random, not reserved. */
static uint32_t random_spi(void)
{
    uint32_t spi = random32();

    return spi < 256 ? spi + 256 : spi;
}

static const uint8_t *const keys[] = {steering_key_mixing, steering_key_buckets};

static void hash_is_dpdk_s(void **state)
{
    (void)state;
    for (unsigned k = 0; k < RTE_DIM(keys); k++)
        for (unsigned i = 0; i < 10000; i++) {
            uint32_t words[4] = {0}, spi = random_spi();

            words[0] = spi;
            assert_int_equal(toeplitz_spi(keys[k], spi), rte_softrss(words, 1, keys[k]));
            /* wherever in its input a NIC puts the SPI */
            words[0] = 0;
            words[3] = spi;
            assert_int_equal(toeplitz_spi(keys[k], spi), rte_softrss(words, 4, keys[k]));
        }
}

/* 10,000 sessions fall evenly on the lcores, for every number of them, key and table size. */
static void even(void **state)
{
    static struct dataplane dp;

    (void)state;
    for (unsigned k = 0; k < RTE_DIM(keys); k++)
        for (unsigned fold = 64; fold <= JP_RETA_MAX; fold *= 2)
            for (dp.lcores = 2; dp.lcores <= 8; dp.lcores++) {
                unsigned share[JP_LCORES_MAX] = {0}, min = UINT32_MAX, max = 0;

                steering_table(&dp, fold, keys[k]);
                for (unsigned i = 0; i < 10000; i++)
                    share[owner_of(&dp, random_spi())]++;
                for (unsigned i = 0; i < dp.lcores; i++) {
                    min = RTE_MIN(min, share[i]);
                    max = RTE_MAX(max, share[i]);
                }
                if (max > min * 1.25)
                    fail_msg("%u lcores, table of %u, key %u: %u to %u", dp.lcores, fold, k, min,
                             max);
            }
}

/* A NIC with a RETA of any size, filled as steering fills it, agrees with owner_of(). */
static void nic_table_agrees(void **state)
{
    static struct dataplane dp = {.lcores = 3};

    (void)state;
    for (unsigned size = 64; size <= 2048; size *= 2) {
        steering_table(&dp, RTE_MIN(size, (unsigned)JP_RETA_MAX), steering_key_mixing);
        for (unsigned i = 0; i < 10000; i++) {
            uint32_t spi = random_spi(), hash = rte_softrss(&spi, 1, steering_key_mixing);
            unsigned entry = hash & (size - 1);

            assert_int_equal(dp.reta[entry & dp.reta_mask], owner_of(&dp, spi));
        }
    }
}

/* Buckets are shared out evenly, whatever the number of lcores. */
static void even_buckets(void **state)
{
    static struct dataplane dp;

    (void)state;
    for (dp.lcores = 2; dp.lcores <= JP_LCORES_MAX; dp.lcores++) {
        unsigned share[JP_LCORES_MAX] = {0}, n = steering_buckets(dp.lcores);

        steering_table(&dp, n, steering_key_buckets);
        for (unsigned b = 0; b < n; b++)
            share[dp.reta[b]]++;
        assert_true(share[0] <= 1.25 * share[dp.lcores - 1]); /* the most and the least */
    }
}

/* The rules of tier 2: each SPI matches exactly one, which sends it to its owner. */
static void bucket_rules(void **state)
{
    static struct dataplane dp;

    (void)state;
    for (dp.lcores = 2; dp.lcores <= JP_LCORES_MAX; dp.lcores++) {
        unsigned n = steering_buckets(dp.lcores);

        steering_table(&dp, n, steering_key_buckets);
        for (unsigned i = 0; i < 100; i++) {
            uint32_t spi = random_spi();
            unsigned matches = 0;

            for (unsigned b = 0; b < n; b++) {
                struct flow_rule r;
                uint32_t mask, bits = steering_bucket_spi(b, n, &mask);

                flow_rule_bucket(&r, 4, bits, mask, dp.reta[b]);
                if ((rte_cpu_to_be_32(spi) & r.esp_mask.hdr.spi) != r.esp.hdr.spi)
                    continue;
                matches++;
                assert_int_equal(r.queue.index, owner_of(&dp, spi));
            }
            assert_int_equal(matches, 1);
        }
    }
}

/* What the rules say, read back from their items. */
static void rules_match_esp_in_udp(void **state)
{
    const struct rss_shape named = {.raw = false, .bare = false}, raw = {.raw = true, .bare = true};
    const struct rte_flow_item_udp *udp;
    const struct rte_flow_item_raw *bytes;
    uint16_t queue[4] = {0, 1, 2, 3};
    struct flow_rule r;

    (void)state;
    flow_rule_bucket(&r, 6, 0x80000000, 0xc0000000, 2);
    udp = r.pattern[2].spec;
    assert_int_equal(r.attr.ingress, 1);
    assert_int_equal(r.pattern[1].type, RTE_FLOW_ITEM_TYPE_IPV6);
    assert_int_equal(udp->hdr.dst_port, RTE_BE16(4500));
    assert_int_equal(r.pattern[3].type, RTE_FLOW_ITEM_TYPE_ESP);
    assert_int_equal(r.pattern[4].type, RTE_FLOW_ITEM_TYPE_END);
    assert_int_equal(r.action[1].type, RTE_FLOW_ACTION_TYPE_END);

    flow_rule_rss(&r, &named, 4, steering_key_mixing, queue, 4);
    assert_int_equal(r.pattern[3].type, RTE_FLOW_ITEM_TYPE_ESP);
    assert_null(r.pattern[3].spec);
    assert_int_equal(r.rss.types, RTE_ETH_RSS_ESP);
    assert_int_equal(r.rss.queue_num, 4);

    flow_rule_rss(&r, &raw, 6, steering_key_mixing, queue, 4);
    bytes = r.pattern[0].spec;
    assert_int_equal(bytes->length, 14 + 40 + 8 + 4);
    assert_int_equal(bytes->pattern[14 + 6], 17);
    assert_int_equal(bytes->pattern[14 + 40 + 2] << 8 | bytes->pattern[14 + 40 + 3], 4500);
    bytes = r.pattern[0].mask;
    for (unsigned i = 0; i < bytes->length; i++)
        assert_int_equal(bytes->pattern[i], i < 62 ? 0 : 0xff);
    assert_null(r.rss.key);
}

/* A driver without flow rules: software, and the status says why. */
static void plain_port(void **state)
{
    static struct dataplane dp = {.lcores = 4, .ports = 1};
    static struct jp_stats stats;
    struct rte_eth_conf conf = {0};

    (void)state;
    dp.stats = &stats;
    dp.port[0].rx_queues = 4;
    assert_int_equal(rte_eth_dev_get_port_by_name("net_null0", &dp.port[0].id), 0);
    assert_int_equal(rte_eth_dev_configure(dp.port[0].id, 4, 4, &conf), 0);
    steering_setup(&dp);
    assert_int_equal(dp.tier, JP_TIER_SOFTWARE);
    assert_int_equal(stats.tier, JP_TIER_SOFTWARE);
    assert_int_equal(stats.port[0].tier, JP_TIER_SOFTWARE);
    assert_string_equal(stats.port[0].tier_why, "flow rules: Function not implemented");

    dp.port[0].vlan = 5;
    steering_setup(&dp);
    assert_string_equal(stats.port[0].tier_why, "rules are for untagged packets");
    dp.port[0].vlan = 0;
    dp.port[0].rx_queues = 1;
    steering_setup(&dp);
    assert_string_equal(stats.port[0].tier_why, "fewer queues than workers");
    dp.lcores = 1;
    steering_setup(&dp);
    assert_string_equal(stats.port[0].tier_why, "one worker: nothing to steer");
    assert_int_equal(owner_of(&dp, 0xdeadbeef), 0);
}

int main(void)
{
    char *argv[] = {"test_steering",   "--no-huge", "--no-shconf",         "--no-pci",
                    "--no-telemetry",  "-m64",      "--log-level=*:error", "--lcores=0",
                    "--vdev=net_null0"};
    const char *seed = getenv("SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_dpdk_s),   cmocka_unit_test(even),
        cmocka_unit_test(nic_table_agrees), cmocka_unit_test(even_buckets),
        cmocka_unit_test(bucket_rules),     cmocka_unit_test(rules_match_esp_in_udp),
        cmocka_unit_test(plain_port),
    };

    random_state = seed ? strtoull(seed, NULL, 0) : 1;
    print_message("SEED=%" PRIu64 "\n", random_state);
    if (rte_eal_init(RTE_DIM(argv), argv) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
