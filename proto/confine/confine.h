/* Giving up what a program that reads strangers' packets does not need: its user, capabilities,
 * most system calls, core files. Each step holds for all threads and cannot be undone. Messages go
 * to stderr. docs/architecture.md, "Privileges", says who gives up what and why. */
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

/* privileges.c: user and capabilities of the calling thread; async-signal-safe. */
int privileges_drop(const struct confine *c);
/* threads.c: privileges_drop in every thread of the process. 0 or the first -errno. */
int threads_drop(const struct confine *c);
/* filter.c */
int filter_load(const struct confine *c);

#endif
