/* How far a file is, and its hash. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "jetcat.h"

enum { EVERY = 500000 }; /* us */

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

struct progress progress_begin(const struct jetcat *j, const char *name, uint64_t size,
                               uint64_t offset)
{
    return (struct progress){j, name, size, offset, offset, now(), now()};
}

static double megabytes_per_second(const struct progress *p, uint64_t t)
{
    return t > p->began ? (double)(p->at - p->offset) / (double)(t - p->began) : 0;
}

void progress_show(struct progress *p)
{
    uint64_t t = now();

    if (p->jetcat->quiet || p->jetcat->tool.json || t - p->shown < EVERY)
        return;
    p->shown = t;
    fprintf(stderr, "%s%s: %.1f %% of %" PRIu64 " bytes, %.1f MB/s%s",
            isatty(STDERR_FILENO) ? "\r" : "", p->name,
            p->size ? 100.0 * (double)p->at / (double)p->size : 100.0, p->size,
            megabytes_per_second(p, t), isatty(STDERR_FILENO) ? "\033[K" : "\n");
}

void progress_end(struct progress *p, const char *sha256)
{
    uint64_t t = now();

    if (p->jetcat->tool.json)
        tool_print_json(json_pack("{s:s,s:I,s:I,s:f,s:s}", "file", p->name, "size",
                                  (json_int_t)p->size, "resumed_at", (json_int_t)p->offset,
                                  "seconds", (double)(t - p->began) / 1e6, "sha256", sha256));
    else if (!p->jetcat->quiet)
        fprintf(stderr, "%s%s: %" PRIu64 " bytes, from %" PRIu64 " on, %.1f MB/s, SHA-256 %s%s\n",
                isatty(STDERR_FILENO) ? "\r" : "", p->name, p->size, p->offset,
                megabytes_per_second(p, t), sha256, isatty(STDERR_FILENO) ? "\033[K" : "");
}

int64_t hash_file(crypto_hash_sha256_state *hash, int fd, uint64_t n, uint8_t *buffer, size_t size)
{
    uint64_t left = n;

    while (left) {
        ssize_t got = read(fd, buffer, left < size ? left : size);

        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0)
            break;
        if (got > 0) {
            crypto_hash_sha256_update(hash, buffer, (size_t)got);
            left -= (uint64_t)got;
        }
    }
    return (int64_t)(n - left);
}

void hash_text(const crypto_hash_sha256_state *hash, char text[SHA256_TEXT])
{
    crypto_hash_sha256_state copy = *hash;
    uint8_t bytes[crypto_hash_sha256_BYTES];

    crypto_hash_sha256_final(&copy, bytes);
    sodium_bin2hex(text, SHA256_TEXT, bytes, sizeof(bytes));
}
