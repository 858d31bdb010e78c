/* Giving up what a program that reads strangers' packets does not need: its user, capabilities,
 * most system calls, files, other processes, core files. Each step holds for all threads and cannot
 * be undone. Messages go to stderr. docs/architecture.md, "Privileges", says who gives up what and
 * why. */
#ifndef CONFINE_H
#define CONFINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* System calls that are left. The dangerous ones (filter.c) end the program with SIGSYS after a
 * message that names them. */
enum confine_filter {
    CONFINE_DAEMON,     /* what it opened stays open; no new file: others fail with EPERM */
    CONFINE_TOOL,       /* files, threads, name lookup too: others fail with EPERM */
    CONFINE_DATA_PLANE, /* all but the dangerous ones: drivers differ */
};

struct confine_user {
    uid_t uid;
    gid_t gid;
};

struct confine {
    const char *program;             /* for messages */
    const struct confine_user *user; /* to become; NULL: stay */
    uint64_t keep;                   /* capabilities, 1 << CAP_... each */
    enum confine_filter filter;
    bool bpf; /* the one dangerous call that a driver may need */
    /* What a daemon or tool may still write to: files that are there, and directories with all in
     * them. NULL ends the list, or is one that is empty. */
    const char *const *writes;
};

/* The user of this name, with its own group or the one named. 0, -ENOENT: no such user, -ESRCH: no
 * such group. */
int confine_find(const char *user, const char *group, struct confine_user *found);

/* No core file has our memory, and no process of the same user may read it. */
void confine_no_dumps(void);
/* Keep all memory out of swap, as it is touched. False where the limit (ulimit -l) forbids it. */
bool confine_lock_memory(void);

/* Do it all. 0 or -errno, said on stderr; after an error only exiting is safe. */
int confine(const struct confine *c);

/* Parts of it. */

/* Sanitizers' runtimes and the writing of coverage want calls and files of their own at the end. */
#ifdef CONFINE_INSTRUMENTED
enum { INSTRUMENTED = true };
#else
enum { INSTRUMENTED = false };
#endif

/* files.c: what files_close is to leave: *ruleset, to be closed, or -1 where there is no Landlock.
 * 0 or -errno. */
int files_choose(const struct confine *c, int *ruleset);
/* The calling thread's; async-signal-safe. 0 or -errno. */
int files_close(int ruleset);
/* privileges.c: user and capabilities of the calling thread; async-signal-safe. */
int privileges_drop(const struct confine *c);
/* threads.c: privileges_drop and files_close in every thread of the process. 0 or the first -errno.
 */
int threads_drop(const struct confine *c, int ruleset);
/* filter.c */
int filter_load(const struct confine *c);

#endif
