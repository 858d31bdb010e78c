/* Ed25519 as the handshake uses it: the library against published vectors, and our signing and
 * checking of labelled texts against another library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "handshake_internal.h"
#include "vectors.h"

/* ---- Wycheproof: signatures of other lengths than ours cannot be said through this interface ----
 */

enum { TEXT_MAX = 1024 };

static void check_vector(const json_t *group, const json_t *test, void *arg)
{
    const json_t *key = json_object_get(group, "publicKey");
    uint8_t identity[HS_IDENTITY_LEN], text[TEXT_MAX], signature[2 * HS_SIGNATURE_LEN];
    size_t len = vector_hex(test, "msg", text, sizeof(text));
    unsigned *checked = arg;

    assert_int_equal(vector_hex(key, "pk", identity, sizeof(identity)), sizeof(identity));
    if (vector_hex(test, "sig", signature, sizeof(signature)) != HS_SIGNATURE_LEN)
        return;
    assert_int_equal(crypto_sign_verify_detached(signature, text, len, identity),
                     vector_valid(test) ? 0 : -1);
    ++*checked;
}

static void wycheproof(void **state)
{
    json_t *root = vectors_load("ed25519_test.json");
    unsigned checked = 0;

    (void)state;
    if (!root)
        skip();
    vectors_each(root, check_vector, &checked);
    assert_int_equal(checked, 139);
    json_decref(root);
}

/* ---- labelled texts ---- */

enum { KEYS = 50 };

struct signer {
    uint8_t seed[32], identity[HS_IDENTITY_LEN], secret[64];
    uint8_t data[HS_SIGNED_LEN], signature[HS_SIGNATURE_LEN];
};

static void sign_as(struct signer *s, uint8_t n, const char *label)
{
    memset(s->seed, n, sizeof(s->seed));
    memset(s->data, ~n, sizeof(s->data));
    assert_int_equal(crypto_sign_seed_keypair(s->identity, s->secret, s->seed), 0);
    hs_sign(s->signature, s->secret, label, s->data);
}

static bool verifies(const struct signer *s, const char *label)
{
    return hs_verify(s->signature, s->identity, label, s->data);
}

/* What libcrypto signs of label || 0x00 || data is what we do, byte by byte. */
static void same_as_libcrypto(void **state)
{
    const char *labels[] = {hs_label_server, hs_label_reset};

    (void)state;
    for (uint8_t n = 0; n < KEYS; n++) {
        const char *label = labels[n % 2];
        size_t label_len = strlen(label) + 1, len = HS_SIGNATURE_LEN;
        uint8_t text[64], signature[HS_SIGNATURE_LEN];
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        struct signer s;
        EVP_PKEY *key;

        sign_as(&s, n, label);
        memcpy(text, label, label_len);
        memcpy(text + label_len, s.data, sizeof(s.data));
        key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, s.seed, sizeof(s.seed));
        assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key), 1);
        assert_int_equal(EVP_DigestSign(ctx, signature, &len, text, label_len + sizeof(s.data)), 1);
        assert_memory_equal(signature, s.signature, sizeof(signature));
        assert_true(verifies(&s, label));
        EVP_MD_CTX_free(ctx);
        EVP_PKEY_free(key);
    }
}

static void changes_are_noticed(void **state)
{
    struct signer s;

    (void)state;
    sign_as(&s, 1, hs_label_server);
    assert_false(verifies(&s, hs_label_reset));
    for (unsigned bit = 0; bit < 8 * HS_SIGNATURE_LEN; bit++) {
        s.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(verifies(&s, hs_label_server));
        s.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (unsigned bit = 0; bit < 8 * HS_SIGNED_LEN; bit++) {
        s.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(verifies(&s, hs_label_server));
        s.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(verifies(&s, hs_label_server));
}

/* RFC 8032 section 5.1.7: S is below the group's order L, so S + L signs nothing. */
static void signatures_are_not_malleable(void **state)
{
    uint8_t order[32];
    struct signer s;
    unsigned carry = 0;

    (void)state;
    hex_decode(order, sizeof(order),
               "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    sign_as(&s, 2, hs_label_server);
    for (unsigned i = 0; i < sizeof(order); i++) {
        carry += s.signature[32 + i] + order[i];
        s.signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_int_equal(carry, 0);
    assert_false(verifies(&s, hs_label_server));
}

/* Points of small order as keys would make one signature good for many texts: R the neutral point,
 * S = 0. */
static void keys_of_small_order_are_refused(void **state)
{
    const char *points[] = {
        "0100000000000000000000000000000000000000000000000000000000000000", /* order 1 */
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* order 2 */
        "0000000000000000000000000000000000000000000000000000000000000000", /* order 4 */
        "0000000000000000000000000000000000000000000000000000000000000080", /* order 4 */
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", /* order 8 */
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", /* order 8 */
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        struct signer s;

        sign_as(&s, 3, hs_label_server);
        hex_decode(s.identity, sizeof(s.identity), points[i]);
        memset(s.signature, 0, sizeof(s.signature));
        s.signature[0] = 1; /* R is the neutral point */
        for (uint8_t n = 0; n < 16; n++) {
            memset(s.data, n, sizeof(s.data));
            assert_false(verifies(&s, hs_label_server));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wycheproof),
        cmocka_unit_test(same_as_libcrypto),
        cmocka_unit_test(changes_are_noticed),
        cmocka_unit_test(signatures_are_not_malleable),
        cmocka_unit_test(keys_of_small_order_are_refused),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
