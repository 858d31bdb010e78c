/* A server's key pair, as the handshake needs it. */
#ifndef CLIENT_IDENTITY_H
#define CLIENT_IDENTITY_H

#include <stdatomic.h>

#include <jetplane/identity.h>

struct jp_identity {
    atomic_uint users;
    jp_key key;
    uint8_t secret[64]; /* Ed25519, libsodium's layout */
};

jp_identity *identity_hold(jp_identity *identity);

#endif
