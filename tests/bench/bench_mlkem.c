/* Runs a fixed number of ML-KEM-768 operations and prints what one costs. */
#include <stdio.h>
#include <stdlib.h>

#include "mlkem.h"
#include "stopwatch.h"

static void print(const char *what, struct stopwatch total, unsigned long count)
{
    printf("%s: %9.0f cycles %7.1f us\n", what, (double)total.cycles / (double)count,
           (double)total.ns / (double)count / 1000);
}

int main(int argc, char **argv)
{
    unsigned long count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    uint8_t ek[MLKEM_EK_LEN], dk[MLKEM_DK_LEN], ct[MLKEM_CT_LEN], ss[MLKEM_SS_LEN];
    uint8_t seed[MLKEM_SEED_LEN] = {0};
    struct stopwatch start;
    int rc = 0;

    if (count == 0) {
        fprintf(stderr, "usage: bench_mlkem COUNT\n");
        return 2;
    }
    start = stopwatch_now();
    for (unsigned long i = 0; i < count; i++) {
        seed[i % sizeof(seed)]++; /* another matrix each time */
        rc |= mlkem768_keygen(ek, dk, seed);
    }
    print("keygen", stopwatch_since(start), count);
    start = stopwatch_now();
    for (unsigned long i = 0; i < count; i++)
        rc |= mlkem768_encaps(ct, ss, ek, seed);
    print("encaps", stopwatch_since(start), count);
    start = stopwatch_now();
    for (unsigned long i = 0; i < count; i++)
        rc |= mlkem768_decaps(ss, dk, ct);
    print("decaps", stopwatch_since(start), count);
    return rc != 0;
}
