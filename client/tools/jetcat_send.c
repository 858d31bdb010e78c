/* Sending files, from where the other end has got to. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jetcat.h"

struct source {
    int fd;
    const char *path, *name;
    uint64_t size;
    crypto_hash_sha256_state hash; /* of what was read */
};

/* Why it cannot be sent, or NULL. */
static const char *open_file(struct source *s)
{
    struct stat st;

    s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* of a pipe it would wait */
    if (s->fd < 0 || fstat(s->fd, &st) < 0)
        return strerror(errno);
    s->size = (uint64_t)st.st_size;
    return S_ISREG(st.st_mode) ? NULL : "not a regular file";
}

void send_check(struct jetcat *j)
{
    for (unsigned i = 0; i < j->n_files; i++) {
        struct source s = {.path = j->files[i]};
        const char *why = open_file(&s);

        if (why)
            tool_fail(&j->tool, TOOL_FAILED, "%s: %s", s.path, why);
        close(s.fd);
    }
}

static struct source open_source(struct jetcat *j, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct source s = {.path = path, .name = slash ? slash + 1 : path};
    const char *why = open_file(&s);

    if (why)
        wire_fail(j, TOOL_FAILED, "%s: %s", s.name, why);
    crypto_hash_sha256_init(&s.hash);
    return s;
}

/* Where to begin: after what the receiver has, if it is the same as ours. */
static uint64_t find_start(struct jetcat *j, struct source *s, json_t *have)
{
    const char *theirs = json_string_value(json_object_get(have, "sha256"));
    uint64_t offset = wire_number(j, have, "offset");
    char ours[SHA256_TEXT];

    if (!offset || offset > s->size || !theirs)
        return 0;
    if (hash_file(&s->hash, s->fd, offset, j->buffer, sizeof(j->buffer)) == (int64_t)offset) {
        hash_text(&s->hash, ours);
        if (strcmp(ours, theirs) == 0)
            return offset;
    }
    crypto_hash_sha256_init(&s->hash);
    lseek(s->fd, 0, SEEK_SET);
    return 0;
}

static void send_bytes(struct jetcat *j, struct source *s, struct progress *p)
{
    while (p->at < s->size) {
        uint64_t left = s->size - p->at;
        ssize_t n = read(s->fd, j->buffer + 1, left < CHUNK ? left : CHUNK);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            wire_fail(j, TOOL_FAILED, "%s: %s", s->name, n ? strerror(errno) : "it got shorter");
        crypto_hash_sha256_update(&s->hash, j->buffer + 1, (size_t)n);
        wire_send(j, (size_t)n);
        p->at += (uint64_t)n;
        progress_show(p);
    }
}

static void send_file(struct jetcat *j, const char *path)
{
    struct source s = open_source(j, path);
    char sha256[SHA256_TEXT];
    struct progress p;
    uint64_t start;
    json_t *have;

    wire_tell(j, json_pack("{s:s,s:I}", "file", s.name, "size", (json_int_t)s.size));
    have = wire_expect(j, "offset");
    start = find_start(j, &s, have);
    json_decref(have);
    wire_tell(j, json_pack("{s:I}", "start", (json_int_t)start));
    p = progress_begin(j, s.name, s.size, start);
    send_bytes(j, &s, &p);
    hash_text(&s.hash, sha256);
    wire_tell(j, json_pack("{s:s}", "sha256", sha256));
    json_decref(wire_expect(j, "done"));
    progress_end(&p, sha256);
    close(s.fd);
}

void send_run(struct jetcat *j)
{
    for (unsigned i = 0; i < j->n_files; i++)
        send_file(j, j->files[i]);
    wire_tell(j, json_pack("{s:b}", "end", 1));
    json_decref(wire_expect(j, "done"));
}
