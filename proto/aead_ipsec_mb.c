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
    LINE = 64,
    ROUND_KEYS = offsetof(struct gcm_key_data, ghash_keys),
    GHASH_KEYS = sizeof(((struct gcm_key_data *)0)->ghash_keys),
    TEXT_AHEAD = 16 * LINE, /* more does not pay: the core sees the rest coming */
};

/* GCC takes a function that only prefetches for one without effects and drops calls to it, unless
 * they are inlined before it looks. */
#define PREFETCHES static inline __attribute__((always_inline)) void

PREFETCHES prefetch(const uint8_t *from, const uint8_t *end)
{
    for (uintptr_t line = (uintptr_t)from & ~(uintptr_t)(LINE - 1); line < (uintptr_t)end;
         line += LINE)
        __builtin_prefetch((const void *)line);
}

/* What a text of len bytes needs of a key: the round keys and, with vector AES, as many powers of
 * the hash key as the text has blocks, which are at the end. */
PREFETCHES prefetch_key(const struct aead_key *key, uint32_t len)
{
    const uint8_t *end = key->expanded + ROUND_KEYS + GHASH_KEYS;
    uint32_t powers = len + 2 * 16 < GHASH_KEYS ? len + 2 * 16 : GHASH_KEYS;

    prefetch(key->expanded, key->expanded + ROUND_KEYS);
    prefetch(end - powers, end);
}

/* Have what the next text needs fetched while this one is worked on: many sessions' keys do not fit
 * the caches, and a burst of long texts not the first of them. */
PREFETCHES prefetch_next(const struct aead_text *t, const struct aead_text *end)
{
    const struct aead_text *next = t + 1;

    if (next == end)
        return;
    if (next->key != t->key)
        prefetch_key(next->key, next->len);
    prefetch(next->text, next->text + (next->len < TEXT_AHEAD ? next->len : TEXT_AHEAD));
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

    for (const struct aead_text *t = texts, *end = texts + n; t < end; t++) {
        uint8_t *tag = t->text + t->len;

        if (t->key->alg != AEAD_AES256_GCM) {
            submit_chacha(mgr, t, tag, IMB_DIR_ENCRYPT);
            continue;
        }
        prefetch_next(t, end);
        IMB_AES256_GCM_ENC(mgr, gcm_key(t->key), &gcm, t->text, t->text, t->len, t->nonce, t->aad,
                           t->aad_len, tag, AEAD_TAG_LEN);
    }
    while (IMB_FLUSH_JOB(mgr))
        ;
}

static bool tag_ok(const struct aead_text *t, const uint8_t tag[AEAD_TAG_LEN])
{
    return crypto_verify_16(tag, t->text + t->len) == 0;
}

static void open_texts(struct aead *aead, struct aead_text *texts, unsigned n)
{
    IMB_MGR *mgr = mgr_of(aead);
    struct gcm_context_data gcm;
    uint8_t tags[AEAD_BURST_MAX][AEAD_TAG_LEN];
    unsigned jobs = 0;

    for (struct aead_text *t = texts, *end = texts + n; t < end; t++) {
        uint8_t *tag = tags[t - texts];

        if (t->key->alg != AEAD_AES256_GCM) {
            submit_chacha(mgr, t, tag, IMB_DIR_DECRYPT);
            jobs++;
            continue;
        }
        prefetch_next(t, end);
        IMB_AES256_GCM_DEC(mgr, gcm_key(t->key), &gcm, t->text, t->text, t->len, t->nonce, t->aad,
                           t->aad_len, tag, AEAD_TAG_LEN);
        t->ok = tag_ok(t, tag);
    }
    if (jobs == 0)
        return;
    while (IMB_FLUSH_JOB(mgr))
        ;
    for (unsigned i = 0; i < n; i++)
        if (texts[i].key->alg != AEAD_AES256_GCM)
            texts[i].ok = tag_ok(&texts[i], tags[i]);
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
