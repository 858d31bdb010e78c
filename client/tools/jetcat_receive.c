/* Receiving files into a directory: as parts until they are whole and their hash is right. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jetcat.h"

struct sink {
    int directory, fd;
    char name[NAME_BYTES + 1], part[NAME_BYTES + sizeof(PART_NAME)];
    uint64_t size;
    crypto_hash_sha256_state hash; /* of what is in the file */
};

/* A plain name in our directory: no path, nothing hidden (parts are), nothing a terminal would
 * obey. */
static bool is_safe(const char *name)
{
    return *name && name[0] != '.' && !strchr(name, '/') && tool_is_plain(name);
}

static void set_name(struct jetcat *j, struct sink *s, json_t *offered)
{
    const char *name = json_string_value(offered);

    if (!name || !is_safe(name)) {
        char *text = json_dumps(offered, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

        wire_fail(j, TOOL_FAILED, "refused: not a safe name for a file: %.300s",
                  text ? text : "none");
    }
    if (strlen(name) > NAME_BYTES)
        wire_fail(j, TOOL_FAILED, "refused: a name of %zu bytes; at most %d fit", strlen(name),
                  NAME_BYTES);
    snprintf(s->name, sizeof(s->name), "%s", name);
    snprintf(s->part, sizeof(s->part), PART_NAME, s->name);
    if (faccessat(s->directory, s->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        wire_fail(j, TOOL_FAILED, "%s: is there already", s->name);
}

/* What was there is a part only if it is a file of ours that has no other name. */
static void check_part(struct jetcat *j, const struct sink *s)
{
    struct stat st;

    if (fstat(s->fd, &st) < 0)
        wire_fail(j, TOOL_FAILED, "%s: %s", s->part, strerror(errno));
    if (!S_ISREG(st.st_mode))
        wire_fail(j, TOOL_FAILED, "%s: not a regular file", s->part);
    if (st.st_uid != geteuid())
        wire_fail(j, TOOL_FAILED, "%s: owned by user %u, want %u", s->part, st.st_uid, geteuid());
    if (st.st_nlink != 1)
        wire_fail(j, TOOL_FAILED, "%s: has %ju hard links, want 1", s->part,
                  (uintmax_t)st.st_nlink);
}

/* Locked, and under its name still: whoever had the lock before may have completed it. */
static bool is_ours_alone(const struct sink *s)
{
    struct stat here, there;

    return flock(s->fd, LOCK_EX | LOCK_NB) == 0 && fstat(s->fd, &here) == 0 &&
           fstatat(s->directory, s->part, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* Open what there is of the file, for us alone. One that is made here is ours, whatever owner the
 * file system shows. */
static void open_part(struct jetcat *j, struct sink *s)
{
    enum { FLAGS = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK };

    s->fd = openat(s->directory, s->part, FLAGS | O_CREAT | O_EXCL, 0666);
    if (s->fd < 0 && errno == EEXIST && (s->fd = openat(s->directory, s->part, FLAGS)) >= 0)
        check_part(j, s);
    if (s->fd < 0)
        wire_fail(j, TOOL_FAILED, "%s: %s", s->part, strerror(errno));
    if (!is_ours_alone(s))
        wire_fail(j, TOOL_FAILED, "%s: somebody else receives it", s->part);
}

/* Go on behind this length, or from the beginning with a new hash. It may be longer, of an earlier
 * file of the same name. */
static void truncate_part(struct jetcat *j, struct sink *s, uint64_t length)
{
    if (ftruncate(s->fd, (off_t)length) < 0 || lseek(s->fd, (off_t)length, SEEK_SET) < 0)
        wire_fail(j, TOOL_FAILED, "%s: %s", s->part, strerror(errno));
    if (!length)
        crypto_hash_sha256_init(&s->hash);
}

/* Say how much we have; returns where the sender goes on. */
static uint64_t agree_on_start(struct jetcat *j, struct sink *s)
{
    char sha256[SHA256_TEXT];
    uint64_t start;
    int64_t have;
    json_t *json;

    crypto_hash_sha256_init(&s->hash);
    have = hash_file(&s->hash, s->fd, s->size, j->buffer, sizeof(j->buffer));
    if (have < 0)
        wire_fail(j, TOOL_FAILED, "%s: %s", s->part, strerror((int)-have));
    hash_text(&s->hash, sha256);
    wire_tell(j, json_pack("{s:I,s:s}", "offset", (json_int_t)have, "sha256", sha256));
    json = wire_expect(j, "start");
    start = wire_number(j, json, "start");
    json_decref(json);
    if (start && start != (uint64_t)have)
        wire_fail(j, TOOL_FAILED, "%s: a start that was not agreed on", s->name);
    truncate_part(j, s, start);
    return start;
}

static void write_bytes(struct jetcat *j, struct sink *s, const uint8_t *data, size_t size)
{
    crypto_hash_sha256_update(&s->hash, data, size);
    for (ssize_t n; size; data += n, size -= (size_t)n) {
        n = write(s->fd, data, size);
        if (n < 0 && errno != EINTR)
            wire_fail(j, TOOL_FAILED, "%s: %s", s->part, strerror(errno));
        if (n < 0)
            n = 0;
    }
}

/* Data until the file is whole, then the sender's hash. */
static json_t *receive_bytes(struct jetcat *j, struct sink *s, struct progress *p)
{
    jp_received *data;
    json_t *json;

    while (!(json = wire_receive(j, &data))) {
        if (data->size - 1 > s->size - p->at)
            wire_fail(j, TOOL_FAILED, "%s: more bytes than announced", s->name);
        write_bytes(j, s, (const uint8_t *)data->data + 1, data->size - 1);
        p->at += data->size - 1;
        jp_received_free(data);
        progress_show(p);
    }
    return json;
}

static void complete(struct jetcat *j, struct sink *s, const struct progress *p, json_t *told)
{
    const char *theirs = json_string_value(json_object_get(told, "sha256"));
    char ours[SHA256_TEXT];

    hash_text(&s->hash, ours);
    if (p->at != s->size || !theirs || strcmp(theirs, ours) != 0) {
        unlinkat(s->directory, s->part, 0);
        wire_fail(j, TOOL_WRONG, "%s: came damaged, and was thrown away", s->name);
    }
    if (fsync(s->fd) < 0 ||
        renameat2(s->directory, s->part, s->directory, s->name, RENAME_NOREPLACE) < 0)
        wire_fail(j, TOOL_FAILED, "%s: %s", s->name, strerror(errno));
}

static void receive_file(struct jetcat *j, int directory, json_t *offer)
{
    struct sink s = {.directory = directory, .size = wire_number(j, offer, "size")};
    char sha256[SHA256_TEXT];
    struct progress p;
    json_t *told;

    set_name(j, &s, json_object_get(offer, "file"));
    open_part(j, &s);
    p = progress_begin(j, s.name, s.size, agree_on_start(j, &s));
    told = receive_bytes(j, &s, &p);
    complete(j, &s, &p, told);
    json_decref(told);
    hash_text(&s.hash, sha256);
    wire_tell(j, json_pack("{s:b}", "done", 1));
    progress_end(&p, sha256);
    close(s.fd);
}

void receive_run(struct jetcat *j)
{
    int directory = open(j->tool.inbox, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    jp_received *data;
    json_t *json;

    if (directory < 0)
        wire_fail(j, TOOL_FAILED, "%s: %s", j->tool.inbox, strerror(errno));
    while ((json = wire_receive(j, &data)) && json_object_get(json, "file")) {
        receive_file(j, directory, json);
        json_decref(json);
    }
    if (!json_object_get(json, "end"))
        wire_fail(j, TOOL_FAILED, "expected a file, or the end");
    json_decref(json);
    wire_tell(j, json_pack("{s:b}", "done", 1));
    close(directory);
}
