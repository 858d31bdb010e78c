/* The transmit path, from submit to tx, on one lcore to a port in memory, and in turns with it the
 * AEAD alone sealing as many bytes in the same buffers: the ratio of the two is the result. What a
 * sink does to submit counts as deliver. */
#include "load.h"
#include "report.h"

static const char usage[] = "usage: bench_egress [--json] [OPTION=VALUE]...\n" LOAD_USAGE;

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    struct load_options o = load_options(argc, argv);

    o.listener = PLANE_DISCARD;
    struct plane *plane = load_plane(1, o.sessions, o.fec_k > 0);
    struct load *l = load_new(plane, &o);
    struct load_samples aead = load_samples(&o), all = load_samples(&o);

    for (unsigned i = 0; i < o.rounds; i++) {
        load_fill_egress(l);
        load_seal(l, &aead);
        load_run_egress(l, &all);
    }
    double aead_ns = load_ns(&aead, l), ns = load_ns(&all, l);

    report("egress", ns, "ns/packet");
    report("egress.rate", 1e9 / ns, "packets/s");
    report("egress.bits", 8.0 * (double)l->bytes / o.round / ns, "Gbit/s");
    report("aead", aead_ns, "ns/packet");
    report("ratio", aead_ns / ns, "ratio");
    load_report_stages(&all);
    if (plane_count(plane, JP_tx_full) + plane_count(plane, JP_tx_blocked) > 0)
        report_fail("packets were dropped");
    report_end();
    return 0;
}
