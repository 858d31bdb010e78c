/* Takes a fixed number of packets through the receive path to the discard sink, stage by stage, and
 * prints what a packet costs in each: the median burst's share, which other work on the machine
 * hardly moves. Packets are sealed just before, untimed, so they come from the cache, as with a NIC
 * that writes there. */
#include <stdio.h>
#include <stdlib.h>

#include "ingress.h"
#include "plane.h"
#include "stopwatch.h"

static const char usage[] = "usage: bench_pipeline SIZE COUNT [SESSIONS]\n"
                            "  SIZE      bytes of data a packet, 1 to 1400, as one STREAM message\n"
                            "  COUNT     packets, in bursts of 64\n"
                            "  SESSIONS  to go round, one a packet (default 1, at most 4000)\n";

enum { SESSIONS_MAX = 4000 };

static const struct stage {
    const char *name;
    uint16_t (*run)(struct lcore *lc, struct burst *b);
} stages[] = {
    {"parse", ingress_parse},     {"steer", ingress_steer}, {"decrypt", ingress_decrypt},
    {"replay", ingress_replay},   {"fec", ingress_fec},     {"reorder", ingress_reorder},
    {"deliver", ingress_deliver},
};

static unsigned long number(const char *text, unsigned long max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end != '\0' || n == 0 || n > max) {
        fprintf(stderr, "bench_pipeline: %s is out of range\n%s", text, usage);
        exit(2);
    }
    return n;
}

static struct client *start(struct plane *plane, unsigned sessions)
{
    struct client *c = calloc(sessions, sizeof(*c));

    for (unsigned i = 0; i < sessions; i++)
        c[i] = client_start(plane, i, PLANE_DISCARD);
    return c;
}

/* A burst of packets as the port would give it. */
static void arrive(struct plane *plane, struct client *c, unsigned sessions, unsigned long first,
                   uint32_t size, struct burst *b)
{
    for (unsigned i = 0; i < BURST_MAX; i++) {
        unsigned long n = first + i;

        client_send_stream(&c[n % sessions], 1, n / sessions, 0, true, size, 0);
    }
    b->n = (uint16_t)rte_ring_dequeue_burst(plane->in[0][0], (void **)b->m, BURST_MAX, NULL);
    for (unsigned i = 0; i < b->n; i++)
        packet_of(b->m[i])->port = 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static double median(uint64_t *samples, unsigned long n)
{
    qsort(samples, n, sizeof(*samples), compare);
    return (double)samples[n / 2] / BURST_MAX;
}

static void report(uint64_t *ns[], uint64_t *cycles[], unsigned long bursts)
{
    double sum_ns = 0, sum_cycles = 0;

    for (unsigned i = 0; i < RTE_DIM(stages); i++) {
        double stage_ns = median(ns[i], bursts), stage_cycles = median(cycles[i], bursts);

        printf("%-8s %8.1f ns %8.1f cycles\n", stages[i].name, stage_ns, stage_cycles);
        sum_ns += stage_ns;
        sum_cycles += stage_cycles;
    }
    printf("%-8s %8.1f ns %8.1f cycles\n", "sum", sum_ns, sum_cycles);
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fputs(usage, stderr);
        return 2;
    }
    uint32_t size = (uint32_t)number(argv[1], 1400);
    unsigned long bursts = (number(argv[2], UINT32_MAX) + BURST_MAX - 1) / BURST_MAX;
    unsigned sessions = argc > 3 ? (unsigned)number(argv[3], SESSIONS_MAX) : 1;
    uint64_t *ns[RTE_DIM(stages)], *cycles[RTE_DIM(stages)];
    void *state;

    plane_setup(&state);
    struct plane *plane = state;
    struct client *c = start(plane, sessions);

    for (unsigned i = 0; i < RTE_DIM(stages); i++) {
        ns[i] = calloc(bursts, sizeof(uint64_t));
        cycles[i] = calloc(bursts, sizeof(uint64_t));
    }
    for (unsigned long n = 0; n < bursts; n++) {
        struct burst b;

        arrive(plane, c, sessions, n * BURST_MAX, size, &b);
        for (unsigned i = 0; i < RTE_DIM(stages); i++) {
            struct stopwatch watch = stopwatch_now();

            stages[i].run(plane->dp.lcore[0], &b);
            watch = stopwatch_since(watch);
            ns[i][n] = watch.ns;
            cycles[i][n] = watch.cycles;
        }
        egress_run(plane->dp.lcore[0]);
        plane_ignore_sent(plane);
    }
    if (plane_count(plane, JP_delivered) != bursts * BURST_MAX) {
        fprintf(stderr, "bench_pipeline: not everything was delivered\n");
        return 1;
    }
    report(ns, cycles, bursts);
    for (unsigned i = 0; i < RTE_DIM(stages); i++) {
        free(ns[i]);
        free(cycles[i]);
    }
    free(c);
    return 0;
}
