/* The intel-ipsec-mb backend. AES-256-GCM takes the direct calls: the library has no multi-buffer
 * GCM, one packet fills the vector units, and a job costs more than a call. ChaCha20-Poly1305 takes
 * jobs: its direct calls are three a packet and slower. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "aead_backend.h"

#ifdef __x86_64__

#include <intel-ipsec-mb.h>
#include <sodium.h>
#include <string.h>

static_assert(offsetof(struct gcm_key_data, ghash_keys) +
                      sizeof(((struct gcm_key_data *)0)->ghash_keys) <=
                  sizeof(((struct aead_key *)0)->expanded),
              "an expanded GCM key fits");
static_assert(offsetof(struct aead_key, expanded) % alignof(struct gcm_key_data) == 0,
              "and is aligned");
static_assert(AEAD_BURST_MAX < IMB_MAX_JOBS, "a burst never fills the job queue");

struct aead_imb {
    struct aead aead;
    IMB_MGR *mgr;
};

static IMB_MGR *mgr_of(struct aead *aead)
{
    return ((struct aead_imb *)aead)->mgr;
}

static const struct gcm_key_data *gcm_key(const struct aead_key *key)
{
    return (const struct gcm_key_data *)key->expanded;
}

/* Without AES-NI the library emulates it: slower than the other backend, and not constant time. */
static bool usable(const IMB_MGR *mgr, IMB_ARCH arch)
{
    if (arch == IMB_ARCH_NONE || !(mgr->features & IMB_FEATURE_AESNI))
        return false;
    return !(mgr->features & IMB_FEATURE_SELF_TEST) || (mgr->features & IMB_FEATURE_SELF_TEST_PASS);
}

static struct aead *create(void)
{
    struct aead_imb *imb = calloc(1, sizeof(*imb));
    IMB_ARCH arch = IMB_ARCH_NONE;

    if (!imb)
        return NULL;
    imb->mgr = alloc_mb_mgr(0);
    if (!imb->mgr) {
        free(imb);
        errno = ENOMEM;
        return NULL;
    }
    init_mb_mgr_auto(imb->mgr, &arch);
    if (!usable(imb->mgr, arch)) {
        free_mb_mgr(imb->mgr);
        free(imb);
        errno = ENOTSUP;
        return NULL;
    }
    return &imb->aead;
}

static void destroy(struct aead *aead)
{
    free_mb_mgr(mgr_of(aead));
    free(aead);
}

static void expand(struct aead *aead, struct aead_key *key, const uint8_t secret[AEAD_KEY_LEN])
{
    if (key->alg == AEAD_AES256_GCM)
        IMB_AES256_GCM_PRE(mgr_of(aead), secret, (struct gcm_key_data *)key->expanded);
    else
        memcpy(key->expanded, secret, AEAD_KEY_LEN);
}

enum {
    AHEAD = 8,
    ROUND_KEYS = offsetof(struct gcm_key_data, ghash_keys),
    GHASH_KEYS = sizeof(((struct gcm_key_data *)0)->ghash_keys),
};

/* Many sessions' keys do not fit the caches: have what a text of len bytes needs of one fetched
 * while those before it are worked on. That is the round keys and, with vector AES, as many powers
 * of the hash key as the text has blocks, which are at the end. */
static void prefetch_key(const struct aead_key *key, uint32_t len)
{
    const uint8_t *end = key->expanded + ROUND_KEYS + GHASH_KEYS;
    uint32_t powers = len + 2 * 16 < GHASH_KEYS ? len + 2 * 16 : GHASH_KEYS;

    for (uint32_t at = 0; at < ROUND_KEYS; at += 64)
        __builtin_prefetch(key->expanded + at);
    for (const uint8_t *line = end - powers; line < end; line += 64)
        __builtin_prefetch(line);
}

/* Texts follow each other: fetch the key of one some further on, unless it is the same. */
static void prefetch_ahead(const struct aead_text *texts, unsigned i, unsigned n)
{
    const struct aead_text *t = &texts[i + AHEAD];

    if (i + AHEAD < n && t->key != t[-1].key)
        prefetch_key(t->key, t->len);
}

static void submit_chacha(IMB_MGR *mgr, const struct aead_text *t, uint8_t *tag,
                          IMB_CIPHER_DIRECTION direction)
{
    IMB_JOB *job = IMB_GET_NEXT_JOB(mgr);

    job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
    job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
    job->cipher_direction = direction;
    job->chain_order = direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    job->enc_keys = t->key->expanded;
    job->dec_keys = t->key->expanded;
    job->key_len_in_bytes = AEAD_KEY_LEN;
    job->src = t->text;
    job->dst = t->text;
    job->cipher_start_src_offset_in_bytes = 0;
    job->msg_len_to_cipher_in_bytes = t->len;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = t->len;
    job->iv = t->nonce;
    job->iv_len_in_bytes = AEAD_NONCE_LEN;
    job->auth_tag_output = tag;
    job->auth_tag_output_len_in_bytes = AEAD_TAG_LEN;
    job->u.CHACHA20_POLY1305.aad = t->aad;
    job->u.CHACHA20_POLY1305.aad_len_in_bytes = t->aad_len;
    IMB_SUBMIT_JOB_NOCHECK(mgr);
}

static void seal(struct aead *aead, const struct aead_text *texts, unsigned n)
{
    IMB_MGR *mgr = mgr_of(aead);
    struct gcm_context_data gcm;

    for (unsigned i = 0; i < n; i++) {
        const struct aead_text *t = &texts[i];
        uint8_t *tag = t->text + t->len;

        prefetch_ahead(texts, i, n);
        if (t->key->alg == AEAD_AES256_GCM)
            IMB_AES256_GCM_ENC(mgr, gcm_key(t->key), &gcm, t->text, t->text, t->len, t->nonce,
                               t->aad, t->aad_len, tag, AEAD_TAG_LEN);
        else
            submit_chacha(mgr, t, tag, IMB_DIR_ENCRYPT);
    }
    while (IMB_FLUSH_JOB(mgr))
        ;
}

static void open_texts(struct aead *aead, struct aead_text *texts, unsigned n)
{
    IMB_MGR *mgr = mgr_of(aead);
    struct gcm_context_data gcm;
    uint8_t tags[AEAD_BURST_MAX][AEAD_TAG_LEN];

    for (unsigned i = 0; i < n; i++) {
        struct aead_text *t = &texts[i];

        prefetch_ahead(texts, i, n);
        if (t->key->alg == AEAD_AES256_GCM)
            IMB_AES256_GCM_DEC(mgr, gcm_key(t->key), &gcm, t->text, t->text, t->len, t->nonce,
                               t->aad, t->aad_len, tags[i], AEAD_TAG_LEN);
        else
            submit_chacha(mgr, t, tags[i], IMB_DIR_DECRYPT);
    }
    while (IMB_FLUSH_JOB(mgr))
        ;
    for (unsigned i = 0; i < n; i++)
        texts[i].ok = crypto_verify_16(tags[i], texts[i].text + texts[i].len) == 0;
}

#else

static struct aead *create(void)
{
    errno = ENOTSUP;
    return NULL;
}

#endif

const struct aead_vtable aead_ipsec_mb = {
    .create = create,
#ifdef __x86_64__
    .destroy = destroy,
    .expand = expand,
    .seal = seal,
    .open = open_texts,
#endif
};
