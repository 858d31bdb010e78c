#include "histogram.h"

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    uint64_t max = __atomic_load_n(&from->max, __ATOMIC_RELAXED);

    into->count += __atomic_load_n(&from->count, __ATOMIC_RELAXED);
    if (max > into->max)
        into->max = max;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++)
        into->slot[i] += __atomic_load_n(&from->slot[i], __ATOMIC_RELAXED);
}

void histogram_subtract(struct histogram *into, const struct histogram *from)
{
    into->count -= from->count;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++)
        into->slot[i] -= from->slot[i];
}

/* The middle of a slot's values. */
static uint64_t value_of(unsigned slot)
{
    unsigned shift = slot >> HISTOGRAM_BITS;
    uint64_t top = slot;

    if (shift < 2)
        return slot;
    shift--;
    top -= (uint64_t)shift << HISTOGRAM_BITS;
    return (top << shift) + (UINT64_C(1) << shift) / 2;
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    uint64_t rank = (uint64_t)(q * (double)h->count + 0.999999), below = 0;

    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        below += h->slot[i];
        if (below > 0 && below >= rank)
            return value_of(i) < h->max ? value_of(i) : h->max;
    }
    return h->count > 0 ? h->max : 0;
}
