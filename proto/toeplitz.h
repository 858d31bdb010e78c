/* The Toeplitz hash that NICs use for RSS, over the one input Jetplane steers by: a 4-byte SPI, big
 * endian. */
#ifndef PROTO_TOEPLITZ_H
#define PROTO_TOEPLITZ_H

#include <stdint.h>

enum { TOEPLITZ_KEY_LEN = 52 };

uint32_t toeplitz_spi(const uint8_t key[TOEPLITZ_KEY_LEN], uint32_t spi);

#endif
