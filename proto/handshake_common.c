/* The key schedule, signatures and headers of both sides: docs/protocol.md sections 2, 2.4 and 2.5.
 */
#include "handshake_internal.h"

#include <sodium.h>
#include <string.h>

#include "sha256.h"

const char hs_label_server[] = "jetplane1 server signature";
const char hs_label_reset[] = "jetplane1 reset";

static void system_fill(void *arg, uint8_t *out, size_t n)
{
    (void)arg;
    randombytes_buf(out, n);
}

const struct hs_random hs_random_system = {.fill = system_fill};

bool hs_header_is(const uint8_t *msg, size_t len, enum wire_hs_type type)
{
    uint8_t want[WIRE_HS_HDR];

    wire_hs_hdr_put(want, type);
    return len >= WIRE_HS_HDR && memcmp(msg, want, WIRE_HS_HDR) == 0;
}

void hs_hash2(uint8_t out[KDF_HASH_LEN], const uint8_t *a, size_t a_len, const uint8_t *b,
              size_t b_len)
{
    SHA256_CTX state;

    SHA256_Init(&state);
    SHA256_Update(&state, a, a_len);
    SHA256_Update(&state, b, b_len);
    SHA256_Final(out, &state);
}

void hs_schedule_start(struct hs_schedule *k, const uint8_t *client_hello,
                       const uint8_t *server_hello, const uint8_t mlkem[MLKEM_SS_LEN],
                       const uint8_t x25519[HS_X25519_LEN])
{
    static const char salt[] = "jetplane1 handshake";
    uint8_t ikm[MLKEM_SS_LEN + HS_X25519_LEN];

    hs_hash2(k->t0, client_hello, HS_CLIENT_HELLO_LEN, server_hello, SH_SEALED);
    memcpy(ikm, mlkem, MLKEM_SS_LEN);
    memcpy(ikm + MLKEM_SS_LEN, x25519, HS_X25519_LEN);
    hkdf_extract(k->hs, salt, sizeof(salt) - 1, ikm, sizeof(ikm));
    sodium_memzero(ikm, sizeof(ikm));
}

int hs_schedule_sealing_key(const struct hs_schedule *k, struct aead *aead, struct aead_key *key,
                            enum aead_alg alg)
{
    uint8_t material[AEAD_MATERIAL_LEN];
    int rc;

    kdf_derive(material, sizeof(material), k->hs, "server hello", k->t0, sizeof(k->t0));
    rc = aead_key_init(aead, key, alg, material);
    sodium_memzero(material, sizeof(material));
    return rc;
}

void hs_schedule_identity(struct hs_schedule *k, const uint8_t *sealed)
{
    SHA256_CTX state;

    SHA256_Init(&state);
    SHA256_Update(&state, k->t0, sizeof(k->t0));
    SHA256_Update(&state, sealed + SEALED_IDENTITY, HS_IDENTITY_LEN);
    SHA256_Update(&state, sealed + SEALED_SPI,
                  SEALED_PARAMS - SEALED_SPI + sealed[SEALED_PARAMS_LEN]);
    SHA256_Final(k->t1, &state);
}

void hs_schedule_finished(const struct hs_schedule *k, const uint8_t *sealed,
                          uint8_t finished[KDF_HASH_LEN])
{
    uint8_t key[KDF_HASH_LEN];

    kdf_derive(key, sizeof(key), k->hs, "finished", k->t1, sizeof(k->t1));
    hmac_sha256(finished, key, sizeof(key), k->t1, sizeof(k->t1), sealed + SEALED_SIGNATURE,
                HS_SIGNATURE_LEN);
    sodium_memzero(key, sizeof(key));
}

void hs_session_secrets(struct hs_result *result, const uint8_t hs[KDF_HASH_LEN],
                        const uint8_t t2[KDF_HASH_LEN])
{
    kdf_derive(result->c2s_secret, KDF_HASH_LEN, hs, "client to server", t2, KDF_HASH_LEN);
    kdf_derive(result->s2c_secret, KDF_HASH_LEN, hs, "server to client", t2, KDF_HASH_LEN);
    kdf_derive(result->resumption, KDF_HASH_LEN, hs, "resumption", t2, KDF_HASH_LEN);
}

void hs_schedule_session(const struct hs_schedule *k, const uint8_t *sealed,
                         struct hs_result *result)
{
    uint8_t t2[KDF_HASH_LEN];

    static_assert(SEALED_FINISHED == SEALED_SIGNATURE + HS_SIGNATURE_LEN, "T2 hashes both at once");
    hs_hash2(t2, k->t1, sizeof(k->t1), sealed + SEALED_SIGNATURE, HS_SIGNATURE_LEN + KDF_HASH_LEN);
    hs_session_secrets(result, k->hs, t2);
}

enum { LABEL_MAX = sizeof(hs_label_server) };
static_assert(sizeof(hs_label_reset) <= LABEL_MAX, "the longer label sizes the buffer");

/* label || 0x00 || data; returns its length. */
static size_t signed_text(uint8_t text[LABEL_MAX + HS_SIGNED_LEN], const char *label,
                          const uint8_t data[HS_SIGNED_LEN])
{
    size_t label_len = strlen(label) + 1;

    memcpy(text, label, label_len);
    memcpy(text + label_len, data, HS_SIGNED_LEN);
    return label_len + HS_SIGNED_LEN;
}

void hs_sign(uint8_t signature[HS_SIGNATURE_LEN], const uint8_t secret[64], const char *label,
             const uint8_t data[HS_SIGNED_LEN])
{
    uint8_t text[LABEL_MAX + HS_SIGNED_LEN];

    crypto_sign_detached(signature, NULL, text, signed_text(text, label, data), secret);
}

bool hs_verify(const uint8_t signature[HS_SIGNATURE_LEN], const uint8_t identity[HS_IDENTITY_LEN],
               const char *label, const uint8_t data[HS_SIGNED_LEN])
{
    uint8_t text[LABEL_MAX + HS_SIGNED_LEN];

    return crypto_sign_verify_detached(signature, text, signed_text(text, label, data), identity) ==
           0;
}
