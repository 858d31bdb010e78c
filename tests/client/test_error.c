/* Codes are unique and speak; errno means what the operation makes of it. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "fixture.h"

#include "errors.h"

static const int codes[] = {
#define X(name, value, text) name,
    JP_ERRORS(X)
#undef X
};

static void codes_speak(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        assert_true(codes[i] < 0);
        assert_true(i == 0 || codes[i] < codes[i - 1]);
        assert_string_not_equal(jp_error_text(codes[i]), "unknown error");
        assert_memory_equal(jp_error_name(codes[i]), "JP_", 3);
    }
    assert_string_equal(jp_error_name(JP_BIND_IN_USE), "JP_BIND_IN_USE");
    assert_string_equal(jp_error_operation(JP_BIND_IN_USE), "bind");
    assert_string_equal(jp_error_operation(JP_RECEIVE_FAILED), "receive");
    assert_string_equal(jp_error_operation(JP_WRONG_THREAD), "");
    assert_string_equal(jp_error_text(0), "success");
    assert_string_equal(jp_error_text(-12345), "unknown error");
    assert_string_equal(jp_error_text(7), "unknown error");
    assert_string_equal(jp_error_operation(INT32_MIN), "");
    assert_string_equal(jp_error_operation(7), "");
}

static void names_of_codes_begin_with_their_operation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        const char *operation = jp_error_operation(codes[i]);

        assert_int_equal(strncasecmp(jp_error_name(codes[i]) + 3, operation, strlen(operation)), 0);
    }
}

static void errno_in_context(void **state)
{
    (void)state;
    assert_int_equal(error_of_errno(OP_CONNECT, ECONNREFUSED), JP_CONNECT_REFUSED);
    assert_int_equal(error_of_errno(OP_RECEIVE, ECONNREFUSED), JP_RECEIVE_REFUSED);
    assert_int_equal(error_of_errno(OP_BIND, EADDRINUSE), JP_BIND_IN_USE);
    assert_int_equal(error_of_errno(OP_LISTEN, EADDRINUSE), JP_LISTEN_IN_USE);
    assert_int_equal(error_of_errno(OP_ACCEPT, ECONNABORTED), JP_ACCEPT_ABORTED);
    assert_int_equal(error_of_errno(OP_ACCEPT, EMFILE), JP_NO_DESCRIPTORS);
    assert_int_equal(error_of_errno(OP_SEND, EMSGSIZE), JP_SEND_TOO_BIG);
    assert_int_equal(error_of_errno(OP_SEND, ENOBUFS), JP_SEND_WOULD_BLOCK);
    assert_int_equal(error_of_errno(OP_BIND, ENOBUFS), JP_NO_MEMORY);
    assert_int_equal(error_of_errno(OP_SEND, EDOM), JP_SEND_FAILED);
    assert_int_equal(error_of_errno(OP_GENERAL, EDOM), JP_SYSTEM);
}

static void *fail_elsewhere(void *unused)
{
    failure_detail("elsewhere", "other");
    return unused;
}

static void detail_is_the_threads_own(void **state)
{
    char huge[1000];
    pthread_t thread;

    (void)state;
    assert_int_equal(failure(JP_INVALID, "here", "%d wrong", 3), JP_INVALID);
    pthread_create(&thread, NULL, fail_elsewhere, NULL);
    pthread_join(thread, NULL);
    assert_string_equal(jp_error_detail(), "here: 3 wrong");
    memset(huge, 'x', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    failure_detail(huge, "%s", huge);
    failure_detail("here", "%s", huge);
    assert_int_equal(strlen(jp_error_detail()), 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_speak),
        cmocka_unit_test(names_of_codes_begin_with_their_operation),
        cmocka_unit_test(errno_in_context),
        cmocka_unit_test(detail_is_the_threads_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
