/* The length gate, the headers and the ESP trailer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>

#include "rng.h"
#include "wire.h"

static enum wire_kind classify(const void *bytes, size_t len, struct wire_info *info)
{
    uint8_t *copy = exact_copy(bytes, len);
    enum wire_kind kind = wire_classify(copy, len, info);

    free(copy);
    return kind;
}

static void keepalive_is_one_byte(void **state)
{
    struct wire_info info;

    (void)state;
    assert_int_equal(classify("\xff", 1, &info), WIRE_KEEPALIVE);
    assert_int_equal(classify("\xfe", 1, &info), WIRE_SHORT);
    assert_int_equal(classify("\xff\xff", 2, &info), WIRE_SHORT);
    assert_int_equal(classify("", 0, &info), WIRE_SHORT);
}

static void data_header_bytes(void **state)
{
    static const uint8_t expected[WIRE_DATA_HDR] = {0xa1, 0xb2, 0xc3, 0xd4, 0x55, 0x66, 0x77, 0x88,
                                                    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
    uint8_t hdr[WIRE_DATA_HDR];

    (void)state;
    wire_data_hdr_put(hdr, 0xa1b2c3d4, 0x1122334455667788);
    assert_memory_equal(hdr, expected, sizeof(hdr));
}

static void data_of_every_length(void **state)
{
    uint8_t packet[200] = {0};

    (void)state;
    wire_data_hdr_put(packet, 0xdeadbeef, 0x0123456789abcdef);
    for (size_t len = 0; len <= sizeof(packet); len++) {
        struct wire_info info = {0};
        enum wire_kind kind = classify(packet, len, &info);

        assert_int_equal(kind, len < 16 + 2 + 16 ? WIRE_SHORT : WIRE_DATA);
        if (kind != WIRE_DATA)
            continue;
        assert_int_equal(info.spi, 0xdeadbeef);
        assert_int_equal(info.pn, 0x0123456789abcdef);
        assert_int_equal(info.text_len, len - 32);
    }
}

static void spi_ranges(void **state)
{
    static const struct {
        uint32_t spi;
        enum wire_kind kind;
    } cases[] = {
        {1, WIRE_RESERVED},      {2, WIRE_RESERVED},      {255, WIRE_RESERVED},
        {256, WIRE_DATA},        {65536, WIRE_DATA},      {0x01000000, WIRE_DATA},
        {0x7fffffff, WIRE_DATA}, {UINT32_MAX, WIRE_DATA},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t packet[40] = {0};
        struct wire_info info = {0};

        wire_data_hdr_put(packet, cases[i].spi, 7);
        assert_int_equal(classify(packet, sizeof(packet), &info), cases[i].kind);
    }
}

static void low_bits_must_repeat(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 96; bit++) { /* every bit of the low 32 and of the number itself */
        uint8_t packet[48] = {0};
        struct wire_info info;

        wire_data_hdr_put(packet, 0x1000, UINT64_C(0xfedcba9876543210));
        packet[4 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool high = bit >= 32 && bit < 64; /* the high half of the packet number is not repeated */
        assert_int_equal(classify(packet, sizeof(packet), &info), high ? WIRE_DATA : WIRE_MISMATCH);
    }
}

static void handshake_headers(void **state)
{
    static const uint8_t expected[WIRE_HS_HDR] = {0, 0, 0, 0, 2, 1, 0, 0};
    uint8_t hdr[WIRE_HS_HDR + 4] = {0};
    struct wire_info info = {0};

    (void)state;
    wire_hs_hdr_put(hdr, WIRE_SERVER_HELLO);
    assert_memory_equal(hdr, expected, sizeof(expected));
    for (size_t len = 0; len <= sizeof(hdr); len++)
        assert_int_equal(classify(hdr, len, &info),
                         len < WIRE_HS_HDR ? WIRE_SHORT : WIRE_HANDSHAKE);
    assert_int_equal(info.hs_type, WIRE_SERVER_HELLO);
    assert_int_equal(info.hs_version, WIRE_VERSION);
    for (unsigned version = 0; version < 256; version++) {
        hdr[5] = (uint8_t)version;
        assert_int_equal(classify(hdr, sizeof(hdr), &info),
                         version == WIRE_VERSION ? WIRE_HANDSHAKE : WIRE_VERSION_UNKNOWN);
        assert_int_equal(info.hs_version, version);
    }
}

static void trailer_round_trip(void **state)
{
    (void)state;
    for (size_t frames = 0; frames <= 1500; frames++) {
        uint8_t text[1500 + WIRE_TRAILER_MAX];
        size_t trailer = wire_trailer_put(text + frames, frames);

        assert_in_range(trailer, WIRE_TRAILER_MIN, WIRE_TRAILER_MAX);
        assert_int_equal((frames + trailer) % 4, 0);
        uint8_t *copy = exact_copy(text, frames + trailer);
        assert_int_equal(wire_trailer_strip(copy, frames + trailer), frames);
        free(copy);
    }
}

static void trailer_bytes(void **state)
{
    uint8_t out[WIRE_TRAILER_MAX];

    (void)state;
    assert_int_equal(wire_trailer_put(out, 2), 2);
    assert_memory_equal(out, "\0\xfd", 2);
    assert_int_equal(wire_trailer_put(out, 5), 3);
    assert_memory_equal(out, "\1\1\xfd", 3);
    assert_int_equal(wire_trailer_put(out, 8), 2 + 2);
    assert_memory_equal(out, "\1\2\2\xfd", 4);
    assert_int_equal(wire_trailer_put(out, 11), 5);
    assert_memory_equal(out, "\1\2\3\3\xfd", 5);
}

/* Every value of every trailer byte but the right one is refused, and so is every wrong length. */
static void trailer_refusals(void **state)
{
    (void)state;
    for (size_t frames = 0; frames < 12; frames++) {
        uint8_t text[12 + WIRE_TRAILER_MAX] = {0};
        size_t len = frames + wire_trailer_put(text + frames, frames);

        for (size_t at = frames; at < len; at++) {
            uint8_t right = text[at];

            for (unsigned v = 0; v < 256; v++) {
                text[at] = (uint8_t)v;
                int expected = -EBADMSG;

                if (v == right)
                    expected = (int)frames;
                else if (at == len - 2 &&
                         v == 0) /* the same bytes without padding are right, too */
                    expected = (int)len - 2;
                assert_int_equal(wire_trailer_strip(text, len), expected);
            }
            text[at] = right;
        }
        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *copy = exact_copy(text, cut);

            assert_int_equal(wire_trailer_strip(copy, cut), -EBADMSG);
            free(copy);
        }
    }
    /* a pad of four, a length that is no multiple of four */
    assert_int_equal(wire_trailer_strip((const uint8_t *)"xx\1\2\3\4\4\xfd", 8), -EBADMSG);
    assert_int_equal(wire_trailer_strip((const uint8_t *)"x\0\xfd", 3), -EBADMSG);
    assert_int_equal(wire_trailer_strip((const uint8_t *)"xxx\1\1\xfd", 6), -EBADMSG);
    /* a pad that reaches in front of the text */
    assert_int_equal(wire_trailer_strip((const uint8_t *)"\2\3\3\xfd", 4), -EBADMSG);
    assert_int_equal(wire_trailer_strip((const uint8_t *)"\1\2\2\xfd", 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keepalive_is_one_byte), cmocka_unit_test(data_header_bytes),
        cmocka_unit_test(data_of_every_length),  cmocka_unit_test(spi_ranges),
        cmocka_unit_test(low_bits_must_repeat),  cmocka_unit_test(handshake_headers),
        cmocka_unit_test(trailer_round_trip),    cmocka_unit_test(trailer_bytes),
        cmocka_unit_test(trailer_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
