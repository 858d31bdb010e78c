#include "confine.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int confine_find(const char *user, const char *group, struct confine_user *found)
{
    const struct passwd *passwd = getpwnam(user);
    const struct group *named = group ? getgrnam(group) : NULL;

    if (!passwd)
        return -ENOENT;
    if (group && !named)
        return -ESRCH;
    *found = (struct confine_user){passwd->pw_uid, named ? named->gr_gid : passwd->pw_gid};
    return 0;
}

void confine_no_dumps(void)
{
    struct rlimit none = {0, 0};

    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &none);
}

/* A finite limit would be met in the middle of work, when some allocation fails. */
bool confine_lock_memory(void)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

    if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 &&
        (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur != RLIM_INFINITY))
        return false;
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

static int said(const struct confine *c, const char *what, int rc)
{
    if (rc < 0)
        fprintf(stderr, "%s: cannot %s: %s\n", c->program, what, strerror(-rc));
    return rc;
}

int confine(const struct confine *c)
{
    int ruleset, rc = said(c, "choose files", files_choose(c, &ruleset));

    if (rc == 0)
        rc = said(c, "drop privileges", threads_drop(c, ruleset));
    if (ruleset >= 0)
        close(ruleset);
    confine_no_dumps(); /* becoming another user may have allowed them again */
    return rc == 0 ? said(c, "filter system calls", filter_load(c)) : rc;
}
