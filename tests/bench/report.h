/* What a benchmark program prints, and what scripts/bench reads.
 *
 *   bench_x [--json] ARGUMENT...     fixed work, set by its arguments
 *
 * One result a line, `name value unit`, or with --json all of them as one object on one line:
 *
 *   {"open": {"value": 171.2, "unit": "ns/packet"}, ...}
 *
 * Names are lower case, a dot between the levels ("decrypt.cycles"), and each occurs once. A unit
 * is what is counted: "ns/packet", "cycles/packet", "packets/s", "Gbit/s", "us", "bytes"; a figure
 * without one, as the ratio of two others, has "ratio". The exit status is 0 when all the work was
 * done, 1 when it went wrong, 2 for bad arguments. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Weak: one for all files of a program. */
__attribute__((weak)) struct {
    const char *usage;
    bool json;
    unsigned results;
} report_state;

/* Say what is wrong with the arguments, and end. */
static inline _Noreturn void report_usage(const char *what)
{
    fprintf(stderr, "%s\n%s", what, report_state.usage);
    exit(2);
}

/* Something went wrong, say what, and end. */
static inline _Noreturn void report_fail(const char *what)
{
    fprintf(stderr, "the benchmark failed: %s\n", what);
    exit(1);
}

/* Call it first: takes --json out of the arguments, and --help for `usage`. */
static inline void report_begin(int *argc, char **argv, const char *usage)
{
    int kept = 1;

    report_state.usage = usage;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        if (strcmp(argv[i], "--json") == 0)
            report_state.json = true;
        else
            argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    *argc = kept;
}

/* An argument that is a whole number from min to max. */
static inline unsigned long report_number(const char *text, unsigned long min, unsigned long max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || *text == '-' || n < min || n > max) {
        fprintf(stderr, "'%s' is no number from %lu to %lu\n", text, min, max);
        report_usage("bad argument");
    }
    return n;
}

static inline void report(const char *name, double value, const char *unit)
{
    const char *before = report_state.results++ == 0 ? "{" : ", ";

    if (report_state.json)
        printf("%s\"%s\": {\"value\": %.7g, \"unit\": \"%s\"}", before, name, value, unit);
    else
        printf("%-28s %14.7g %s\n", name, value, unit);
}

/* Call it last. */
static inline void report_end(void)
{
    if (report_state.json)
        puts(report_state.results > 0 ? "}" : "{}");
}

static inline int report_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Of n samples, which it sorts: other work on the machine hardly moves it. */
static inline uint64_t report_median(uint64_t *samples, unsigned long n)
{
    qsort(samples, n, sizeof(*samples), report_compare);
    return samples[n / 2];
}

#endif
