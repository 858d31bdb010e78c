#include "limit.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "clock.h"

enum { SETS = 4096, WAYS = 4 };
static const uint64_t TOKEN = CLOCK_SECOND;

struct entry {
    uint64_t prefix;
    struct bucket bucket;
};

struct limit {
    struct rate rate;
    uint8_t hash_key[crypto_shorthash_KEYBYTES]; /* so nobody can aim at a set */
    struct entry entry[SETS][WAYS];
};

bool bucket_pass(struct bucket *bucket, struct rate rate, uint64_t now)
{
    uint64_t full = rate.burst * TOKEN;
    uint64_t elapsed = now - bucket->at;

    /* a day fills every bucket, and keeps the product small */
    if (bucket->at == 0 || elapsed > 86400 * (uint64_t)CLOCK_SECOND)
        bucket->level = full;
    else
        bucket->level += elapsed * rate.per_second;
    if (bucket->level > full)
        bucket->level = full;
    bucket->at = now;
    if (bucket->level < TOKEN)
        return false;
    bucket->level -= TOKEN;
    return true;
}

struct limit *limit_new(struct rate rate)
{
    struct limit *limit = calloc(1, sizeof(*limit));

    if (limit) {
        limit->rate = rate;
        randombytes_buf(limit->hash_key, sizeof(limit->hash_key));
    }
    return limit;
}

void limit_free(struct limit *limit)
{
    free(limit);
}

/* Never 0, the mark of an unused entry. */
static uint64_t prefix_of(const uint8_t ip[16])
{
    static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (memcmp(ip, v4_mapped, sizeof(v4_mapped)) == 0)
        return UINT64_C(1) << 63 | be32_load(ip + 12) >> 8;
    return UINT64_C(1) << 62 | be64_load(ip) >> 8;
}

/* The prefix's entry; if it has none, the one of its set that was unused longest. */
static struct entry *find(struct limit *limit, uint64_t prefix)
{
    struct entry *set, *oldest;
    uint64_t hash;

    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)&prefix, sizeof(prefix), limit->hash_key);
    set = limit->entry[hash % SETS];
    oldest = set;
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].prefix == prefix)
            return &set[i];
        if (set[i].bucket.at < oldest->bucket.at)
            oldest = &set[i];
    }
    *oldest = (struct entry){.prefix = prefix};
    return oldest;
}

bool limit_pass(struct limit *limit, const uint8_t ip[16], uint64_t now)
{
    return bucket_pass(&find(limit, prefix_of(ip))->bucket, limit->rate, now);
}
