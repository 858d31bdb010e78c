/* Big-endian load and store, the only way this code reads or writes integers on the wire; and a way
 * through a buffer. */
#ifndef PROTO_BYTES_H
#define PROTO_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The n bytes at *p, which moves behind them; NULL when there are fewer before end. */
static inline const uint8_t *bytes_take(const uint8_t **p, const uint8_t *end, uint64_t n)
{
    const uint8_t *at = *p;

    if ((uint64_t)(end - at) < n)
        return NULL;
    *p = at + n;
    return at;
}

static inline uint16_t be16_load(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap16(v);
#endif
    return v;
}

static inline uint32_t be32_load(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

static inline uint64_t be64_load(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline void be16_store(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void be32_store(uint8_t *p, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    memcpy(p, &v, sizeof(v));
}

static inline void be64_store(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof(v));
}

#endif
