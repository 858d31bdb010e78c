/* Seeded random numbers (splitmix64) for impairments and choices that must be the same every run.
 * Not for keys. */
#ifndef PKTGEN_PRNG_H
#define PKTGEN_PRNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t state;
};

static inline uint64_t prng_mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint64_t prng_next(struct prng *r)
{
    return prng_mix(r->state += UINT64_C(0x9e3779b97f4a7c15));
}

/* 0 to n - 1; 0 < n <= 2^32. */
static inline uint32_t prng_below(struct prng *r, uint64_t n)
{
    return (uint32_t)((prng_next(r) >> 32) * n >> 32);
}

/* A probability as prng_chance wants it: 0 is never, 1 always. */
static inline uint64_t prng_threshold(double p)
{
    return p >= 1 ? UINT64_MAX : p <= 0 ? 0 : (uint64_t)(p * 0x1p64);
}

static inline bool prng_chance(struct prng *r, uint64_t threshold)
{
    return threshold != 0 && prng_next(r) <= threshold;
}

static inline void prng_fill(struct prng *r, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(prng_next(r) >> 56);
}

#endif
