/* ML-KEM-768 by a libcrypto that has it; mlkem.c serves the others. */
#include "mlkem.h"

#include <errno.h>
#include <openssl/opensslv.h>
#include <stddef.h>

#if OPENSSL_VERSION_NUMBER >= 0x30500000L

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

static const char algorithm[] = "ML-KEM-768";

/* The errors libcrypto queued are of no use to the caller, who gets -errno. */
static int result(int ok, int error)
{
    if (ok)
        return 0;
    ERR_clear_error();
    return error;
}

int mlkem768_keygen(uint8_t ek[MLKEM_EK_LEN], uint8_t dk[MLKEM_DK_LEN],
                    const uint8_t seed[MLKEM_SEED_LEN])
{
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED, (void *)(uintptr_t)seed,
                                          MLKEM_SEED_LEN),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
    EVP_PKEY *key = NULL;
    size_t ek_len = MLKEM_EK_LEN, dk_len = MLKEM_DK_LEN;
    int ok = ctx && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_params(ctx, params) == 1 &&
             EVP_PKEY_generate(ctx, &key) == 1 &&
             EVP_PKEY_get_raw_public_key(key, ek, &ek_len) == 1 &&
             EVP_PKEY_get_raw_private_key(key, dk, &dk_len) == 1;

    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
    return result(ok, -ENOMEM);
}

int mlkem768_encaps(uint8_t ct[MLKEM_CT_LEN], uint8_t ss[MLKEM_SS_LEN],
                    const uint8_t ek[MLKEM_EK_LEN], const uint8_t m[MLKEM_RANDOM_LEN])
{
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KEM_PARAM_IKME, (void *)(uintptr_t)m,
                                          MLKEM_RANDOM_LEN),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(NULL, algorithm, NULL, ek, MLKEM_EK_LEN);
    EVP_PKEY_CTX *ctx;
    size_t ct_len = MLKEM_CT_LEN, ss_len = MLKEM_SS_LEN;
    int ok;

    if (!key)
        return result(0, -EINVAL);
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    ok = ctx && EVP_PKEY_encapsulate_init(ctx, params) == 1 &&
         EVP_PKEY_encapsulate(ctx, ct, &ct_len, ss, &ss_len) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return result(ok, -ENOMEM);
}

int mlkem768_decaps(uint8_t ss[MLKEM_SS_LEN], const uint8_t dk[MLKEM_DK_LEN],
                    const uint8_t ct[MLKEM_CT_LEN])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, algorithm, NULL, dk, MLKEM_DK_LEN);
    EVP_PKEY_CTX *ctx;
    size_t ss_len = MLKEM_SS_LEN;
    int ok;

    if (!key)
        return result(0, -EINVAL);
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    ok = ctx && EVP_PKEY_decapsulate_init(ctx, NULL) == 1 &&
         EVP_PKEY_decapsulate(ctx, ss, &ss_len, ct, MLKEM_CT_LEN) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return result(ok, -ENOMEM);
}

#endif
