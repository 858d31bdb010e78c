/* AEAD in bulk: AES-256-GCM (RFC 4106) and ChaCha20-Poly1305 (RFC 7634) over bursts of data
 * packets. nonce = salt (4) || packet number (8); AAD = SPI (4) || packet number (8). Text is
 * processed in place.
 *
 * Two backends give byte-identical results: intel-ipsec-mb, and libsodium (portable; its
 * AES-256-GCM needs AES-NI, and where it has none libcrypto's is used). */
#ifndef PROTO_AEAD_H
#define PROTO_AEAD_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    AEAD_KEY_LEN = 32,
    AEAD_SALT_LEN = 4,
    AEAD_MATERIAL_LEN = AEAD_KEY_LEN + AEAD_SALT_LEN,
    AEAD_NONCE_LEN = 12,
    AEAD_AAD_LEN = 12,
    AEAD_TAG_LEN = 16,
    AEAD_BURST_MAX = 64,
};

/* Cipher suites, numbered as on the wire. */
enum aead_alg {
    AEAD_AES256_GCM = 1,
    AEAD_CHACHA20_POLY1305 = 2,
};

enum aead_backend {
    AEAD_IPSEC_MB,
    AEAD_SODIUM,
};

/* One expanded key of one backend. Holds secrets: clear with aead_key_wipe. */
struct aead_key {
    alignas(64) uint8_t expanded[1008];
    uint8_t salt[AEAD_SALT_LEN];
    uint8_t alg;
    uint8_t pad[3];
    uint64_t epoch; /* for its owner to know it by (epoch.h); 0 at first */
};

/* One packet. The tag is the AEAD_TAG_LEN bytes behind text[len]. */
struct aead_op {
    const struct aead_key *key;
    uint8_t *text;
    uint64_t pn;
    uint32_t spi;
    uint32_t len;
    bool ok; /* out, aead_open only: the tag was right; if not, text is undefined and must be
                dropped */
};

/* One packet as the ciphers of RFC 8439 and SP 800-38D see it, for who lays out nonce and AAD. The
 * tag lies behind text[len]. */
struct aead_text {
    const struct aead_key *key;
    uint8_t *text;
    const uint8_t *aad;
    uint32_t len;
    uint32_t aad_len;
    uint8_t nonce[AEAD_NONCE_LEN];
    bool ok; /* out, open only */
};

/* Per-thread state of a backend (ipsec-mb keeps its job manager here). */
struct aead;

/* Open a backend for the calling thread; NULL with errno ENOTSUP when the machine lacks it, ENOMEM.
 */
struct aead *aead_new(enum aead_backend backend);
void aead_free(struct aead *aead);
/* The fastest backend this machine has. */
enum aead_backend aead_best(void);
const char *aead_backend_name(enum aead_backend backend);
const char *aead_alg_name(enum aead_alg alg);

/* Expand material = key (32) || salt (4). Cold path; 0 or -EINVAL for an unknown algorithm. */
int aead_key_init(struct aead *aead, struct aead_key *key, enum aead_alg alg,
                  const uint8_t material[AEAD_MATERIAL_LEN]);
void aead_key_wipe(struct aead_key *key);
/* A short text is about to use it, with none before it that would hide the way from memory: have
 * the round keys fetched, and the lowest powers of the hash key, which are at the end of an
 * AES-GCM key of ipsec-mb's with vector AES. For other keys it is more than they need. */
static inline __attribute__((always_inline)) void aead_key_expect(const struct aead_key *key)
{
    for (unsigned at = 0; at < 256; at += 64)
        __builtin_prefetch(key->expanded + at);
    __builtin_prefetch(key->expanded + 896);
    __builtin_prefetch(key->expanded + 960);
}

/* Seal or open n <= AEAD_BURST_MAX packets, of any mix of keys and algorithms. Open compares tags
 * in constant time and sets ok. Neither allocates nor fails. */
void aead_seal(struct aead *aead, struct aead_op *ops, unsigned n);
void aead_open(struct aead *aead, struct aead_op *ops, unsigned n);
/* aead_open of texts. */
void aead_open_texts(struct aead *aead, struct aead_text *texts, unsigned n);

#endif
