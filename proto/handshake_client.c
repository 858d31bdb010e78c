/* The client's side of the handshake. */
#include <errno.h>
#include <sodium.h>

#include "bytes.h"
#include "handshake_internal.h"

bool hs_client_config_valid(const struct hs_client_config *config)
{
    for (unsigned i = 0; i < 2; i++) {
        uint8_t suite = config->suites[i];
        bool known = suite == AEAD_AES256_GCM || suite == AEAD_CHACHA20_POLY1305;

        if (!known && (suite != 0 || i == 0))
            return false;
    }
    return config->client_spi >= WIRE_SPI_MIN && hs_params_valid(&config->params);
}

/* Randomness is drawn in this order: X25519 secret, ML-KEM seed, client random. */
int hs_client_start(struct hs_client *c, const struct hs_client_config *config,
                    const struct hs_random *rnd)
{
    uint8_t seed[MLKEM_SEED_LEN];
    uint8_t *hello = c->hello;
    int rc;

    memset(c, 0, sizeof(*c));
    if (!hs_client_config_valid(config))
        return -EINVAL;
    c->config = *config;
    if (config->pinned) /* from here on the pointer only says that there is a pin */
        memcpy(c->pin, config->pinned, HS_IDENTITY_LEN);

    rnd->fill(rnd->arg, c->x25519_secret, HS_X25519_LEN);
    rnd->fill(rnd->arg, seed, sizeof(seed));
    rnd->fill(rnd->arg, hello + CH_RANDOM, HS_RANDOM_LEN);
    rc = mlkem768_keygen(hello + CH_EK, c->dk, seed);
    sodium_memzero(seed, sizeof(seed));
    if (rc < 0) {
        hs_client_wipe(c);
        return rc;
    }
    crypto_scalarmult_base(hello + CH_X25519, c->x25519_secret);

    wire_hs_hdr_put(hello, WIRE_CLIENT_HELLO);
    be32_store(hello + CH_SPI, config->client_spi);
    memcpy(hello + CH_SUITES, config->suites, 2);
    hello[CH_PARAMS_LEN] = (uint8_t)params_encode(hello + CH_PARAMS, &config->params);
    return 0;
}

/* Its SPI and random, which only somebody who saw the hello knows, must be ours. */
bool hs_follow_retry(uint8_t *hello, uint8_t *retries, const uint8_t *msg, size_t len)
{
    static_assert(RETRY_SPI == CH_SPI && RETRY_RANDOM == CH_RANDOM, "compared at once");
    if (len != RETRY_LEN || *retries == HS_RETRIES_MAX ||
        memcmp(msg + RETRY_SPI, hello + CH_SPI, RETRY_COOKIE - RETRY_SPI) != 0)
        return false;
    ++*retries;
    hello[CH_COOKIE_LEN] = HS_COOKIE_LEN;
    memcpy(hello + CH_COOKIE, msg + RETRY_COOKIE, HS_COOKIE_LEN);
    return true;
}

/* Is this a ServerHello for this client, well-formed as far as it is in clear? */
static bool server_hello_fits(const struct hs_client *c, const uint8_t *msg, size_t len)
{
    static const uint8_t zero[SH_X25519 - SH_ZERO];
    size_t min = SH_SEALED + SEALED_PARAMS + AEAD_TAG_LEN;
    uint8_t suite;

    if (len < min || len > min + HS_PARAMS_MAX || memcmp(msg + SH_ZERO, zero, sizeof(zero)) != 0)
        return false;
    suite = msg[SH_SUITE];
    return be32_load(msg + SH_SPI) == c->config.client_spi && suite != 0 &&
           (suite == c->config.suites[0] || suite == c->config.suites[1]);
}

static bool agree(const struct hs_client *c, const uint8_t *msg, struct hs_schedule *k)
{
    uint8_t mlkem[MLKEM_SS_LEN], x25519[HS_X25519_LEN];
    bool ok = crypto_scalarmult(x25519, c->x25519_secret, msg + SH_X25519) == 0 &&
              mlkem768_decaps(mlkem, c->dk, msg + SH_CT) == 0;

    if (ok)
        hs_schedule_start(k, c->hello, msg, mlkem, x25519);
    sodium_memzero(mlkem, sizeof(mlkem));
    sodium_memzero(x25519, sizeof(x25519));
    return ok;
}

/* Decrypt the sealed part (len bytes with its tag) in place. */
static bool unseal(const struct hs_client *c, struct aead *aead, const struct hs_schedule *k,
                   enum aead_alg alg, uint8_t *sealed, size_t len)
{
    struct aead_key key;
    struct aead_op op = {
        .key = &key,
        .text = sealed,
        .spi = c->config.client_spi,
        .len = (uint32_t)(len - AEAD_TAG_LEN),
    };

    if (hs_schedule_sealing_key(k, aead, &key, alg) < 0)
        return false;
    aead_open(aead, &op, 1);
    aead_key_wipe(&key);
    return op.ok;
}

/* The server proves its identity and its keys. */
static bool authentic(const struct hs_client *c, struct hs_schedule *k, const uint8_t *sealed)
{
    const uint8_t *identity = sealed + SEALED_IDENTITY;
    uint8_t finished[KDF_HASH_LEN];

    if (c->config.pinned && sodium_memcmp(identity, c->pin, HS_IDENTITY_LEN) != 0)
        return false;
    hs_schedule_identity(k, sealed);
    hs_schedule_finished(k, sealed, finished);
    return hs_verify(sealed + SEALED_SIGNATURE, identity, hs_label_server, k->t1) &&
           sodium_memcmp(finished, sealed + SEALED_FINISHED, sizeof(finished)) == 0;
}

/* Read the clear sealed part of text_len bytes. */
static bool accept(const struct hs_client *c, struct hs_schedule *k, const uint8_t *sealed,
                   size_t text_len, struct hs_result *result)
{
    uint8_t params_len = sealed[SEALED_PARAMS_LEN];
    uint32_t server_spi = be32_load(sealed + SEALED_SPI);
    struct hs_params peer;

    if (text_len != (size_t)SEALED_PARAMS + params_len || server_spi < WIRE_SPI_MIN ||
        !params_decode(&peer, sealed + SEALED_PARAMS, params_len) || !authentic(c, k, sealed))
        return false;
    hs_schedule_session(k, sealed, result);
    result->client_spi = c->config.client_spi;
    result->server_spi = server_spi;
    result->peer = peer;
    memcpy(result->server_identity, sealed + SEALED_IDENTITY, HS_IDENTITY_LEN);
    return true;
}

static enum hs_verdict input_server_hello(const struct hs_client *c, struct aead *aead,
                                          const uint8_t *msg, size_t len, struct hs_result *result)
{
    uint8_t sealed[SEALED_MAX + AEAD_TAG_LEN];
    size_t sealed_len = len - SH_SEALED;
    enum hs_verdict verdict = HS_IGNORE;
    struct hs_schedule k;

    if (!server_hello_fits(c, msg, len) || !agree(c, msg, &k))
        return HS_IGNORE;
    memcpy(sealed, msg + SH_SEALED, sealed_len);
    if (unseal(c, aead, &k, msg[SH_SUITE], sealed, sealed_len) &&
        accept(c, &k, sealed, sealed_len - AEAD_TAG_LEN, result)) {
        result->alg = msg[SH_SUITE];
        verdict = HS_DONE;
    }
    sodium_memzero(&k, sizeof(k));
    return verdict;
}

enum hs_verdict hs_client_input(struct hs_client *c, struct aead *aead, const uint8_t *msg,
                                size_t len, struct hs_result *result)
{
    if (hs_header_is(msg, len, WIRE_RETRY))
        return hs_follow_retry(c->hello, &c->retries, msg, len) ? HS_SEND : HS_IGNORE;
    if (hs_header_is(msg, len, WIRE_SERVER_HELLO))
        return input_server_hello(c, aead, msg, len, result);
    return HS_IGNORE;
}

uint32_t hs_client_spi_of(const uint8_t *msg, size_t len)
{
    static const enum wire_hs_type answers[] = {WIRE_SERVER_HELLO, WIRE_RETRY, WIRE_RESUME_ACCEPT,
                                                WIRE_RESUME_REFUSE};

    static_assert(SH_SPI == RETRY_SPI, "one place for all");
    for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (len >= SH_RANDOM && hs_header_is(msg, len, answers[i]))
            return be32_load(msg + SH_SPI);
    return 0;
}

void hs_client_wipe(struct hs_client *c)
{
    sodium_memzero(c, sizeof(*c));
}
