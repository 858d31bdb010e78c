/* Compresses and expands a fixed number of messages. */
#include "compress.h"
#include "report.h"
#include "stopwatch.h"

static const char usage[] =
    "usage: bench_lz4 [--json] KIND SIZE COUNT\n"
    "  KIND   log: lines of text, each with numbers of its own; random: does not compress\n"
    "  SIZE   bytes of a message, 512 to 1000000\n"
    "  COUNT  messages\n";

static uint32_t random_state = 1;

static uint32_t random_next(void)
{
    return random_state = random_state * 1664525 + 1013904223;
}

static void fill_random(uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(random_next() >> 24);
}

static void fill_log(uint8_t *out, size_t n)
{
    static const char *const what[] = {"session opened", "packet dropped", "key rotated",
                                       "session closed"};
    char line[128];

    for (size_t at = 0; at < n;) {
        uint32_t r = random_next();
        int len = snprintf(line, sizeof(line), "12:%02u:%02u.%06u lcore %u: %s, spi %08x\n", r % 60,
                           r / 60 % 60, r % 999983, r >> 30, what[r >> 28 & 3], r);
        size_t take = (size_t)len < n - at ? (size_t)len : n - at;

        memcpy(out + at, line, take);
        at += take;
    }
}

static void *allocate(size_t n)
{
    void *p = calloc(1, n);

    if (!p)
        report_fail("out of memory");
    return p;
}

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    if (argc != 4 || (strcmp(argv[1], "log") != 0 && strcmp(argv[1], "random") != 0))
        report_usage("wrong arguments");
    bool compressible = strcmp(argv[1], "log") == 0;
    size_t size = report_number(argv[2], COMPRESS_MIN, 1000000);
    unsigned long count = report_number(argv[3], 1, 100000000);
    uint8_t *message = allocate(size), *packed = allocate(size), *back = allocate(size);
    uint64_t *compress_ns = allocate(count * sizeof(uint64_t));
    uint64_t *expand_ns = allocate(count * sizeof(uint64_t));
    void *workspace = allocate(COMPRESS_WORKSPACE);
    struct compress state = {.on = true};
    size_t packed_len = 0;

    (compressible ? fill_log : fill_random)(message, size);
    for (unsigned long i = 0; i < count; i++) {
        struct stopwatch watch = stopwatch_now();

        packed_len = compress_message(&state, workspace, message, size, packed);
        compress_ns[i] = stopwatch_since(watch).ns;
        if ((packed_len > 0) != compressible)
            report_fail("compression paid where it should not, or the other way round");
        if (!compressible)
            continue;
        watch = stopwatch_now();
        if (compress_expand(packed, packed_len, back, size) != 0)
            report_fail("a message did not expand");
        expand_ns[i] = stopwatch_since(watch).ns;
    }
    double bits = 8 * (double)size;
    double compress = (double)report_median(compress_ns, count);

    report("compress.ns", compress, "ns/message");
    if (compressible) {
        double expand = (double)report_median(expand_ns, count);

        report("compress.rate", bits / compress, "Gbit/s");
        report("expand.ns", expand, "ns/message");
        report("expand.rate", bits / expand, "Gbit/s");
        report("size", (double)packed_len / (double)size, "ratio");
    }
    report_end();
    return 0;
}
