/* The receive path, all stages, to the discard sink, on one lcore from a port in memory, and in
 * turns with it the AEAD alone over the same packets: the ratio of the two is the result. */
#include "load.h"
#include "report.h"

static const char usage[] = "usage: bench_ingress [--json] [OPTION=VALUE]...\n" LOAD_USAGE
                            "  loss=N      per cent of the packets that never arrive; needs fec\n";

/* What many sessions, or loss, are compared with. */
static struct load *compared(struct plane *plane, struct load_options o)
{
    if (o.loss > 0)
        o.loss = 0;
    else if (o.sessions > 1)
        o.sessions = 1;
    else
        return NULL;
    return load_new(plane, &o);
}

static void round_of(struct load *l, struct load_samples *aead, struct load_samples *all)
{
    struct load_samples seal = *all; /* of no interest: overwritten by what follows */

    load_fill(l);
    load_open(l, aead);
    load_seal(l, &seal);
    load_run(l, all);
}

static void print(struct load *l, struct load_samples *aead, struct load_samples *all)
{
    double aead_ns = load_ns(aead, l), ns = load_ns(all, l);

    report("ingress", ns, "ns/packet");
    report("ingress.rate", 1e9 / ns, "packets/s");
    report("ingress.bits", 8.0 * (double)l->bytes / l->o.round / ns, "Gbit/s");
    report("aead", aead_ns, "ns/packet");
    report("aead.rate", 1e9 / aead_ns, "packets/s");
    report("ratio", aead_ns / ns, "ratio");
    load_report_stages(all);
}

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    struct load_options o = load_options(argc, argv);

    o.listener = PLANE_DISCARD;
    struct plane *plane = load_plane(1, o.loss > 0 ? 2 * o.sessions : o.sessions + 1, o.fec_k > 0);
    struct load *l = load_new(plane, &o), *other = compared(plane, o);
    struct load_samples aead = load_samples(&o), all = load_samples(&o);
    struct load_samples other_aead = load_samples(&o), other_all = load_samples(&o);

    load_warm(l);
    for (unsigned i = 0; i < o.rounds; i++) {
        round_of(l, &aead, &all);
        if (other)
            round_of(other, &other_aead, &other_all);
    }
    print(l, &aead, &all);
    if (other) {
        report("other", load_ns(&other_all, other), "ns/packet");
        report(o.loss > 0 ? "ratio.loss" : "ratio.sessions",
               load_ns(&other_all, other) / load_ns(&all, l), "ratio");
    }
    if (plane_count(plane, JP_auth_failed) + plane_count(plane, JP_replay_old) > 0)
        report_fail("packets were dropped");
    report_end();
    return 0;
}
