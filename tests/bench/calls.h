/* What one call of something short costs: the median batch's share, everything in the caches. */
#ifndef BENCH_CALLS_H
#define BENCH_CALLS_H

#include "report.h"
#include "stopwatch.h"

enum { CALLS = 1024 }; /* in a batch */

static inline double calls_median(struct stopwatch *times, unsigned long n, bool cycles)
{
    uint64_t *samples = calloc(n, sizeof(*samples));

    if (!samples)
        report_fail("out of memory");
    for (unsigned long i = 0; i < n; i++)
        samples[i] = cycles ? times[i].cycles : times[i].ns;
    double median = (double)report_median(samples, n) / CALLS;

    free(samples);
    return median;
}

/* Run so many batches of CALLS calls; reports name.ns and name.cycles. Batches return something
 * that depends on every call, so that none is optimised away. */
static inline void calls_report(const char *name, uint64_t (*batch)(void), unsigned long batches)
{
    struct stopwatch *times = calloc(batches, sizeof(*times));
    volatile uint64_t sum = 0;
    char result[64];

    if (!times)
        report_fail("out of memory");
    for (unsigned long i = 0; i < batches; i++) {
        struct stopwatch start = stopwatch_now();

        sum = sum + batch();
        times[i] = stopwatch_since(start);
    }
    snprintf(result, sizeof(result), "%s.ns", name);
    report(result, calls_median(times, batches, false), "ns");
    snprintf(result, sizeof(result), "%s.cycles", name);
    report(result, calls_median(times, batches, true), "cycles");
    free(times);
}

#endif
