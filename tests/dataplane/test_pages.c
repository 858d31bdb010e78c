/* What is said where workers' memory may not be locked: by children, as a process says it once. */
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pages.h"

enum { SIZE = 65536, MAPS = 3 };

/* From now on no more memory than this may be locked, not even by root. */
static int limit_locked(rlim_t bytes)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    const struct rlimit limit = {bytes, bytes};

    return setrlimit(RLIMIT_MEMLOCK, &limit) < 0 ? -1 : (int)syscall(SYS_capset, &header, none);
}

/* Zeros that can be written. */
static bool maps(void)
{
    uint8_t *p = pages_map(SIZE);
    bool good = p;

    for (unsigned i = 0; good && i < SIZE; i++)
        good = p[i]++ == 0;
    return good;
}

/* A child with this limit maps its memory; *said: what it said meanwhile. */
static void run(rlim_t limit, char *said, size_t size)
{
    FILE *messages = tmpfile();
    pid_t child = fork();
    int status;

    assert_non_null(messages);
    if (child == 0) {
        bool good = dup2(fileno(messages), STDERR_FILENO) >= 0 && limit_locked(limit) == 0;

        for (int i = 0; i < MAPS; i++)
            good = good && maps();
        _exit(!good);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    rewind(messages);
    said[fread(said, 1, size - 1, messages)] = '\0';
    fclose(messages);
}

static void says_nothing_where_all_is_locked(void **state)
{
    char said[1024];

    (void)state;
    if (mlock2(NULL, 0, MLOCK_ONFAULT) < 0)
        skip(); /* qemu 7.2 cannot */
    run(MAPS * SIZE, said, sizeof(said));
    assert_string_equal(said, "");
}

/* And goes on. */
static void says_once_that_memory_is_not_locked(void **state)
{
    static const char line[] = "jetplane-dp: sessions' keys may be swapped out";
    char said[1024];

    (void)state;
    for (rlim_t limit = 0; limit < MAPS * SIZE; limit += SIZE) {
        run(limit, said, sizeof(said));
        assert_ptr_equal(strstr(said, line), said);
        assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_nothing_where_all_is_locked),
        cmocka_unit_test(says_once_that_memory_is_not_locked),
    };

    return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
