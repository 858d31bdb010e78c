#include "sockaddr.h"

#include <string.h>

socklen_t sockaddr_store(union sockaddr_any *s, const jp_address *address)
{
    memset(s, 0, sizeof(*s));
    switch (address->family) {
    case JP_IPV4:
        s->v4.sin_family = AF_INET;
        s->v4.sin_port = htons(address->port);
        memcpy(&s->v4.sin_addr, address->bytes, 4);
        return sizeof(s->v4);
    case JP_IPV6:
        s->v6.sin6_family = AF_INET6;
        s->v6.sin6_port = htons(address->port);
        s->v6.sin6_scope_id = address->scope;
        memcpy(&s->v6.sin6_addr, address->bytes, 16);
        return sizeof(s->v6);
    default:
        return 0;
    }
}

jp_address sockaddr_load(const union sockaddr_any *s)
{
    jp_address a = {0};

    if (s->any.sa_family == AF_INET) {
        a.family = JP_IPV4;
        a.port = ntohs(s->v4.sin_port);
        memcpy(a.bytes, &s->v4.sin_addr, 4);
    } else if (s->any.sa_family == AF_INET6) {
        a.family = JP_IPV6;
        a.port = ntohs(s->v6.sin6_port);
        a.scope = s->v6.sin6_scope_id;
        memcpy(a.bytes, &s->v6.sin6_addr, 16);
    }
    return a;
}
