/* ML-KEM-768 (FIPS 203). libcrypto's where it has it (OpenSSL >= 3.5), else ours; both constant
 * time. Every function is deterministic: the caller brings the randomness. Safe on any thread. */
#ifndef PROTO_MLKEM_H
#define PROTO_MLKEM_H

#include <stdint.h>

enum {
    MLKEM_EK_LEN = 1184,   /* encapsulation (public) key */
    MLKEM_DK_LEN = 2400,   /* decapsulation (private) key, expanded as FIPS 203 stores it */
    MLKEM_CT_LEN = 1088,   /* ciphertext */
    MLKEM_SS_LEN = 32,     /* shared secret */
    MLKEM_SEED_LEN = 64,   /* key generation: d || z */
    MLKEM_RANDOM_LEN = 32, /* encapsulation: m */
};

/* ML-KEM.KeyGen_internal(d, z) of seed = d || z. 0, or -ENOMEM. */
int mlkem768_keygen(uint8_t ek[MLKEM_EK_LEN], uint8_t dk[MLKEM_DK_LEN],
                    const uint8_t seed[MLKEM_SEED_LEN]);

/* ML-KEM.Encaps with randomness m. 0, -EINVAL when ek holds a coefficient not below 3329 (the
 * modulus check of section 7.2), or -ENOMEM. On error ct and ss are undefined. */
int mlkem768_encaps(uint8_t ct[MLKEM_CT_LEN], uint8_t ss[MLKEM_SS_LEN],
                    const uint8_t ek[MLKEM_EK_LEN], const uint8_t m[MLKEM_RANDOM_LEN]);

/* ML-KEM.Decaps. A forged ct gives a pseudorandom ss (implicit rejection), not an error. 0, -EINVAL
 * when dk fails its hash check (section 7.3), or -ENOMEM. */
int mlkem768_decaps(uint8_t ss[MLKEM_SS_LEN], const uint8_t dk[MLKEM_DK_LEN],
                    const uint8_t ct[MLKEM_CT_LEN]);

#endif
