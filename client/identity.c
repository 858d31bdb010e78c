/* Server keys: the file of the 32-byte Ed25519 seed, as jetplaned has it too. */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errors.h"

enum { SEED_BYTES = crypto_sign_SEEDBYTES };

int jp_key_parse(jp_key *key, const char *text)
{
    const char *end;
    size_t n;

    if (!key || !text)
        return failure(JP_INVALID, __func__, "NULL argument");
    memset(key, 0, sizeof(*key));
    text += strspn(text, " \t");
    if (sodium_hex2bin(key->bytes, sizeof(key->bytes), text, strcspn(text, " \t\r\n"), NULL, &n,
                       &end) != 0 ||
        n != JP_KEY_BYTES || end[strspn(end, " \t\r\n")])
        return failure(JP_IDENTITY_SYNTAX, __func__, "\"%.80s\" is not 64 hexadecimal digits",
                       text);
    return 0;
}

void jp_key_format(const jp_key *key, char out[JP_KEY_TEXT])
{
    if (key && out)
        sodium_bin2hex(out, JP_KEY_TEXT, key->bytes, sizeof(key->bytes));
    else if (out)
        *out = '\0';
}

/* Say why this file must not serve as a key; 0 when it may. */
static int check_file(const char *path, int fd)
{
    struct stat s;

    if (fstat(fd, &s) < 0)
        return failure_errno(OP_IDENTITY, errno, path);
    if (!S_ISREG(s.st_mode))
        return failure(JP_IDENTITY_FILE, path, "not a regular file");
    if (s.st_uid != geteuid() && s.st_uid != 0)
        return failure(JP_IDENTITY_FILE, path, "owned by user %u, want %u", s.st_uid, geteuid());
    if (s.st_mode & 077)
        return failure(JP_IDENTITY_FILE, path, "mode %04o lets others in; chmod 600 it",
                       s.st_mode & 07777);
    if (s.st_size != SEED_BYTES)
        return failure(JP_IDENTITY_FILE, path, "%lld bytes, want %d", (long long)s.st_size,
                       SEED_BYTES);
    return 0;
}

static int read_seed(const char *path, uint8_t seed[SEED_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error;

    if (fd < 0)
        return failure_errno(OP_IDENTITY, errno, path);
    error = check_file(path, fd);
    if (!error && read(fd, seed, SEED_BYTES) != SEED_BYTES)
        error = failure(JP_IDENTITY_FAILED, path, "cannot read");
    close(fd);
    return error;
}

/* Write the seed under another name, then give it its own: nobody ever sees half a file. Returns 0
 * or errno; EEXIST when somebody else was faster. */
static int write_seed(const char *path, const uint8_t seed[SEED_BYTES])
{
    char temporary[PATH_MAX];
    int fd, error = 0;

    if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
        return ENAMETOOLONG;
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return errno;
    if (write(fd, seed, SEED_BYTES) != SEED_BYTES || fsync(fd) < 0)
        error = errno;
    close(fd);
    if (!error && renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
        error = errno;
    if (error)
        unlink(temporary);
    return error;
}

/* The seed of the file, of a new file, or of none. */
static int get_seed(uint8_t seed[SEED_BYTES], const char *path, int create)
{
    int e;

    if (path && (!create || access(path, F_OK) == 0))
        return read_seed(path, seed);
    randombytes_buf(seed, SEED_BYTES);
    e = path ? write_seed(path, seed) : 0;
    if (e == EEXIST)
        return read_seed(path, seed);
    return e ? failure_errno(OP_IDENTITY, e, path) : 0;
}

int jp_identity_open(jp_identity **identity, const char *path, int create)
{
    uint8_t seed[SEED_BYTES];
    int error;

    if (!identity)
        return failure(JP_INVALID, __func__, "NULL argument");
    *identity = NULL;
    if (sodium_init() < 0)
        return failure(JP_SYSTEM, __func__, "no source of randomness");
    error = get_seed(seed, path, create);
    if (!error && !(*identity = sodium_malloc(sizeof(**identity)))) /* locked, where it may be */
        error = failure(JP_NO_MEMORY, __func__, "no memory for a key");
    if (!error) {
        atomic_init(&(*identity)->users, 1);
        crypto_sign_seed_keypair((*identity)->key.bytes, (*identity)->secret, seed);
    }
    sodium_memzero(seed, sizeof(seed));
    return error;
}

jp_identity *identity_hold(jp_identity *identity)
{
    atomic_fetch_add(&identity->users, 1);
    return identity;
}

void jp_identity_free(jp_identity *identity)
{
    if (!identity || atomic_fetch_sub(&identity->users, 1) > 1)
        return;
    sodium_free(identity); /* wipes it */
}

jp_key jp_identity_key(const jp_identity *identity)
{
    return identity ? identity->key : (jp_key){0};
}
