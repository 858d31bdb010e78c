/* Do two classes of samples differ? Welch's t-test of their means (first order) and of their
 * variances (second order: of the squared distances from the class's mean), over all samples and
 * over those below percentiles of all: what is slow for other reasons comes on top of a leak and
 * hides it. After Reparaz, Balasch, Verbauwhede, "Dude, is my code constant time?" (2017). */
#ifndef BENCH_WELCH_H
#define BENCH_WELCH_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum { WELCH_CROPS = 20, WELCH_MIN = 1000 /* samples of a class that a test needs */ };

struct samples {
    uint32_t *value;
    uint8_t *class; /* 0 or 1 */
    unsigned long n;
};

/* Of the samples of a class: how many, their mean, and the sum of squared distances from it. */
struct moments {
    double n, mean, squares;
};

static inline void moments_add(struct moments *m, double x)
{
    double before = x - m->mean;

    m->n++;
    m->mean += before / m->n;
    m->squares += before * (x - m->mean);
}

/* Of the difference of the means; 0 where there are too few samples, or all are alike. */
static inline double welch_error(const struct moments m[2])
{
    double variance = 0;

    for (unsigned c = 0; c < 2; c++) {
        if (m[c].n < WELCH_MIN)
            return 0;
        variance += m[c].squares / (m[c].n - 1) / m[c].n;
    }
    return sqrt(variance);
}

static inline double welch_t(const struct moments m[2])
{
    double error = welch_error(m);

    return error > 0 ? fabs(m[0].mean - m[1].mean) / error : 0;
}

struct welch {
    double first, second; /* the largest |t| of either order */
    /* by how much the mean of class 1 is larger, and what that must be for |t| to be 4.5: where the
     * samples say it most exactly */
    double difference, resolution;
};

static inline void welch_test(const struct samples *s, uint32_t below, struct welch *result)
{
    struct moments values[2] = {{0}}, squares[2] = {{0}};
    double error;

    for (unsigned long i = 0; i < s->n; i++)
        if (s->value[i] <= below)
            moments_add(&values[s->class[i]], s->value[i]);
    for (unsigned long i = 0; i < s->n; i++) {
        double off = s->value[i] - values[s->class[i]].mean;

        if (s->value[i] <= below)
            moments_add(&squares[s->class[i]], off * off);
    }
    result->first = fmax(result->first, welch_t(values));
    result->second = fmax(result->second, welch_t(squares));
    error = welch_error(values);
    if (error > 0 && 4.5 * error < result->resolution) {
        result->resolution = 4.5 * error;
        result->difference = values[1].mean - values[0].mean;
    }
}

static inline int welch_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static inline struct welch welch_tests(const struct samples *s)
{
    uint32_t *sorted = malloc(s->n * sizeof(*sorted));
    struct welch result = {.resolution = HUGE_VAL};

    if (!sorted)
        report_fail("out of memory");
    memcpy(sorted, s->value, s->n * sizeof(*sorted));
    qsort(sorted, s->n, sizeof(*sorted), welch_compare);
    welch_test(s, UINT32_MAX, &result);
    for (unsigned i = 1; i <= WELCH_CROPS; i++) { /* leave out the slowest 71 % ... 0.1 % */
        double kept = 1 - pow(0.5, 10.0 * i / WELCH_CROPS);

        welch_test(s, sorted[(unsigned long)(kept * (double)(s->n - 1))], &result);
    }
    free(sorted);
    return result;
}

#endif
