/* Landlock, landlock(7): which files may be changed, and, by having a ruleset at all, that memory
 * of processes outside of it is out of reach in /proc. Kernels before 5.13 go on without, and those
 * where it is not among the security modules. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

static const uint64_t devices = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK,
                      of_files = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE,
                      of_directories = LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG,
                      others = LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                               LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                               LANDLOCK_ACCESS_FS_MAKE_SYM;

static int allow(int ruleset, uint64_t handled, const char *path)
{
    struct landlock_path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
    struct stat st;
    int rc = 0;

    if (rule.parent_fd < 0)
        return 0; /* who opens it will say why not */
    if (fstat(rule.parent_fd, &st) == 0 && S_ISDIR(st.st_mode))
        rule.allowed_access = of_directories;
    rule.allowed_access = (rule.allowed_access | of_files) & handled;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 &&
        errno != EBADFD) /* no rules are for pipes */
        rc = -errno;
    close(rule.parent_fd);
    return rc;
}

int files_choose(const struct confine *c, int *ruleset)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset_attr attr = {.handled_access_fs = devices};
    int rc = 0;

    *ruleset = -1;
    if (INSTRUMENTED || abi < 1)
        return 0;
    if (c->filter != CONFINE_DATA_PLANE) /* whose drivers differ */
        attr.handled_access_fs |= of_files | of_directories | others;
    if (abi < 3)
        attr.handled_access_fs &= ~(uint64_t)LANDLOCK_ACCESS_FS_TRUNCATE;
    *ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (*ruleset < 0)
        return -errno;
    for (const char *const *path = c->writes; rc == 0 && path && *path; path++)
        rc = allow(*ruleset, attr.handled_access_fs, *path);
    return rc;
}

int files_close(int ruleset)
{
    if (ruleset < 0)
        return 0;
    return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}
