/* Rate limits: token buckets, alone and per source prefix (IPv4 /24, IPv6 /56). */
#ifndef CONTROL_LIMIT_H
#define CONTROL_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint32_t per_second;
    uint32_t burst;
};

/* A bucket, full when zeroed. */
struct bucket {
    uint64_t at;    /* us, of the last change */
    uint64_t level; /* millionths of a token */
};

/* May one more pass at now (us)? */
bool bucket_pass(struct bucket *bucket, struct rate rate, uint64_t now);

/* Buckets by prefix, in a table of fixed size: under a flood of prefixes the longest unused is
 * forgotten, and has a full bucket when it comes back. NULL: no memory. */
struct limit *limit_new(struct rate rate);
void limit_free(struct limit *limit);
/* May one more from ip (v4-mapped) pass at now (us)? */
bool limit_pass(struct limit *limit, const uint8_t ip[16], uint64_t now);

#endif
