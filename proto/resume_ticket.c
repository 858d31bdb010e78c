/* Tickets: nonce (24) || XChaCha20-Poly1305(key, secret (32)) with its tag (16), bound to what the
 * server is. A ticket's number among the used is the beginning of its nonce, which is random. */
#include <sodium.h>

#include "bytes.h"
#include "resume_internal.h"

enum {
    NONCE_LEN = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    BOUND_MAX = HS_IDENTITY_LEN + PARAMS_ENCODED_MAX,
};
static_assert(NONCE_LEN + KDF_HASH_LEN + crypto_aead_xchacha20poly1305_ietf_ABYTES ==
                  RESUME_TICKET_LEN,
              "ticket");
static_assert((int)RESUME_TICKET_LEN <= (int)FRAME_TICKET_MAX, "a ticket fits its frame");
static_assert(sizeof(((struct resume_key *)0)->key) == crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
              "ticket key");

/* ---- keys ---- */

static void make_key(struct resume_key *key, const struct hs_random *rnd)
{
    rnd->fill(rnd->arg, key->key, sizeof(key->key));
    memset(key->used, 0, sizeof(key->used));
}

void resume_tickets_init(struct resume_tickets *t, const struct hs_random *rnd, uint64_t now_s)
{
    make_key(&t->keys[0], rnd);
    make_key(&t->keys[1], rnd);
    t->newer = 0;
    t->since_s = now_s;
}

void resume_tickets_tick(struct resume_tickets *t, const struct hs_random *rnd, uint64_t now_s)
{
    if (now_s - t->since_s < RESUME_KEY_LIFETIME_S)
        return;
    if (now_s - t->since_s >= 2 * RESUME_KEY_LIFETIME_S) /* a long sleep */
        make_key(&t->keys[t->newer], rnd);
    t->newer ^= 1;
    make_key(&t->keys[t->newer], rnd);
    t->since_s = now_s;
}

void resume_tickets_wipe(struct resume_tickets *t)
{
    sodium_memzero(t, sizeof(*t));
}

/* ---- tickets ---- */

/* What a ticket is good for besides its key: identity || parameters; returns its length. */
static size_t bound_to(const struct hs_server *s, uint8_t bound[BOUND_MAX])
{
    memcpy(bound, s->identity, HS_IDENTITY_LEN);
    return HS_IDENTITY_LEN + params_encode(bound + HS_IDENTITY_LEN, &s->params);
}

void resume_ticket_make(const struct resume_tickets *t, const struct hs_server *s,
                        const uint8_t resumption[KDF_HASH_LEN], const struct hs_random *rnd,
                        uint8_t out[RESUME_TICKET_LEN])
{
    uint8_t bound[BOUND_MAX];
    size_t bound_len = bound_to(s, bound);

    rnd->fill(rnd->arg, out, NONCE_LEN);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_LEN, NULL, resumption, KDF_HASH_LEN,
                                               bound, bound_len, NULL, out, t->keys[t->newer].key);
}

struct resume_key *resume_ticket_open(struct resume_tickets *t, const struct hs_server *s,
                                      const uint8_t *ticket, size_t len,
                                      uint8_t secret[KDF_HASH_LEN])
{
    uint8_t bound[BOUND_MAX];
    size_t bound_len = bound_to(s, bound);

    if (len != RESUME_TICKET_LEN)
        return NULL;
    for (unsigned i = 0; i < 2; i++)
        if (crypto_aead_xchacha20poly1305_ietf_decrypt(secret, NULL, NULL, ticket + NONCE_LEN,
                                                       RESUME_TICKET_LEN - NONCE_LEN, bound,
                                                       bound_len, ticket, t->keys[i].key) == 0)
            return &t->keys[i];
    return NULL;
}

bool resume_ticket_use(struct resume_key *key, const uint8_t *ticket)
{
    uint32_t number = be32_load(ticket) % RESUME_USED_BITS;
    uint64_t *word = &key->used[number / 64], bit = UINT64_C(1) << number % 64;
    bool was = (*word & bit) != 0;

    *word |= bit;
    return !was;
}
