/* Parts of address texts, shared by parsing and name lookup. */
#ifndef CLIENT_ADDRESS_H
#define CLIENT_ADDRESS_H

#include <jetplane/address.h>

enum { HOST_TEXT = 256 }; /* a DNS name and its NUL */

/* Split "host", "host:port", "[host]:port", or a bare IPv6 address (more than one colon) into host
 * and port. */
int address_split(const char *text, uint16_t default_port, char host[HOST_TEXT], uint16_t *port,
                  const char *what);

#endif
