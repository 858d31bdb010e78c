/* Between the addresses of UDP packets and the paths of the protocol core. Where a data plane keeps
 * what its port needs, MAC addresses, a path has here what a socket needs: its place among the
 * endpoint's sockets, and the scope of a link-local peer. */
#ifndef CLIENT_ROUTE_H
#define CLIENT_ROUTE_H

#include <string.h>

#include <jetplane/ipc.h>

#include "udp.h"

/* From local, on the socket of that place, to peer. A local without address, or a wildcard, leaves
 * it to the kernel. */
struct jp_path route_make(const jp_address *local, const jp_address *peer, uint16_t socket);
jp_address route_peer(const struct jp_path *path);
jp_address route_local(const struct jp_path *path);

static inline uint16_t route_socket(const struct jp_path *path)
{
    uint16_t place;

    memcpy(&place, path->our_mac, sizeof(place));
    return place;
}

#endif
