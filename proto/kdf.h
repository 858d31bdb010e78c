/* HKDF-SHA256 (RFC 5869) and the labels Jetplane derives keys with. */
#ifndef PROTO_KDF_H
#define PROTO_KDF_H

#include <stddef.h>
#include <stdint.h>

enum { KDF_HASH_LEN = 32 };

/* HMAC-SHA256 (RFC 2104) of a || b. */
void hmac_sha256(uint8_t out[KDF_HASH_LEN], const void *key, size_t key_len, const void *a,
                 size_t a_len, const void *b, size_t b_len);

void hkdf_extract(uint8_t prk[KDF_HASH_LEN], const void *salt, size_t salt_len, const void *ikm,
                  size_t ikm_len);

/* 0, or -EINVAL when len > 255 * 32. */
int hkdf_expand(uint8_t *okm, size_t len, const uint8_t prk[KDF_HASH_LEN], const void *info,
                size_t info_len);

/* HKDF-Expand(secret, "jetplane1 " || label || 0x00 || context, len); label is a C string of at
 * most 32 characters, context at most 64 bytes, len at most 255 * 32: all constants of the caller.
 */
void kdf_derive(uint8_t *out, size_t len, const uint8_t secret[KDF_HASH_LEN], const char *label,
                const void *context, size_t context_len);

#endif
