/* System calls of their own instead of libc's functions: those change all threads at once, which
 * threads.c does already, and are not async-signal-safe. */
#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"

/* Those that an execve could still give; only who has CAP_SETPCAP may drop them, and for others
 * PR_SET_NO_NEW_PRIVS does it. */
static int drop_bounding(uint64_t keep)
{
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
        if (!(keep >> cap & 1) && prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EPERM)
            return -errno;
    return 0;
}

static bool is_already(const struct confine_user *user)
{
    uid_t uid[3];
    gid_t gid[3];

    if (syscall(SYS_getresuid, &uid[0], &uid[1], &uid[2]) < 0 ||
        syscall(SYS_getresgid, &gid[0], &gid[1], &gid[2]) < 0)
        return false;
    for (unsigned i = 0; i < 3; i++)
        if (uid[i] != user->uid || gid[i] != user->gid)
            return false;
    return true;
}

/* Who is that user anyway, and may not change groups, keeps those it was started with. */
static int become(const struct confine_user *user)
{
    bool already = is_already(user);

    if (syscall(SYS_setgroups, 0, NULL) < 0 && !(already && errno == EPERM))
        return -errno;
    if (already)
        return 0;
    if (prctl(PR_SET_KEEPCAPS, 1) < 0 ||
        syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0 ||
        syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
        return -errno;
    return 0;
}

static int set_capabilities(uint64_t keep)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capget, &header, data) < 0)
        return -errno;
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        data[i].permitted &= (uint32_t)(keep >> 32 * i);
        data[i].effective = data[i].permitted;
        data[i].inheritable = 0;
    }
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int privileges_drop(const struct confine *c)
{
    int rc = drop_bounding(c->keep);

    if (rc == 0 && c->user)
        rc = become(c->user);
    if (rc == 0)
        rc = set_capabilities(c->keep);
    if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        rc = -errno;
    return rc;
}
