/* The server's side of the handshake. Keeps no state: any thread may answer with one const struct
 * hs_server. */
#include <sodium.h>

#include "bytes.h"
#include "handshake_internal.h"

const char *hs_server_error_name(enum hs_server_error error)
{
    switch (error) {
    case HS_OK:
        return "ok";
    case HS_MALFORMED:
        return "malformed hello";
    case HS_NO_SUITE:
        return "no common cipher suite";
    case HS_BAD_COOKIE:
        return "cookie missing or invalid";
    case HS_BAD_SHARE:
        return "invalid key share";
    case HS_BAD_TICKET:
        return "invalid, old or used ticket";
    }
    return "unknown";
}

bool hs_hello_has_cookie(const uint8_t *hello)
{
    return hello[CH_COOKIE_LEN] == HS_COOKIE_LEN;
}

static bool well_formed(const uint8_t *hello, size_t len)
{
    struct hs_params peer;

    return len == HS_CLIENT_HELLO_LEN && hs_header_is(hello, len, WIRE_CLIENT_HELLO) &&
           be32_load(hello + CH_SPI) >= WIRE_SPI_MIN && hello[CH_SUITES] != 0 &&
           cookie_well_formed(hello) &&
           params_field_decode(&peer, hello + CH_PARAMS, hello[CH_PARAMS_LEN]);
}

enum hs_server_error hs_server_check(const struct hs_server *s, const uint8_t *hello, size_t len,
                                     const uint8_t addr[HS_ADDR_LEN], uint64_t now_s,
                                     bool need_cookie)
{
    if (!well_formed(hello, len))
        return HS_MALFORMED;
    return cookie_judge(s, hello, addr, now_s, need_cookie);
}

size_t hs_server_retry(const struct hs_server *s, const uint8_t *hello,
                       const uint8_t addr[HS_ADDR_LEN], uint64_t now_s, uint8_t *out)
{
    wire_hs_hdr_put(out, WIRE_RETRY);
    memcpy(out + RETRY_SPI, hello + CH_SPI, 4);
    memcpy(out + RETRY_RANDOM, hello + CH_RANDOM, HS_RANDOM_LEN);
    cookie_make(out + RETRY_COOKIE, s->cookie_key, hello, addr, now_s);
    return RETRY_LEN;
}

/* The server's first suite that the client takes too; 0 if none. */
static uint8_t choose_suite(const struct hs_server *s, const uint8_t *hello)
{
    for (unsigned i = 0; i < 2; i++) {
        uint8_t suite = s->suites[i];

        if (suite != 0 && (suite == hello[CH_SUITES] || suite == hello[CH_SUITES + 1]))
            return suite;
    }
    return 0;
}

/* Write our shares into the ServerHello and start the schedule. Randomness is drawn in this order:
 * X25519 secret, ML-KEM m, server random. False when one of the client's shares is bad. */
static bool agree(struct hs_schedule *k, const uint8_t *hello, const struct hs_random *rnd,
                  uint8_t *out)
{
    uint8_t secret[HS_X25519_LEN], m[MLKEM_RANDOM_LEN];
    uint8_t x25519[HS_X25519_LEN], mlkem[MLKEM_SS_LEN];
    bool ok;

    rnd->fill(rnd->arg, secret, sizeof(secret));
    rnd->fill(rnd->arg, m, sizeof(m));
    rnd->fill(rnd->arg, out + SH_RANDOM, HS_RANDOM_LEN);
    ok = crypto_scalarmult(x25519, secret, hello + CH_X25519) == 0 &&
         mlkem768_encaps(out + SH_CT, mlkem, hello + CH_EK, m) == 0;
    if (ok) {
        crypto_scalarmult_base(out + SH_X25519, secret);
        hs_schedule_start(k, hello, out, mlkem, x25519);
    }
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(m, sizeof(m));
    sodium_memzero(x25519, sizeof(x25519));
    sodium_memzero(mlkem, sizeof(mlkem));
    return ok;
}

/* Write the sealed part in clear; returns its length. */
static size_t sealed_put(const struct hs_server *s, struct hs_schedule *k, uint32_t server_spi,
                         uint8_t *sealed)
{
    memcpy(sealed + SEALED_IDENTITY, s->identity, HS_IDENTITY_LEN);
    be32_store(sealed + SEALED_SPI, server_spi);
    sealed[SEALED_PARAMS_LEN] = (uint8_t)params_encode(sealed + SEALED_PARAMS, &s->params);
    hs_schedule_identity(k, sealed);
    hs_sign(sealed + SEALED_SIGNATURE, s->identity_secret, hs_label_server, k->t1);
    hs_schedule_finished(k, sealed, sealed + SEALED_FINISHED);
    return (size_t)SEALED_PARAMS + sealed[SEALED_PARAMS_LEN];
}

static bool seal(const struct hs_schedule *k, struct aead *aead, enum aead_alg alg, uint32_t spi,
                 uint8_t *sealed, size_t len)
{
    struct aead_key key;
    struct aead_op op = {.key = &key, .text = sealed, .spi = spi, .len = (uint32_t)len};

    if (hs_schedule_sealing_key(k, aead, &key, alg) < 0)
        return false;
    aead_seal(aead, &op, 1);
    aead_key_wipe(&key);
    return true;
}

enum hs_server_error hs_server_answer(const struct hs_server *s, struct aead *aead,
                                      const uint8_t *hello, uint32_t server_spi,
                                      const struct hs_random *rnd, struct hs_result *result,
                                      uint8_t out[WIRE_HS_MAX], size_t *out_len)
{
    uint8_t suite = choose_suite(s, hello);
    uint32_t client_spi = be32_load(hello + CH_SPI);
    uint8_t *sealed = out + SH_SEALED;
    struct hs_schedule k;
    size_t len;
    bool ok;

    if (suite == 0)
        return HS_NO_SUITE;
    memset(out, 0, SH_SEALED);
    wire_hs_hdr_put(out, WIRE_SERVER_HELLO);
    be32_store(out + SH_SPI, client_spi);
    out[SH_SUITE] = suite;
    if (!agree(&k, hello, rnd, out))
        return HS_BAD_SHARE;

    len = sealed_put(s, &k, server_spi, sealed);
    hs_schedule_session(&k, sealed, result);
    ok = seal(&k, aead, suite, client_spi, sealed, len);
    sodium_memzero(&k, sizeof(k));
    if (!ok)
        return HS_NO_SUITE;
    *out_len = SH_SEALED + len + AEAD_TAG_LEN;

    result->client_spi = client_spi;
    result->server_spi = server_spi;
    result->alg = suite;
    memcpy(result->server_identity, s->identity, HS_IDENTITY_LEN);
    params_decode(&result->peer, hello + CH_PARAMS, hello[CH_PARAMS_LEN]);
    return HS_OK;
}
