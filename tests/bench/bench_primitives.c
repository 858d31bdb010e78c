/* Runs the primitives of a handshake a fixed number of times, by libsodium and by libcrypto in
 * turn: which library proto/ uses for which was chosen by these figures. */
#include <openssl/evp.h>
#include <sodium.h>

#include "report.h"
#include "stopwatch.h"

static const char usage[] = "usage: bench_primitives [--json] COUNT    of each, in turn\n";

enum { TRANSCRIPT = 2512 }; /* what T0 hashes */

static uint8_t secret[32], public[32], peer[32], shared[32], signature[64], hash[32];
static uint8_t ed_public[32], ed_secret[64], text[TRANSCRIPT];
static EVP_PKEY *ed_key;
static EVP_MD_CTX *sign_ctx, *md_ctx;
static EVP_MD *sha256;

static int sodium_keygen(void)
{
    return crypto_scalarmult_base(public, secret) == 0;
}

static int crypto_keygen(void)
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, sizeof(secret));
    size_t len = sizeof(public);
    int ok = key && EVP_PKEY_get_raw_public_key(key, public, &len);

    EVP_PKEY_free(key);
    return ok;
}

static int sodium_agree(void)
{
    return crypto_scalarmult(shared, secret, peer) == 0;
}

/* Key generation included: libcrypto computes the public key of a secret that comes in. */
static int crypto_keygen_agree(void)
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, sizeof(secret));
    EVP_PKEY *other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, sizeof(peer));
    EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    size_t len = sizeof(shared);
    int ok = other && ctx && EVP_PKEY_derive_init(ctx) == 1 &&
             EVP_PKEY_derive_set_peer(ctx, other) == 1 && EVP_PKEY_derive(ctx, shared, &len) == 1;

    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(other);
    EVP_PKEY_free(key);
    return ok;
}

static int sodium_sign(void)
{
    return crypto_sign_detached(signature, NULL, text, 60, ed_secret) == 0;
}

static int crypto_ed25519_sign(void)
{
    size_t len = sizeof(signature);

    return EVP_MD_CTX_reset(sign_ctx) &&
           EVP_DigestSignInit(sign_ctx, NULL, NULL, NULL, ed_key) == 1 &&
           EVP_DigestSign(sign_ctx, signature, &len, text, 60) == 1;
}

static int sodium_sha256(void)
{
    return crypto_hash_sha256(hash, text, sizeof(text)) == 0;
}

static int crypto_sha256(void)
{
    return EVP_DigestInit_ex(md_ctx, sha256, NULL) &&
           EVP_DigestUpdate(md_ctx, text, sizeof(text)) && EVP_DigestFinal_ex(md_ctx, hash, NULL);
}

static const struct {
    const char *name;
    int (*run)(void);
} work[] = {
    {"x25519_keygen.libsodium", sodium_keygen},
    {"x25519_keygen.libcrypto", crypto_keygen},
    {"x25519_agree.libsodium", sodium_agree},
    {"x25519_keygen_agree.libcrypto", crypto_keygen_agree},
    {"ed25519_sign.libsodium", sodium_sign},
    {"ed25519_sign.libcrypto", crypto_ed25519_sign},
    {"sha256_2512.libsodium", sodium_sha256},
    {"sha256_2512.libcrypto", crypto_sha256},
};
enum { WORK = sizeof(work) / sizeof(work[0]) };

static void prepare(void)
{
    if (sodium_init() < 0)
        report_fail("no libsodium");
    randombytes_buf(secret, sizeof(secret));
    randombytes_buf(text, sizeof(text));
    crypto_scalarmult_base(peer, text);
    crypto_sign_keypair(ed_public, ed_secret);
    ed_key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, ed_secret, 32);
    sign_ctx = EVP_MD_CTX_new();
    md_ctx = EVP_MD_CTX_new();
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!ed_key || !sign_ctx || !md_ctx || !sha256)
        report_fail("no libcrypto");
}

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    if (argc != 2)
        report_usage("wrong number of arguments");
    unsigned long count = report_number(argv[1], 1, 10000000);
    uint64_t *ns = calloc(WORK * count, sizeof(*ns));

    if (!ns)
        report_fail("out of memory");
    prepare();
    for (unsigned long i = 0; i < count; i++) {
        for (unsigned w = 0; w < WORK; w++) {
            uint64_t start = stopwatch_cpu();

            if (!work[w].run())
                report_fail(work[w].name);
            ns[w * count + i] = stopwatch_cpu() - start;
        }
    }
    for (unsigned w = 0; w < WORK; w++)
        report(work[w].name, (double)report_median(ns + w * count, count) / 1000, "us");
    report_end();
    free(ns);
    EVP_PKEY_free(ed_key);
    EVP_MD_CTX_free(sign_ctx);
    EVP_MD_CTX_free(md_ctx);
    EVP_MD_free(sha256);
    return 0;
}
