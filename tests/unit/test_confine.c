/* Confinement, in children: what is left of system calls, and that every thread is held by it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "calls.h"
#include "confine.h"

enum { FAILED = 100 };

#ifdef CONFINE_INSTRUMENTED
enum { STRICT = false }; /* those builds forbid only what is dangerous */
#else
enum { STRICT = true };
#endif

/* What came of a call in a process with this filter: its errno, 0, or minus the signal. */
static int outcome(enum confine_filter filter, int (*call)(void))
{
    const struct confine wanted = {.program = "test", .filter = filter};
    int status;
    pid_t child = fork();

    if (child == 0) {
        if (confine(&wanted) < 0)
            _exit(FAILED);
        errno = 0;
        _exit(call() < 0 ? errno : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
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

static int call_type_into_terminal(void)
{
    return ioctl(STDIN_FILENO, TIOCSTI, "x") < 0 && errno == EPERM ? -1 : 0;
}

static void dangerous(void **state)
{
    (void)state;
    for (int filter = CONFINE_DAEMON; filter <= CONFINE_DATA_PLANE; filter++)
        for (unsigned i = 0; i < calls_dangerous_n; i++) {
            number = calls_dangerous[i].number;
            if (number < 0 || (!STRICT && number == SYS_ptrace))
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
        {"a process", call_process, EPERM, EPERM, 0},
        {"a thread", call_thread, EPERM, 0, 0},
        {"typing into the terminal", call_type_into_terminal, EPERM, EPERM, 0},
    };

    (void)state;
    if (!STRICT)
        skip();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].name);
        assert_int_equal(outcome(CONFINE_DAEMON, cases[i].call), cases[i].daemon);
        assert_int_equal(outcome(CONFINE_TOOL, cases[i].call), cases[i].tool);
        if (cases[i].call != call_type_into_terminal) /* which depends on the terminal */
            assert_int_equal(outcome(CONFINE_DATA_PLANE, cases[i].call), cases[i].data_plane);
    }
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
        cmocka_unit_test(dangerous),   cmocka_unit_test(promised),      cmocka_unit_test(others),
        cmocka_unit_test(all_threads), cmocka_unit_test(unknown_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
