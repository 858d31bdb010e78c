#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "mlkem.h"
#include "vectors.h"

/* ---- accumulated vectors (C2SP CCTV): the hash of 10,000 random runs ---- */

enum { RUNS = 10000 };

/* CCTV's README has the value for the draft of FIPS 203, whose key generation expands G(d) without
 * the rank; this one, other implementations' too, is for the final standard. */
static const char accumulated_hash[] =
    "f959d18d3d1180121433bf0e05f11e7908cf9d03edc150b2b07cb90bef5bc1c1";

/* One run's random inputs, as drawn from the generator. */
struct inputs {
    uint8_t seed[MLKEM_SEED_LEN];
    uint8_t m[MLKEM_RANDOM_LEN];
    uint8_t random_ct[MLKEM_CT_LEN];
};

static void run_once(EVP_MD_CTX *outputs, const struct inputs *in)
{
    uint8_t ek[MLKEM_EK_LEN], dk[MLKEM_DK_LEN], ct[MLKEM_CT_LEN];
    uint8_t sent[MLKEM_SS_LEN], received[MLKEM_SS_LEN], rejected[MLKEM_SS_LEN];

    assert_int_equal(mlkem768_keygen(ek, dk, in->seed), 0);
    assert_int_equal(mlkem768_encaps(ct, sent, ek, in->m), 0);
    assert_int_equal(mlkem768_decaps(received, dk, ct), 0);
    assert_memory_equal(sent, received, sizeof(sent));
    assert_int_equal(mlkem768_decaps(rejected, dk, in->random_ct), 0);
    EVP_DigestUpdate(outputs, ek, sizeof(ek));
    EVP_DigestUpdate(outputs, dk, sizeof(dk));
    EVP_DigestUpdate(outputs, ct, sizeof(ct));
    EVP_DigestUpdate(outputs, sent, sizeof(sent));
    EVP_DigestUpdate(outputs, rejected, sizeof(rejected));
}

static void accumulated(void **state)
{
    struct inputs *inputs = malloc(RUNS * sizeof(*inputs));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t hash[32], expected[32];

    (void)state;
    assert_non_null(inputs);
    EVP_DigestInit_ex(ctx, EVP_shake128(), NULL);
    EVP_DigestFinalXOF(ctx, (uint8_t *)inputs, RUNS * sizeof(*inputs));
    EVP_DigestInit_ex(ctx, EVP_shake128(), NULL);
    for (unsigned i = 0; i < RUNS; i++)
        run_once(ctx, &inputs[i]);
    EVP_DigestFinalXOF(ctx, hash, sizeof(hash));
    hex_decode(expected, sizeof(expected), accumulated_hash);
    assert_memory_equal(hash, expected, sizeof(hash));
    EVP_MD_CTX_free(ctx);
    free(inputs);
}

/* ---- Wycheproof: what has other lengths than ours cannot be said through this interface ---- */

static bool has_len(const json_t *test, const char *key, size_t len)
{
    return json_string_length(json_object_get(test, key)) == 2 * len;
}

static void wycheproof(const char *name, vector_fn *check, unsigned expected)
{
    json_t *root = vectors_load(name);
    unsigned checked = 0;

    if (!root)
        skip();
    vectors_each(root, check, &checked);
    assert_int_equal(checked, expected);
    json_decref(root);
}

static void check_keygen(const json_t *group, const json_t *test, void *arg)
{
    uint8_t seed[MLKEM_SEED_LEN], ek[MLKEM_EK_LEN], dk[MLKEM_DK_LEN];
    uint8_t expected_ek[MLKEM_EK_LEN], expected_dk[MLKEM_DK_LEN];
    unsigned *checked = arg;

    (void)group;
    vector_hex(test, "seed", seed, sizeof(seed));
    vector_hex(test, "ek", expected_ek, sizeof(expected_ek));
    vector_hex(test, "dk", expected_dk, sizeof(expected_dk));
    assert_int_equal(mlkem768_keygen(ek, dk, seed), 0);
    assert_memory_equal(ek, expected_ek, sizeof(ek));
    assert_memory_equal(dk, expected_dk, sizeof(dk));
    ++*checked;
}

static void wycheproof_keygen(void **state)
{
    (void)state;
    wycheproof("mlkem_768_keygen_seed_test.json", check_keygen, 100);
}

static void check_encaps(const json_t *group, const json_t *test, void *arg)
{
    uint8_t ek[MLKEM_EK_LEN], m[MLKEM_RANDOM_LEN], ct[MLKEM_CT_LEN], ss[MLKEM_SS_LEN];
    uint8_t expected_ct[MLKEM_CT_LEN], expected_ss[MLKEM_SS_LEN];
    unsigned *checked = arg;

    (void)group;
    if (!has_len(test, "ek", MLKEM_EK_LEN))
        return;
    ++*checked;
    vector_hex(test, "ek", ek, sizeof(ek));
    vector_hex(test, "m", m, sizeof(m));
    if (!vector_valid(test)) {
        assert_int_equal(mlkem768_encaps(ct, ss, ek, m), -EINVAL);
        return;
    }
    assert_int_equal(mlkem768_encaps(ct, ss, ek, m), 0);
    vector_hex(test, "c", expected_ct, sizeof(expected_ct));
    vector_hex(test, "K", expected_ss, sizeof(expected_ss));
    assert_memory_equal(ct, expected_ct, sizeof(ct));
    assert_memory_equal(ss, expected_ss, sizeof(ss));
}

static void wycheproof_encaps(void **state)
{
    (void)state;
    wycheproof("mlkem_768_encaps_test.json", check_encaps, 133 + 112);
}

static void check_decaps(const json_t *group, const json_t *test, void *arg)
{
    uint8_t seed[MLKEM_SEED_LEN], ek[MLKEM_EK_LEN], dk[MLKEM_DK_LEN], ct[MLKEM_CT_LEN];
    uint8_t ss[MLKEM_SS_LEN], expected[MLKEM_EK_LEN];
    unsigned *checked = arg;

    (void)group;
    if (!has_len(test, "seed", MLKEM_SEED_LEN) || !has_len(test, "c", MLKEM_CT_LEN))
        return;
    ++*checked;
    vector_hex(test, "seed", seed, sizeof(seed));
    vector_hex(test, "c", ct, sizeof(ct));
    assert_int_equal(mlkem768_keygen(ek, dk, seed), 0);
    vector_hex(test, "ek", expected, MLKEM_EK_LEN);
    assert_memory_equal(ek, expected, sizeof(ek));
    assert_int_equal(mlkem768_decaps(ss, dk, ct), 0);
    vector_hex(test, "K", expected, MLKEM_SS_LEN);
    assert_memory_equal(ss, expected, sizeof(ss));
}

static void wycheproof_decaps(void **state)
{
    (void)state;
    wycheproof("mlkem_768_test.json", check_decaps, 153);
}

/* ---- input checks and implicit rejection ---- */

struct keypair {
    uint8_t ek[MLKEM_EK_LEN], dk[MLKEM_DK_LEN];
};

static int setup(void **state)
{
    static struct keypair pair;
    const uint8_t seed[MLKEM_SEED_LEN] = {3};

    *state = &pair;
    return mlkem768_keygen(pair.ek, pair.dk, seed);
}

/* A coefficient of q or more is refused at every place, q - 1 is not. */
static void modulus_check(void **state)
{
    struct keypair *pair = *state;
    const uint8_t m[MLKEM_RANDOM_LEN] = {4};
    uint8_t ek[MLKEM_EK_LEN], ct[MLKEM_CT_LEN], ss[MLKEM_SS_LEN];

    for (unsigned i = 0; i < 3 * 256; i++) {
        uint8_t *b = ek + i / 2 * 3;

        memcpy(ek, pair->ek, sizeof(ek));
        for (unsigned value = 3328; value <= 3329; value++) {
            if (i % 2 == 0) {
                b[0] = (uint8_t)value;
                b[1] = (uint8_t)((b[1] & 0xf0) | value >> 8);
            } else {
                b[1] = (uint8_t)((b[1] & 0x0f) | value << 4);
                b[2] = (uint8_t)(value >> 4);
            }
            assert_int_equal(mlkem768_encaps(ct, ss, ek, m), value == 3328 ? 0 : -EINVAL);
        }
    }
}

static void hash_check(void **state)
{
    struct keypair *pair = *state;
    const uint8_t ct[MLKEM_CT_LEN] = {0};
    uint8_t dk[MLKEM_DK_LEN], ss[MLKEM_SS_LEN];
    const unsigned ek_at = 1152, z_at = MLKEM_DK_LEN - 32;

    for (unsigned i = ek_at; i < z_at; i += 7) {
        memcpy(dk, pair->dk, sizeof(dk));
        dk[i] ^= 0x10;
        assert_int_equal(mlkem768_decaps(ss, dk, ct), -EINVAL);
    }
}

/* Every changed byte of a ciphertext gives another secret, silently: SHAKE256(z || ct). */
static void implicit_rejection(void **state)
{
    struct keypair *pair = *state;
    const uint8_t m[MLKEM_RANDOM_LEN] = {4};
    uint8_t ct[MLKEM_CT_LEN], ss[MLKEM_SS_LEN], got[MLKEM_SS_LEN], expected[MLKEM_SS_LEN];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    assert_int_equal(mlkem768_encaps(ct, ss, pair->ek, m), 0);
    for (unsigned i = 0; i < MLKEM_CT_LEN; i++) {
        ct[i] ^= 0x80;
        assert_int_equal(mlkem768_decaps(got, pair->dk, ct), 0);
        EVP_DigestInit_ex(ctx, EVP_shake256(), NULL);
        EVP_DigestUpdate(ctx, pair->dk + MLKEM_DK_LEN - 32, 32);
        EVP_DigestUpdate(ctx, ct, sizeof(ct));
        EVP_DigestFinalXOF(ctx, expected, sizeof(expected));
        assert_memory_equal(got, expected, sizeof(got));
        ct[i] ^= 0x80;
    }
    assert_int_equal(mlkem768_decaps(got, pair->dk, ct), 0);
    assert_memory_equal(got, ss, sizeof(got));
    EVP_MD_CTX_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accumulated),        cmocka_unit_test(wycheproof_keygen),
        cmocka_unit_test(wycheproof_encaps),  cmocka_unit_test(wycheproof_decaps),
        cmocka_unit_test(modulus_check),      cmocka_unit_test(hash_check),
        cmocka_unit_test(implicit_rejection),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
