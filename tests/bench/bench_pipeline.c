/* Takes a fixed number of packets through the receive path to the discard sink, stage by stage, and
 * prints what a packet costs in each: the mean over all bursts. Packets are sealed just before,
 * untimed, so they come from the cache, as with a NIC that writes there. */
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

static void report(const struct stopwatch *spent, unsigned long count)
{
    struct stopwatch sum = {0, 0};

    for (unsigned i = 0; i < RTE_DIM(stages); i++) {
        printf("%-8s %8.1f cycles %8.1f ns\n", stages[i].name,
               (double)spent[i].cycles / (double)count, (double)spent[i].ns / (double)count);
        sum.cycles += spent[i].cycles;
        sum.ns += spent[i].ns;
    }
    printf("%-8s %8.1f cycles %8.1f ns\n", "sum", (double)sum.cycles / (double)count,
           (double)sum.ns / (double)count);
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fputs(usage, stderr);
        return 2;
    }
    uint32_t size = (uint32_t)number(argv[1], 1400);
    unsigned long count = number(argv[2], UINT32_MAX), done = 0;
    unsigned sessions = argc > 3 ? (unsigned)number(argv[3], SESSIONS_MAX) : 1;
    struct stopwatch spent[RTE_DIM(stages)] = {{0}};
    void *state;

    plane_setup(&state);
    struct plane *plane = state;
    struct client *c = start(plane, sessions);

    for (; done < count; done += BURST_MAX) {
        struct burst b;

        arrive(plane, c, sessions, done, size, &b);
        for (unsigned i = 0; i < RTE_DIM(stages); i++) {
            struct stopwatch watch = stopwatch_now();

            stages[i].run(plane->dp.lcore[0], &b);
            watch = stopwatch_since(watch);
            spent[i].ns += watch.ns;
            spent[i].cycles += watch.cycles;
        }
        egress_run(plane->dp.lcore[0]);
        plane_ignore_sent(plane);
    }
    if (plane_count(plane, JP_delivered) != done) {
        fprintf(stderr, "bench_pipeline: not everything was delivered\n");
        return 1;
    }
    report(spent, done);
    free(c);
    return 0;
}
