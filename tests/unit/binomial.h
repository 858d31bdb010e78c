/* What a systematic k + r block code over a path with independent packet loss must deliver,
 * exactly: for tests that compare a measured loss with it.
 *
 * Of the n = k + r packets of a block, m are lost with Binomial(n, p). Up to r, nothing is lost.
 * Beyond, nothing can be recovered, and the lost sources among the m are hypergeometric. */
#ifndef TESTS_BINOMIAL_H
#define TESTS_BINOMIAL_H

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static inline double choose(unsigned n, unsigned m)
{
    double c = m <= n;

    for (unsigned i = 1; i <= m && m <= n; i++)
        c = c * (n - m + i) / i;
    return c;
}

/* P[Binomial(n, p) = m] */
static inline double binomial_pmf(unsigned n, unsigned m, double p)
{
    double probability = choose(n, m);

    for (unsigned i = 0; i < n; i++)
        probability *= i < m ? p : 1 - p;
    return probability;
}

/* P[Binomial(n, p) >= m] */
static inline double binomial_tail(unsigned n, unsigned m, double p)
{
    double probability = 0;

    for (unsigned i = n + 1; i > m; i--)
        probability += binomial_pmf(n, i - 1, p);
    return probability;
}

/* A distribution of counts: P[low + i] = p[i] for i < n. */
struct distribution {
    size_t low, n;
    double *p; /* on the heap */
};

/* Of the sources of one block that stay lost, 0 to k. */
static inline struct distribution fec_block_loss(unsigned k, unsigned r, double p)
{
    struct distribution d = {.n = k + 1, .p = calloc(k + 1, sizeof(double))};
    unsigned n = k + r;

    assert(d.p != NULL);
    d.p[0] = 1 - binomial_tail(n, r + 1, p);
    for (unsigned m = r + 1; m <= n; m++)
        for (unsigned lost = m - r; lost <= k && lost <= m; lost++)
            d.p[lost] +=
                binomial_pmf(n, m, p) * choose(k, lost) * choose(r, m - lost) / choose(n, m);
    return d;
}

/* Of the sum of two independent counts, without tails of no weight. */
static inline struct distribution distribution_sum(struct distribution a, struct distribution b)
{
    const double nothing = 1e-18;
    struct distribution d = {.low = a.low + b.low, .n = a.n + b.n - 1};
    size_t skip = 0;

    d.p = calloc(d.n, sizeof(double));
    assert(d.p != NULL);
    for (size_t i = 0; i < a.n; i++)
        for (size_t j = 0; j < b.n; j++)
            d.p[i + j] += a.p[i] * b.p[j];
    while (d.n > 1 && d.p[d.n - 1] < nothing)
        d.n--;
    while (skip + 1 < d.n && d.p[skip] < nothing)
        skip++;
    d.low += skip;
    d.n -= skip;
    memmove(d.p, d.p + skip, d.n * sizeof(double));
    return d;
}

/* Of the sources of `blocks` independent blocks that stay lost. */
static inline struct distribution fec_total_loss(unsigned k, unsigned r, double p, unsigned blocks)
{
    struct distribution one = fec_block_loss(k, r, p), twice;
    struct distribution sum = {.n = 1, .p = calloc(1, sizeof(double))};

    assert(sum.p != NULL);
    sum.p[0] = 1;
    for (unsigned bit = 1u << 31; bit != 0; bit >>= 1) {
        twice = distribution_sum(sum, sum);
        free(sum.p);
        sum = twice;
        if (blocks & bit) {
            twice = distribution_sum(sum, one);
            free(sum.p);
            sum = twice;
        }
    }
    free(one.p);
    return sum;
}

/* The smallest count that at least `share` of the weight is at or below. */
static inline size_t distribution_quantile(struct distribution d, double share)
{
    double below = 0;
    size_t i = 0;

    while (i < d.n && (below += d.p[i]) < share)
        i++;
    return d.low + i;
}

/* The central interval [*low, *high] of lost sources that holds at least `confidence`, 0.99 for
 * example. */
static inline void fec_loss_interval(unsigned k, unsigned r, double p, unsigned blocks,
                                     double confidence, size_t *low, size_t *high)
{
    struct distribution d = fec_total_loss(k, r, p, blocks);

    *low = distribution_quantile(d, (1 - confidence) / 2);
    *high = distribution_quantile(d, (1 + confidence) / 2);
    free(d.p);
}

#endif
