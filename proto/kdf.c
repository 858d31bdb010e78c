#include "kdf.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

static_assert(KDF_HASH_LEN == crypto_auth_hmacsha256_BYTES, "HKDF is over SHA-256");

enum { LABEL_MAX = 32, CONTEXT_MAX = 64 };

static const char prefix[] = "jetplane1 ";

void hkdf_extract(uint8_t prk[KDF_HASH_LEN], const void *salt, size_t salt_len, const void *ikm,
                  size_t ikm_len)
{
    crypto_auth_hmacsha256_state hmac;

    crypto_auth_hmacsha256_init(&hmac, salt, salt_len);
    crypto_auth_hmacsha256_update(&hmac, ikm, ikm_len);
    crypto_auth_hmacsha256_final(&hmac, prk);
    sodium_memzero(&hmac, sizeof(hmac));
}

int hkdf_expand(uint8_t *okm, size_t len, const uint8_t prk[KDF_HASH_LEN], const void *info,
                size_t info_len)
{
    crypto_auth_hmacsha256_state keyed, hmac;
    uint8_t block[KDF_HASH_LEN]; /* T(i) of RFC 5869 section 2.3 */

    if (len > 255 * KDF_HASH_LEN)
        return -EINVAL;
    crypto_auth_hmacsha256_init(&keyed, prk, KDF_HASH_LEN);
    for (uint8_t i = 1; len > 0; i++) {
        size_t take = len < KDF_HASH_LEN ? len : KDF_HASH_LEN;

        hmac = keyed;
        if (i > 1)
            crypto_auth_hmacsha256_update(&hmac, block, sizeof(block));
        crypto_auth_hmacsha256_update(&hmac, info, info_len);
        crypto_auth_hmacsha256_update(&hmac, &i, 1);
        crypto_auth_hmacsha256_final(&hmac, block);
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
