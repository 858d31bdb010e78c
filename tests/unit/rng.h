/* Seeded random numbers for tests (splitmix64): the same every run, or from TEST_SEED. Every seed
 * is printed, so that a failure can be run again. */
#ifndef TESTS_RNG_H
#define TESTS_RNG_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rng {
    uint64_t state;
};

static inline struct rng rng_new(uint64_t seed)
{
    const char *given = getenv("TEST_SEED");

    if (given)
        seed = strtoull(given, NULL, 0);
    printf("seed: TEST_SEED=%llu\n", (unsigned long long)seed);
    return (struct rng){seed};
}

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 to n - 1; n > 0. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

static inline void rng_fill(struct rng *r, void *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = (uint8_t)rng_next(r);
}

/* A copy of exactly n bytes on the heap: a sanitizer sees any read beyond them. Free it. */
static inline uint8_t *exact_copy(const void *p, size_t n)
{
    uint8_t *copy = malloc(n);

    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

#endif
