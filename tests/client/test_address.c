/* Addresses as text and back. */
#include <string.h>

#include "fixture.h"
#include "sockaddr.h"

static void round_trips(void **state)
{
    static const struct {
        const char *text, *formatted;
        int family;
        unsigned port, scope;
    } cases[] = {
        {"198.18.0.1", "198.18.0.1:4500", JP_IPV4, 4500, 0},
        {"198.18.0.1:7", "198.18.0.1:7", JP_IPV4, 7, 0},
        {"198.18.0.1:0", "198.18.0.1", JP_IPV4, 0, 0},
        {"198.18.0.1:65535", "198.18.0.1:65535", JP_IPV4, 65535, 0},
        {"fd00:0:0:0::1", "[fd00::1]:4500", JP_IPV6, 4500, 0},
        {"[FD00::1]", "[fd00::1]:4500", JP_IPV6, 4500, 0},
        {"[fd00::1]:9", "[fd00::1]:9", JP_IPV6, 9, 0},
        {"[fd00::1]:0", "fd00::1", JP_IPV6, 0, 0},
        {"::", "[::]:4500", JP_IPV6, 4500, 0},
        {"fe80::1%lo", "[fe80::1%lo]:4500", JP_IPV6, 4500, 1},
        {"[fe80::1%1]:8", "[fe80::1%lo]:8", JP_IPV6, 8, 1},
        {"fe80::1%4000000000", "[fe80::1%4000000000]:4500", JP_IPV6, 4500, 4000000000},
        {"::ffff:198.18.0.1", "[::ffff:198.18.0.1]:4500", JP_IPV6, 4500, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[JP_ADDRESS_TEXT];
        jp_address a, again;

        assert_int_equal(jp_address_parse(&a, cases[i].text, 4500), 0);
        assert_int_equal(a.family, cases[i].family);
        assert_int_equal(a.port, cases[i].port);
        assert_int_equal(a.scope, cases[i].scope);
        assert_int_equal(jp_address_format(&a, text, sizeof(text)), 0);
        assert_string_equal(text, cases[i].formatted);
        assert_int_equal(jp_address_parse(&again, text, 0), 0);
        assert_memory_equal(&a, &again, sizeof(a));
        assert_int_equal(jp_address_compare(&a, &again), 0);
    }
}

static void refusals(void **state)
{
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {"", JP_ADDRESS_SYNTAX},
        {":1", JP_ADDRESS_SYNTAX},
        {"[]:1", JP_ADDRESS_SYNTAX},
        {"[::1", JP_ADDRESS_SYNTAX},
        {"[::1]x", JP_ADDRESS_SYNTAX},
        {"[::1]:", JP_ADDRESS_SYNTAX},
        {"[198.18.0.1]:1", JP_ADDRESS_SYNTAX},
        {"198.18.0.1:", JP_ADDRESS_SYNTAX},
        {"198.18.0.1:65536", JP_ADDRESS_SYNTAX},
        {"198.18.0.1:-1", JP_ADDRESS_SYNTAX},
        {"198.18.0.1: 1", JP_ADDRESS_SYNTAX},
        {"198.18.0.1:99999999999999999999999", JP_ADDRESS_SYNTAX},
        {"198.18.0.256", JP_ADDRESS_SYNTAX},
        {"198.18.1", JP_ADDRESS_SYNTAX},
        {"198.18.0.1%lo", JP_ADDRESS_SYNTAX},
        {"example.org", JP_ADDRESS_SYNTAX},
        {"fe80::1%no-such", JP_ADDRESS_INTERFACE},
        {"fe80::1%4294967296", JP_ADDRESS_INTERFACE},
        {"fe80::1%", JP_ADDRESS_INTERFACE},
    };
    char huge[2000];
    jp_address a, none = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        memset(&a, 0xff, sizeof(a));
        assert_int_equal(jp_address_parse(&a, cases[i].text, 4500), cases[i].error);
        assert_memory_equal(&a, &none, sizeof(a));
    }
    memset(huge, '1', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_int_equal(jp_address_parse(&a, huge, 0), JP_ADDRESS_SYNTAX);
    jp_address_parse(&a, "198.18.0.1:port", 0);
    assert_string_equal(jp_error_detail(),
                        "jp_address_parse: \":port\" in \"198.18.0.1:port\" is not \":port\"");
}

static void formats_into_what_fits(void **state)
{
    char text[JP_ADDRESS_TEXT];
    jp_address a, none = {0};

    (void)state;
    assert_int_equal(jp_address_parse(&a, "198.18.0.1:4500", 0), 0);
    assert_int_equal(jp_address_format(&a, text, 16), 0);
    assert_int_equal(jp_address_format(&a, text, 15), JP_INVALID);
    assert_string_equal(text, "");
    assert_int_equal(jp_address_format(&a, NULL, 0), JP_INVALID);
    assert_int_equal(jp_address_format(&none, text, sizeof(text)), JP_INVALID);
}

static void order(void **state)
{
    static const char *const sorted[] = {
        "198.18.0.1:1", "198.18.0.1:2", "198.18.0.2:1", "198.19.0.0:1",
        "[::]:5",       "[fd00::1]:1",  "[fd00::1]:9",  "[fd00::1%1]:1",
    };
    enum { N = sizeof(sorted) / sizeof(*sorted) };
    jp_address a[N];

    (void)state;
    for (int i = 0; i < N; i++)
        assert_int_equal(jp_address_parse(&a[i], sorted[i], 0), 0);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            int c = jp_address_compare(&a[i], &a[j]);

            assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
        }
}

static void mapped(void **state)
{
    jp_address v4, v6, mapped_text, other;

    (void)state;
    assert_int_equal(jp_address_parse(&v4, "127.3.2.1:5", 0), 0);
    assert_int_equal(jp_address_parse(&mapped_text, "[::ffff:127.3.2.1]:5", 0), 0);
    assert_int_equal(jp_address_parse(&other, "[fd00::1]:5", 0), 0);
    v6 = jp_address_map(v4);
    assert_memory_equal(&v6, &mapped_text, sizeof(v6));
    v6 = jp_address_unmap(v6);
    assert_memory_equal(&v6, &v4, sizeof(v6));
    v6 = jp_address_unmap(jp_address_map(other));
    assert_memory_equal(&v6, &other, sizeof(v6));
    assert_true(jp_address_is_v4_mapped(&mapped_text));
    assert_false(jp_address_is_v4_mapped(&v4));
    assert_false(jp_address_is_v4_mapped(&other));
    assert_true(jp_address_is_loopback(&mapped_text));
    assert_true(jp_address_is_loopback(&v4));
    assert_false(jp_address_is_loopback(&other));
}

static void kinds(void **state)
{
    jp_address a, none = {0};

    (void)state;
    assert_false(jp_address_is_wildcard(&none));
    assert_false(jp_address_is_loopback(&none));
    jp_address_parse(&a, "0.0.0.0:1", 0);
    assert_true(jp_address_is_wildcard(&a));
    jp_address_parse(&a, "::", 1);
    assert_true(jp_address_is_wildcard(&a));
    jp_address_parse(&a, "::1", 1);
    assert_false(jp_address_is_wildcard(&a));
    assert_true(jp_address_is_loopback(&a));
    assert_false(jp_address_is_link_local(&a));
    jp_address_parse(&a, "febf::1", 1);
    assert_true(jp_address_is_link_local(&a));
    jp_address_parse(&a, "fec0::1", 1);
    assert_false(jp_address_is_link_local(&a));
}

static void kernel_form(void **state)
{
    static const char *const texts[] = {"198.18.0.1:5", "[fe80::1%1]:6"};
    union sockaddr_any s;
    jp_address a, b, none = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(jp_address_parse(&a, texts[i], 0), 0);
        assert_int_not_equal(sockaddr_store(&s, &a), 0);
        b = sockaddr_load(&s);
        assert_memory_equal(&a, &b, sizeof(a));
    }
    assert_int_equal(sockaddr_store(&s, &none), 0);
    b = sockaddr_load(&s);
    assert_memory_equal(&none, &b, sizeof(b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(refusals),
        cmocka_unit_test(formats_into_what_fits),
        cmocka_unit_test(order),
        cmocka_unit_test(mapped),
        cmocka_unit_test(kinds),
        cmocka_unit_test(kernel_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
