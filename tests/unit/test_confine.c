/* Confinement, in children: what is left of system calls, and that every thread is held by it. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "calls.h"
#include "confine.h"

enum { FAILED = 100 };

/* What came of a call in a process so confined: its errno, 0, or minus the signal. */
static int outcome_of(const struct confine *wanted, int (*call)(void))
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        if (confine(wanted) < 0)
            _exit(FAILED);
        errno = 0;
        _exit(call() < 0 ? errno : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int outcome(enum confine_filter filter, int (*call)(void))
{
    const struct confine wanted = {.program = "test", .filter = filter};

    return outcome_of(&wanted, call);
}

/* ---- calls ---- */

static int number; /* of the call to make */

static int call_number(void)
{
    return (int)syscall(number, 0, 0, 0, 0, 0, 0);
}

static int call_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int call_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}

static int call_udp_socket(void)
{
    return socket(AF_INET, SOCK_DGRAM, 0);
}

static int call_socketpair(void)
{
    int fd[2];

    return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd);
}

static int call_process(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return child;
}

static void *nothing(void *arg)
{
    return arg;
}

static int call_thread(void)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, nothing, NULL);
    return errno ? -1 : pthread_join(thread, NULL);
}

/* Directly, as libc's functions hide flags and half of an argument. */
static int call_name_space(void)
{
    long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

    if (child == 0)
        _exit(0);
    return (int)child;
}

static int call_clone3(void)
{
    struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long child = syscall(SYS_clone3, &args, sizeof(args));

    if (child == 0)
        _exit(0);
    return (int)child;
}

static int type_into_terminal(unsigned long request)
{
    return syscall(SYS_ioctl, STDIN_FILENO, request, "x") < 0 && errno == EPERM ? -1 : 0;
}

static int call_type_into_terminal(void)
{
    return type_into_terminal(TIOCSTI);
}

static int call_type_with_high_bits(void)
{
    return type_into_terminal(TIOCSTI | 1UL << 32);
}

static int call_own_signal(void)
{
    return (int)syscall(SYS_tgkill, getpid(), gettid(), SIGCONT);
}

static int call_signal(void)
{
    return (int)syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static int call_kill(void)
{
    return (int)syscall(SYS_kill, getppid(), 0);
}

static int call_signal_by_events(void)
{
    int fd[2];

    return socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0 ? -1 : fcntl(fd[0], F_SETOWN, getppid());
}

static int call_signal_by_ioctl(void)
{
    int fd[2], victim = getppid();

    return socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0 ? -1 : ioctl(fd[0], FIOSETOWN, &victim);
}

static int call_limits(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit);
}

static int call_limits_of_another(void)
{
    struct rlimit limit;

    return prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit);
}

static void dangerous(void **state)
{
    (void)state;
    for (int filter = CONFINE_DAEMON; filter <= CONFINE_DATA_PLANE; filter++)
        for (unsigned i = 0; i < calls_dangerous_n; i++) {
            number = calls_dangerous[i].number;
            if (number < 0 || (INSTRUMENTED && number == SYS_ptrace))
                continue;
            if (outcome((enum confine_filter)filter, call_number) != -SIGSYS)
                fail_msg("%s is not forbidden by filter %d", calls_dangerous[i].name, filter);
        }
}

/* Whatever calls.c says: these are promised. */
static void promised(void **state)
{
    static const int numbers[] = {
        SYS_execve,
        SYS_mount,
        SYS_setns,
        SYS_unshare,
        SYS_process_vm_readv,
        SYS_bpf,
        SYS_keyctl,
        SYS_reboot,
        SYS_process_vm_writev,
        SYS_open_by_handle_at,
        SYS_kexec_load,
        SYS_init_module,
        SYS_setuid,
        SYS_finit_module,
        SYS_perf_event_open,
        SYS_setresuid,
        SYS_io_uring_setup,
        SYS_pidfd_open,
        SYS_tkill,
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        number = numbers[i];
        assert_int_equal(outcome(CONFINE_DATA_PLANE, call_number), -SIGSYS);
    }
}

static void others(void **state)
{
    static const struct {
        const char *name;
        int (*call)(void);
        int daemon, tool, data_plane;
    } cases[] = {
        {"open", call_open, EPERM, 0, 0},
        {"packet socket", call_packet_socket, EPERM, EPERM, EPERM}, /* no capability */
        {"UDP socket", call_udp_socket, EPERM, 0, 0},
        {"socketpair", call_socketpair, 0, 0, 0},
        {"a process", call_process, EPERM, EPERM, -SIGSYS},
        {"a thread", call_thread, EPERM, 0, 0},
        {"a name space", call_name_space, EPERM, EPERM, -SIGSYS},
        {"clone3", call_clone3, EPERM, ENOSYS, ENOSYS},
        {"typing into the terminal", call_type_into_terminal, EPERM, EPERM, EPERM},
        {"and with high bits", call_type_with_high_bits, EPERM, EPERM, EPERM},
        {"a signal to itself", call_own_signal, 0, 0, 0},
        {"a signal to another", call_signal, EPERM, EPERM, EPERM},
        {"or otherwise", call_kill, EPERM, EPERM, EPERM},
        {"or by events", call_signal_by_events, EPERM, EPERM, EPERM},
        {"or by ioctl", call_signal_by_ioctl, EPERM, EPERM, EPERM},
        {"its limits", call_limits, EPERM, 0, 0},
        {"another's limits", call_limits_of_another, EPERM, EPERM, EPERM},
    };

    (void)state;
    if (INSTRUMENTED)
        skip();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].name);
        assert_int_equal(outcome(CONFINE_DAEMON, cases[i].call), cases[i].daemon);
        assert_int_equal(outcome(CONFINE_TOOL, cases[i].call), cases[i].tool);
        assert_int_equal(outcome(CONFINE_DATA_PLANE, cases[i].call), cases[i].data_plane);
    }
}

/* ---- files and memory ---- */

static char folder[] = "/tmp/test_confine.XXXXXX", path[sizeof(folder) + 8];

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static int call_write_file(void)
{
    return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int call_remove_file(void)
{
    return unlink(path);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* Only where that is said: in a directory, or to a file that is there. */
static void writes(void **state)
{
    const char *const lists[][2] = {{folder}, {path}, {"/nowhere/at/all"}, {"/dev/null"}};
    struct confine wanted = {.program = "test", .filter = CONFINE_TOOL};

    (void)state;
    if (INSTRUMENTED || !has_landlock())
        skip();
    snprintf(path, sizeof(path), "%s/file", folder);
    assert_int_equal(outcome_of(&wanted, call_write_file), EACCES);
    for (unsigned i = 0; i < 4; i++) {
        wanted.writes = lists[i];
        assert_int_equal(outcome_of(&wanted, call_write_file), i == 0 ? 0 : EACCES);
        assert_int_equal(outcome_of(&wanted, call_remove_file), i == 0 ? 0 : ENOENT);
        assert_int_equal(outcome_of(&wanted, call_open), 0);
    }
    assert_int_equal(close(call_write_file()), 0);
    wanted.writes = lists[1];
    assert_int_equal(outcome_of(&wanted, call_write_file), 0);
    wanted.filter = CONFINE_DAEMON;
    wanted.writes = lists[1];
    assert_int_equal(outcome_of(&wanted, call_remove_file), EACCES);
    wanted.writes = lists[0];
    assert_int_equal(outcome_of(&wanted, call_remove_file), 0);
    wanted.filter = CONFINE_DATA_PLANE;
    wanted.writes = NULL;
    assert_int_equal(outcome_of(&wanted, call_write_file), 0);
}

static const struct confine_user nobody = {65534, 65534};

/* Before it was confined, and after. */
static int call_memory(void)
{
    return open(path, O_RDWR | O_CLOEXEC);
}

static pid_t start_as_nobody(void)
{
    pid_t child = fork();

    if (child != 0)
        return child;
    if (setgroups(0, NULL) < 0 || setgid(nobody.gid) < 0 || setuid(nobody.uid) < 0)
        _exit(FAILED);
    prctl(PR_SET_DUMPABLE, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
}

/* That of a process of the same user, who else may read and write it. */
static void memory_of_others(void **state)
{
    struct confine wanted = {.program = "test", .filter = CONFINE_TOOL, .user = &nobody};
    pid_t victim;

    (void)state;
    if (INSTRUMENTED || !has_landlock() || geteuid() != 0)
        skip();
    victim = start_as_nobody();
    snprintf(path, sizeof(path), "/proc/%d/mem", victim);
    usleep(50000);
    for (int filter = CONFINE_TOOL; filter <= CONFINE_DATA_PLANE; filter++) {
        wanted.filter = (enum confine_filter)filter;
        assert_int_equal(outcome_of(&wanted, call_memory), EACCES);
    }
    kill(victim, SIGKILL);
    waitpid(victim, NULL, 0);
    path[0] = '\0';
}

/* ---- users ---- */

static int call_groups(void)
{
    gid_t groups[8];

    errno = ENOTSUP;
    return getgroups(8, groups) == 0 && getgid() == 1 && getegid() == 1 ? 0 : -1;
}

/* Also of who is that user already. */
static void groups_are_left(void **state)
{
    static const struct confine_user same = {0, 1};
    const struct confine wanted = {.program = "test", .filter = CONFINE_DATA_PLANE, .user = &same};
    const gid_t groups[] = {1, 2};
    gid_t before[64];
    int n = getgroups(64, before);

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(n >= 0 && setgroups(2, groups) == 0);
    assert_int_equal(outcome_of(&wanted, call_groups), 0);
    assert_int_equal(setgroups((size_t)n, before), 0);
}

/* ---- threads ---- */

static atomic_bool confined;

/* Whether this thread has neither capability nor a way to forbidden calls. */
static void *look(void *arg)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    intptr_t wrong = 0;

    while (!atomic_load(&confined))
        usleep(1000);
    if (syscall(SYS_capget, &header, data) < 0 || data[0].permitted || data[1].permitted)
        wrong |= 1;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        wrong |= 2;
    if (prctl(PR_GET_SECCOMP) != 2)
        wrong |= 4;
    return (void *)(wrong | (intptr_t)arg);
}

static int confine_among_threads(void)
{
    const struct confine wanted = {.program = "test", .filter = CONFINE_DATA_PLANE};
    pthread_t thread[20];
    int wrong = 0;

    for (unsigned i = 0; i < 20; i++)
        if (pthread_create(&thread[i], NULL, look, NULL) != 0)
            return FAILED;
    if (confine(&wanted) < 0)
        return FAILED;
    atomic_store(&confined, true);
    for (unsigned i = 0; i < 20; i++) {
        void *found;

        pthread_join(thread[i], &found);
        wrong |= (int)(intptr_t)found;
    }
    return wrong;
}

static void all_threads(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0)
        _exit(confine_among_threads());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void unknown_names(void **state)
{
    struct confine_user user;

    (void)state;
    assert_int_equal(confine_find("root", NULL, &user), 0);
    assert_int_equal(user.uid, 0);
    assert_int_equal(confine_find("no such user", NULL, &user), -ENOENT);
    assert_int_equal(confine_find("root", "no such group", &user), -ESRCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dangerous),
        cmocka_unit_test(promised),
        cmocka_unit_test(others),
        cmocka_unit_test_setup_teardown(writes, make_folder, remove_folder),
        cmocka_unit_test(memory_of_others),
        cmocka_unit_test(groups_are_left),
        cmocka_unit_test(all_threads),
        cmocka_unit_test(unknown_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
