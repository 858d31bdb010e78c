/* Header templates and checksums, against sums computed two bytes at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes.h"
#include "path.h"
#include "rng.h"

/* RFC 1071, literally. */
static uint32_t plain_sum(uint32_t sum, const uint8_t *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? p[i] * 256u : p[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};

static struct jp_path path_of(unsigned ip_version, uint16_t vlan)
{
    struct jp_path path = {
        .ip_version = (uint8_t)ip_version, .vlan = vlan, .our_port = 4500, .peer_port = 0xabcd};

    memcpy(path.our_mac, our_mac, 6);
    memcpy(path.peer_mac, peer_mac, 6);
    memcpy(path.our_ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\x00\x01", 16);
    memcpy(path.peer_ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\x00\x02", 16);
    if (ip_version == 6)
        path.our_ip[0] = path.peer_ip[0] = 0xfd;
    return path;
}

static void template_over_ipv4(void **state)
{
    static const uint8_t expected[] = {
        2,    0,    0,   0,  0, 2, 2,    0,    0,    0,    0,    1,    0x81, 0,
        0x0f, 0xfe, 8,   0, /* Ethernet, VLAN */
        0x45, 0,    0,   0,  0, 0, 0x40, 0,    64,   17,   0xae, 0xc5, 198,  18,
        0,    1,    198, 18, 0, 2, 0x11, 0x94, 0xab, 0xcd, 0,    0,    0,    0};
    struct jp_path path = path_of(4, 4094);
    uint8_t header[PATH_HEADER_MAX];

    (void)state;
    assert_int_equal(path_header(header, &path), sizeof(expected));
    assert_int_equal(plain_sum(0, expected + 18, 20), 0xffff);
    assert_memory_equal(header, expected, sizeof(expected));
    path.vlan = 0;
    assert_int_equal(path_header(header, &path), sizeof(expected) - 4);
    assert_memory_equal(header + 12, expected + 16, sizeof(expected) - 16);
}

static void template_over_ipv6(void **state)
{
    static const uint8_t expected[] = {
        2,    0, 0, 0, 0, 2, 2,  0,    0,    0,   0,    1,    0x86, 0xdd, /* Ethernet */
        0x60, 0, 0, 0, 0, 0, 17, 64,                                      /* IPv6 */
        0xfd, 0, 0, 0, 0, 0, 0,  0,    0,    0,   0xff, 0xff, 198,  18,   0,    1,    0xfd, 0, 0,
        0,    0, 0, 0, 0, 0, 0,  0xff, 0xff, 198, 18,   0,    2,    0x11, 0x94, 0xab, 0xcd, 0, 0};
    struct jp_path path = path_of(6, 0);
    uint8_t header[PATH_HEADER_MAX];

    (void)state;
    assert_int_equal(path_header(header, &path), sizeof(expected) + 2);
    assert_memory_equal(header, expected, sizeof(expected));
    assert_int_equal(be16_load(header + sizeof(expected)),
                     plain_sum(17, expected + 22, 32)); /* the addresses */
    path.vlan = 1;
    assert_int_equal(path_header(header, &path), PATH_HEADER_MAX);
}

static void every_length_is_filled_in(void **state)
{
    (void)state;
    for (uint32_t len = 8; len < 9000; len++) {
        uint8_t header[PATH_HEADER_MAX];
        struct jp_path path = path_of(4, 0);
        uint16_t n = path_header(header, &path);

        path_header_fill(header + n - 8, 4, (uint16_t)len);
        assert_int_equal(be16_load(header + 16), 20 + len);
        assert_int_equal(be16_load(header + n - 4), len);
        assert_int_equal(be16_load(header + n - 2), 0);
        assert_int_equal(plain_sum(0, header + 14, 20), 0xffff);

        path = path_of(6, 0);
        n = path_header(header, &path);
        path_header_fill(header + n - 8, 6, (uint16_t)len);
        assert_int_equal(be16_load(header + 18), len);
        assert_int_equal(be16_load(header + n - 4), len);
        assert_int_equal(be16_load(header + n - 2), plain_sum(17 + len, header + 22, 32));
    }
}

/* Bytes that like to carry: mostly 0x00 and 0xff. */
static void checksums_of_anything(void **state)
{
    struct rng rng = rng_new(1071);

    (void)state;
    for (unsigned i = 0; i < 400000; i++) {
        uint32_t len = 8 + (uint32_t)rng_below(&rng, 90);
        uint8_t udp[98];

        for (uint32_t j = 0; j < len; j++) {
            uint64_t random = rng_next(&rng);

            udp[j] = random % 16 == 0 ? (uint8_t)(random >> 8) : random & 16 ? 0xff : 0;
        }
        uint8_t *copy = exact_copy(udp, len);
        uint32_t sum = plain_sum(0, udp, len);

        path_checksum(copy, (uint16_t)len);
        assert_int_equal(be16_load(copy + 6), sum == 0xffff ? 0xffff : 0xffff - sum);
        memcpy(copy + 6, udp + 6, 2);
        assert_memory_equal(copy, udp, len);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(template_over_ipv4),
        cmocka_unit_test(template_over_ipv6),
        cmocka_unit_test(every_length_is_filled_in),
        cmocka_unit_test(checksums_of_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
