#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "unix_socket.h"

/* Whether a process of this network namespace has it. Asked first, because DPDK's memif does not
 * survive a connection that ends at once. */
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

int unix_socket_reclaim(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat file;
    int fd, err = 0;

    if (lstat(path, &file) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(file.st_mode)) /* connect() would not tell: it refuses any file */
        return -ENOTSOCK;
    if (is_bound(path))
        return -EADDRINUSE;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        err = errno;
    if (fd >= 0)
        close(fd);
    if (err == 0)
        return -EADDRINUSE;
    if (err != ECONNREFUSED)
        return -err;
    return unlink(path) != 0 ? -errno : 0;
}
