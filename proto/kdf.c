#include "kdf.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "sha256.h"

static_assert(KDF_HASH_LEN == SHA256_DIGEST_LENGTH, "HKDF is over SHA-256");

enum { LABEL_MAX = 32, CONTEXT_MAX = 64 };

static const char prefix[] = "jetplane1 ";

/* HMAC (RFC 2104): both hashes, with the padded key taken in. */
struct hmac {
    SHA256_CTX inner, outer;
};

static void hmac_init(struct hmac *h, const void *key, size_t len)
{
    uint8_t pad[SHA256_CBLOCK] = {0};

    if (len > sizeof(pad)) {
        SHA256_Init(&h->inner);
        SHA256_Update(&h->inner, key, len);
        SHA256_Final(pad, &h->inner);
    } else if (len > 0) {
        memcpy(pad, key, len);
    }
    for (unsigned i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36;
    SHA256_Init(&h->inner);
    SHA256_Update(&h->inner, pad, sizeof(pad));
    for (unsigned i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&h->outer);
    SHA256_Update(&h->outer, pad, sizeof(pad));
    sodium_memzero(pad, sizeof(pad));
}

static void hmac_update(struct hmac *h, const void *data, size_t len)
{
    SHA256_Update(&h->inner, data, len);
}

static void hmac_final(struct hmac *h, uint8_t out[KDF_HASH_LEN])
{
    SHA256_Final(out, &h->inner);
    SHA256_Update(&h->outer, out, KDF_HASH_LEN);
    SHA256_Final(out, &h->outer);
}

void hmac_sha256(uint8_t out[KDF_HASH_LEN], const void *key, size_t key_len, const void *a,
                 size_t a_len, const void *b, size_t b_len)
{
    struct hmac h;

    hmac_init(&h, key, key_len);
    hmac_update(&h, a, a_len);
    hmac_update(&h, b, b_len);
    hmac_final(&h, out);
    sodium_memzero(&h, sizeof(h));
}

void hkdf_extract(uint8_t prk[KDF_HASH_LEN], const void *salt, size_t salt_len, const void *ikm,
                  size_t ikm_len)
{
    hmac_sha256(prk, salt, salt_len, ikm, ikm_len, NULL, 0);
}

int hkdf_expand(uint8_t *okm, size_t len, const uint8_t prk[KDF_HASH_LEN], const void *info,
                size_t info_len)
{
    struct hmac keyed, hmac;
    uint8_t block[KDF_HASH_LEN]; /* T(i) of RFC 5869 section 2.3 */

    if (len > 255 * KDF_HASH_LEN)
        return -EINVAL;
    hmac_init(&keyed, prk, KDF_HASH_LEN);
    for (uint8_t i = 1; len > 0; i++) {
        size_t take = len < KDF_HASH_LEN ? len : KDF_HASH_LEN;

        hmac = keyed;
        if (i > 1)
            hmac_update(&hmac, block, sizeof(block));
        hmac_update(&hmac, info, info_len);
        hmac_update(&hmac, &i, 1);
        hmac_final(&hmac, block);
        memcpy(okm, block, take);
        okm += take;
        len -= take;
    }
    sodium_memzero(&keyed, sizeof(keyed));
    sodium_memzero(&hmac, sizeof(hmac));
    sodium_memzero(block, sizeof(block));
    return 0;
}

void kdf_derive(uint8_t *out, size_t len, const uint8_t secret[KDF_HASH_LEN], const char *label,
                const void *context, size_t context_len)
{
    uint8_t info[sizeof(prefix) - 1 + LABEL_MAX + 1 + CONTEXT_MAX];
    size_t prefix_len = sizeof(prefix) - 1, label_len = strlen(label);
    uint8_t *p = info;

    assert(label_len <= LABEL_MAX && context_len <= CONTEXT_MAX && len <= 255 * KDF_HASH_LEN);
    memcpy(p, prefix, prefix_len);
    p += prefix_len;
    memcpy(p, label, label_len + 1);
    p += label_len + 1;
    if (context_len > 0)
        memcpy(p, context, context_len);
    p += context_len;
    hkdf_expand(out, len, secret, info, (size_t)(p - info));
}
