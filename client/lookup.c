/* Host names, by the system's resolver. */
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "address.h"
#include "errors.h"
#include "sockaddr.h"

static int error_of_gai(int gai, const char *host)
{
    int e = errno;

    switch (gai) {
    case EAI_SYSTEM:
        return failure_errno(OP_ADDRESS, e, "jp_address_lookup");
    case EAI_MEMORY:
        return failure(JP_NO_MEMORY, "jp_address_lookup", "looking up \"%s\"", host);
    case EAI_AGAIN:
        return failure(JP_ADDRESS_TRY_AGAIN, "jp_address_lookup", "\"%s\"", host);
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return failure(JP_ADDRESS_UNKNOWN_HOST, "jp_address_lookup", "\"%s\"", host);
    default:
        return failure(JP_ADDRESS_FAILED, "jp_address_lookup", "\"%s\": %s", host,
                       gai_strerror(gai));
    }
}

static int system_family(enum jp_family family)
{
    return family == JP_IPV4 ? AF_INET : family == JP_IPV6 ? AF_INET6 : AF_UNSPEC;
}

/* Copy up to max addresses of the answer, and count them. */
static int take(const struct addrinfo *list, uint16_t port, jp_address *addresses, size_t max)
{
    size_t n = 0;

    for (; list && n < max; list = list->ai_next) {
        union sockaddr_any s;

        if (list->ai_addrlen > sizeof(s))
            continue;
        memcpy(&s, list->ai_addr, list->ai_addrlen);
        addresses[n] = sockaddr_load(&s);
        addresses[n].port = port;
        n += addresses[n].family != JP_NO_FAMILY;
    }
    return (int)n;
}

int jp_address_lookup(const char *text, uint16_t default_port, enum jp_family family,
                      jp_address *addresses, size_t max)
{
    struct addrinfo hints = {.ai_family = system_family(family), .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list;
    char host[HOST_TEXT];
    uint16_t port;
    int n;

    if (!text || !addresses)
        return failure(JP_INVALID, __func__, "NULL argument");
    n = address_split(text, default_port, host, &port, __func__);
    if (n)
        return n;
    if (!max)
        return failure(JP_INVALID, __func__, "room for no address");
    n = getaddrinfo(host, NULL, &hints, &list);
    if (n)
        return error_of_gai(n, host);
    n = take(list, port, addresses, max < JP_ADDRESSES_MAX ? max : JP_ADDRESSES_MAX);
    freeaddrinfo(list);
    return n ? n : failure(JP_ADDRESS_UNKNOWN_HOST, __func__, "\"%s\" has no IP address", host);
}
