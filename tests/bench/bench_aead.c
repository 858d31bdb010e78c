/* Seals and opens a fixed number of packets in bursts and prints what one costs: the median burst's
 * share, which other work on the machine hardly moves. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aead.h"
#include "report.h"
#include "stopwatch.h"

enum { BURST = 32, TEXT_MAX = 9000, SLOT = TEXT_MAX + AEAD_TAG_LEN + 8 };

static const char usage[] =
    "usage: bench_aead [--json] BACKEND ALG SIZE COUNT [KEYS]\n"
    "  BACKEND  ipsec-mb or sodium\n"
    "  ALG      aes-256-gcm or chacha20-poly1305\n"
    "  SIZE     bytes of text a packet, at most 9000\n"
    "  COUNT    packets to seal, and to open again, in bursts of 32\n"
    "  KEYS     sessions to go round, one a packet (default 32); many overflow the caches\n";

static enum aead_backend parse_backend(const char *name)
{
    for (enum aead_backend b = AEAD_IPSEC_MB; b <= AEAD_SODIUM; b++) {
        if (strcmp(name, aead_backend_name(b)) == 0)
            return b;
    }
    report_usage("unknown backend");
}

static enum aead_alg parse_alg(const char *name)
{
    for (enum aead_alg a = AEAD_AES256_GCM; a <= AEAD_CHACHA20_POLY1305; a++) {
        if (strcmp(name, aead_alg_name(a)) == 0)
            return a;
    }
    report_usage("unknown algorithm");
}

static struct aead_key *make_keys(struct aead *aead, enum aead_alg alg, unsigned long n)
{
    struct aead_key *keys = aligned_alloc(64, n * sizeof(*keys));

    if (!keys)
        report_fail("out of memory");
    for (unsigned long i = 0; i < n; i++) {
        uint8_t material[AEAD_MATERIAL_LEN] = {0};

        memcpy(material, &i, sizeof(i));
        aead_key_init(aead, &keys[i], alg, material);
    }
    return keys;
}

static int compare_ns(const void *a, const void *b)
{
    uint64_t x = ((const struct stopwatch *)a)->ns, y = ((const struct stopwatch *)b)->ns;

    return (x > y) - (x < y);
}

static void print(const char *what, struct stopwatch *bursts, unsigned long n, unsigned long size)
{
    const struct stopwatch *median = &bursts[n / 2];
    char name[32];

    qsort(bursts, n, sizeof(*bursts), compare_ns);
    double ns = (double)median->ns / BURST;

    snprintf(name, sizeof(name), "%s.ns", what);
    report(name, ns, "ns/packet");
    snprintf(name, sizeof(name), "%s.cycles", what);
    report(name, (double)median->cycles / BURST, "cycles/packet");
    snprintf(name, sizeof(name), "%s.packets", what);
    report(name, 1e9 / ns, "packets/s");
    snprintf(name, sizeof(name), "%s.rate", what);
    report(name, 8 * (double)size / ns, "Gbit/s");
}

int main(int argc, char **argv)
{
    static uint8_t text[BURST][SLOT];
    struct stopwatch *seal, *open;
    struct aead_op ops[BURST];
    struct aead *aead;
    struct aead_key *keys;
    unsigned long size, n_bursts, n_keys;
    enum aead_alg alg;

    report_begin(&argc, argv, usage);
    if (argc < 5 || argc > 6)
        report_usage("wrong number of arguments");
    alg = parse_alg(argv[2]);
    size = report_number(argv[3], 1, TEXT_MAX);
    n_bursts = (report_number(argv[4], 1, 1ul << 32) + BURST - 1) / BURST;
    n_keys = argc == 6 ? report_number(argv[5], 1, 10000000) : BURST;
    aead = aead_new(parse_backend(argv[1]));
    if (!aead)
        report_fail(strerror(errno));
    keys = make_keys(aead, alg, n_keys);
    seal = calloc(2 * n_bursts, sizeof(*seal));
    if (!seal)
        report_fail("out of memory");
    open = seal + n_bursts;

    for (unsigned long b = 0; b < n_bursts; b++) {
        struct stopwatch start;

        for (unsigned i = 0; i < BURST; i++)
            ops[i] = (struct aead_op){.key = &keys[(b * BURST + i) * 7919 % n_keys],
                                      .text = text[i],
                                      .pn = b * BURST + i,
                                      .spi = 256,
                                      .len = (uint32_t)size};
        start = stopwatch_now();
        aead_seal(aead, ops, BURST);
        seal[b] = stopwatch_since(start);
        start = stopwatch_now();
        aead_open(aead, ops, BURST);
        open[b] = stopwatch_since(start);
        for (unsigned i = 0; i < BURST; i++) {
            if (!ops[i].ok)
                report_fail("a packet did not open");
        }
    }
    print("seal", seal, n_bursts, size);
    print("open", open, n_bursts, size);
    report_end();
    free(seal);
    free(keys);
    aead_free(aead);
    return 0;
}
