/* Rate limits: token buckets, alone and per source prefix (IPv4 /24, IPv6 /56). Times are
 * microseconds; owned by one thread. */
#ifndef PROTO_LIMIT_H
#define PROTO_LIMIT_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint32_t per_second; /* 0: no limit */
    uint32_t burst;
};

/* A bucket is one number, the time (ns) at which it will be full again (the generic cell rate
 * algorithm): one long unused needs no upkeep, and a zeroed one is full. */
struct bucket {
    uint64_t full_at;
};

/* May one more pass at now? */
bool bucket_pass(struct bucket *bucket, struct rate rate, uint64_t now);

enum { LIMIT_SETS = 1024, LIMIT_WAYS = 4 };

/* Buckets by prefix, four to a cache line and set, in a table of fixed size. A prefix that is not
 * in its set takes over the fullest bucket as it stands. So nobody gains a fresh burst by coming
 * from many prefixes: all of a set's prefixes together pass at most four buckets' rate, and those
 * that were pushed out share what is left. The hash is keyed, so nobody can aim at another's set.
 */
struct prefix_limit {
    struct {
        uint64_t prefix[LIMIT_WAYS];
        struct bucket bucket[LIMIT_WAYS];
    } set[LIMIT_SETS];
    struct rate rate;
    uint8_t key[crypto_shorthash_KEYBYTES];
};

void prefix_limit_init(struct prefix_limit *limit, struct rate rate);
/* May one more from ip (v4-mapped) pass at now? */
bool prefix_limit_pass(struct prefix_limit *limit, const uint8_t ip[16], uint64_t now);

#endif
