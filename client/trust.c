#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "errors.h"

struct jp_trust {
    atomic_uint users;
    bool (*decide)(const jp_trust *trust, const char *name, const jp_key *key);
    jp_key pin;
    jp_trust_decide *callback;
    void *argument;
    bool add_unknown;
    char path[];
};

static int trust_new(jp_trust **trust, const char *path, const char *what)
{
    *trust = calloc(1, sizeof(**trust) + strlen(path) + 1);
    if (!*trust)
        return failure(JP_NO_MEMORY, what, "no memory");
    atomic_init(&(*trust)->users, 1);
    strcpy((*trust)->path, path);
    return 0;
}

jp_trust *trust_hold(jp_trust *trust)
{
    atomic_fetch_add(&trust->users, 1);
    return trust;
}

void jp_trust_free(jp_trust *trust)
{
    if (trust && atomic_fetch_sub(&trust->users, 1) == 1)
        free(trust);
}

bool trust_decide(const jp_trust *trust, const char *name, const jp_key *key)
{
    return trust->decide(trust, name, key);
}

static bool refuse(const char *name, const jp_key *key, const char *why)
{
    char text[JP_KEY_TEXT];

    jp_key_format(key, text);
    failure_detail(name, "its key is %s: %s", text, why);
    return false;
}

/* ---- one key ---- */

static bool decide_pin(const jp_trust *trust, const char *name, const jp_key *key)
{
    return sodium_memcmp(trust->pin.bytes, key->bytes, JP_KEY_BYTES) == 0 ||
           refuse(name, key, "not the one expected");
}

int jp_trust_pin(jp_trust **trust, const jp_key *key)
{
    int error;

    if (!trust || !key)
        return failure(JP_INVALID, __func__, "NULL argument");
    error = trust_new(trust, "", __func__);
    if (error)
        return error;
    (*trust)->decide = decide_pin;
    (*trust)->pin = *key;
    return 0;
}

/* ---- the program ---- */

static bool decide_callback(const jp_trust *trust, const char *name, const jp_key *key)
{
    return trust->callback(trust->argument, name, key) || refuse(name, key, "refused");
}

int jp_trust_callback(jp_trust **trust, jp_trust_decide *decide, void *argument)
{
    int error;

    if (!trust || !decide)
        return failure(JP_INVALID, __func__, "NULL argument");
    error = trust_new(trust, "", __func__);
    if (error)
        return error;
    (*trust)->decide = decide_callback;
    (*trust)->callback = decide;
    (*trust)->argument = argument;
    return 0;
}

/* ---- a file ---- */

enum listed { UNLISTED, DAMAGED, OTHER_KEY, LISTED, UNREADABLE }; /* the highest counts */

/* What a line of n bytes says about the server called `name`. */
static enum listed read_line(const char *line, size_t n, const char *name, const jp_key *key)
{
    size_t length = strcspn(line, " \t\r\n");
    jp_key listed;

    if (length != strlen(name) || memcmp(line, name, length) != 0)
        return UNLISTED;
    if (strlen(line) != n || jp_key_parse(&listed, line + length) < 0)
        return DAMAGED;
    return sodium_memcmp(listed.bytes, key->bytes, JP_KEY_BYTES) == 0 ? LISTED : OTHER_KEY;
}

/* A server may have several keys: any will do. Whole lines only, or the end of a long one would be
 * taken for one of its own. */
static enum listed search(FILE *file, const char *name, const jp_key *key)
{
    enum listed found = UNLISTED;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    while (found != LISTED && (n = getline(&line, &room, file)) >= 0) {
        enum listed says = read_line(line, (size_t)n, name, key);

        found = says > found ? says : found;
    }
    free(line);
    return found == LISTED || feof(file) ? found : UNREADABLE;
}

/* Add a line of its own, whether or not the last one ended; all of it or nothing. */
static bool add(FILE *file, const char *name, const jp_key *key)
{
    char text[JP_KEY_TEXT];
    int last = '\n';
    long end;

    if (fseek(file, -1, SEEK_END) == 0)
        last = fgetc(file);
    if (fseek(file, 0, SEEK_END) < 0 || (end = ftell(file)) < 0)
        return false;
    jp_key_format(key, text);
    if (fprintf(file, "%s%s %s\n", last == '\n' ? "" : "\n", name, text) > 0 && fflush(file) == 0)
        return true;
    (void)!ftruncate(fileno(file), end); /* the disk is full */
    return false;
}

static bool decide_listed(const jp_trust *trust, FILE *file, const char *name, const jp_key *key)
{
    switch (search(file, name, key)) {
    case LISTED:
        return true;
    case UNREADABLE:
        return refuse(name, key, "the file cannot be read");
    case OTHER_KEY:
        return refuse(name, key, "another one is listed");
    case DAMAGED:
        return refuse(name, key, "the line of this server in the file has no key");
    default: /* UNLISTED */
        if (!trust->add_unknown)
            return refuse(name, key, "it is not listed");
        return add(file, name, key) || refuse(name, key, "the file cannot be written");
    }
}

/* The lock makes searching and adding one step. */
static bool decide_file(const jp_trust *trust, const char *name, const jp_key *key)
{
    int flags = trust->add_unknown ? O_RDWR | O_CREAT : O_RDONLY;
    int fd = open(trust->path, flags | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, trust->add_unknown ? "r+" : "r");
    bool yes;

    if (!file) {
        int e = errno;

        if (fd >= 0)
            close(fd);
        return refuse(name, key, strerror(e));
    }
    flock(fd, LOCK_EX);
    yes = decide_listed(trust, file, name, key);
    fclose(file); /* unlocks */
    return yes;
}

int jp_trust_file(jp_trust **trust, const char *path, int add_unknown)
{
    int error;

    if (!trust || !path || !*path)
        return failure(JP_INVALID, __func__, "no file");
    error = trust_new(trust, path, __func__);
    if (error)
        return error;
    (*trust)->decide = decide_file;
    (*trust)->add_unknown = add_unknown;
    return 0;
}
