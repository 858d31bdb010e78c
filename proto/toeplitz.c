#include "toeplitz.h"
#include "bytes.h"

uint32_t toeplitz_spi(const uint8_t key[TOEPLITZ_KEY_LEN], uint32_t spi)
{
    uint64_t window = be64_load(key);
    uint32_t hash = 0;

    /* every set bit of the input, first bit first, adds the 32 bits of key that begin at its place
     */
    for (unsigned i = 0; i < 32; i++)
        hash ^= (uint32_t)(window >> (32 - i)) & -(spi >> (31 - i) & 1);
    return hash;
}
