/* Runs a fixed number of ML-KEM-768 operations. */
#include "mlkem.h"
#include "report.h"
#include "stopwatch.h"

static const char usage[] = "usage: bench_mlkem [--json] COUNT    of each operation\n";

static uint8_t ek[MLKEM_EK_LEN], dk[MLKEM_DK_LEN], ct[MLKEM_CT_LEN], ss[MLKEM_SS_LEN];
static uint8_t seed[MLKEM_SEED_LEN];

static int keygen(unsigned long i)
{
    seed[i % sizeof(seed)]++; /* another matrix each time */
    return mlkem768_keygen(ek, dk, seed);
}

static int encaps(unsigned long i)
{
    seed[i % MLKEM_RANDOM_LEN]++;
    return mlkem768_encaps(ct, ss, ek, seed);
}

static int decaps(unsigned long i)
{
    (void)i;
    return mlkem768_decaps(ss, dk, ct);
}

static void measure(const char *name, int (*run)(unsigned long i), unsigned long count)
{
    uint64_t *ns = calloc(count, sizeof(*ns));

    if (!ns)
        report_fail("out of memory");
    for (unsigned long i = 0; i < count; i++) {
        uint64_t start = stopwatch_cpu();

        if (run(i) != 0)
            report_fail(name);
        ns[i] = stopwatch_cpu() - start;
    }
    report(name, (double)report_median(ns, count) / 1000, "us");
    free(ns);
}

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    if (argc != 2)
        report_usage("wrong number of arguments");
    unsigned long count = report_number(argv[1], 1, 100000000);

    measure("keygen.us", keygen, count);
    measure("encaps.us", encaps, count);
    measure("decaps.us", decaps, count);
    report_end();
    return 0;
}
