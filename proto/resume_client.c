/* The client's side of a resumption. */
#include <errno.h>
#include <sodium.h>

#include "bytes.h"
#include "resume_internal.h"

/* ---- what is kept ---- */

void resumption_keep(struct resumption *r, const struct hs_result *result)
{
    memset(r, 0, sizeof(*r));
    memcpy(r->secret, result->resumption, KDF_HASH_LEN);
    memcpy(r->identity, result->server_identity, HS_IDENTITY_LEN);
    r->server = result->peer;
    r->alg = (uint8_t)result->alg;
}

void resumption_ticket(struct resumption *r, const uint8_t *ticket, uint32_t len)
{
    assert(len >= 1 && len <= FRAME_TICKET_MAX);
    memcpy(r->ticket, ticket, len);
    r->ticket_len = (uint8_t)len;
}

size_t resumption_room(const struct resumption *r)
{
    return RESUME_EARLY_MAX + 1 - r->ticket_len;
}

/* ---- the hello ---- */

static bool fits(const struct resumption *r, const struct hs_client_config *config)
{
    return r->ticket_len > 0 && (r->alg == config->suites[0] || r->alg == config->suites[1]) &&
           (!config->pinned || sodium_memcmp(config->pinned, r->identity, HS_IDENTITY_LEN) == 0);
}

static void put_front(uint8_t *hello, const struct hs_client_config *config,
                      const struct resumption *r)
{
    wire_hs_hdr_put(hello, WIRE_RESUME_HELLO);
    be32_store(hello + CH_SPI, config->client_spi);
    hello[RH_SUITE] = r->alg;
    hello[RH_TICKET_LEN] = r->ticket_len;
    hello[RH_PARAMS_LEN] = (uint8_t)params_encode(hello + RH_PARAMS, &config->params);
    memcpy(hello + RH_TICKET, r->ticket, r->ticket_len);
}

static int put_early(uint8_t *hello, struct aead *aead, const uint8_t *secret,
                     const uint8_t *frames, size_t len)
{
    uint8_t *early = hello + early_place(hello);
    struct aead_key key;
    struct aead_op op = {.key = &key,
                         .text = early,
                         .spi = be32_load(hello + CH_SPI),
                         .len = (uint32_t)early_text_len(hello)};
    int rc = resume_early_key(aead, &key, hello, secret);

    if (rc < 0)
        return rc;
    be16_store(early + EARLY_LEN, (uint16_t)len);
    if (len > 0)
        memcpy(early + EARLY_FRAMES, frames, len);
    aead_seal(aead, &op, 1);
    aead_key_wipe(&key);
    return 0;
}

/* Randomness is drawn in this order: X25519 secret, client random. */
int resume_client_start(struct resume_client *c, struct aead *aead,
                        const struct hs_client_config *config, struct resumption *r,
                        const uint8_t *frames, size_t len, const struct hs_random *rnd)
{
    int rc;

    memset(c, 0, sizeof(*c));
    if (!hs_client_config_valid(config) || !hs_params_full(&config->params, &r->server))
        return -EINVAL;
    if (!fits(r, config))
        return -ENOENT;
    if (len > resumption_room(r))
        return -EMSGSIZE;
    c->client_spi = config->client_spi;
    c->alg = r->alg;
    c->server = r->server;
    memcpy(c->identity, r->identity, HS_IDENTITY_LEN);
    memcpy(c->secret, r->secret, KDF_HASH_LEN);
    rnd->fill(rnd->arg, c->x25519_secret, HS_X25519_LEN);
    rnd->fill(rnd->arg, c->hello + CH_RANDOM, HS_RANDOM_LEN);
    crypto_scalarmult_base(c->hello + RH_X25519, c->x25519_secret);
    put_front(c->hello, config, r);
    rc = put_early(c->hello, aead, c->secret, frames, len);
    if (rc < 0)
        resume_client_wipe(c);
    else
        sodium_memzero(r, sizeof(*r));
    return rc;
}

/* ---- answers ---- */

static bool agree(const struct resume_client *c, const uint8_t *msg, struct hs_schedule *k)
{
    uint8_t x25519[HS_X25519_LEN];
    bool ok = crypto_scalarmult(x25519, c->x25519_secret, msg + RA_X25519) == 0;

    if (ok)
        resume_schedule_start(k, c->hello, msg, c->secret, x25519);
    sodium_memzero(x25519, sizeof(x25519));
    return ok;
}

/* Decrypt the sealed part and its tag in place. */
static bool unseal(const struct resume_client *c, struct aead *aead, const struct hs_schedule *k,
                   uint8_t sealed[ACCEPT_LEN + AEAD_TAG_LEN])
{
    struct aead_key key;
    struct aead_op op = {.key = &key, .text = sealed, .spi = c->client_spi, .len = ACCEPT_LEN};

    if (hs_schedule_sealing_key(k, aead, &key, c->alg) < 0)
        return false;
    aead_open(aead, &op, 1);
    aead_key_wipe(&key);
    return op.ok;
}

/* Read the clear sealed part. */
static bool accept(const struct resume_client *c, struct hs_schedule *k,
                   const uint8_t sealed[ACCEPT_LEN], struct hs_result *result)
{
    uint32_t server_spi = be32_load(sealed + ACCEPT_SPI);
    uint8_t finished[KDF_HASH_LEN];

    resume_schedule_finished(k, sealed, finished);
    if (server_spi < WIRE_SPI_MIN ||
        sodium_memcmp(finished, sealed + ACCEPT_FINISHED, sizeof(finished)) != 0)
        return false;
    resume_schedule_session(k, sealed, result);
    result->client_spi = c->client_spi;
    result->server_spi = server_spi;
    result->alg = c->alg;
    result->peer = c->server;
    memcpy(result->server_identity, c->identity, HS_IDENTITY_LEN);
    return true;
}

static enum resume_verdict input_accept(const struct resume_client *c, struct aead *aead,
                                        const uint8_t *msg, size_t len, struct hs_result *result)
{
    uint8_t sealed[ACCEPT_LEN + AEAD_TAG_LEN];
    enum resume_verdict verdict = RESUME_IGNORE;
    struct hs_schedule k;

    if (len != RESUME_ACCEPT_LEN || be32_load(msg + RA_SPI) != c->client_spi || !agree(c, msg, &k))
        return RESUME_IGNORE;
    memcpy(sealed, msg + RA_SEALED, sizeof(sealed));
    if (unseal(c, aead, &k, sealed) && accept(c, &k, sealed, result))
        verdict = RESUME_DONE;
    sodium_memzero(&k, sizeof(k));
    return verdict;
}

enum resume_verdict resume_client_input(struct resume_client *c, struct aead *aead,
                                        const uint8_t *msg, size_t len, struct hs_result *result)
{
    if (hs_header_is(msg, len, WIRE_RETRY))
        return hs_follow_retry(c->hello, &c->retries, msg, len) ? RESUME_SEND : RESUME_IGNORE;
    if (hs_header_is(msg, len, WIRE_RESUME_ACCEPT))
        return input_accept(c, aead, msg, len, result);
    if (hs_header_is(msg, len, WIRE_RESUME_REFUSE) && len == RESUME_REFUSE_LEN &&
        memcmp(msg + RR_SPI, c->hello + CH_SPI, RESUME_REFUSE_LEN - RR_SPI) == 0)
        return RESUME_REFUSED;
    return RESUME_IGNORE;
}

void resume_client_wipe(struct resume_client *c)
{
    sodium_memzero(c, sizeof(*c));
}
