/* Variable-length integers of RFC 9000 section 16: 1, 2, 4 or 8 bytes, up to 2^62 - 1. */
#ifndef PROTO_VARINT_H
#define PROTO_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX ((UINT64_C(1) << 62) - 1)

/* Bytes the shortest encoding of v takes; v <= VARINT_MAX. */
size_t varint_size(uint64_t v);

/* Store v (<= VARINT_MAX) at p, which has varint_size(v) bytes of room; returns the byte after it. */
uint8_t *varint_put(uint8_t *p, uint64_t v);

/* Load one varint from [*p, end) and advance *p behind it. False, *p unchanged, when it is cut short.
 * Encodings longer than needed are accepted, as in QUIC. */
bool varint_get(const uint8_t **p, const uint8_t *end, uint64_t *v);

#endif
