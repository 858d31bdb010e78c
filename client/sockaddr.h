/* Between jp_address and the kernel's form. */
#ifndef CLIENT_SOCKADDR_H
#define CLIENT_SOCKADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include <jetplane/address.h>

union sockaddr_any {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Fill s; returns its length, or 0 for no address. */
socklen_t sockaddr_store(union sockaddr_any *s, const jp_address *address);
/* The address in s, as it is: v4-mapped stays so. Another family: all zeros. */
jp_address sockaddr_load(const union sockaddr_any *s);

#endif
