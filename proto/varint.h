/* Variable-length integers of RFC 9000 section 16: 1, 2, 4 or 8 bytes, up to 2^62 - 1. */
#ifndef PROTO_VARINT_H
#define PROTO_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

#define VARINT_MAX ((UINT64_C(1) << 62) - 1)

/* Bytes the shortest encoding of v takes; v <= VARINT_MAX. */
static inline size_t varint_size(uint64_t v)
{
    return v < 1 << 6 ? 1 : v < 1 << 14 ? 2 : v < 1 << 30 ? 4 : 8;
}

/* Store v (<= VARINT_MAX) at p, which has varint_size(v) bytes of room; returns the byte behind. */
uint8_t *varint_put(uint8_t *p, uint64_t v);

/* As varint_get for fewer than 8 bytes at p; returns the byte behind the varint, NULL when it is
 * cut. */
const uint8_t *varint_get_near_end(const uint8_t *p, const uint8_t *end, uint64_t *v);

/* Load one varint from [*p, end) and advance *p behind it. False, *p unchanged, when it is cut
 * short. Encodings longer than needed are accepted, as in QUIC. */
static inline bool varint_get(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
    const uint8_t *q = *p;

    if (q < end && *q < 64) { /* ids mostly: a branch is cheaper than what follows */
        *v = *q;
        *p = q + 1;
        return true;
    }
    if (__builtin_expect(end - q >= 8, 1)) { /* any varint fits: no branch on its length */
        unsigned size = 1u << (*q >> 6);

        *v = (be64_load(q) & VARINT_MAX) >> (64 - 8 * size);
        *p = q + size;
        return true;
    }
    uint64_t value; /* so that *v may be in a register */

    q = varint_get_near_end(q, end, &value);
    if (!q)
        return false;
    *v = value;
    *p = q;
    return true;
}

#endif
