#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calls.h"
#include "confine.h"

enum {
    NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                 CLONE_NEWPID | CLONE_NEWNET,
};

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

/* A call whose argument decides. Values are compared in all 64 bits, of which the kernel may look
 * at 32 only: what is allowed is equal to something, and what is refused is not, or is masked. */
struct rule {
    uint32_t action;
    int call;
    struct scmp_arg_cmp argument;
};

static int add_rules(scmp_filter_ctx filter, const struct rule *rules, size_t n)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = seccomp_rule_add_array(filter, rules[i].action, rules[i].call, 1, &rules[i].argument);
    return rc;
}

#define ADD_RULES(filter, rules) add_rules(filter, rules, sizeof(rules) / sizeof((rules)[0]))

/* Signals reach nobody else: abort() sends one, a descriptor's events none. */
static int allow_daemon(scmp_filter_ctx filter)
{
    const struct rule rules[] = {
        {SCMP_ACT_ALLOW, SCMP_SYS(socket), {0, SCMP_CMP_EQ, AF_UNIX, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(tgkill), {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {1, SCMP_CMP_EQ, F_DUPFD, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {1, SCMP_CMP_EQ, F_DUPFD_CLOEXEC, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {1, SCMP_CMP_EQ, F_GETFD, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {1, SCMP_CMP_EQ, F_SETFD, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {1, SCMP_CMP_EQ, F_GETFL, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {1, SCMP_CMP_EQ, F_SETFL, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {1, SCMP_CMP_EQ, F_SETLK, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {1, SCMP_CMP_EQ, F_SETLKW, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {1, SCMP_CMP_EQ, F_GET_SEALS, 0}},
    };
    int rc = add_all(filter, SCMP_ACT_ALLOW, calls_common, calls_common_n);

    return rc == 0 ? ADD_RULES(filter, rules) : rc;
}

/* clone3, whose flags a filter cannot see, is not there, and libc goes on with clone. */
static int hide_clone3(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* Threads but no processes. Netlink and SIOC... are how libc learns the host's addresses and
 * interfaces. A terminal may be looked at: who types into it is its user. */
static int allow_tool(scmp_filter_ctx filter)
{
    static const struct rule rules[] = {
        {SCMP_ACT_ALLOW, SCMP_SYS(socket), {0, SCMP_CMP_EQ, AF_INET, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(socket), {0, SCMP_CMP_EQ, AF_INET6, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(socket), {0, SCMP_CMP_EQ, AF_NETLINK, 0}},
        {SCMP_ACT_ALLOW,
         SCMP_SYS(clone),
         {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD | NAMESPACES, CLONE_THREAD}},
        {SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), {0, SCMP_CMP_EQ, 0, 0}}, /* its own */
        {SCMP_ACT_ALLOW, SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, TCGETS, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, TCGETS2, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, TIOCGWINSZ, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, FIONREAD, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, FIONBIO, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, SIOCGIFINDEX, 0}},
        {SCMP_ACT_ALLOW, SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, SIOCGIFNAME, 0}},
    };
    int rc = allow_daemon(filter);

    if (rc == 0)
        rc = add_all(filter, SCMP_ACT_ALLOW, calls_tool, calls_tool_n);
    if (rc == 0)
        rc = hide_clone3(filter);
    return rc == 0 ? ADD_RULES(filter, rules) : rc;
}

/* Where all else is allowed: no process but its own is reached or made, and nothing is typed into
 * a terminal. */
static int refuse_others(scmp_filter_ctx filter)
{
    const scmp_datum_t self = (scmp_datum_t)getpid(), low = UINT32_MAX;
    const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    const struct rule rules[] = {
        {refuse, SCMP_SYS(kill), {0, SCMP_CMP_NE, self, 0}},
        {refuse, SCMP_SYS(tgkill), {0, SCMP_CMP_NE, self, 0}},
        {refuse, SCMP_SYS(rt_sigqueueinfo), {0, SCMP_CMP_NE, self, 0}},
        {refuse, SCMP_SYS(rt_tgsigqueueinfo), {0, SCMP_CMP_NE, self, 0}},
        {refuse, SCMP_SYS(prlimit64), {0, SCMP_CMP_NE, 0, 0}},
        {refuse, SCMP_SYS(fcntl), {1, SCMP_CMP_MASKED_EQ, low, F_SETOWN}},
        {refuse, SCMP_SYS(fcntl), {1, SCMP_CMP_MASKED_EQ, low, F_SETOWN_EX}},
        {refuse, SCMP_SYS(ioctl), {1, SCMP_CMP_MASKED_EQ, low, FIOSETOWN}},
        {refuse, SCMP_SYS(ioctl), {1, SCMP_CMP_MASKED_EQ, low, SIOCSPGRP}},
        {refuse, SCMP_SYS(ioctl), {1, SCMP_CMP_MASKED_EQ, low, TIOCSTI}},
        {refuse, SCMP_SYS(ioctl), {1, SCMP_CMP_MASKED_EQ, low, TIOCLINUX}},
    };
    static const struct rule process = {
        SCMP_ACT_TRAP, SCMP_SYS(clone), {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0}};
    int rc = ADD_RULES(filter, rules);

    if (rc == 0)
        rc = hide_clone3(filter);
    if (rc == 0 && !INSTRUMENTED) /* a search for leaks is made by one */
        rc = add_rules(filter, &process, 1);
    for (scmp_datum_t bit = 1; rc == 0 && bit <= NAMESPACES; bit <<= 1) {
        const struct rule namespace = {
            SCMP_ACT_TRAP, SCMP_SYS(clone), {0, SCMP_CMP_MASKED_EQ, bit, bit}};

        if (bit & NAMESPACES)
            rc = add_rules(filter, &namespace, 1);
    }
    return rc;
}

static int add_filter(scmp_filter_ctx filter, const struct confine *c)
{
    int rc = forbid(filter, c);

    if (rc < 0)
        return rc;
    if (INSTRUMENTED || c->filter == CONFINE_DATA_PLANE)
        return refuse_others(filter);
    return c->filter == CONFINE_DAEMON ? allow_daemon(filter) : allow_tool(filter);
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
        rc = add_filter(filter, c);
    if (rc == 0)
        rc = catch_forbidden();
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc;
}
