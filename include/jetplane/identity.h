/* Who a server is, and whom a client believes. A server has a key pair (Ed25519); clients know its
 * public part beforehand, or keep it when they meet the server, or ask the program.
 *
 * These objects belong to no loop. They never change, are used from any thread, and are counted: a
 * context that uses one keeps it, so it may be freed as soon as the context has it. */
#ifndef JETPLANE_IDENTITY_H
#define JETPLANE_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    JP_KEY_BYTES = 32,
    JP_KEY_TEXT = 65, /* room for a public key in hexadecimal, with its NUL */
};

/* A server's public key. */
typedef struct jp_key {
    uint8_t bytes[JP_KEY_BYTES];
} jp_key;

/* 64 hexadecimal digits, either case, spaces around them allowed; JP_IDENTITY_SYNTAX. */
int jp_key_parse(jp_key *key, const char *text);
/* Write what jp_key_parse reads into out[JP_KEY_TEXT]. */
void jp_key_format(const jp_key *key, char out[JP_KEY_TEXT]);

/* ---- servers ---- */

typedef struct jp_identity jp_identity;

/* Load the key file of a server: 32 bytes, of this user and for nobody else (mode 0600), else
 * JP_IDENTITY_FILE. With `create` a missing one is made, with a new key. Path NULL: a new key in
 * memory only. */
int jp_identity_open(jp_identity **identity, const char *path, int create);
void jp_identity_free(jp_identity *identity); /* NULL is fine */
jp_key jp_identity_key(const jp_identity *identity);

/* ---- clients ---- */

typedef struct jp_trust jp_trust;

/* Believe the server with this key and no other. */
int jp_trust_pin(jp_trust **trust, const jp_key *key);

/* Believe the servers listed in a file, like known_hosts: a line for each, its name (as it was
 * given to connect, "host:port") and its key; empty lines and those that begin with # mean nothing.
 * The file is read anew for every decision. A server that is listed with other keys is refused; one
 * that is not listed at all is refused too, or, with `add_unknown`, believed and added. */
int jp_trust_file(jp_trust **trust, const char *path, int add_unknown);

/* Ask: not 0 to believe the server called `name`. It answers at once, in any thread that connects,
 * and calls nothing of the session's. The argument outlives the trust. */
typedef int jp_trust_decide(void *argument, const char *name, const jp_key *key);
int jp_trust_callback(jp_trust **trust, jp_trust_decide *decide, void *argument);

void jp_trust_free(jp_trust *trust); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
