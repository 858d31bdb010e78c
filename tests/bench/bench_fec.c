/* Encodes and decodes a fixed number of FEC blocks and prints what a packet costs: of each round,
 * one block of every session, its share; of the rounds, the median. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "fec.h"
#include "report.h"
#include "stopwatch.h"

static const char usage[] =
    "usage: bench_fec [--json] K R SIZE ROUNDS [SESSIONS]\n"
    "  K R       sources and repairs of a block, at most 64 and 16\n"
    "  SIZE      bytes of a source symbol, 64 to 9000\n"
    "  ROUNDS    blocks of every session\n"
    "  SESSIONS  to go round, one packet each (default 1); many overflow the caches\n";

struct session {
    struct fec_enc enc;
    struct fec_dec dec;
};

static unsigned long k, r, size, rounds, n_sessions = 1;
static struct fec_pools pools;
static struct session *sessions;
static uint8_t *packets[FEC_K_MAX + FEC_R_MAX];
static struct stopwatch *took;

static void *allocate(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

    if (p == NULL)
        report_fail("out of memory");
    return memset(p, 0x5a, bytes); /* so that its pages are there */
}

static int compare(const void *a, const void *b)
{
    uint64_t x = ((const struct stopwatch *)a)->ns, y = ((const struct stopwatch *)b)->ns;

    return (x > y) - (x < y);
}

static void print(const char *what, unsigned long n_packets)
{
    const struct stopwatch *median = &took[rounds / 2];
    double n = (double)(n_packets * n_sessions);
    char name[32];

    qsort(took, rounds, sizeof(*took), compare);
    snprintf(name, sizeof(name), "%s.ns", what);
    report(name, (double)median->ns / n, "ns/packet");
    snprintf(name, sizeof(name), "%s.cycles", what);
    report(name, (double)median->cycles / n, "cycles/packet");
}

/* A block of every session at a time, as many packets interleaved. The first one's repairs are
 * kept. */
static void bench_encode(void)
{
    for (unsigned long i = 0; i < rounds; i++) {
        struct stopwatch start = stopwatch_now();

        for (unsigned long j = 0; j < k; j++)
            for (struct session *s = sessions; s < sessions + n_sessions; s++)
                if (fec_enc_add(&s->enc, &pools, 0, packets[j], (uint32_t)size) < 0)
                    report_fail("cannot encode");
        took[i] = stopwatch_since(start);
        for (unsigned long x = 0; x < r; x++)
            memcpy(packets[k + x], fec_enc_repair(&sessions->enc, (unsigned)x), size);
        for (struct session *s = sessions; s < sessions + n_sessions; s++)
            fec_enc_close(&s->enc, &pools);
    }
    print("encode", k);
}

/* Take packet x in; returns how many sources that recovered. */
static unsigned decode(struct session *s, uint64_t block, unsigned long x)
{
    struct fec_recovered out[FEC_R_MAX];
    enum fec_verdict v =
        x < k ? fec_dec_source(&s->dec, &pools, 0, block, (unsigned)x, packets[x], (uint32_t)size)
              : fec_dec_repair(&s->dec, &pools, 0, block, (unsigned)k, (unsigned)r,
                               (unsigned)(x - k), packets[x], (uint32_t)size);

    return v == FEC_DELIVER || v == FEC_HELD ? fec_dec_recover(&s->dec, &pools, block, out) : 0;
}

static void bench_decode(unsigned long lost)
{
    for (struct session *s = sessions; s < sessions + n_sessions; s++)
        fec_dec_init(&s->dec);
    for (unsigned long i = 0; i < rounds; i++) {
        struct stopwatch start = stopwatch_now();
        unsigned long recovered = 0;

        for (unsigned long x = lost; x < k + r; x++)
            for (struct session *s = sessions; s < sessions + n_sessions; s++)
                recovered += decode(s, i, x);
        took[i] = stopwatch_since(start);
        if (recovered != lost * n_sessions)
            report_fail("a source was not recovered");
    }
    for (struct session *s = sessions; s < sessions + n_sessions; s++)
        fec_dec_fini(&s->dec, &pools);
    char name[32];

    snprintf(name, sizeof(name), "decode.lost%lu", lost);
    print(name, k + r - lost);
}

static void prepare(void)
{
    uint32_t block_size = (uint32_t)fec_block_size();
    uint32_t n_symbols = (uint32_t)(n_sessions * (k + r)), n_blocks = (uint32_t)(n_sessions * 2);

    fec_init();
    pools.symbol_max = (uint32_t)size;
    pool_init(&pools.symbols, allocate(pool_footprint(pools.symbol_max, n_symbols)),
              pools.symbol_max, n_symbols);
    pool_init(&pools.blocks, allocate(pool_footprint(block_size, n_blocks)), block_size, n_blocks);
    sessions = allocate(n_sessions * sizeof(*sessions));
    took = allocate(rounds * sizeof(*took));
    for (unsigned long i = 0; i < n_sessions; i++)
        fec_enc_init(&sessions[i].enc, (unsigned)k, (unsigned)r);
    for (unsigned long x = 0; x < k + r; x++) {
        packets[x] = allocate(size + 64);
        packets[x] += 37; /* plaintext is not aligned in a packet either */
        be16_store(packets[x], (uint16_t)(size - 2));
    }
}

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    if (argc != 5 && argc != 6)
        report_usage("wrong number of arguments");
    k = report_number(argv[1], 1, FEC_K_MAX);
    r = report_number(argv[2], 1, FEC_R_MAX);
    size = report_number(argv[3], 64, 9000);
    rounds = report_number(argv[4], 1, 1000000);
    if (argc == 6)
        n_sessions = report_number(argv[5], 1, 10000);
    prepare();
    bench_encode();
    for (unsigned long lost = 0; lost <= r && lost <= k; lost += lost == 0 ? 1 : r > 1 ? r - 1 : 1)
        bench_decode(lost);
    report_end();
    return 0;
}
