/* Users, capabilities and Landlock's rules are a thread's own, so each has to give them up by
 * itself: a signal makes it. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "confine.h"

enum { THREADS_MAX = 1024, TURN_NS = 1000000, TURNS_MAX = 5000 };

static const struct confine *wanted;
static int files;
static atomic_uint answers;
static atomic_int first_error;

static void note(int rc)
{
    int none = 0;

    if (rc < 0)
        atomic_compare_exchange_strong(&first_error, &none, rc);
}

static void drop(void)
{
    int rc = privileges_drop(wanted);

    note(rc == 0 ? files_close(files) : rc);
}

static void on_signal(int number)
{
    int saved = errno;

    (void)number;
    drop();
    atomic_fetch_add(&answers, 1);
    errno = saved;
}

struct asked {
    unsigned n;
    pid_t tid[THREADS_MAX];
};

static bool was_asked(const struct asked *asked, pid_t tid)
{
    for (unsigned i = 0; i < asked->n; i++)
        if (asked->tid[i] == tid)
            return true;
    return false;
}

static int ask(struct asked *asked, pid_t tid, int number)
{
    if (asked->n == THREADS_MAX)
        return -E2BIG;
    if (syscall(SYS_tgkill, getpid(), tid, number) < 0)
        return errno == ESRCH ? 0 : -errno; /* it has ended */
    asked->tid[asked->n++] = tid;
    return 0;
}

/* Ask all that were not. How many those were, or -errno. */
static int ask_new(struct asked *asked, int number)
{
    unsigned before = asked->n;
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    int rc = 0;

    if (!tasks)
        return -errno;
    while (rc == 0 && (entry = readdir(tasks)) != NULL) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10); /* 0: . and .. */

        if (tid != 0 && tid != gettid() && !was_asked(asked, tid))
            rc = ask(asked, tid, number);
    }
    closedir(tasks);
    return rc < 0 ? rc : (int)(asked->n - before);
}

static int wait_for(unsigned n)
{
    static const struct timespec turn = {.tv_nsec = TURN_NS};

    for (unsigned i = 0; i < TURNS_MAX; i++) {
        if (atomic_load(&answers) >= n)
            return 0;
        nanosleep(&turn, NULL);
    }
    return -ETIMEDOUT;
}

/* Until there are none that were not asked: who was not may start more. */
static int ask_all(int number)
{
    struct asked asked = {0};
    int n, rc = 0;

    while (rc == 0 && (n = ask_new(&asked, number)) != 0)
        rc = n < 0 ? n : wait_for(asked.n);
    return rc;
}

int threads_drop(const struct confine *c, int ruleset)
{
    int number = SIGRTMAX - 1, rc;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;

    wanted = c;
    files = ruleset;
    atomic_store(&answers, 0);
    atomic_store(&first_error, 0);
    sigaction(number, &action, &before);
    rc = ask_all(number); /* first, as /proc and signals may be out of reach afterwards */
    sigaction(number, &before, NULL);
    note(rc);
    drop();
    return atomic_load(&first_error);
}
