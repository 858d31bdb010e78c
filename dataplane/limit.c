/* Token buckets, four to a cache line and set. A bucket is one number: the time at which it will be
 * full again (the generic cell rate algorithm), so a bucket long unused needs no upkeep and zeroed
 * memory is a table of full ones.
 *
 * A prefix that is not in its set takes over the fullest bucket as it stands. So nobody gains a
 * fresh burst by coming from many prefixes: all of a set's prefixes together pass at most four
 * buckets' rate, and those that were pushed out share what is left. The hash is keyed, so nobody
 * can aim at another's set. */
#include <string.h>

#include <rte_malloc.h>
#include <sodium.h>

#include "bytes.h"
#include "setup.h"

enum { SETS = 1024, WAYS = 4, NS_PER_US = 1000 };
static const uint64_t ns_per_s = 1000000000;

struct bucket {
    uint64_t prefix;
    uint64_t full_at; /* ns */
};

struct rate_limit {
    uint64_t cost_ns;  /* of one packet; 0: no limit */
    uint64_t depth_ns; /* of an empty bucket */
    uint8_t key[crypto_shorthash_KEYBYTES];
    alignas(64) struct bucket set[SETS][WAYS];
};

struct rate_limit *rate_limit_new(uint32_t rate, uint32_t burst, int socket)
{
    struct rate_limit *limit = rte_zmalloc_socket("rate_limit", sizeof(*limit), 64, socket);

    if (!limit)
        return NULL;
    limit->cost_ns = rate == 0 ? 0 : RTE_MAX(ns_per_s / rate, 1u);
    limit->depth_ns = limit->cost_ns * burst;
    randombytes_buf(limit->key, sizeof(limit->key));
    return limit;
}

/* IPv4 /24 or IPv6 /56, as one number. */
static uint64_t prefix_of(const uint8_t ip[16])
{
    static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (memcmp(ip, v4_mapped, sizeof(v4_mapped)) == 0)
        return UINT64_C(1) << 56 | be32_load(ip + 12) >> 8;
    return be64_load(ip) >> 8;
}

static struct bucket *bucket_of(struct rate_limit *limit, uint64_t prefix)
{
    uint64_t hash;

    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)&prefix, sizeof(prefix), limit->key);
    struct bucket *set = limit->set[hash % SETS], *fullest = &set[0];

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].prefix == prefix)
            return &set[i];
        if (set[i].full_at < fullest->full_at)
            fullest = &set[i];
    }
    fullest->prefix = prefix;
    return fullest;
}

bool rate_limit_pass(struct rate_limit *limit, const uint8_t ip[16], uint64_t now)
{
    uint64_t now_ns = now * NS_PER_US;

    if (limit->cost_ns == 0)
        return true;
    struct bucket *b = bucket_of(limit, prefix_of(ip));
    uint64_t full_at = RTE_MAX(b->full_at, now_ns) + limit->cost_ns;

    if (full_at > now_ns + limit->depth_ns)
        return false;
    b->full_at = full_at;
    return true;
}
