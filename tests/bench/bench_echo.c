/* Receive path, echo sink and transmit path on one lcore, from a port in memory back to it, and in
 * turns with it the AEAD alone, opening and sealing the same packets. */
#include "load.h"
#include "report.h"

static const char usage[] = "usage: bench_echo [--json] [OPTION=VALUE]...\n" LOAD_USAGE;

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    struct load_options o = load_options(argc, argv);

    o.listener = PLANE_ECHO;
    struct plane *plane = load_plane(1, o.sessions, o.fec_k > 0);
    struct load *l = load_new(plane, &o);
    struct load_samples open = load_samples(&o), seal = load_samples(&o), all = load_samples(&o);

    load_warm(l);
    for (unsigned i = 0; i < o.rounds; i++) {
        load_fill(l);
        load_open(l, &open);
        load_seal(l, &seal);
        load_run(l, &all);
    }
    double aead_ns = load_ns(&open, l) + load_ns(&seal, l), ns = load_ns(&all, l);

    report("echo", ns, "ns/packet");
    report("echo.rate", 1e9 / ns, "packets/s");
    report("echo.bits", 8.0 * (double)l->bytes / o.round / ns, "Gbit/s");
    report("aead", aead_ns, "ns/packet");
    report("ratio", aead_ns / ns, "ratio");
    load_report_stages(&all);
    if (plane_count(plane, JP_tx_full) + plane_count(plane, JP_auth_failed) > 0)
        report_fail("packets were dropped");
    report_end();
    return 0;
}
