/* Reproducible randomness for the handshake: SHA-256(label || n (u32)), n = 0, 1, 2 ... one after
 * another. */
#ifndef TESTS_FIXED_RANDOM_H
#define TESTS_FIXED_RANDOM_H

#include <sodium.h>
#include <string.h>

#include "bytes.h"
#include "handshake.h"

struct fixed_random {
    char label[32];
    uint32_t n;    /* blocks made */
    uint32_t left; /* bytes of block not yet handed out */
    uint8_t block[crypto_hash_sha256_BYTES];
};

static void fixed_random_fill(void *arg, uint8_t *out, size_t len)
{
    struct fixed_random *r = arg;

    for (size_t i = 0; i < len; i++) {
        if (r->left == 0) {
            uint8_t text[sizeof(r->label) + 4];
            size_t label_len = strlen(r->label);

            memcpy(text, r->label, label_len);
            be32_store(text + label_len, r->n++);
            crypto_hash_sha256(r->block, text, label_len + 4);
            r->left = sizeof(r->block);
        }
        out[i] = r->block[sizeof(r->block) - r->left--];
    }
}

static inline struct hs_random fixed_random_of(struct fixed_random *r)
{
    return (struct hs_random){.fill = fixed_random_fill, .arg = r};
}

#endif
