#include "unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int address_of(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path))
        return -ENAMETOOLONG;
    strcpy(address->sun_path, path);
    return 0;
}

/* Whether a process of this network namespace has it, or another file of that name. Asked before
 * connecting to what may be DPDK's memif, which does not survive a connection that ends at once. */
static bool is_bound(const char *path)
{
    FILE *file = fopen("/proc/net/unix", "r");
    size_t len = strlen(path);
    char line[256];
    bool found = false;

    while (file && !found && fgets(line, sizeof(line), file)) {
        size_t end = strcspn(line, "\n");

        found = end > len && line[end - len - 1] == ' ' && !memcmp(line + end - len, path, len);
    }
    if (file)
        fclose(file);
    return found;
}

int unix_socket_reclaim(const char *path, int type)
{
    struct sockaddr_un address;
    struct stat file;
    int fd, err = address_of(path, &address);

    if (err < 0)
        return err;
    if (lstat(path, &file) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(file.st_mode)) /* connect() would not tell: it refuses any file */
        return -ENOTSOCK;
    if (type == SOCK_SEQPACKET && is_bound(path))
        return -EADDRINUSE;
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    err = connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ? errno : 0;
    close(fd);
    if (err == 0 || err == EAGAIN || err == EPROTOTYPE) /* its queue is full; of another type */
        return -EADDRINUSE;
    if (err != ECONNREFUSED)
        return -err;
    return unlink(path) != 0 ? -errno : 0;
}

/* Of those that start at the same moment each would find what was left behind, and the last remove
 * what the first has made since: so one at a time. Who keeps the others for a second is none of
 * them. Makes the directory when only that is missing: /run is empty after every boot. Returns what
 * to close afterwards; -1: nothing. */
static int take_turn(const char *path)
{
    char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
    const char *directory;
    int fd;

    snprintf(copy, sizeof(copy), "%s", path);
    directory = dirname(copy);
    mkdir(directory, 0755); /* if this fails, so does bind, and says why */
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; fd >= 0 && i < 100 && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
        usleep(10000);
    return fd;
}

static int make(const struct sockaddr_un *address, int type, int backlog)
{
    int err, fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask;

    if (fd < 0)
        return -errno;
    mask = umask(0117); /* bind makes the file with mode 0660 */
    err = bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ? errno : 0;
    umask(mask);
    if (err == 0 && listen(fd, backlog) == 0)
        return fd;
    if (err == 0) {
        err = errno;
        unlink(address->sun_path);
    }
    close(fd);
    return -err;
}

int unix_socket_listen(const char *path, int type, int backlog)
{
    struct sockaddr_un address;
    int turn, ret = address_of(path, &address);

    if (ret < 0)
        return ret;
    turn = take_turn(path);
    ret = unix_socket_reclaim(path, type);
    if (ret == 0)
        ret = make(&address, type, backlog);
    if (turn >= 0)
        close(turn);
    return ret;
}
