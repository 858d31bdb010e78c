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

/* Those values of an argument, and no others. */
static int allow_values(scmp_filter_ctx filter, int call, unsigned argument,
                        const scmp_datum_t *values, size_t n)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct rule rule = {SCMP_ACT_ALLOW, call, {argument, SCMP_CMP_EQ, values[i], 0}};

        rc = add_rules(filter, &rule, 1);
    }
    return rc;
}

#define ALLOW_VALUES(filter, call, argument, values)                                               \
    allow_values(filter, SCMP_SYS(call), argument, values, sizeof(values) / sizeof((values)[0]))

/* Signals reach nobody else: abort() sends one, a descriptor's events none. */
static int allow_daemon(scmp_filter_ctx filter)
{
    static const scmp_datum_t families[] = {AF_UNIX};
    static const scmp_datum_t commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,  F_SETFD,    F_GETFL,
                                            F_SETFL, F_SETLK,         F_SETLKW, F_GET_SEALS};
    const scmp_datum_t self[] = {(scmp_datum_t)getpid()};
    int rc = add_all(filter, SCMP_ACT_ALLOW, calls_common, calls_common_n);

    if (rc == 0)
        rc = ALLOW_VALUES(filter, socket, 0, families);
    if (rc == 0)
        rc = ALLOW_VALUES(filter, fcntl, 1, commands);
    return rc == 0 ? ALLOW_VALUES(filter, tgkill, 0, self) : rc;
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
    static const scmp_datum_t families[] = {AF_INET, AF_INET6, AF_NETLINK};
    static const scmp_datum_t requests[] = {TCGETS,  TCGETS2,      TIOCGWINSZ, FIONREAD,
                                            FIONBIO, SIOCGIFINDEX, SIOCGIFNAME};
    static const scmp_datum_t self[] = {0};
    static const struct rule threads = {
        SCMP_ACT_ALLOW,
        SCMP_SYS(clone),
        {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD | NAMESPACES, CLONE_THREAD}};
    int rc = allow_daemon(filter);

    if (rc == 0)
        rc = add_all(filter, SCMP_ACT_ALLOW, calls_tool, calls_tool_n);
    if (rc == 0)
        rc = hide_clone3(filter);
    if (rc == 0)
        rc = add_rules(filter, &threads, 1);
    if (rc == 0)
        rc = ALLOW_VALUES(filter, socket, 0, families);
    if (rc == 0)
        rc = ALLOW_VALUES(filter, ioctl, 1, requests);
    return rc == 0 ? ALLOW_VALUES(filter, prlimit64, 0, self) : rc;
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
    int rc = add_rules(filter, rules, sizeof(rules) / sizeof(rules[0]));

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
