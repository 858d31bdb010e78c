/* What a backend of aead.h provides. Private to aead*.c and their test, which drives the ciphers
 * with free nonces and AAD through it. */
#ifndef PROTO_AEAD_BACKEND_H
#define PROTO_AEAD_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "aead.h"

struct aead_vtable {
    /* New per-thread state; NULL with errno ENOTSUP or ENOMEM. */
    struct aead *(*create)(void);
    void (*destroy)(struct aead *aead);
    /* Fill key->expanded; key->alg is set. */
    void (*expand)(struct aead *aead, struct aead_key *key, const uint8_t secret[AEAD_KEY_LEN]);
    /* n <= AEAD_BURST_MAX, of any mix of keys and algorithms. */
    void (*seal)(struct aead *aead, const struct aead_text *texts, unsigned n);
    void (*open)(struct aead *aead, struct aead_text *texts, unsigned n);
};

/* Every backend's state begins with this. */
struct aead {
    const struct aead_vtable *vtable;
};

extern const struct aead_vtable aead_ipsec_mb;
extern const struct aead_vtable aead_sodium;     /* libsodium for both ciphers */
extern const struct aead_vtable aead_sodium_evp; /* the same with libcrypto's AES-256-GCM */

#endif
