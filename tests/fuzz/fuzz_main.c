/* Runs a harness without libFuzzer: its seeds, those it makes and those of a corpus, then a fixed
 * number of seeded random mutations of them.
 *
 *   fuzz_NAME [-n ITERATIONS] [-s SEED] [FILE|DIRECTORY...]     run, with these seeds too
 *   fuzz_NAME -w DIRECTORY                  write the seeds it makes as a corpus for libFuzzer
 *
 * An input that crashes is left in the working directory as crash-NAME. */
#include <dirent.h>
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

/* What mutations begin with. */
static struct seed {
    uint8_t *bytes;
    size_t size;
} * seeds;
static unsigned n_seeds;

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

static void set_input(const struct seed *seed)
{
    input.size = seed->size;
    memcpy(input.bytes, seed->bytes, seed->size);
}

static void mutate_once(struct rng *rng)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xfe, 0xff};
    const struct seed *other;
    uint8_t *b = input.bytes;
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
        other = &seeds[rng_below(rng, n_seeds)];
        if (at < other->size) {
            memcpy(b + at, other->bytes + at, other->size - at);
            input.size = other->size;
        }
        break;
    }
}

/* One of the seeds mutated a little, or random bytes. */
static void make_input(struct rng *rng)
{
    if (rng_below(rng, 16) == 0) {
        input.size = rng_below(rng, 256);
        rng_fill(rng, input.bytes, input.size);
        return;
    }
    set_input(&seeds[rng_below(rng, n_seeds)]);
    for (uint64_t n = 1 + rng_below(rng, 6); n > 0; n--)
        mutate_once(rng);
}

/* ---- seeds ---- */

static void add_seed(const uint8_t *bytes, size_t size)
{
    seeds = realloc(seeds, (n_seeds + 1) * sizeof(*seeds));
    seeds[n_seeds++] = (struct seed){exact_copy(bytes, size), size};
}

static void add_made(void)
{
    for (unsigned i = 0; (input.size = fuzz_seed(i, input.bytes)) > 0; i++)
        add_seed(input.bytes, input.size);
}

static void add_file(const char *path)
{
    FILE *f = fopen(path, "rb");

    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    input.size = fread(input.bytes, 1, sizeof(input.bytes), f);
    fclose(f);
    add_seed(input.bytes, input.size);
}

/* In the order of names: a seed makes the same run everywhere. */
static void add_directory(const char *path)
{
    char file[PATH_MAX];
    struct dirent **entry;
    int n = scandir(path, &entry, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        snprintf(file, sizeof(file), "%s/%s", path, entry[i]->d_name);
        if (entry[i]->d_name[0] != '.')
            add_file(file);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
}

static void add_path(const char *path)
{
    struct stat s;

    if (stat(path, &s) == 0 && S_ISDIR(s.st_mode))
        add_directory(path);
    else
        add_file(path);
}

static void forget_seeds(void)
{
    for (unsigned i = 0; i < n_seeds; i++)
        free(seeds[i].bytes);
    free(seeds);
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

    for (unsigned i = 0; i < n_seeds; i++) {
        set_input(&seeds[i]);
        run_input();
    }
    for (unsigned long i = 0; i < iterations; i++) {
        make_input(&rng);
        run_input();
    }
    printf("%u seeds, %lu mutations\n", n_seeds, iterations);
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
    add_made();
    for (int i = optind; i < argc; i++)
        add_path(argv[i]);
    run_mutations(seed, iterations);
    forget_seeds();
    return 0;
}
