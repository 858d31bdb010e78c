/* What the handshake's two sides share: where every field of docs/protocol.md section 2 lies, the
 * key schedule, signatures, cookies and parameters. Only proto/'s handshake files and their test
 * include it. */
#ifndef PROTO_HANDSHAKE_INTERNAL_H
#define PROTO_HANDSHAKE_INTERNAL_H

#include <assert.h>

#include "handshake.h"

/* Where the fields lie; the sealed part's and what it holds from its own start. */
enum {
    CH_SPI = WIRE_HS_HDR,
    CH_RANDOM = CH_SPI + 4,
    CH_SUITES = CH_RANDOM + HS_RANDOM_LEN,
    CH_COOKIE_LEN = CH_SUITES + 2,
    CH_PARAMS_LEN = CH_COOKIE_LEN + 1,
    CH_COOKIE = CH_PARAMS_LEN + 1,
    CH_X25519 = CH_COOKIE + HS_COOKIE_LEN,
    CH_EK = CH_X25519 + HS_X25519_LEN,
    CH_PARAMS = CH_EK + MLKEM_EK_LEN,

    RETRY_SPI = WIRE_HS_HDR,
    RETRY_RANDOM = RETRY_SPI + 4,
    RETRY_COOKIE = RETRY_RANDOM + HS_RANDOM_LEN,
    RETRY_LEN = RETRY_COOKIE + HS_COOKIE_LEN,

    SH_SPI = WIRE_HS_HDR,
    SH_RANDOM = SH_SPI + 4,
    SH_SUITE = SH_RANDOM + HS_RANDOM_LEN,
    SH_ZERO = SH_SUITE + 1,
    SH_X25519 = SH_ZERO + 3,
    SH_CT = SH_X25519 + HS_X25519_LEN,
    SH_SEALED = SH_CT + MLKEM_CT_LEN,

    SEALED_IDENTITY = 0,
    SEALED_SIGNATURE = SEALED_IDENTITY + HS_IDENTITY_LEN,
    SEALED_FINISHED = SEALED_SIGNATURE + HS_SIGNATURE_LEN,
    SEALED_SPI = SEALED_FINISHED + KDF_HASH_LEN,
    SEALED_PARAMS_LEN = SEALED_SPI + 4,
    SEALED_PARAMS = SEALED_PARAMS_LEN + 1,
    SEALED_MAX = SEALED_PARAMS + HS_PARAMS_MAX,

    RESET_QUOTE = WIRE_HS_HDR,
    RESET_SIGNATURE = RESET_QUOTE + WIRE_QUOTE,
};
static_assert(CH_PARAMS == 1288 && CH_PARAMS + HS_PARAMS_MAX == HS_CLIENT_HELLO_LEN, "ClientHello");
static_assert(RETRY_LEN == 68, "Retry");
static_assert(SH_SEALED == 1168 && SEALED_PARAMS == 133, "ServerHello");
static_assert(SH_SEALED + SEALED_MAX + AEAD_TAG_LEN <= WIRE_HS_MAX, "ServerHello");
static_assert(RESET_SIGNATURE + HS_SIGNATURE_LEN == HS_RESET_LEN && HS_RESET_LEN == 104, "Reset");

/* What a Retry quotes and a cookie covers lies at the same place in both kinds of hello. */

/* ---- handshake_client.c ---- */

bool hs_client_config_valid(const struct hs_client_config *config);
/* Follow a Retry for this hello, of either kind: store its cookie. False: not for it, or one too
 * many. */
bool hs_follow_retry(uint8_t *hello, uint8_t *retries, const uint8_t *msg, size_t len);

/* ---- handshake_common.c ---- */

/* SHA-256(a || b) */
void hs_hash2(uint8_t out[KDF_HASH_LEN], const uint8_t *a, size_t a_len, const uint8_t *b,
              size_t b_len);

/* Does msg begin with the header of this type? */
bool hs_header_is(const uint8_t *msg, size_t len, enum wire_hs_type type);

/* The key schedule (section 2.4) of one handshake. Secrets: clear with sodium_memzero. */
struct hs_schedule {
    uint8_t t0[KDF_HASH_LEN];
    uint8_t t1[KDF_HASH_LEN];
    uint8_t hs[KDF_HASH_LEN];
};

/* T0 and hs, of the whole ClientHello, the first SH_SEALED bytes of ServerHello and both shared
 * secrets. */
void hs_schedule_start(struct hs_schedule *k, const uint8_t *client_hello,
                       const uint8_t *server_hello, const uint8_t mlkem[MLKEM_SS_LEN],
                       const uint8_t x25519[HS_X25519_LEN]);
/* The key of the sealed part; 0, -EINVAL for an unknown suite. */
int hs_schedule_sealing_key(const struct hs_schedule *k, struct aead *aead, struct aead_key *key,
                            enum aead_alg alg);
/* T1, of the clear sealed part's identity, SPI and parameters. */
void hs_schedule_identity(struct hs_schedule *k, const uint8_t *sealed);
/* The finished field, of T1 and the sealed part's signature. */
void hs_schedule_finished(const struct hs_schedule *k, const uint8_t *sealed,
                          uint8_t finished[KDF_HASH_LEN]);
/* What T2 and hs give: the secrets of both directions and of a resumption. */
void hs_session_secrets(struct hs_result *result, const uint8_t hs[KDF_HASH_LEN],
                        const uint8_t t2[KDF_HASH_LEN]);
/* The session's secrets, of the complete sealed part. */
void hs_schedule_session(const struct hs_schedule *k, const uint8_t *sealed,
                         struct hs_result *result);

/* Ed25519 over label || 0x00 || data. */
extern const char hs_label_server[]; /* data: T1 */
extern const char hs_label_reset[];  /* data: the quote */
enum { HS_SIGNED_LEN = KDF_HASH_LEN };
static_assert(KDF_HASH_LEN == 32 && WIRE_QUOTE == 32, "what is signed");
void hs_sign(uint8_t signature[HS_SIGNATURE_LEN], const uint8_t secret[64], const char *label,
             const uint8_t data[HS_SIGNED_LEN]);
bool hs_verify(const uint8_t signature[HS_SIGNATURE_LEN], const uint8_t identity[HS_IDENTITY_LEN],
               const char *label, const uint8_t data[HS_SIGNED_LEN]);

/* ---- cookie.c ---- */

/* The cookie for this hello (its SPI and random) from addr at now_s. */
void cookie_make(uint8_t cookie[HS_COOKIE_LEN], const uint8_t key[32], const uint8_t *hello,
                 const uint8_t addr[HS_ADDR_LEN], uint64_t now_s);

/* Is the cookie's place either full or empty? */
bool cookie_well_formed(const uint8_t *hello);
/* HS_OK or HS_BAD_COOKIE, of a well-formed hello. */
enum hs_server_error cookie_judge(const struct hs_server *s, const uint8_t *hello,
                                  const uint8_t addr[HS_ADDR_LEN], uint64_t now_s,
                                  bool need_cookie);

/* ---- params.c ---- */

/* Longest encoding of parameters we write: six ids of up to 4-byte and two of up to 2-byte
 * values. */
enum { PARAMS_ENCODED_MAX = 6 * (2 + 4) + 2 * (2 + 2) };
static_assert(HS_PARAMS_MAX - PARAMS_ENCODED_MAX >= 0, "parameters fit their field");
static_assert(SH_SEALED + SEALED_PARAMS + PARAMS_ENCODED_MAX + AEAD_TAG_LEN <= WIRE_HS_MAX,
              "a ServerHello of ours fits a packet, and is hardly longer than its ClientHello");

/* Write valid parameters; returns the length, at most PARAMS_ENCODED_MAX. */
size_t params_encode(uint8_t *out, const struct hs_params *params);
/* False for a cut, repeated or impossible parameter; *params is then undefined. */
bool params_decode(struct hs_params *params, const uint8_t *in, size_t len);
/* The same for a hello's field of HS_PARAMS_MAX bytes: zeros behind its first len. */
bool params_field_decode(struct hs_params *params, const uint8_t field[HS_PARAMS_MAX], size_t len);

#endif
