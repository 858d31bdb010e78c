#include "api_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

enum { BACKLOG = 16 };

static int fail(const char *path, const char *what, int error)
{
    log_error("control socket %s: %s: %s", path, what, strerror(error));
    return -error;
}

/* Of those that start at the same moment each would find what was left behind, and the last remove
 * what the first has made since: so one at a time. Who keeps the others for a second is none of
 * them. Returns what to close afterwards; -1: nothing. */
static int take_turn(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (unsigned i = 0; fd >= 0 && i < 100 && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
        usleep(10000);
    return fd;
}

/* Remove a socket left behind; refuse if somebody listens on it or it is something else. */
static int clear_way(const char *path, const struct sockaddr_un *address)
{
    struct stat s;
    int fd, rc;

    if (lstat(path, &s) < 0)
        return errno == ENOENT ? 0 : fail(path, "cannot stat", errno);
    if (!S_ISSOCK(s.st_mode))
        return fail(path, "exists and is no socket", EEXIST);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(path, "cannot make a socket", errno);
    rc = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
    close(fd);
    if (rc != ECONNREFUSED)
        return fail(path, "in use, is another jetplaned running?", EADDRINUSE);
    return unlink(path) < 0 ? fail(path, "cannot remove", errno) : 0;
}

static int give_to_group(const char *path, const char *name)
{
    const struct group *group;

    if (name[0] == '\0')
        return 0;
    group = getgrnam(name);
    if (!group) {
        log_error("control socket %s: no group named %s", path, name);
        return -EINVAL;
    }
    return chown(path, (uid_t)-1, group->gr_gid) < 0 ? fail(path, "cannot change group", errno) : 0;
}

static int bind_and_listen(int fd, const char *path, const struct sockaddr_un *address,
                           const char *group)
{
    mode_t mask = umask(0117); /* bind makes the socket with mode 0660 */
    int rc = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;

    umask(mask);
    if (rc != 0)
        return fail(path, "cannot bind", rc);
    rc = give_to_group(path, group);
    if (rc == 0 && listen(fd, BACKLOG) < 0)
        rc = fail(path, "cannot listen", errno);
    if (rc < 0)
        unlink(path);
    return rc;
}

static int open_socket(const char *path, const struct sockaddr_un *address, const char *group)
{
    int fd, rc = clear_way(path, address);

    if (rc < 0)
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(path, "cannot make a socket", errno);
    rc = bind_and_listen(fd, path, address, group);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

int api_socket_listen(const char *path, const char *group)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char copy[sizeof(address.sun_path)];
    const char *directory;
    int turn, rc;

    if (strlen(path) >= sizeof(address.sun_path))
        return fail(path, "cannot use", ENAMETOOLONG);
    strcpy(address.sun_path, path);
    strcpy(copy, path);
    directory = dirname(copy);
    mkdir(directory, 0755); /* if this fails, so does bind, and says why */
    turn = take_turn(directory);
    rc = open_socket(path, &address, group);
    if (turn >= 0)
        close(turn);
    return rc;
}
