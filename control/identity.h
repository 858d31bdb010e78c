/* The server's long-term Ed25519 key: a file of the 32-byte seed, mode 0600, made on first use. */
#ifndef CONTROL_IDENTITY_H
#define CONTROL_IDENTITY_H

#include <stdint.h>

#include "handshake.h"

/* Load the key from path, making file and directory when there is none. `secret` should be locked
 * memory. Refuses a file that others may read or that has another size. 0 or -errno, said in the
 * log. */
int identity_load(const char *path, uint8_t identity[HS_IDENTITY_LEN], uint8_t secret[64]);

#endif
