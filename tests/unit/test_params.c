/* Parameters: every range's edges, and every way to write them wrong. */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "handshake_internal.h"

static void test_params_round_trip(void **state)
{
    static const struct hs_params cases[] = {
        {30000, 100, 1472, 0, 0, 0, 0, 1 << 24},
        {1000, 1, 1280, 0, 0, 1, 1, 1024},
        {86400000, 65535, 9000, 64, 16, (1 << 30) - 1, (1 << 30) - 1, (1 << 24) - 1},
        {1000, 63, 1280, 1, 1, 65536, 16384, 65536},
        {65536, 64, 1472, 20, 4, 0, 0, 1 << 24},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t encoded[PARAMS_ENCODED_MAX];
        size_t len = params_encode(encoded, &cases[i]);
        struct hs_params out;

        assert_in_range(len, 1, sizeof(encoded));
        assert_true(hs_params_valid(&cases[i]));
        assert_true(params_decode(&out, encoded, len));
        assert_int_equal(out.idle_timeout_ms, cases[i].idle_timeout_ms);
        assert_int_equal(out.max_streams, cases[i].max_streams);
        assert_int_equal(out.max_packet, cases[i].max_packet);
        assert_int_equal(out.fec_k, cases[i].fec_k);
        assert_int_equal(out.fec_r, cases[i].fec_r);
        assert_int_equal(out.max_data, cases[i].max_data);
        assert_int_equal(out.max_stream_data, cases[i].max_stream_data);
        assert_int_equal(out.max_message, cases[i].max_message);
    }
}

static void test_params_matrix(void **state)
{
    static const struct {
        const char *hex;
        bool valid;
    } cases[] = {
        {"", true},
        {"010203e8", false},             /* not a varint of two bytes: the first says one */
        {"010243e8", true},              /* idle_timeout_ms 1000 */
        {"010243e7", false},             /* 999 */
        {"010485265c00", true},          /* 86400000 */
        {"010485265c01", false},         /* 86400001 */
        {"0108c0000000000003e8", true},  /* 1000 in eight bytes */
        {"0108c0000001000003e8", false}, /* 2^32 + 1000 */
        {"020101", true},                /* max_streams */
        {"020100", false},
        {"02048000ffff", true},
        {"020480010000", false},
        {"03024500", true}, /* max_packet 1280 */
        {"030244ff", false},
        {"03026328", true}, /* 9000 */
        {"03026329", false},
        {"040114050104", true},  /* FEC 20 + 4 */
        {"040104050104", true},  /* as many repairs as sources */
        {"040103050104", false}, /* but not more */
        {"040114", false},       /* one without the other */
        {"050104", false},
        {"0402404005"
         "0110",
         true}, /* 64 + 16 */
        {"0402404105"
         "0110",
         false}, /* 65 */
        {"0402404005"
         "0111",
         false}, /* 17 */
        {"040100050100", true},
        {"020105020105", false}, /* twice */
        {"060101070101", true},  /* max_data and max_stream_data */
        {"0604bfffffff"
         "0704bfffffff",
         true}, /* 2^30 - 1 */
        {"0608c000000040000000"
         "070101",
         false},           /* 2^30 */
        {"060101", false}, /* one without the other */
        {"070101", false},
        {"060100070100", true},
        {"08024400", true}, /* max_message 1024 */
        {"080243ff", false},
        {"080481000000", true}, /* 2^24 */
        {"080481000001", false},
        {"0902ffff", true},          /* unknown id */
        {"0902ffff0902ffff", false}, /* unknown twice */
        {"00000901ff020105", true},  /* unknown, empty and not, before a known one */
        {"400201"
         "05",
         true}, /* id 2 in two bytes */
        {"400201"
         "05"
         "020105",
         false},       /* is still id 2 */
        {"02", false}, /* cut */
        {"0201", false},
        {"0202"
         "05",
         false},
        {"020205"
         "00",
         false},                       /* the varint does not fill its length */
        {"020140", false},             /* the varint is longer than its length */
        {"0200", false},               /* no value */
        {"09ffffffffffffffff", false}, /* length 2^62 - 1 */
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t in[HS_PARAMS_MAX];
        struct hs_params out;
        size_t len;

        assert_int_equal(
            sodium_hex2bin(in, sizeof(in), cases[i].hex, strlen(cases[i].hex), NULL, &len, NULL),
            0);
        if (params_decode(&out, in, len) != cases[i].valid)
            fail_msg("%s: expected %s", cases[i].hex, cases[i].valid ? "valid" : "refused");
    }
}

/* What has its default and is optional is left out: a light client's parameters are as they were.
 */
static void test_params_optional(void **state)
{
    uint8_t encoded[PARAMS_ENCODED_MAX];
    struct hs_params p = hs_params_default;
    size_t light = params_encode(encoded, &p);

    (void)state;
    assert_false(hs_params_full(&p, &p));
    p.max_data = p.max_stream_data = 1;
    assert_int_equal(params_encode(encoded, &p), light + 6);
    assert_true(hs_params_full(&p, &p));
    assert_false(hs_params_full(&p, &hs_params_default));
}

/* More ids than fit the field, all different. */
static void test_params_too_long(void **state)
{
    uint8_t in[HS_PARAMS_MAX + 2] = {0};
    struct hs_params out;

    (void)state;
    for (uint8_t i = 0; i < sizeof(in) / 2; i++)
        in[2 * i] = (uint8_t)(9 + i);
    assert_true(params_decode(&out, in, HS_PARAMS_MAX));
    assert_false(params_decode(&out, in, HS_PARAMS_MAX + 1));
    assert_false(params_decode(&out, in, HS_PARAMS_MAX + 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_params_round_trip),
        cmocka_unit_test(test_params_matrix),
        cmocka_unit_test(test_params_optional),
        cmocka_unit_test(test_params_too_long),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
