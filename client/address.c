#include "address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"

/* A decimal number of digits only, up to max. */
static bool read_number(const char *text, unsigned long max, unsigned long *value)
{
    size_t digits = strspn(text, "0123456789");

    if (!digits || text[digits])
        return false;
    *value = strtoul(text, NULL, 10); /* too large: ULONG_MAX */
    return *value <= max;
}

int address_split(const char *text, uint16_t default_port, char host[HOST_TEXT], uint16_t *port,
                  const char *what)
{
    const char *begin = text, *end, *colon = strchr(text, ':');
    unsigned long number = default_port;
    size_t length;

    if (*text == '[') {
        begin = text + 1;
        end = strchr(begin, ']');
        if (!end)
            return failure(JP_ADDRESS_SYNTAX, what, "\"%s\" has no closing bracket", text);
        colon = end[1] ? end + 1 : NULL;
    } else {
        if (colon && strchr(colon + 1, ':')) /* IPv6 without brackets has no port */
            colon = NULL;
        end = colon ? colon : text + strlen(text);
    }
    if (colon && (*colon != ':' || !read_number(colon + 1, 65535, &number)))
        return failure(JP_ADDRESS_SYNTAX, what, "\"%s\" in \"%s\" is not \":port\"", colon, text);
    length = (size_t)(end - begin);
    if (!length || length >= HOST_TEXT)
        return failure(JP_ADDRESS_SYNTAX, what, "\"%s\" has %s host", text,
                       length ? "too long a" : "no");
    memcpy(host, begin, length);
    host[length] = '\0';
    *port = (uint16_t)number;
    return 0;
}

/* Read "fe80::1%eth0"'s scope, at the percent sign, and cut it off. */
static int read_scope(char *percent, uint32_t *scope)
{
    unsigned long number = if_nametoindex(percent + 1);

    if (!number && !read_number(percent + 1, UINT32_MAX, &number))
        return failure(JP_ADDRESS_INTERFACE, "jp_address_parse", "interface \"%s\"", percent + 1);
    *scope = (uint32_t)number;
    *percent = '\0';
    return 0;
}

int jp_address_parse(jp_address *address, const char *text, uint16_t default_port)
{
    jp_address a = {0};
    char host[HOST_TEXT], *percent;
    int error;

    if (!address || !text)
        return failure(JP_INVALID, __func__, "NULL argument");
    memset(address, 0, sizeof(*address));
    error = address_split(text, default_port, host, &a.port, __func__);
    if (error)
        return error;
    percent = strchr(host, '%');
    if (percent && (error = read_scope(percent, &a.scope)))
        return error;
    if (!percent && *text != '[' && inet_pton(AF_INET, host, a.bytes) == 1)
        a.family = JP_IPV4;
    else if (inet_pton(AF_INET6, host, a.bytes) == 1)
        a.family = JP_IPV6;
    else
        return failure(JP_ADDRESS_SYNTAX, __func__, "\"%s\" is not an IP address", text);
    *address = a;
    return 0;
}

int jp_address_format(const jp_address *address, char *out, size_t size)
{
    bool v6 = address && address->family == JP_IPV6, bracket = v6 && address->port;
    char ip[INET6_ADDRSTRLEN], scope[1 + IF_NAMESIZE] = "", port[8] = "", name[IF_NAMESIZE];
    int n;

    if (!out)
        return failure(JP_INVALID, __func__, "nowhere to write");
    if (size)
        *out = '\0';
    if (!address || (!v6 && address->family != JP_IPV4))
        return failure(JP_INVALID, __func__, "no address");
    inet_ntop(v6 ? AF_INET6 : AF_INET, address->bytes, ip, sizeof(ip));
    if (v6 && address->scope) {
        if (if_indextoname(address->scope, name))
            snprintf(scope, sizeof(scope), "%%%s", name);
        else
            snprintf(scope, sizeof(scope), "%%%u", address->scope);
    }
    if (address->port)
        snprintf(port, sizeof(port), ":%u", address->port);
    n = snprintf(out, size, "%s%s%s%s%s", bracket ? "[" : "", ip, scope, bracket ? "]" : "", port);
    if ((size_t)n < size)
        return 0;
    if (size)
        *out = '\0';
    return failure(JP_INVALID, __func__, "%zu bytes are too few for %d", size, n + 1);
}

int jp_address_compare(const jp_address *a, const jp_address *b)
{
    int order;

    if (!a || !b)
        return (a != NULL) - (b != NULL);
    order = memcmp(a->bytes, b->bytes, sizeof(a->bytes));
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    if (order)
        return order;
    if (a->scope != b->scope)
        return a->scope < b->scope ? -1 : 1;
    return (a->port > b->port) - (a->port < b->port);
}

int jp_address_is_wildcard(const jp_address *address)
{
    static const uint8_t zeros[16];

    return address && address->family && !memcmp(address->bytes, zeros, sizeof(zeros));
}

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

int jp_address_is_v4_mapped(const jp_address *address)
{
    return address && address->family == JP_IPV6 && !memcmp(address->bytes, mapped_prefix, 12);
}

int jp_address_is_loopback(const jp_address *address)
{
    static const uint8_t v6[16] = {[15] = 1};
    jp_address a = address ? jp_address_unmap(*address) : (jp_address){0};

    return a.family == JP_IPV4 ? a.bytes[0] == 127
                               : a.family == JP_IPV6 && !memcmp(a.bytes, v6, sizeof(v6));
}

int jp_address_is_link_local(const jp_address *address)
{
    return address && address->family == JP_IPV6 && address->bytes[0] == 0xfe &&
           (address->bytes[1] & 0xc0) == 0x80;
}

jp_address jp_address_map(jp_address address)
{
    if (address.family != JP_IPV4)
        return address;
    memcpy(address.bytes + 12, address.bytes, 4);
    memcpy(address.bytes, mapped_prefix, 12);
    address.family = JP_IPV6;
    return address;
}

jp_address jp_address_unmap(jp_address address)
{
    if (!jp_address_is_v4_mapped(&address))
        return address;
    memcpy(address.bytes, address.bytes + 12, 4);
    memset(address.bytes + 4, 0, 12);
    address.family = JP_IPV4;
    address.scope = 0;
    return address;
}
