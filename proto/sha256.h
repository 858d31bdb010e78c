/* SHA-256 by libcrypto's SHA256_Init, _Update and _Final: its code uses the CPU's SHA instructions,
 * libsodium's does not, and these neither allocate nor fail. Deprecated in favour of EVP, which
 * does both. */
#ifndef PROTO_SHA256_H
#define PROTO_SHA256_H

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#endif
