/* Runs a harness without libFuzzer: its seeds, then a fixed number of seeded random mutations of
 * them.
 *
 *   fuzz_NAME [-n ITERATIONS] [-s SEED] [FILE...]     run; with files, only those
 *   fuzz_NAME -w DIRECTORY                            write the seeds as a corpus for libFuzzer
 *
 * An input that crashes is left in the working directory as crash-NAME. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "rng.h"

static struct {
    uint8_t bytes[FUZZ_INPUT_MAX];
    size_t size;
    char file[PATH_MAX]; /* where to leave it when it crashes */
} input;

/* Sanitizers end in abort(), so that leave_input sees it. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}
const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:halt_on_error=1:print_stacktrace=1";
}

static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);

    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        _exit(2);
    close(fd);
}

static void leave_input(int sig)
{
    write_file(input.file, input.bytes, input.size);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void run_input(void)
{
    uint8_t *copy = exact_copy(input.bytes, input.size);

    LLVMFuzzerTestOneInput(copy, input.size);
    free(copy);
}

static void mutate_once(struct rng *rng, unsigned seeds)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xfe, 0xff};
    uint8_t *b = input.bytes, other[FUZZ_INPUT_MAX];
    size_t at = rng_below(rng, input.size + 1), left = input.size - at;
    size_t room = FUZZ_INPUT_MAX - input.size, n = 1 + rng_below(rng, 16);

    switch (rng_below(rng, 7)) {
    case 0:
        if (left > 0)
            b[at] ^= (uint8_t)(1 << rng_below(rng, 8));
        break;
    case 1:
        if (left > 0)
            b[at] = edges[rng_below(rng, sizeof(edges))];
        break;
    case 2:
        if (left > 0)
            b[at] = (uint8_t)rng_next(rng);
        break;
    case 3: /* cut off the end */
        input.size = at;
        break;
    case 4: /* take bytes out */
        n = n < left ? n : left;
        memmove(b + at, b + at + n, left - n);
        input.size -= n;
        break;
    case 5: /* put bytes in */
        n = n < room ? n : room;
        memmove(b + at + n, b + at, left);
        rng_fill(rng, b + at, n);
        input.size += n;
        break;
    case 6: /* the end of another seed */
        n = fuzz_seed((unsigned)rng_below(rng, seeds), other);
        if (at < n) {
            memcpy(b + at, other + at, n - at);
            input.size = n;
        }
        break;
    }
}

/* One of the seeds mutated a little, or random bytes. */
static void make_input(struct rng *rng, unsigned seeds)
{
    if (rng_below(rng, 16) == 0) {
        input.size = rng_below(rng, 256);
        rng_fill(rng, input.bytes, input.size);
        return;
    }
    input.size = fuzz_seed((unsigned)rng_below(rng, seeds), input.bytes);
    for (uint64_t n = 1 + rng_below(rng, 6); n > 0; n--)
        mutate_once(rng, seeds);
}

static void run_files(char **files, int n)
{
    for (int i = 0; i < n; i++) {
        FILE *f = fopen(files[i], "rb");

        if (!f) {
            fprintf(stderr, "%s: %s\n", files[i], strerror(errno));
            exit(2);
        }
        input.size = fread(input.bytes, 1, sizeof(input.bytes), f);
        fclose(f);
        run_input();
    }
}

static void write_seeds(const char *directory)
{
    char path[PATH_MAX];

    mkdir(directory, 0755); /* it may be there */
    for (unsigned i = 0; (input.size = fuzz_seed(i, input.bytes)) > 0; i++) {
        snprintf(path, sizeof(path), "%s/seed-%03u", directory, i);
        write_file(path, input.bytes, input.size);
    }
}

static void run_mutations(uint64_t seed, unsigned long iterations)
{
    struct rng rng = rng_new(seed);
    unsigned seeds = 0;

    for (; (input.size = fuzz_seed(seeds, input.bytes)) > 0; seeds++)
        run_input();
    for (unsigned long i = 0; i < iterations; i++) {
        make_input(&rng, seeds);
        run_input();
    }
    printf("%u seeds, %lu mutations\n", seeds, iterations);
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');
    unsigned long iterations = 10000;
    uint64_t seed = 1;
    int option;

    snprintf(input.file, sizeof(input.file), "crash-%s", name ? name + 1 : argv[0]);
    signal(SIGABRT, leave_input);
    signal(SIGSEGV, leave_input);
    while ((option = getopt(argc, argv, "n:s:w:")) != -1) {
        switch (option) {
        case 'n':
            iterations = strtoul(optarg, NULL, 10);
            break;
        case 's':
            seed = strtoull(optarg, NULL, 0);
            break;
        case 'w':
            write_seeds(optarg);
            return 0;
        default:
            return 2;
        }
    }
    if (optind < argc)
        run_files(argv + optind, argc - optind);
    else
        run_mutations(seed, iterations);
    return 0;
}
