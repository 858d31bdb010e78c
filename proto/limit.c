#include "limit.h"

#include <string.h>

#include "bytes.h"

enum { NS_PER_US = 1000 };
static const uint64_t ns_per_s = 1000000000;

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

bool bucket_pass(struct bucket *bucket, struct rate rate, uint64_t now)
{
    if (rate.per_second == 0)
        return true;
    uint64_t now_ns = now * NS_PER_US;
    uint64_t cost = later(ns_per_s / rate.per_second, 1);
    uint64_t full_at = later(bucket->full_at, now_ns) + cost;

    if (full_at > now_ns + cost * rate.burst)
        return false;
    bucket->full_at = full_at;
    return true;
}

void prefix_limit_init(struct prefix_limit *limit, struct rate rate)
{
    memset(limit, 0, sizeof(*limit));
    limit->rate = rate;
    randombytes_buf(limit->key, sizeof(limit->key));
}

/* IPv4 /24 or IPv6 /56, as one number. */
static uint64_t prefix_of(const uint8_t ip[16])
{
    static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (memcmp(ip, v4_mapped, sizeof(v4_mapped)) == 0)
        return UINT64_C(1) << 56 | be32_load(ip + 12) >> 8;
    return be64_load(ip) >> 8;
}

static struct bucket *bucket_of(struct prefix_limit *limit, uint64_t prefix)
{
    uint64_t hash;
    unsigned set, fullest = 0;

    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)&prefix, sizeof(prefix), limit->key);
    set = hash % LIMIT_SETS;
    for (unsigned i = 0; i < LIMIT_WAYS; i++) {
        if (limit->set[set].prefix[i] == prefix)
            return &limit->set[set].bucket[i];
        if (limit->set[set].bucket[i].full_at < limit->set[set].bucket[fullest].full_at)
            fullest = i;
    }
    limit->set[set].prefix[fullest] = prefix;
    return &limit->set[set].bucket[fullest];
}

bool prefix_limit_pass(struct prefix_limit *limit, const uint8_t ip[16], uint64_t now)
{
    return limit->rate.per_second == 0 ||
           bucket_pass(bucket_of(limit, prefix_of(ip)), limit->rate, now);
}
