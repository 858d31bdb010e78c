#include "varint.h"

uint8_t *varint_put(uint8_t *p, uint64_t v)
{
    switch (varint_size(v)) {
    case 1:
        p[0] = (uint8_t)v;
        return p + 1;
    case 2:
        be16_store(p, (uint16_t)(v | 0x4000));
        return p + 2;
    case 4:
        be32_store(p, (uint32_t)v | 0x80000000);
        return p + 4;
    default:
        be64_store(p, v | UINT64_C(0xc000000000000000));
        return p + 8;
    }
}

const uint8_t *varint_get_near_end(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
    if (p == end)
        return NULL;
    size_t size = (size_t)1 << (*p >> 6);
    uint64_t value = *p & 0x3f;

    if ((size_t)(end - p) < size)
        return NULL;
    for (size_t i = 1; i < size; i++)
        value = value << 8 | p[i];
    *v = value;
    return p + size;
}
