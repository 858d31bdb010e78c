/* What redundancy costs: the adaptive codes against fixed Reed-Solomon blocks that leave the same
 * share of sources lost, on paths that lose packets in spells. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "protect.h"
#include "rng.h"

static const char usage[] = "usage: bench_redundancy [SOURCES]\n"
                            "  SOURCES  of each run (default 300000)\n";

enum {
    FEEDBACK = 100,
    REPAIRS = 48, /* of a fixed block; more than FEC_R_MAX can be counted, but not sent */
};

static uint64_t seed, sources = 300000;

/* How often the adaptive code was compared on losses in bursts, and how often it needed at least
 * 35 % less: against fixed blocks that recover as soon, and those that take a quarter longer. */
static struct tally {
    unsigned n, less;
} tallies[REDUNDANCY_CLASSES][2];
static const double less_by = 0.35, as_soon = 1.25;

static const struct path_case {
    const char *name;
    struct protect_path path;
} cases[] = {
    {"10 %, independent", {(const struct protect_phase[]){{1000, 0.10, 0}}, 1}},
    {"1 % in bursts of 3", {(const struct protect_phase[]){{1000, 0.01, 3}}, 1}},
    {"2 % in bursts of 3", {(const struct protect_phase[]){{1000, 0.02, 3}}, 1}},
    {"3 % in bursts of 3", {(const struct protect_phase[]){{1000, 0.03, 3}}, 1}},
    {"now 0, now 3 %, of 3", {(const struct protect_phase[]){{30000, 0, 1}, {30000, 0.03, 3}}, 2}},
    {"now 0.3, now 3 %, of 3",
     {(const struct protect_phase[]){{30000, 0.003, 3}, {30000, 0.03, 3}}, 2}},
};

static double share(uint64_t part, uint64_t of)
{
    return of == 0 ? 0 : (double)part / (double)of;
}

/* The overhead at which blocks of k leave `residual` lost, between two numbers of repairs by the
 * logarithm of what they leave; 0 when REPAIRS do not do. */
static double fixed_overhead(const struct protect_path *path, unsigned k, double residual,
                             double *delay)
{
    double before = 1;

    for (unsigned r = 1; r <= REPAIRS; r++) {
        struct protect_result f = protect_fixed(seed, path, sources, k, r);
        double now = share(f.lost, f.sources);

        *delay = share(f.delays, f.recovered);
        if (now <= residual) {
            double floor = now > 0 ? now : residual / 10;

            return (r - log(residual / floor) / log(before / floor)) / k;
        }
        before = now;
    }
    return 0;
}

static void print_fixed(const struct path_case *c, enum redundancy_class which, unsigned k,
                        double residual, double overhead, double adaptive_delay)
{
    double delay, fixed = fixed_overhead(&c->path, k, residual, &delay);
    bool later = delay > adaptive_delay * as_soon;
    struct tally *tally = &tallies[which][later];

    if (c->path.phases[c->path.n - 1].burst > 0) {
        tally->n++;
        tally->less += fixed == 0 || overhead <= (1 - less_by) * fixed;
    }
    if (fixed == 0)
        printf(" |  >%3.0f %%*             ", 100.0 * REPAIRS / k);
    else
        printf(" | %5.1f %%%c %4.1f%c %+4.0f %%", 100 * fixed, fixed * k > FEC_R_MAX ? '*' : ' ',
               delay, later ? '+' : ' ', 100 * (overhead / fixed - 1));
}

static void compare(const struct path_case *c, enum redundancy_class which, double residual)
{
    static const unsigned ks[] = {10, 20, 32, 64};
    struct redundancy_goal goals[REDUNDANCY_CLASSES];
    struct protect_result a;
    double overhead, left;

    memcpy(goals, redundancy_goals, sizeof(goals));
    goals[which].residual = (uint32_t)(residual * CHANCE_ONE);
    goals[which].overhead = RLC_RATIO_ONE * 2 / 5;
    a = protect_adaptive(seed, &c->path, sources, goals, which, FEEDBACK);
    overhead = share(a.repairs, a.sources);
    left = share(a.lost, a.sources);
    printf("%-23s %-8s %.0e  %.1e %5.1f %% %5.1f %4.0f ", c->name,
           which == REDUNDANCY_LATENCY ? "latency" : "bulk", residual, left, 100 * overhead,
           share(a.delays, a.recovered), (double)a.delay_max);
    for (unsigned i = 0; i < sizeof(ks) / sizeof(ks[0]); i++)
        print_fixed(c, which, ks[i], left > 0 ? left : residual / 10, overhead,
                    share(a.delays, a.recovered));
    printf("\n");
}

int main(int argc, char **argv)
{
    static const double residuals[] = {1e-3, 1e-4};

    if (argc > 2 || (argc == 2 && (sources = strtoull(argv[1], NULL, 10)) < 10000)) {
        fputs(usage, stderr);
        return 2;
    }
    seed = rng_new(1).state;
    fec_init();
    printf("What stays lost when redundancy is adapted, and the packets until a lost one is "
           "recovered.\n"
           "Then fixed blocks of k that leave as much (*: more repairs than the protocol allows), "
           "their "
           "delay (+: a quarter longer, so not the same deadline), and the difference.\n");
    printf("%-23s %-8s goal  left    overhead delay  max  | k = 10                | k = 20"
           "                | k = 32                | k = 64\n",
           "path", "streams");
    for (unsigned t = 0; t < sizeof(residuals) / sizeof(residuals[0]); t++)
        for (enum redundancy_class which = 0; which < REDUNDANCY_CLASSES; which++)
            for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                compare(&cases[i], which, residuals[t]);
    for (enum redundancy_class which = 0; which < REDUNDANCY_CLASSES; which++) {
        const struct tally *t = tallies[which];

        printf("Losses in bursts, %s streams: at least %.0f %% less than %u of %u fixed codes that "
               "recover as soon, and than %u of %u that take longer.\n",
               which == REDUNDANCY_LATENCY ? "latency" : "bulk", 100 * less_by, t[0].less, t[0].n,
               t[1].less, t[1].n);
    }
    return 0;
}
