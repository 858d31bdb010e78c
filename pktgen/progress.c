#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "run.h"
#include "worker.h"

void progress_begin(struct progress *p, const struct jetgen *g)
{
    memset(p, 0, sizeof(*p));
    p->began = rte_rdtsc();
    p->next = p->began + (uint64_t)(g->tsc_per_us * 1e6);
}

static double us(const struct results *r, double q)
{
    return (double)histogram_quantile(&r->latency, q) / r->tsc_per_us;
}

void progress_show(struct progress *p, const struct jetgen *g)
{
    static struct results now, second; /* large; main lcore only */
    const uint64_t *c = now.counter, *b = p->before.counter;

    if (rte_rdtsc() < p->next || g->options.quiet)
        return;
    p->next += (uint64_t)(g->tsc_per_us * 1e6);
    run_collect(g, 1, &now);
    second = now;
    histogram_subtract(&second.latency, &p->before.latency);
    fprintf(stderr,
            "%-5s %7.1f s  sessions %u  handshakes %llu  sent %llu  held back %llu  received %llu  "
            "%.3f Mpps  %.3f Gbit/s  lost %llu  recovered %llu  p50 %.0f us  p99 %.0f us\n",
            phase_name(g->phase->kind), (double)(rte_rdtsc() - p->began) / g->tsc_per_us / 1e6,
            now.sessions, (unsigned long long)c[C_handshakes_ok],
            (unsigned long long)c[C_sent_messages], (unsigned long long)c[C_held_back],
            (unsigned long long)c[C_delivered], (double)(c[C_rx_packets] - b[C_rx_packets]) / 1e6,
            (double)(c[C_rx_bytes] - b[C_rx_bytes]) * 8 / 1e9,
            (unsigned long long)c[C_messages_lost], (unsigned long long)c[C_fec_recovered],
            us(&second, 0.5), us(&second, 0.99));
    p->before = now;
}
