/* The portable backend: libsodium, with libcrypto's AES-256-GCM where libsodium has none. */
#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "aead_backend.h"

static_assert(sizeof(crypto_aead_aes256gcm_state) <= sizeof(((struct aead_key *)0)->expanded),
              "an expanded GCM key fits");
static_assert(crypto_aead_aes256gcm_ABYTES == AEAD_TAG_LEN &&
                  crypto_aead_chacha20poly1305_ietf_ABYTES == AEAD_TAG_LEN,
              "tags are 16 bytes");

struct aead_evp {
    struct aead aead;
    EVP_CIPHER_CTX *ctx;
};

/* ---- ChaCha20-Poly1305: key->expanded holds the key ---- */

static void chacha_seal(const struct aead_text *t)
{
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(t->text, t->text + t->len, NULL, t->text,
                                                       t->len, t->aad, t->aad_len, NULL, t->nonce,
                                                       t->key->expanded);
}

static bool chacha_open(const struct aead_text *t)
{
    return crypto_aead_chacha20poly1305_ietf_decrypt_detached(t->text, NULL, t->text, t->len,
                                                              t->text + t->len, t->aad, t->aad_len,
                                                              t->nonce, t->key->expanded) == 0;
}

/* ---- AES-256-GCM by libsodium: key->expanded holds its state ---- */

static const crypto_aead_aes256gcm_state *gcm_state(const struct aead_key *key)
{
    return (const crypto_aead_aes256gcm_state *)key->expanded;
}

static void sodium_expand(struct aead *aead, struct aead_key *key,
                          const uint8_t secret[AEAD_KEY_LEN])
{
    (void)aead;
    if (key->alg == AEAD_AES256_GCM)
        crypto_aead_aes256gcm_beforenm((crypto_aead_aes256gcm_state *)key->expanded, secret);
    else
        memcpy(key->expanded, secret, AEAD_KEY_LEN);
}

static void sodium_seal(struct aead *aead, const struct aead_text *texts, unsigned n)
{
    (void)aead;
    for (unsigned i = 0; i < n; i++) {
        const struct aead_text *t = &texts[i];

        if (t->key->alg == AEAD_AES256_GCM)
            crypto_aead_aes256gcm_encrypt_detached_afternm(t->text, t->text + t->len, NULL, t->text,
                                                           t->len, t->aad, t->aad_len, NULL,
                                                           t->nonce, gcm_state(t->key));
        else
            chacha_seal(t);
    }
}

static void sodium_open(struct aead *aead, struct aead_text *texts, unsigned n)
{
    (void)aead;
    for (unsigned i = 0; i < n; i++) {
        struct aead_text *t = &texts[i];

        if (t->key->alg == AEAD_AES256_GCM)
            t->ok = crypto_aead_aes256gcm_decrypt_detached_afternm(
                        t->text, NULL, t->text, t->len, t->text + t->len, t->aad, t->aad_len,
                        t->nonce, gcm_state(t->key)) == 0;
        else
            t->ok = chacha_open(t);
    }
}

static struct aead *sodium_create(void)
{
    return calloc(1, sizeof(struct aead));
}

static void sodium_destroy(struct aead *aead)
{
    free(aead);
}

/* ---- AES-256-GCM by libcrypto: key->expanded holds the key, expanded anew for every packet ----
 */

static void evp_expand(struct aead *aead, struct aead_key *key, const uint8_t secret[AEAD_KEY_LEN])
{
    (void)aead;
    memcpy(key->expanded, secret, AEAD_KEY_LEN);
}

static void evp_gcm_seal(EVP_CIPHER_CTX *ctx, const struct aead_text *t)
{
    uint8_t *tag = t->text + t->len;
    int done;

    if (EVP_CipherInit_ex(ctx, NULL, NULL, t->key->expanded, t->nonce, 1) != 1 ||
        EVP_CipherUpdate(ctx, NULL, &done, t->aad, (int)t->aad_len) != 1 ||
        EVP_CipherUpdate(ctx, t->text, &done, t->text, (int)t->len) != 1 ||
        EVP_CipherFinal_ex(ctx, tag, &done) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN, tag) != 1)
        abort(); /* never let clear text out as sealed */
}

static bool evp_gcm_open(EVP_CIPHER_CTX *ctx, const struct aead_text *t)
{
    uint8_t *tag = t->text + t->len;
    uint8_t none[1];
    int done;

    return EVP_CipherInit_ex(ctx, NULL, NULL, t->key->expanded, t->nonce, 0) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &done, t->aad, (int)t->aad_len) == 1 &&
           EVP_CipherUpdate(ctx, t->text, &done, t->text, (int)t->len) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_LEN, tag) == 1 &&
           EVP_CipherFinal_ex(ctx, none, &done) == 1;
}

static void evp_seal(struct aead *aead, const struct aead_text *texts, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (texts[i].key->alg == AEAD_AES256_GCM)
            evp_gcm_seal(((struct aead_evp *)aead)->ctx, &texts[i]);
        else
            chacha_seal(&texts[i]);
    }
}

static void evp_open(struct aead *aead, struct aead_text *texts, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (texts[i].key->alg == AEAD_AES256_GCM)
            texts[i].ok = evp_gcm_open(((struct aead_evp *)aead)->ctx, &texts[i]);
        else
            texts[i].ok = chacha_open(&texts[i]);
    }
}

static struct aead *evp_create(void)
{
    struct aead_evp *evp = calloc(1, sizeof(*evp));

    if (!evp)
        return NULL;
    evp->ctx = EVP_CIPHER_CTX_new();
    if (!evp->ctx || EVP_CipherInit_ex(evp->ctx, EVP_aes_256_gcm(), NULL, NULL, NULL, 1) != 1) {
        EVP_CIPHER_CTX_free(evp->ctx);
        free(evp);
        errno = ENOMEM;
        return NULL;
    }
    return &evp->aead;
}

static void evp_destroy(struct aead *aead)
{
    EVP_CIPHER_CTX_free(((struct aead_evp *)aead)->ctx);
    free(aead);
}

const struct aead_vtable aead_sodium = {
    .create = sodium_create,
    .destroy = sodium_destroy,
    .expand = sodium_expand,
    .seal = sodium_seal,
    .open = sodium_open,
};

const struct aead_vtable aead_sodium_evp = {
    .create = evp_create,
    .destroy = evp_destroy,
    .expand = evp_expand,
    .seal = evp_seal,
    .open = evp_open,
};
