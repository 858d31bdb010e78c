/* The key schedule of a resumption: docs/protocol.md section 2.8. */
#include <sodium.h>
#include <string.h>

#include "resume_internal.h"
#include "sha256.h"

int resume_early_key(struct aead *aead, struct aead_key *key, const uint8_t *hello,
                     const uint8_t secret[KDF_HASH_LEN])
{
    uint8_t front[RH_TICKET + UINT8_MAX], hash[KDF_HASH_LEN], material[AEAD_MATERIAL_LEN];
    size_t len = early_place(hello);
    int rc;

    memcpy(front, hello, len);
    front[CH_COOKIE_LEN] = 0; /* as the hello was before a Retry */
    memset(front + CH_COOKIE, 0, HS_COOKIE_LEN);
    SHA256(front, len, hash);
    kdf_derive(material, sizeof(material), secret, "early", hash, sizeof(hash));
    rc = aead_key_init(aead, key, hello[RH_SUITE], material);
    sodium_memzero(material, sizeof(material));
    return rc;
}

void resume_schedule_start(struct hs_schedule *k, const uint8_t *hello, const uint8_t *accept,
                           const uint8_t secret[KDF_HASH_LEN], const uint8_t x25519[HS_X25519_LEN])
{
    static const char salt[] = "jetplane1 resume";
    uint8_t ikm[KDF_HASH_LEN + HS_X25519_LEN];

    hs_hash2(k->t0, hello, RESUME_HELLO_LEN, accept, RA_SEALED);
    memcpy(ikm, secret, KDF_HASH_LEN);
    memcpy(ikm + KDF_HASH_LEN, x25519, HS_X25519_LEN);
    hkdf_extract(k->hs, salt, sizeof(salt) - 1, ikm, sizeof(ikm));
    sodium_memzero(ikm, sizeof(ikm));
}

void resume_schedule_finished(struct hs_schedule *k, const uint8_t sealed[ACCEPT_LEN],
                              uint8_t finished[KDF_HASH_LEN])
{
    uint8_t key[KDF_HASH_LEN];

    hs_hash2(k->t1, k->t0, sizeof(k->t0), sealed + ACCEPT_SPI, ACCEPT_LEN - ACCEPT_SPI);
    kdf_derive(key, sizeof(key), k->hs, "finished", k->t1, sizeof(k->t1));
    hmac_sha256(finished, key, sizeof(key), k->t1, sizeof(k->t1), NULL, 0);
    sodium_memzero(key, sizeof(key));
}

void resume_schedule_session(const struct hs_schedule *k, const uint8_t sealed[ACCEPT_LEN],
                             struct hs_result *result)
{
    uint8_t t2[KDF_HASH_LEN];

    hs_hash2(t2, k->t1, sizeof(k->t1), sealed + ACCEPT_FINISHED, KDF_HASH_LEN);
    hs_session_secrets(result, k->hs, t2);
}
