#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calls.h"
#include "confine.h"

/* Sanitizers' runtimes and the writing of coverage want calls and files of their own at the end. */
#ifdef CONFINE_INSTRUMENTED
enum { INSTRUMENTED = true };
#else
enum { INSTRUMENTED = false };
#endif

/* ---- the end of who makes a dangerous call ---- */

static const char *program;

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return;
}

/* The call was not made. */
static void on_forbidden(int number, siginfo_t *info, void *context)
{
    const char *name = "of an unknown number";

    (void)context;
    for (unsigned i = 0; i < calls_dangerous_n; i++)
        if (calls_dangerous[i].number == info->si_syscall)
            name = calls_dangerous[i].name;
    say(program);
    say(": system call ");
    say(name);
    say(" is forbidden here: ending\n");
    raise(number); /* once this returns, by SA_RESETHAND without a handler */
}

static int catch_forbidden(void)
{
    struct sigaction action = {.sa_sigaction = on_forbidden,
                               .sa_flags = SA_SIGINFO | (int)SA_RESETHAND};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

/* ---- rules ---- */

static int add_all(scmp_filter_ctx filter, uint32_t action, const struct call *calls, unsigned n)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < n; i++)
        if (calls[i].number >= 0) /* this architecture has it */
            rc = seccomp_rule_add(filter, action, calls[i].number, 0);
    return rc;
}

/* Dangerous, unless these builds or the drivers of this program need it. */
static int forbid(scmp_filter_ctx filter, const struct confine *c)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < calls_dangerous_n; i++) {
        int number = calls_dangerous[i].number;

        if (number < 0 || (number == SCMP_SYS(bpf) && c->bpf) ||
            (number == SCMP_SYS(ptrace) && INSTRUMENTED))
            continue;
        rc = seccomp_rule_add(filter, SCMP_ACT_TRAP, number, 0);
    }
    return rc;
}

static int allow_sockets(scmp_filter_ctx filter, const int *families, unsigned n)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < n; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                              SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
    return rc;
}

static int allow_daemon(scmp_filter_ctx filter)
{
    static const int families[] = {AF_UNIX};
    int rc = add_all(filter, SCMP_ACT_ALLOW, calls_common, calls_common_n);

    return rc == 0 ? allow_sockets(filter, families, 1) : rc;
}

/* Threads but no processes; clone3, whose flags a filter cannot see, is not there, and libc goes
 * on with clone. Netlink is how libc's getaddrinfo learns the host's addresses. */
static int allow_tool(scmp_filter_ctx filter)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    int rc = add_all(filter, SCMP_ACT_ALLOW, calls_common, calls_common_n);

    if (rc == 0)
        rc = add_all(filter, SCMP_ACT_ALLOW, calls_tool, calls_tool_n);
    if (rc == 0)
        rc = allow_sockets(filter, families, 4);
    if (rc == 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (rc == 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (rc == 0) /* nothing may type into the terminal */
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                              SCMP_A1(SCMP_CMP_NE, TIOCSTI, 0));
    return rc;
}

static int add_rules(scmp_filter_ctx filter, const struct confine *c)
{
    int rc = forbid(filter, c);

    if (rc == 0 && c->filter == CONFINE_DAEMON && !INSTRUMENTED)
        rc = allow_daemon(filter);
    if (rc == 0 && c->filter == CONFINE_TOOL && !INSTRUMENTED)
        rc = allow_tool(filter);
    return rc;
}

int filter_load(const struct confine *c)
{
    bool all = c->filter == CONFINE_DATA_PLANE || INSTRUMENTED;
    scmp_filter_ctx filter = seccomp_init(all ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
    int rc = filter ? 0 : -ENOMEM;

    program = c->program;
    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (rc == 0) /* what is refused is in the kernel's log */
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
    if (rc == 0) /* other architectures' calls, by int 0x80 */
        rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (rc == 0)
        rc = add_rules(filter, c);
    if (rc == 0)
        rc = catch_forbidden();
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc;
}
