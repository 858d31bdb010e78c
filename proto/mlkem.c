/* ML-KEM-768 of our own, for a libcrypto that has none (mlkem_libcrypto.c serves the others).
 * Follows FIPS 203 step by step; libcrypto does the hashing. No branch or address depends on a
 * secret. */
#include "mlkem.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "mlkem_poly.h"

#if OPENSSL_VERSION_NUMBER < 0x30500000L

enum {
    K = POLY_RANK,
    DU = 10, /* bits of a compressed coefficient of u and v */
    DV = 4,
    U_LEN = 32 * DU,
    SYM_LEN = 32, /* every seed, hash and message */
    /* where the parts of a decapsulation key begin: s, ek = t || rho, H(ek), z */
    DK_EK = K * POLY_ENCODED_LEN,
    DK_HASH = DK_EK + MLKEM_EK_LEN,
    DK_Z = DK_HASH + SYM_LEN,
    EK_RHO = K * POLY_ENCODED_LEN,
    /* XOF bytes a uniform polynomial is first tried with: 3 blocks, too few once in 120 times;
     * then the 280 rounds of appendix B, too few with probability 2^-261 */
    UNIFORM_FIRST = 504,
    UNIFORM_ALL = 840,
};

static_assert(MLKEM_EK_LEN == EK_RHO + SYM_LEN, "ek = t || rho");
static_assert(MLKEM_DK_LEN == DK_Z + SYM_LEN, "dk = s || ek || H(ek) || z");
static_assert(MLKEM_CT_LEN == K * U_LEN + 32 * DV, "ct = u || v");

/* ---- hashing ---- */

/* Fetched once and kept: a fetch by name for every hash would cost more than the hash. */
static EVP_MD *sha3_256, *sha3_512, *shake128, *shake256;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    sha3_256 = EVP_MD_fetch(NULL, "SHA3-256", NULL);
    sha3_512 = EVP_MD_fetch(NULL, "SHA3-512", NULL);
    shake128 = EVP_MD_fetch(NULL, "SHAKE128", NULL);
    shake256 = EVP_MD_fetch(NULL, "SHAKE256", NULL);
}

/* The hashes of one operation. A failure of libcrypto (out of memory) sticks until hasher_end. */
struct hasher {
    EVP_MD_CTX *ctx;
    bool ok;
};

static void hasher_begin(struct hasher *h)
{
    pthread_once(&fetched, fetch);
    h->ctx = EVP_MD_CTX_new();
    h->ok = h->ctx && sha3_256 && sha3_512 && shake128 && shake256;
}

static int hasher_end(struct hasher *h)
{
    EVP_MD_CTX_free(h->ctx);
    return h->ok ? 0 : -ENOMEM;
}

static void absorb(struct hasher *h, const EVP_MD *md, const void *a, size_t a_len, const void *b,
                   size_t b_len)
{
    h->ok = h->ok && EVP_DigestInit_ex(h->ctx, md, NULL) && EVP_DigestUpdate(h->ctx, a, a_len) &&
            EVP_DigestUpdate(h->ctx, b, b_len);
}

/* H(a) */
static void hash_h(struct hasher *h, uint8_t out[SYM_LEN], const void *a, size_t a_len)
{
    absorb(h, sha3_256, a, a_len, NULL, 0);
    h->ok = h->ok && EVP_DigestFinal_ex(h->ctx, out, NULL);
}

/* G(a || b), a of SYM_LEN bytes */
static void hash_g(struct hasher *h, uint8_t out[2 * SYM_LEN], const uint8_t a[SYM_LEN],
                   const void *b, size_t b_len)
{
    absorb(h, sha3_512, a, SYM_LEN, b, b_len);
    h->ok = h->ok && EVP_DigestFinal_ex(h->ctx, out, NULL);
}

/* XOF, PRF and J: seed || b through a SHAKE */
static void shake(struct hasher *h, const EVP_MD *md, uint8_t *out, size_t len,
                  const uint8_t seed[SYM_LEN], const void *b, size_t b_len)
{
    absorb(h, md, seed, SYM_LEN, b, b_len);
    h->ok = h->ok && EVP_DigestFinalXOF(h->ctx, out, len);
}

/* ---- sampling ---- */

static void sample_uniform(struct hasher *h, struct poly *p, const uint8_t rho[SYM_LEN],
                           unsigned column, unsigned row)
{
    const uint8_t at[2] = {(uint8_t)column, (uint8_t)row};
    uint8_t stream[UNIFORM_ALL];

    shake(h, shake128, stream, UNIFORM_FIRST, rho, at, sizeof(at));
    if (h->ok && poly_sample_uniform(p, stream, UNIFORM_FIRST) == 0)
        return;
    shake(h, shake128, stream, UNIFORM_ALL, rho, at, sizeof(at));
    h->ok = h->ok && poly_sample_uniform(p, stream, UNIFORM_ALL) == 0;
}

static void sample_noise(struct hasher *h, struct poly *p, const uint8_t seed[SYM_LEN], uint8_t n)
{
    uint8_t stream[POLY_CBD_LEN];

    shake(h, shake256, stream, sizeof(stream), seed, &n, 1);
    poly_sample_noise(p, stream);
    sodium_memzero(stream, sizeof(stream));
}

/* ---- K-PKE (section 5) ---- */

/* K-PKE.KeyGen: s into dk, t || rho into ek. */
static void pke_keygen(struct hasher *h, uint8_t *ek, uint8_t *dk, const uint8_t d[SYM_LEN])
{
    const uint8_t rank = K;
    uint8_t seeds[2 * SYM_LEN]; /* rho || sigma */
    struct poly s[K], row[K], t, e;

    hash_g(h, seeds, d, &rank, 1);
    memcpy(ek + EK_RHO, seeds, SYM_LEN);
    for (unsigned i = 0; i < K; i++) {
        sample_noise(h, &s[i], seeds + SYM_LEN, i);
        poly_ntt(&s[i]);
        poly_encode(dk + i * POLY_ENCODED_LEN, &s[i]);
    }
    for (unsigned i = 0; i < K; i++) {
        for (unsigned j = 0; j < K; j++)
            sample_uniform(h, &row[j], seeds, j, i);
        poly_dot(&t, row, s);
        sample_noise(h, &e, seeds + SYM_LEN, K + i);
        poly_ntt(&e);
        poly_add(&t, &e);
        poly_encode(ek + i * POLY_ENCODED_LEN, &t);
    }
    sodium_memzero(seeds, sizeof(seeds));
    sodium_memzero(s, sizeof(s));
    sodium_memzero(&e, sizeof(e));
}

/* K-PKE.Encrypt of message m with randomness r for t || rho. */
static void pke_encrypt(struct hasher *h, uint8_t *ct, const struct poly t[K],
                        const uint8_t rho[SYM_LEN], const uint8_t m[SYM_LEN],
                        const uint8_t r[SYM_LEN])
{
    struct poly y[K], column[K], sum, e;

    for (unsigned i = 0; i < K; i++) {
        sample_noise(h, &y[i], r, i);
        poly_ntt(&y[i]);
    }
    for (unsigned i = 0; i < K; i++) {
        for (unsigned j = 0; j < K; j++)
            sample_uniform(h, &column[j], rho, i, j);
        poly_dot(&sum, column, y);
        poly_inverse_ntt(&sum);
        sample_noise(h, &e, r, K + i);
        poly_add(&sum, &e);
        poly_compress(ct + i * U_LEN, &sum, DU);
    }
    poly_dot(&sum, t, y);
    poly_inverse_ntt(&sum);
    sample_noise(h, &e, r, 2 * K);
    poly_add(&sum, &e);
    poly_decompress(&e, m, 1);
    poly_add(&sum, &e);
    poly_compress(ct + K * U_LEN, &sum, DV);
    sodium_memzero(y, sizeof(y));
    sodium_memzero(&sum, sizeof(sum));
    sodium_memzero(&e, sizeof(e));
}

/* K-PKE.Decrypt */
static void pke_decrypt(uint8_t m[SYM_LEN], const uint8_t *dk, const uint8_t *ct)
{
    struct poly s[K], u[K], v, w;

    for (unsigned i = 0; i < K; i++) {
        poly_decode(&s[i], dk + i * POLY_ENCODED_LEN);
        poly_decompress(&u[i], ct + i * U_LEN, DU);
        poly_ntt(&u[i]);
    }
    poly_dot(&w, s, u);
    poly_inverse_ntt(&w);
    poly_decompress(&v, ct + K * U_LEN, DV);
    poly_subtract(&v, &w);
    poly_compress(m, &v, 1);
    sodium_memzero(s, sizeof(s));
    sodium_memzero(&v, sizeof(v));
    sodium_memzero(&w, sizeof(w));
}

/* ---- ML-KEM (sections 6 and 7) ---- */

int mlkem768_keygen(uint8_t ek[MLKEM_EK_LEN], uint8_t dk[MLKEM_DK_LEN],
                    const uint8_t seed[MLKEM_SEED_LEN])
{
    struct hasher h;

    hasher_begin(&h);
    pke_keygen(&h, ek, dk, seed);
    memcpy(dk + DK_EK, ek, MLKEM_EK_LEN);
    hash_h(&h, dk + DK_HASH, ek, MLKEM_EK_LEN);
    memcpy(dk + DK_Z, seed + SYM_LEN, SYM_LEN);
    return hasher_end(&h);
}

int mlkem768_encaps(uint8_t ct[MLKEM_CT_LEN], uint8_t ss[MLKEM_SS_LEN],
                    const uint8_t ek[MLKEM_EK_LEN], const uint8_t m[MLKEM_RANDOM_LEN])
{
    uint8_t ek_hash[SYM_LEN], secrets[2 * SYM_LEN]; /* shared secret || r */
    struct poly t[K];
    struct hasher h;

    for (unsigned i = 0; i < K; i++) {
        poly_decode(&t[i], ek + i * POLY_ENCODED_LEN);
        if (!poly_is_canonical(&t[i]))
            return -EINVAL;
    }
    hasher_begin(&h);
    hash_h(&h, ek_hash, ek, MLKEM_EK_LEN);
    hash_g(&h, secrets, m, ek_hash, sizeof(ek_hash));
    pke_encrypt(&h, ct, t, ek + EK_RHO, m, secrets + SYM_LEN);
    memcpy(ss, secrets, MLKEM_SS_LEN);
    sodium_memzero(secrets, sizeof(secrets));
    return hasher_end(&h);
}

/* ss = equal ? accepted : rejected, in constant time; `equal` is 0 or 1. */
static void select_secret(uint8_t ss[SYM_LEN], const uint8_t accepted[SYM_LEN],
                          const uint8_t rejected[SYM_LEN], unsigned equal)
{
    uint8_t mask = (uint8_t)(0 - equal);

    __asm__("" : "+r"(mask)); /* the compiler must not learn that it is all or nothing */
    for (unsigned i = 0; i < SYM_LEN; i++)
        ss[i] = rejected[i] ^ (mask & (accepted[i] ^ rejected[i]));
}

int mlkem768_decaps(uint8_t ss[MLKEM_SS_LEN], const uint8_t dk[MLKEM_DK_LEN],
                    const uint8_t ct[MLKEM_CT_LEN])
{
    const uint8_t *ek = dk + DK_EK;
    /* zeros, in case that hashing fails */
    uint8_t ek_hash[SYM_LEN], m[SYM_LEN], secrets[2 * SYM_LEN] = {0}, rejected[SYM_LEN] = {0};
    uint8_t expected[MLKEM_CT_LEN];
    struct poly t[K];
    struct hasher h;

    hasher_begin(&h);
    hash_h(&h, ek_hash, ek, MLKEM_EK_LEN);
    if (h.ok && memcmp(ek_hash, dk + DK_HASH, SYM_LEN) != 0) {
        hasher_end(&h);
        return -EINVAL;
    }
    pke_decrypt(m, dk, ct);
    hash_g(&h, secrets, m, dk + DK_HASH, SYM_LEN);
    shake(&h, shake256, rejected, sizeof(rejected), dk + DK_Z, ct, MLKEM_CT_LEN);
    for (unsigned i = 0; i < K; i++)
        poly_decode(&t[i], ek + i * POLY_ENCODED_LEN);
    pke_encrypt(&h, expected, t, ek + EK_RHO, m, secrets + SYM_LEN);
    select_secret(ss, secrets, rejected, (unsigned)(1 + sodium_memcmp(expected, ct, MLKEM_CT_LEN)));
    sodium_memzero(m, sizeof(m));
    sodium_memzero(secrets, sizeof(secrets));
    sodium_memzero(rejected, sizeof(rejected));
    sodium_memzero(expected, sizeof(expected));
    return hasher_end(&h);
}

#endif
