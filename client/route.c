#include "route.h"

struct jp_path route_make(const jp_address *local, const jp_address *peer, uint16_t socket)
{
    struct jp_path path = {
        .peer_port = peer->port,
        .our_port = local->port,
        .ip_version = peer->family,
    };
    jp_address mapped = jp_address_map(*peer);

    memcpy(path.peer_ip, mapped.bytes, sizeof(path.peer_ip));
    if (local->family && !jp_address_is_wildcard(local)) {
        mapped = jp_address_map(*local);
        memcpy(path.our_ip, mapped.bytes, sizeof(path.our_ip));
    }
    memcpy(path.peer_mac, &peer->scope, sizeof(peer->scope));
    memcpy(path.our_mac, &socket, sizeof(socket));
    return path;
}

jp_address route_peer(const struct jp_path *path)
{
    jp_address a = {.family = path->ip_version ? JP_IPV6 : JP_NO_FAMILY, .port = path->peer_port};

    memcpy(a.bytes, path->peer_ip, sizeof(a.bytes));
    memcpy(&a.scope, path->peer_mac, sizeof(a.scope));
    return jp_address_unmap(a);
}

jp_address route_local(const struct jp_path *path)
{
    static const uint8_t any[16];
    jp_address a = {.family = path->ip_version, .port = path->our_port};

    if (memcmp(path->our_ip, any, sizeof(any)) == 0)
        return a; /* the wildcard */
    a.family = path->ip_version ? JP_IPV6 : JP_NO_FAMILY;
    memcpy(a.bytes, path->our_ip, sizeof(a.bytes));
    a = jp_address_unmap(a);
    if (jp_address_is_link_local(&a))
        memcpy(&a.scope, path->peer_mac, sizeof(a.scope));
    return a;
}
