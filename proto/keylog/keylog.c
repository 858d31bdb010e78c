#include "keylog.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLIENT_RANDOM = WIRE_HS_HDR + 4, HEX = 2 * KDF_HASH_LEN + 1 };

/* 0 when secrets may go there, else errno. */
static int check_file(int fd)
{
    struct stat s;

    if (fstat(fd, &s) < 0)
        return errno;
    if (!S_ISREG(s.st_mode))
        return EINVAL;
    if (s.st_nlink != 1)
        return EMLINK;
    return s.st_uid != geteuid() || s.st_mode & 077 ? EPERM : 0;
}

FILE *keylog_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    int error = fd < 0 ? errno : check_file(fd);
    FILE *log = error == 0 ? fdopen(fd, "a") : NULL;

    if (log)
        return log;
    if (error == 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return NULL;
}

const char *keylog_error(int error)
{
    switch (error) {
    case ELOOP:
        return "is a link";
    case ENXIO: /* a pipe that nobody reads */
    case EINVAL:
        return "not a regular file";
    case EMLINK:
        return "has other names";
    case EPERM:
        return "others may open it; chown and chmod 600 it";
    default:
        return strerror(error);
    }
}

void keylog_write(FILE *log, const uint8_t *hello, const struct hs_result *keys)
{
    char random[2 * HS_RANDOM_LEN + 1], c2s[HEX], s2c[HEX];
    const char *torn;

    if (!log)
        return;
    sodium_bin2hex(random, sizeof(random), hello + CLIENT_RANDOM, HS_RANDOM_LEN);
    sodium_bin2hex(c2s, sizeof(c2s), keys->c2s_secret, KDF_HASH_LEN);
    sodium_bin2hex(s2c, sizeof(s2c), keys->s2c_secret, KDF_HASH_LEN);
    flockfile(log);                 /* the line whole */
    torn = ferror(log) ? "\n" : ""; /* the disk was full: there may be a part of the last one */
    clearerr(log);
    fprintf(log, "%sJETPLANE1 %s %08x %08x %d %s %s\n", torn, random, keys->client_spi,
            keys->server_spi, (int)keys->alg, c2s, s2c);
    fflush(log);
    funlockfile(log);
    sodium_memzero(c2s, sizeof(c2s));
    sodium_memzero(s2c, sizeof(s2c));
}
