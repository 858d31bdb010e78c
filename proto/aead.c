#include "aead.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "aead_backend.h"
#include "bytes.h"

static_assert(sizeof(struct aead_key) == 1024, "a key is 16 cache lines");

static const struct aead_vtable *vtable_of(enum aead_backend backend)
{
    if (backend == AEAD_IPSEC_MB)
        return &aead_ipsec_mb;
    return crypto_aead_aes256gcm_is_available() ? &aead_sodium : &aead_sodium_evp;
}

struct aead *aead_new(enum aead_backend backend)
{
    struct aead *aead;

    if (sodium_init() < 0) {
        errno = ENOTSUP;
        return NULL;
    }
    aead = vtable_of(backend)->create();
    if (aead)
        aead->vtable = vtable_of(backend);
    return aead;
}

void aead_free(struct aead *aead)
{
    if (aead)
        aead->vtable->destroy(aead);
}

enum aead_backend aead_best(void)
{
    struct aead *aead = aead_new(AEAD_IPSEC_MB);
    enum aead_backend best = aead ? AEAD_IPSEC_MB : AEAD_SODIUM;

    aead_free(aead);
    return best;
}

const char *aead_backend_name(enum aead_backend backend)
{
    return backend == AEAD_IPSEC_MB ? "ipsec-mb" : "sodium";
}

const char *aead_alg_name(enum aead_alg alg)
{
    switch (alg) {
    case AEAD_AES256_GCM:
        return "aes-256-gcm";
    case AEAD_CHACHA20_POLY1305:
        return "chacha20-poly1305";
    }
    return "unknown";
}

int aead_key_init(struct aead *aead, struct aead_key *key, enum aead_alg alg,
                  const uint8_t material[AEAD_MATERIAL_LEN])
{
    if (alg != AEAD_AES256_GCM && alg != AEAD_CHACHA20_POLY1305)
        return -EINVAL;
    aead_key_wipe(key);
    key->alg = (uint8_t)alg;
    memcpy(key->salt, material + AEAD_KEY_LEN, AEAD_SALT_LEN);
    aead->vtable->expand(aead, key, material);
    return 0;
}

void aead_key_wipe(struct aead_key *key)
{
    sodium_memzero(key, sizeof(*key));
}

/* Lay out nonce = salt || pn and AAD = SPI || pn (RFC 4106 section 3 and 5, RFC 7634 section 2). */
static void prepare(struct aead_text *texts, uint8_t aad[][AEAD_AAD_LEN], const struct aead_op *ops,
                    unsigned n)
{
    assert(n <= AEAD_BURST_MAX);
    for (unsigned i = 0; i < n; i++) {
        const struct aead_op *op = &ops[i];

        be32_store(aad[i], op->spi);
        be64_store(aad[i] + 4, op->pn);
        texts[i] = (struct aead_text){
            .key = op->key,
            .text = op->text,
            .aad = aad[i],
            .len = op->len,
            .aad_len = AEAD_AAD_LEN,
        };
        memcpy(texts[i].nonce, op->key->salt, AEAD_SALT_LEN);
        be64_store(texts[i].nonce + AEAD_SALT_LEN, op->pn);
    }
}

void aead_seal(struct aead *aead, struct aead_op *ops, unsigned n)
{
    struct aead_text texts[AEAD_BURST_MAX];
    uint8_t aad[AEAD_BURST_MAX][AEAD_AAD_LEN];

    prepare(texts, aad, ops, n);
    aead->vtable->seal(aead, texts, n);
}

void aead_open(struct aead *aead, struct aead_op *ops, unsigned n)
{
    struct aead_text texts[AEAD_BURST_MAX];
    uint8_t aad[AEAD_BURST_MAX][AEAD_AAD_LEN];

    prepare(texts, aad, ops, n);
    aead->vtable->open(aead, texts, n);
    for (unsigned i = 0; i < n; i++)
        ops[i].ok = texts[i].ok;
}

void aead_open_texts(struct aead *aead, struct aead_text *texts, unsigned n)
{
    assert(n <= AEAD_BURST_MAX);
    aead->vtable->open(aead, texts, n);
}
