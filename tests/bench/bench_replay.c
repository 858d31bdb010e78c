/* Checks and commits a fixed number of packet numbers in a replay window. */
#include "calls.h"
#include "replay.h"

static const char usage[] = "usage: bench_replay [--json] COUNT    packets, in batches of 1024\n";

static struct replay window;
static uint64_t next_pn;

static uint64_t take(uint64_t pn)
{
    return (uint64_t)replay_check(&window, pn) + replay_commit(&window, pn);
}

static uint64_t in_order(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++)
        sum += take(next_pn++);
    return sum;
}

/* Pairs change places: half the numbers are behind the highest. */
static uint64_t swapped(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++, next_pn++)
        sum += take(next_pn ^ 1);
    return sum;
}

/* The numbers of 1024 packets in an order that the branch predictor cannot learn. */
static uint64_t scattered(void)
{
    uint64_t sum = 0;
    uint32_t at = (uint32_t)next_pn;

    for (unsigned i = 0; i < CALLS; i++) {
        at = (at * 1664525 + 1013904223) % CALLS; /* goes through all of them */
        sum += take(next_pn + at);
    }
    next_pn += CALLS;
    return sum;
}

static uint64_t replayed(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++)
        sum += take(next_pn - 1 - i);
    return sum;
}

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    if (argc != 2)
        report_usage("wrong number of arguments");
    unsigned long batches = (report_number(argv[1], 1, 1000000000) + CALLS - 1) / CALLS;

    calls_report("in_order", in_order, batches);
    calls_report("swapped", swapped, batches);
    calls_report("scattered", scattered, batches);
    calls_report("replayed", replayed, batches);
    report_end();
    return 0;
}
