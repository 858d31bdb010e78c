#include "api_socket.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "unix_socket.h"

enum { BACKLOG = 16 };

static const char *why(int error)
{
    if (error == EADDRINUSE)
        return "in use, is another jetplaned running?";
    if (error == ENOTSOCK)
        return "exists and is no socket";
    return strerror(error);
}

static int fail(const char *path, int error)
{
    log_error("control socket %s: %s", path, why(error));
    return -error;
}

int api_socket_listen(const char *path, const char *group)
{
    const struct group *owner = group[0] != '\0' ? getgrnam(group) : NULL;
    int fd;

    if (group[0] != '\0' && !owner) {
        log_error("control socket %s: no group named %s", path, group);
        return -EINVAL;
    }
    fd = unix_socket_listen(path, SOCK_STREAM, BACKLOG);
    if (fd < 0)
        return fail(path, -fd);
    if (owner && lchown(path, (uid_t)-1, owner->gr_gid) != 0) {
        int error = errno;

        close(fd);
        unlink(path);
        return fail(path, error);
    }
    return fd;
}
