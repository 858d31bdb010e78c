#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

enum { SEED_LEN = crypto_sign_SEEDBYTES };

static int fail(const char *path, const char *what)
{
    int error = errno;

    log_error("identity file %s: %s: %s", path, what, strerror(error));
    return -error;
}

/* Say why this file must not serve as a key; 0 when it may. */
static int check_file(const char *path, int fd)
{
    struct stat s;

    if (fstat(fd, &s) < 0)
        return fail(path, "cannot stat");
    if (!S_ISREG(s.st_mode)) {
        log_error("identity file %s: not a regular file", path);
        return -EINVAL;
    }
    if (s.st_uid != geteuid() && s.st_uid != 0) {
        log_error("identity file %s: owned by user %u, want %u", path, s.st_uid, geteuid());
        return -EPERM;
    }
    if (s.st_mode & 077) {
        log_error("identity file %s: mode %04o lets others in; chmod 600 it", path,
                  s.st_mode & 07777);
        return -EPERM;
    }
    if (s.st_size != SEED_LEN) {
        log_error("identity file %s: %lld bytes, want %d", path, (long long)s.st_size, SEED_LEN);
        return -EINVAL;
    }
    return 0;
}

/* -ENOENT silently. */
static int read_seed(const char *path, uint8_t seed[SEED_LEN])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int rc;

    if (fd < 0)
        return errno == ENOENT ? -ENOENT : fail(path, "cannot open");
    rc = check_file(path, fd);
    if (rc == 0 && read(fd, seed, SEED_LEN) != SEED_LEN) {
        log_error("identity file %s: cannot read", path);
        rc = -EIO;
    }
    close(fd);
    return rc;
}

static int sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return rc;
}

/* Write the seed under another name, then give it its own unless that is taken (-EEXIST):
 * meanwhile, or by a link that leads nowhere. */
static int write_seed(const char *path, const uint8_t seed[SEED_LEN])
{
    char copy[PATH_MAX], temporary[PATH_MAX];
    const char *directory;
    int fd, rc = 0;

    if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
        return errno = ENAMETOOLONG, fail(path, "cannot create");
    snprintf(copy, sizeof(copy), "%s", path);
    directory = dirname(copy);
    mkdir(directory, 0700); /* if this fails, so does the next line, and says it better */
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return fail(path, "cannot create");
    if (write(fd, seed, SEED_LEN) != SEED_LEN || fsync(fd) < 0)
        rc = fail(temporary, "cannot write");
    close(fd);
    if (rc == 0 && renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
        rc = errno == EEXIST ? -EEXIST : fail(path, "cannot rename to");
    if (rc < 0)
        unlink(temporary);
    else if (sync_directory(directory) < 0)
        rc = fail(directory, "cannot sync");
    return rc;
}

int identity_load(const char *path, uint8_t identity[HS_IDENTITY_LEN], uint8_t secret[64])
{
    uint8_t seed[SEED_LEN];
    int rc;

    sodium_mlock(seed, sizeof(seed));
    rc = read_seed(path, seed);
    if (rc == -ENOENT) {
        randombytes_buf(seed, sizeof(seed));
        rc = write_seed(path, seed);
        if (rc == 0)
            log_info("made a new identity: %s", path);
        else if (rc == -EEXIST && (rc = read_seed(path, seed)) == -ENOENT)
            log_error("identity file %s: a link that leads nowhere", path);
    }
    if (rc == 0)
        crypto_sign_seed_keypair(identity, secret, seed);
    sodium_munlock(seed, sizeof(seed)); /* wipes it */
    return rc;
}
