/* Time of a stretch of work. Cycles are the time stamp counter's, 0 where there is none. */
#ifndef BENCH_STOPWATCH_H
#define BENCH_STOPWATCH_H

#include <stdint.h>
#include <time.h>

struct stopwatch {
    uint64_t ns, cycles;
};

static inline struct stopwatch stopwatch_now(void)
{
    struct stopwatch now = {0, 0};
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    now.ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#ifdef __x86_64__
    now.cycles = __builtin_ia32_rdtsc();
#endif
    return now;
}

static inline struct stopwatch stopwatch_since(struct stopwatch start)
{
    struct stopwatch now = stopwatch_now();

    return (struct stopwatch){now.ns - start.ns, now.cycles - start.cycles};
}

/* CPU time of this thread, in ns: for work of microseconds and more, where other programs on the
 * same core would count too. */
static inline uint64_t stopwatch_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
