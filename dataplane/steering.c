/* Steering by connection id. Each port gets the best tier that its driver says it can do, asked by
 * validating the rules before any is made:
 *
 *   1  the NIC's RSS hashes the SPI: owner_of() computes the same hash and looks into the same
 * table 2  rules send buckets of SPIs to queues 3  packets arrive anywhere, and lcores hand them to
 * their owners
 *
 * A session's owner is the same on every port, so the table is folded to what the smallest of them
 * can hold. */
#include <stdio.h>

#include <rte_ethdev.h>

#include "setup.h"
#include "steering_rules.h"

static const unsigned ip_versions[] = {4, 6};

static const struct rss_shape rss_shapes[] = {
    {.raw = false, .bare = true},  /* ice, iavf, i40e */
    {.raw = false, .bare = false}, /* mlx5, cnxk */
    {.raw = true, .bare = true},   /* ice and iavf by protocol-agnostic rules */
};

struct steering {
    uint8_t tier;
    const struct rss_shape *shape; /* of tier 1 */
    unsigned fold;                 /* entries of the table that this port can follow */
};

static struct steering chosen[JP_PORTS_MAX];

static bool flow_valid(uint16_t port, const struct flow_rule *r, struct rte_flow_error *error)
{
    *error = (struct rte_flow_error){0};
    return rte_flow_validate(port, &r->attr, r->pattern, r->action, error) == 0;
}

static bool flow_create(uint16_t port, const struct flow_rule *r, struct rte_flow_error *error)
{
    *error = (struct rte_flow_error){0};
    return rte_flow_create(port, &r->attr, r->pattern, r->action, error) != NULL;
}

/* Make (or only validate) the rules that let the port hash the SPI. */
static bool each_rss_rule(const struct dataplane *dp, uint16_t port, const struct rss_shape *shape,
                          bool (*act)(uint16_t, const struct flow_rule *, struct rte_flow_error *),
                          struct rte_flow_error *error)
{
    unsigned queues = steering_buckets(dp->lcores);
    uint16_t queue[JP_RETA_MAX];
    struct flow_rule rule;

    for (unsigned i = 0; i < queues; i++)
        queue[i] = dp->reta[i];
    for (unsigned i = 0; i < RTE_DIM(ip_versions); i++) {
        flow_rule_rss(&rule, shape, ip_versions[i], dp->toeplitz_key, queue, queues);
        if (!act(port, &rule, error))
            return false;
    }
    return true;
}

/* The same for the rules of tier 2. */
static bool each_bucket_rule(const struct dataplane *dp, uint16_t port,
                             bool (*act)(uint16_t, const struct flow_rule *,
                                         struct rte_flow_error *),
                             struct rte_flow_error *error)
{
    unsigned n = steering_buckets(dp->lcores);
    struct flow_rule rule;
    uint32_t mask;

    for (unsigned b = 0; b < n; b++) {
        uint32_t spi = steering_bucket_spi(b, n, &mask);

        for (unsigned i = 0; i < RTE_DIM(ip_versions); i++) {
            flow_rule_bucket(&rule, ip_versions[i], spi, mask, dp->reta[b]);
            if (!act(port, &rule, error))
                return false;
        }
    }
    return true;
}

static const char *flow_why(const struct rte_flow_error *error)
{
    return error->message ? error->message : rte_strerror(rte_errno);
}

/* Entries of the port's RETA that owner_of() can follow; 0: none. */
static unsigned reta_fold(const struct dataplane *dp, uint16_t port)
{
    struct rte_eth_dev_info info;

    if (rte_eth_dev_info_get(port, &info) != 0 || !rte_is_power_of_2(info.reta_size) ||
        info.reta_size < dp->lcores || info.hash_key_size == 0)
        return 0;
    return RTE_MIN(info.reta_size, (unsigned)JP_RETA_MAX);
}

static struct steering probe_port(const struct dataplane *dp, const struct port *port, char *why,
                                  size_t why_size)
{
    struct steering s = {.tier = JP_TIER_SOFTWARE, .fold = JP_RETA_MAX};
    struct rte_flow_error rss_error = {0}, bucket_error;

    if (dp->lcores == 1 || port->vlan != 0 || port->rx_queues < dp->lcores) {
        snprintf(why, why_size, "%s",
                 dp->lcores == 1   ? "one worker: nothing to steer"
                 : port->vlan != 0 ? "rules are for untagged packets"
                                   : "fewer queues than workers");
        return s;
    }
    for (unsigned i = 0; i < RTE_DIM(rss_shapes); i++) {
        unsigned fold = rss_shapes[i].bare ? reta_fold(dp, port->id) : steering_buckets(dp->lcores);

        if (fold != 0 && each_rss_rule(dp, port->id, &rss_shapes[i], flow_valid, &rss_error))
            return (struct steering){JP_TIER_RSS, &rss_shapes[i], fold};
    }
    if (each_bucket_rule(dp, port->id, flow_valid, &bucket_error)) {
        snprintf(why, why_size, "RSS of SPI: %s", flow_why(&rss_error));
        return (struct steering){JP_TIER_FLOW, NULL, steering_buckets(dp->lcores)};
    }
    snprintf(why, why_size, "flow rules: %s", flow_why(&bucket_error));
    return s;
}

/* Give the port our hash key and table. */
static int set_rss(const struct dataplane *dp, uint16_t port)
{
    struct rte_eth_rss_reta_entry64 reta[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE * 4];
    struct rte_eth_dev_info info;
    uint8_t key[TOEPLITZ_KEY_LEN];
    int ret = rte_eth_dev_info_get(port, &info);

    if (ret != 0)
        return ret;
    if (info.hash_key_size > sizeof(key) ||
        info.reta_size > RTE_DIM(reta) * RTE_ETH_RETA_GROUP_SIZE)
        return -ENOTSUP;
    memcpy(key, dp->toeplitz_key, sizeof(key));
    struct rte_eth_rss_conf conf = {
        .rss_key = key,
        .rss_key_len = info.hash_key_size,
        .rss_hf =
            info.flow_type_rss_offloads & (RTE_ETH_RSS_ESP | RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP),
    };

    ret = rte_eth_dev_rss_hash_update(port, &conf);
    if (ret != 0)
        return ret;
    for (unsigned i = 0; i < info.reta_size; i++) {
        reta[i / RTE_ETH_RETA_GROUP_SIZE].mask = UINT64_MAX;
        reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
            dp->reta[i & dp->reta_mask];
    }
    return rte_eth_dev_rss_reta_update(port, reta, info.reta_size);
}

/* What validated may still fail to be made; the port then works by software. */
static uint8_t apply(const struct dataplane *dp, const struct port *port, const struct steering *s,
                     char *why, size_t why_size)
{
    struct rte_flow_error error;
    int ret;

    if (s->tier == JP_TIER_SOFTWARE)
        return s->tier;
    if (s->tier == JP_TIER_RSS && s->shape->bare && (ret = set_rss(dp, port->id)) != 0) {
        snprintf(why, why_size, "RETA or key: %s", rte_strerror(-ret));
        return JP_TIER_SOFTWARE;
    }
    if (s->tier == JP_TIER_RSS ? each_rss_rule(dp, port->id, s->shape, flow_create, &error)
                               : each_bucket_rule(dp, port->id, flow_create, &error))
        return s->tier;
    snprintf(why, why_size, "flow rules: %s", flow_why(&error));
    rte_flow_flush(port->id, &error);
    return JP_TIER_SOFTWARE;
}

void steering_apply(struct dataplane *dp, unsigned i)
{
    struct jp_stats_port *shared = &dp->stats->port[i];

    shared->tier = apply(dp, &dp->port[i], &chosen[i], shared->tier_why, sizeof(shared->tier_why));
    dp->tier = JP_TIER_RSS;
    for (unsigned port = 0; port < dp->ports; port++)
        dp->tier = RTE_MAX(dp->tier, dp->stats->port[port].tier);
    dp->stats->tier = dp->tier;
}

void steering_setup(struct dataplane *dp)
{
    const uint8_t *key = steering_key_mixing;
    unsigned fold = JP_RETA_MAX;

    steering_table(dp, fold, key);
    for (unsigned i = 0; i < dp->ports; i++) {
        struct jp_stats_port *shared = &dp->stats->port[i];

        chosen[i] = probe_port(dp, &dp->port[i], shared->tier_why, sizeof(shared->tier_why));
        fold = RTE_MIN(fold, chosen[i].fold);
        if (chosen[i].tier == JP_TIER_FLOW)
            key = steering_key_buckets;
    }
    steering_table(dp, fold, key);
    for (unsigned i = 0; i < dp->ports; i++)
        steering_apply(dp, i);
}
