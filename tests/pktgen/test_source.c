/* Where sessions send from: each from its own address and port, which tell which one it is. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rng.h"
#include "session.h"

static struct jetgen g;

static void use(const char *source, uint32_t sources)
{
    g.options.sources = sources;
    g.options.source = (struct address){.ip = {[10] = 0xff, 0xff}, .version = 4};
    if (inet_pton(AF_INET, source, g.options.source.ip + 12) == 1)
        return;
    g.options.source.version = 6;
    assert_int_equal(inet_pton(AF_INET6, source, g.options.source.ip), 1);
}

static void source_is(uint32_t i, const char *expected)
{
    uint8_t ip[16];
    char text[INET6_ADDRSTRLEN];

    source_address(&g.options.source, i, ip);
    assert_string_equal(address_print(ip, text), expected);
}

static void sources_are_in_prefixes_of_their_own(void **state)
{
    (void)state;
    use("198.18.0.2", 512);
    source_is(0, "198.18.0.2");
    source_is(1, "198.18.1.2");
    source_is(511, "198.19.255.2");
    use("fd00::2", 70000);
    source_is(0, "fd00::2");
    source_is(1, "fd00:0:0:100::2");
    source_is(256, "fd00:0:1::2");
    source_is(65536, "fd00:0:100::2");
}

static void an_address_and_port_name_one_session(void **state)
{
    static const char *const bases[] = {"198.18.0.2", "fd00::2"};
    static const uint32_t sources[] = {1, 3, 64, 512};
    uint8_t ip[16];

    (void)state;
    for (unsigned b = 0; b < 2; b++)
        for (unsigned k = 0; k < 4; k++) {
            use(bases[b], sources[k]);
            for (uint32_t i = 0; i < 64512 * sources[k]; i += 1 + i / 50) {
                source_address(&g.options.source, i % sources[k], ip);
                assert_int_equal(
                    source_session(&g, ip, (uint16_t)(SOURCE_PORT_MIN + i / sources[k])), i);
            }
        }
}

static void other_addresses_name_none(void **state)
{
    uint8_t ip[16];

    (void)state;
    use("198.18.0.2", 4);
    source_address(&g.options.source, 3, ip);
    assert_int_equal(source_session(&g, ip, SOURCE_PORT_MIN), 3);
    assert_int_equal(source_session(&g, ip, SOURCE_PORT_MIN - 1), UINT32_MAX);
    ip[15]++;
    assert_int_equal(source_session(&g, ip, SOURCE_PORT_MIN), UINT32_MAX);
    source_address(&g.options.source, 4, ip);
    assert_int_equal(source_session(&g, ip, SOURCE_PORT_MIN), UINT32_MAX);
    source_address(&g.options.source, UINT32_MAX, ip);
    assert_int_equal(source_session(&g, ip, SOURCE_PORT_MIN), UINT32_MAX);
}

static void spoofed_paths_come_from_the_prefixes_asked_for(void **state)
{
    struct prng r = {6};
    unsigned prefix[16] = {0};

    (void)state;
    use("198.18.0.2", 1);
    for (unsigned i = 0; i < 16000; i++) {
        struct jp_path path = {0};

        path_spoof(&path, &g.options.source, 16, &r);
        assert_int_equal(path.our_ip[12], 198);
        assert_int_equal(path.our_ip[13], 18);
        assert_in_range(path.our_ip[14], 0, 15);
        assert_in_range(path.our_ip[15], 1, 254);
        assert_in_range(path.our_port, SOURCE_PORT_MIN, 65535);
        prefix[path.our_ip[14]]++;
    }
    for (unsigned i = 0; i < 16; i++)
        assert_in_range(prefix[i], 800, 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_are_in_prefixes_of_their_own),
        cmocka_unit_test(an_address_and_port_name_one_session),
        cmocka_unit_test(other_addresses_name_none),
        cmocka_unit_test(spoofed_paths_come_from_the_prefixes_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
