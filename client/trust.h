/* Whether a server is believed. */
#ifndef CLIENT_TRUST_H
#define CLIENT_TRUST_H

#include <stdbool.h>

#include <jetplane/identity.h>

jp_trust *trust_hold(jp_trust *trust);
/* The server called `name` proved that it has this key. If it is not believed jp_error_detail()
 * says why. */
bool trust_decide(const jp_trust *trust, const char *name, const jp_key *key);

#endif
