/* Counts of values in log-linear slots: exact below 128, within 1/128 above, up to 2^40. Adding is
 * a few instructions; two are merged by adding them up. The unit is the caller's. One writer, and
 * readers at any time: each number is atomic, relaxed. */
#ifndef PKTGEN_HISTOGRAM_H
#define PKTGEN_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_BITS = 7, /* of precision */
    HISTOGRAM_TOP = 40, /* bits of the largest value; what is larger counts as that */
    HISTOGRAM_SLOTS = (HISTOGRAM_TOP - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
};

struct histogram {
    uint64_t count;
    uint64_t max;
    uint64_t slot[HISTOGRAM_SLOTS];
};

static inline unsigned histogram_slot(uint64_t v)
{
    unsigned shift;

    if (v < 1u << HISTOGRAM_BITS)
        return (unsigned)v;
    if (v >> HISTOGRAM_TOP)
        return HISTOGRAM_SLOTS - 1;
    shift = 63u - (unsigned)__builtin_clzll(v) - HISTOGRAM_BITS;
    return (shift << HISTOGRAM_BITS) + (unsigned)(v >> shift);
}

static inline void histogram_add(struct histogram *h, uint64_t v)
{
    uint64_t *slot = &h->slot[histogram_slot(v)];

    __atomic_store_n(&h->count, h->count + 1, __ATOMIC_RELAXED);
    __atomic_store_n(slot, *slot + 1, __ATOMIC_RELAXED);
    if (v > h->max)
        __atomic_store_n(&h->max, v, __ATOMIC_RELAXED);
}

void histogram_merge(struct histogram *into, const struct histogram *from);
/* into -= from, an earlier state of the same histogram; max stays. */
void histogram_subtract(struct histogram *into, const struct histogram *from);
/* The value that a share q (0 to 1) of all values is at or below: the middle of its slot, never
 * above the maximum; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *h, double q);

#endif
