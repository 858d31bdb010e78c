/* The server's side of a resumption. */
#include <sodium.h>

#include "bytes.h"
#include "resume_internal.h"

/* ---- the hello ---- */

static bool well_formed(const uint8_t *hello, size_t len)
{
    struct hs_params peer;

    return len == RESUME_HELLO_LEN && hs_header_is(hello, len, WIRE_RESUME_HELLO) &&
           be32_load(hello + CH_SPI) >= WIRE_SPI_MIN && hello[RH_TICKET_LEN] >= 1 &&
           hello[RH_TICKET_LEN] <= FRAME_TICKET_MAX && cookie_well_formed(hello) &&
           params_field_decode(&peer, hello + RH_PARAMS, hello[RH_PARAMS_LEN]) && peer.max_data > 0;
}

enum hs_server_error resume_server_check(const struct hs_server *s, const uint8_t *hello,
                                         size_t len, const uint8_t addr[HS_ADDR_LEN],
                                         uint64_t now_s, bool need_cookie)
{
    return well_formed(hello, len) ? cookie_judge(s, hello, addr, now_s, need_cookie)
                                   : HS_MALFORMED;
}

static bool allowed(const struct hs_server *s, uint8_t suite)
{
    return suite != 0 && (suite == s->suites[0] || suite == s->suites[1]);
}

/* Decrypt the early data into *early, whose secret is there: who sealed it had the ticket. */
static bool open_early(struct resume_early *early, struct aead *aead, const uint8_t *hello)
{
    uint8_t text[EARLY_FRAMES + RESUME_EARLY_MAX + AEAD_TAG_LEN];
    size_t text_len = early_text_len(hello);
    struct aead_key key;
    struct aead_op op = {
        .key = &key, .text = text, .spi = be32_load(hello + CH_SPI), .len = (uint32_t)text_len};

    if (resume_early_key(aead, &key, hello, early->secret) < 0)
        return false;
    memcpy(text, hello + early_place(hello), text_len + AEAD_TAG_LEN);
    aead_open(aead, &op, 1);
    aead_key_wipe(&key);
    early->len = be16_load(text + EARLY_LEN);
    if (!op.ok || early->len > text_len - EARLY_FRAMES)
        return false;
    memcpy(early->frames, text + EARLY_FRAMES, early->len);
    return true;
}

enum hs_server_error resume_server_open(const struct hs_server *s, struct resume_tickets *t,
                                        struct aead *aead, const uint8_t *hello,
                                        struct resume_early *early)
{
    const uint8_t *ticket = hello + RH_TICKET;
    struct resume_key *key;

    if (!allowed(s, hello[RH_SUITE]))
        return HS_NO_SUITE;
    key = resume_ticket_open(t, s, ticket, hello[RH_TICKET_LEN], early->secret);
    if (key && open_early(early, aead, hello) && resume_ticket_use(key, ticket))
        return HS_OK;
    sodium_memzero(early, sizeof(*early));
    return HS_BAD_TICKET;
}

/* ---- the answer ---- */

static bool agree(struct hs_schedule *k, const uint8_t *hello, const uint8_t *secret,
                  const struct hs_random *rnd, uint8_t *out)
{
    uint8_t x25519_secret[HS_X25519_LEN], x25519[HS_X25519_LEN];
    bool ok;

    rnd->fill(rnd->arg, x25519_secret, sizeof(x25519_secret));
    ok = crypto_scalarmult(x25519, x25519_secret, hello + RH_X25519) == 0;
    if (ok) {
        crypto_scalarmult_base(out + RA_X25519, x25519_secret);
        resume_schedule_start(k, hello, out, secret, x25519);
    }
    sodium_memzero(x25519_secret, sizeof(x25519_secret));
    sodium_memzero(x25519, sizeof(x25519));
    return ok;
}

enum hs_server_error resume_server_answer(const struct hs_server *s, struct aead *aead,
                                          const uint8_t *hello, const struct resume_early *early,
                                          uint32_t server_spi, const struct hs_random *rnd,
                                          struct hs_result *result, uint8_t out[RESUME_ACCEPT_LEN])
{
    uint32_t client_spi = be32_load(hello + CH_SPI);
    uint8_t *sealed = out + RA_SEALED;
    struct aead_key key;
    struct aead_op op = {.key = &key, .text = sealed, .spi = client_spi, .len = ACCEPT_LEN};
    struct hs_schedule k;
    int rc;

    wire_hs_hdr_put(out, WIRE_RESUME_ACCEPT);
    be32_store(out + RA_SPI, client_spi);
    if (!agree(&k, hello, early->secret, rnd, out))
        return HS_BAD_SHARE;
    be32_store(sealed + ACCEPT_SPI, server_spi);
    resume_schedule_finished(&k, sealed, sealed + ACCEPT_FINISHED);
    resume_schedule_session(&k, sealed, result);
    rc = hs_schedule_sealing_key(&k, aead, &key, hello[RH_SUITE]);
    sodium_memzero(&k, sizeof(k));
    if (rc < 0)
        return HS_NO_SUITE;
    aead_seal(aead, &op, 1);
    aead_key_wipe(&key);

    result->client_spi = client_spi;
    result->server_spi = server_spi;
    result->alg = hello[RH_SUITE];
    memcpy(result->server_identity, s->identity, HS_IDENTITY_LEN);
    params_decode(&result->peer, hello + RH_PARAMS, hello[RH_PARAMS_LEN]);
    return HS_OK;
}

void resume_server_refuse(const uint8_t *hello, uint8_t out[RESUME_REFUSE_LEN])
{
    wire_hs_hdr_put(out, WIRE_RESUME_REFUSE);
    memcpy(out + RR_SPI, hello + CH_SPI, RESUME_REFUSE_LEN - RR_SPI);
}
