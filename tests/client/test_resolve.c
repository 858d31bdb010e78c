/* Host names, by the system's resolver: the names used here need no network. */
#include <pthread.h>
#include <string.h>

#include "fixture.h"

struct answer {
    int calls, error;
    size_t count;
    jp_address first;
    char detail[128];
};

static void keep(jp_resolve *resolve, int error, const jp_address *addresses, size_t count)
{
    struct answer *a = *(struct answer **)jp_resolve_extension(resolve);

    assert_true(jp_loop_is_mine(jp_resolve_loop(resolve)));
    a->calls++;
    a->error = error;
    a->count = count;
    if (count)
        a->first = addresses[0];
    else
        strncpy(a->detail, jp_error_detail(), sizeof(a->detail) - 1);
    assert_int_equal(jp_resolve_cancel(resolve), JP_INVALID); /* too late */
}

static jp_resolve *start(jp_loop *loop, const char *text, enum jp_family family, struct answer *a)
{
    jp_resolve *resolve;

    assert_int_equal(jp_resolve_start(&resolve, loop, text, 4500, family, keep, sizeof(a)), 0);
    memcpy(jp_resolve_extension(resolve), &a, sizeof(a)); /* before any answer */
    return resolve;
}

static void ask(const char *text, enum jp_family family, struct answer *a)
{
    jp_loop *loop = new_loop();

    memset(a, 0, sizeof(*a));
    start(loop, text, family, a);
    assert_int_equal(a->calls, 0);
    while (!a->calls)
        jp_loop_run_once(loop, -1);
    free_loop(loop);
}

static void names_and_numbers(void **state)
{
    struct answer a;
    jp_address expected;

    (void)state;
    ask("localhost:77", JP_IPV4, &a);
    jp_address_parse(&expected, "127.0.0.1:77", 0);
    assert_int_equal(a.error, 0);
    assert_memory_equal(&a.first, &expected, sizeof(expected));
    ask("[fd00::7]", JP_NO_FAMILY, &a);
    jp_address_parse(&expected, "[fd00::7]:4500", 0);
    assert_int_equal(a.count, 1);
    assert_memory_equal(&a.first, &expected, sizeof(expected));
}

static void failures(void **state)
{
    struct answer a;

    (void)state;
    ask("no-such-host.invalid", JP_NO_FAMILY, &a); /* RFC 6761: exists nowhere */
    assert_true(a.error == JP_ADDRESS_UNKNOWN_HOST || a.error == JP_ADDRESS_TRY_AGAIN);
    assert_non_null(strstr(a.detail, "\"no-such-host.invalid\""));
    ask("host:port", JP_NO_FAMILY, &a);
    assert_int_equal(a.error, JP_ADDRESS_SYNTAX);
    ask("198.18.0.1", JP_IPV6, &a);
    assert_int_equal(a.error, JP_ADDRESS_UNKNOWN_HOST);
}

static void arguments(void **state)
{
    jp_loop *loop = new_loop();
    jp_resolve *r;
    jp_address a;
    char huge[1000];

    (void)state;
    memset(huge, 'a', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_int_equal(jp_resolve_start(&r, loop, huge, 1, JP_NO_FAMILY, keep, 0), JP_ADDRESS_SYNTAX);
    assert_int_equal(jp_resolve_start(&r, loop, NULL, 1, JP_NO_FAMILY, keep, 0), JP_INVALID);
    assert_int_equal(jp_resolve_cancel(NULL), 0);
    assert_int_equal(jp_address_lookup("localhost", 1, JP_NO_FAMILY, &a, 0), JP_INVALID);
    assert_int_equal(jp_address_lookup("localhost", 1, JP_NO_FAMILY, &a, 1), 1);
    free_loop(loop);
}

static void unexpected(jp_resolve *resolve, int error, const jp_address *addresses, size_t count)
{
    (void)resolve, (void)error, (void)addresses, (void)count;
    fail_msg("answer to a cancelled lookup");
}

/* Cancelled while queued, under way, or answered already; then the loop may go at once. */
static void cancelled(void **state)
{
    enum { N = 40 };
    jp_resolve *r[N];

    (void)state;
    for (int round = 0; round < 10; round++) {
        jp_loop *loop = new_loop();
        struct answer a = {0};

        for (int i = 0; i < N; i++)
            assert_int_equal(
                jp_resolve_start(&r[i], loop, "198.18.0.1", 1, JP_NO_FAMILY, unexpected, 0), 0);
        start(loop, "198.18.0.2", JP_NO_FAMILY, &a);
        for (int i = 0; i < N; i++)
            assert_int_equal(jp_resolve_cancel(r[i]), 0);
        while (!a.calls)
            jp_loop_run_once(loop, -1);
        free_loop(loop);
    }
}

static void *resolve_many(void *unused)
{
    enum { N = 50 };
    jp_loop *loop = new_loop();
    struct answer a = {0};

    for (int i = 0; i < N; i++)
        start(loop, "127.0.0.1", JP_NO_FAMILY, &a);
    while (a.calls < N)
        jp_loop_run_once(loop, -1);
    free_loop(loop);
    return unused;
}

static void many_threads(void **state)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, resolve_many, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers), cmocka_unit_test(failures),
        cmocka_unit_test(arguments),         cmocka_unit_test(cancelled),
        cmocka_unit_test(many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
