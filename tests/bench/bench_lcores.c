/* The receive path on several lcores, a thread each, all CPUs shared out among them: what a packet
 * costs an lcore while the others are at work, and alone. What they share would show where there
 * are as many CPUs; with more lcores than CPUs the medians are of stretches that were not
 * interrupted. */
#include <pthread.h>
#include <sched.h>

#include <rte_lcore.h>

#include "load.h"
#include "report.h"

static const char usage[] =
    "usage: bench_lcores [--json] LCORES [OPTION=VALUE]...    LCORES: 1 to 4\n" LOAD_USAGE;

enum { TURNS = 7 }; /* of one lcore, and of all */

struct worker {
    pthread_t thread;
    struct load *load;
    struct load_samples samples;
    pthread_barrier_t *begin;
};

/* The n-th of the CPUs this program may use, and round again. */
static void pin(unsigned n)
{
    static cpu_set_t all; /* as it was at first */
    cpu_set_t one;
    unsigned cpu = 0;

    if (CPU_COUNT(&all) == 0)
        sched_getaffinity(0, sizeof(all), &all);
    for (n %= (unsigned)CPU_COUNT(&all); !CPU_ISSET(cpu, &all) || n-- > 0;)
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof(one), &one);
}

static void *work(void *arg)
{
    struct worker *w = arg;

    if (rte_thread_register() != 0)
        report_fail("no more threads");
    pin(w->load->o.lcore);
    load_warm(w->load);
    pthread_barrier_wait(w->begin);
    for (unsigned i = 0; i < w->load->o.rounds; i++) {
        load_fill(w->load);
        load_run(w->load, &w->samples);
    }
    rte_thread_unregister();
    return NULL;
}

/* Nanoseconds a packet, the mean of the n lcores. */
static double together(struct worker *workers, unsigned n)
{
    pthread_barrier_t begin;
    double ns = 0;

    pthread_barrier_init(&begin, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        workers[i].begin = &begin;
        workers[i].samples = load_samples(&workers[i].load->o);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            report_fail("no more threads");
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(workers[i].thread, NULL);
        ns += load_ns(&workers[i].samples, workers[i].load);
    }
    pthread_barrier_destroy(&begin);
    return ns / n;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double values[TURNS])
{
    qsort(values, TURNS, sizeof(*values), compare);
    return values[TURNS / 2];
}

int main(int argc, char **argv)
{
    struct worker workers[PLANE_LCORES];

    report_begin(&argc, argv, usage);
    if (argc < 2)
        report_usage("how many lcores?");
    unsigned n = (unsigned)report_number(argv[1], 1, PLANE_LCORES);
    struct load_options o = load_options(argc - 1, argv + 1);

    o.listener = PLANE_DISCARD;
    struct plane *plane = load_plane(n, o.sessions, o.fec_k > 0);

    pin(0); /* what CPUs there are is known before the first thread asks */
    for (o.lcore = 0; o.lcore < n; o.lcore++)
        workers[o.lcore] = (struct worker){.load = load_new(plane, &o)};
    double ratio[TURNS], alone[TURNS], all[TURNS];

    for (unsigned turn = 0; turn < TURNS; turn++) {
        alone[turn] = together(workers, 1);
        all[turn] = together(workers, n);
        ratio[turn] = alone[turn] / all[turn];
    }
    report("alone", median(alone), "ns/packet");
    report("together", median(all), "ns/packet");
    report("ratio", median(ratio), "ratio");
    report_end();
    return 0;
}
