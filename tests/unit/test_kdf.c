#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "kdf.h"
#include "vectors.h"

enum { OKM_MAX = 255 * KDF_HASH_LEN };

static void check_hkdf(const char *ikm_hex, const char *salt_hex, const char *info_hex,
                       const char *prk_hex, const char *okm_hex)
{
    uint8_t ikm[128], salt[128], info[128], prk_expected[KDF_HASH_LEN], expected[128];
    uint8_t prk[KDF_HASH_LEN], okm[128];
    size_t ikm_len = hex_decode(ikm, sizeof(ikm), ikm_hex);
    size_t salt_len = hex_decode(salt, sizeof(salt), salt_hex);
    size_t info_len = hex_decode(info, sizeof(info), info_hex);
    size_t okm_len = hex_decode(expected, sizeof(expected), okm_hex);

    hex_decode(prk_expected, sizeof(prk_expected), prk_hex);
    hkdf_extract(prk, salt, salt_len, ikm, ikm_len);
    assert_memory_equal(prk, prk_expected, sizeof(prk));
    assert_int_equal(hkdf_expand(okm, okm_len, prk, info, info_len), 0);
    assert_memory_equal(okm, expected, okm_len);
}

static void rfc5869(void **state)
{
    (void)state;
    check_hkdf("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
               "f0f1f2f3f4f5f6f7f8f9",
               "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
               "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
               "34007208d5b887185865");
    check_hkdf("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
               "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
               "404142434445464748494a4b4c4d4e4f",
               "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
               "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
               "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
               "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
               "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
               "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
               "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
               "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
               "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
               "cc30c58179ec3e87c14c01d5c1f3434f1d87");
    check_hkdf("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
               "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
               "9d201395faa4b61a96c8");
}

static void check_vector(const json_t *group, const json_t *test, void *arg)
{
    static uint8_t ikm[256], salt[256], info[256], okm[OKM_MAX + 1], expected[OKM_MAX + 1];
    size_t ikm_len = vector_hex(test, "ikm", ikm, sizeof(ikm));
    size_t salt_len = vector_hex(test, "salt", salt, sizeof(salt));
    size_t info_len = vector_hex(test, "info", info, sizeof(info));
    size_t size = (size_t)vector_int(test, "size");
    uint8_t prk[KDF_HASH_LEN];
    unsigned *checked = arg;

    (void)group;
    hkdf_extract(prk, salt, salt_len, ikm, ikm_len);
    if (!vector_valid(test)) {
        assert_int_equal(hkdf_expand(okm, size, prk, info, info_len), -EINVAL);
    } else {
        assert_int_equal(vector_hex(test, "okm", expected, sizeof(expected)), size);
        assert_int_equal(hkdf_expand(okm, size, prk, info, info_len), 0);
        assert_memory_equal(okm, expected, size);
    }
    ++*checked;
}

static void wycheproof(void **state)
{
    json_t *root = vectors_load("hkdf_sha256_test.json");
    unsigned checked = 0;

    (void)state;
    if (!root)
        skip();
    vectors_each(root, check_vector, &checked);
    assert_int_equal(checked, vector_int(root, "numberOfTests"));
    json_decref(root);
}

static void limits(void **state)
{
    static uint8_t okm[OKM_MAX + 1];
    const uint8_t prk[KDF_HASH_LEN] = {1};

    (void)state;
    assert_int_equal(hkdf_expand(okm, OKM_MAX, prk, NULL, 0), 0);
    assert_int_equal(hkdf_expand(okm, OKM_MAX + 1, prk, NULL, 0), -EINVAL);
    assert_int_equal(hkdf_expand(okm, 0, prk, NULL, 0), 0);
}

/* The expected bytes were computed by another implementation of HKDF. */
static void derive(void **state)
{
    uint8_t secret[KDF_HASH_LEN], out[36], expected[36], empty[36];

    (void)state;
    for (uint8_t i = 0; i < sizeof(secret); i++)
        secret[i] = i;
    kdf_derive(out, sizeof(out), secret, "key", "context", 7);
    hex_decode(expected, sizeof(expected),
               "8d21ce0b13183c57e5ca73c9aef20822224761f9912b53e1acd43aa65497edd7b4ffae89");
    assert_memory_equal(out, expected, sizeof(out));
    kdf_derive(empty, sizeof(empty), secret, "key", NULL, 0);
    hex_decode(expected, sizeof(expected),
               "a90cfaa1586681b4d6931c82500da392c4bd326bebf000a165340e76d55dfead6aa116f3");
    assert_memory_equal(empty, expected, sizeof(empty));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc5869),
        cmocka_unit_test(wycheproof),
        cmocka_unit_test(limits),
        cmocka_unit_test(derive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
