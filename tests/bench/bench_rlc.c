/* Encodes and decodes a fixed number of packets with the sliding window and prints what one costs:
 * of each round the mean, of the rounds the median. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "rlc.h"
#include "stopwatch.h"

static const char usage[] = "usage: bench_rlc WINDOW RATIO SIZE ROUNDS\n"
                            "  WINDOW  sources a repair is over, at most 64\n"
                            "  RATIO   repairs of 256 sources, 1 to 256\n"
                            "  SIZE    bytes of a source symbol, 64 to 9000\n"
                            "  ROUNDS  of 256 sources\n";

enum { SOURCES = 256 };

static unsigned long window, ratio, size, rounds;
static struct fec_pools pools;
static uint8_t *source;
static struct rlc_repair repairs[SOURCES]; /* of one round */
static unsigned due[SOURCES];              /* how many were made up to and with this source */
static struct stopwatch *took;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_rlc: %s\n%s", what, usage);
    exit(2);
}

static unsigned long number(const char *text, unsigned long min, unsigned long max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end != '\0' || n < min || n > max)
        die("number out of range");
    return n;
}

static void *allocate(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

    if (p == NULL)
        die("out of memory");
    return memset(p, 0x5a, bytes); /* so that its pages are there */
}

static int compare(const void *a, const void *b)
{
    uint64_t x = ((const struct stopwatch *)a)->ns, y = ((const struct stopwatch *)b)->ns;

    return (x > y) - (x < y);
}

static void print(const char *what, double lost, double packets)
{
    const struct stopwatch *median = &took[rounds / 2];

    qsort(took, rounds, sizeof(*took), compare);
    printf("%s %4.1f %% lost: %7.0f cycles %8.1f ns a packet\n", what, 100 * lost,
           (double)median->cycles / packets, (double)median->ns / packets);
}

/* Every round anew, so that all make the same repairs. */
static void bench_encode(uint8_t *out, size_t stride)
{
    for (unsigned long i = 0; i < rounds; i++) {
        struct stopwatch start = stopwatch_now();
        struct rlc_enc e;
        unsigned n = 0;

        rlc_enc_init(&e);
        rlc_enc_set(&e, (unsigned)window, (unsigned)ratio);
        for (unsigned j = 0; j < SOURCES; j++) {
            int is_due = rlc_enc_add(&e, &pools, source, (uint32_t)size);

            if (is_due < 0)
                die("cannot encode");
            if (is_due) {
                rlc_enc_repair(&e, out + n * stride, &repairs[n]);
                n++;
            }
            due[j] = n;
        }
        took[i] = stopwatch_since(start);
        rlc_enc_fini(&e, &pools);
    }
    print("encode", 0, SOURCES);
}

/* One source in `every` is lost; 0: none. */
static void bench_decode(struct rlc_dec *d, unsigned every)
{
    struct rlc_recovered out[RLC_ROWS];
    unsigned lost = 0, recovered = 0;

    for (unsigned long i = 0; i < rounds; i++) {
        struct stopwatch start = stopwatch_now();

        rlc_dec_init(d);
        lost = recovered = 0;
        for (unsigned j = 0, n = 0; j < SOURCES; j++) {
            if (every > 0 && j % every == every - 1)
                lost++;
            else
                rlc_dec_source(d, &pools, j, source, (uint32_t)size);
            for (; n < due[j]; n++)
                if (rlc_dec_repair(d, &pools, &repairs[n]) == RLC_HELD)
                    recovered += rlc_dec_recover(d, out);
        }
        took[i] = stopwatch_since(start);
        rlc_dec_release(d, &pools);
    }
    print("decode", (double)lost / SOURCES, SOURCES + due[SOURCES - 1] - lost);
    if (recovered < lost)
        printf("       %u of %u recovered\n", recovered, lost);
}

int main(int argc, char **argv)
{
    static const unsigned every[] = {0, 100, 20, 10};
    size_t stride;

    if (argc != 5)
        die("wrong number of arguments");
    window = number(argv[1], 1, RLC_WINDOW_MAX);
    ratio = number(argv[2], 1, RLC_RATIO_ONE);
    size = number(argv[3], 64, 9000);
    rounds = number(argv[4], 1, 1000000);
    fec_init();
    stride = (size + 63) / 64 * 64;
    pools.symbol_max = (uint32_t)size;
    pool_init(&pools.symbols, allocate(pool_footprint(pools.symbol_max, 512)), pools.symbol_max,
              512);
    took = allocate(rounds * sizeof(*took));
    source = (uint8_t *)allocate(size + 64) + 37; /* plaintext is not aligned in a packet either */
    be16_store(source, (uint16_t)(size - 2));
    bench_encode(allocate(SOURCES * stride), stride);
    for (unsigned i = 0; i < sizeof(every) / sizeof(every[0]); i++)
        bench_decode(allocate(sizeof(struct rlc_dec)), every[i]);
    return 0;
}
