/* Addresses of UDP and TCP: IPv4 or IPv6, scope and port, as plain values; and host names. */
#ifndef JETPLANE_ADDRESS_H
#define JETPLANE_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include <jetplane/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

enum jp_family { JP_NO_FAMILY = 0, JP_IPV4 = 4, JP_IPV6 = 6 };

enum {
    JP_ADDRESS_TEXT = 72,  /* room for any address as text, with its NUL */
    JP_ADDRESSES_MAX = 32, /* of one host name; more are ignored */
};

/* All zeros is no address. */
typedef struct jp_address {
    uint8_t family;    /* enum jp_family */
    uint8_t unused;    /* 0 */
    uint16_t port;     /* host byte order */
    uint32_t scope;    /* IPv6: interface index of a link-local address, else 0 */
    uint8_t bytes[16]; /* network byte order; IPv4 in the first four, the others 0 */
} jp_address;

/* Read "198.18.0.1", "198.18.0.1:4500", "fd00::1", "fe80::1%eth0", "[fd00::1]:4500"; without a port
 * it is default_port. Host names are JP_ADDRESS_SYNTAX: see jp_resolve_start. */
int jp_address_parse(jp_address *address, const char *text, uint16_t default_port);

/* Write what jp_address_parse reads, IPv6 as RFC 5952 says, with the port unless it is 0, into
 * out[size]; JP_INVALID when it does not fit or there is no address (out is then ""). */
int jp_address_format(const jp_address *address, char *out, size_t size);

/* Order by family, IP, scope, port: < 0, 0, > 0. */
int jp_address_compare(const jp_address *a, const jp_address *b);

int jp_address_is_wildcard(const jp_address *address);
int jp_address_is_loopback(const jp_address *address);
int jp_address_is_link_local(const jp_address *address); /* fe80::/10: wants a scope */

/* ::ffff:a.b.c.d (RFC 4291, 2.5.5.2): is it one; IPv4 as one; one as IPv4. Other addresses pass
 * unchanged. */
int jp_address_is_v4_mapped(const jp_address *address);
jp_address jp_address_map(jp_address address);
jp_address jp_address_unmap(jp_address address);

/* Look up "host", "host:port" or a numeric address, waiting for name servers: up to max addresses,
 * best first (RFC 6724), of this family or JP_NO_FAMILY for both. Returns how many, >= 1. From any
 * thread, jp_init or not. */
int jp_address_lookup(const char *text, uint16_t default_port, enum jp_family family,
                      jp_address *addresses, size_t max);

/* The same in a helper thread. The answer comes in the loop's thread, never before
 * jp_resolve_start returns: error is 0 and count >= 1, or error < 0 with its detail in
 * jp_error_detail(). The addresses and the resolve itself are gone when the callback returns. */
typedef struct jp_resolve jp_resolve;
typedef void jp_resolve_done(jp_resolve *resolve, int error, const jp_address *addresses,
                             size_t count);
int jp_resolve_start(jp_resolve **resolve, jp_loop *loop, const char *text, uint16_t default_port,
                     enum jp_family family, jp_resolve_done *done, size_t extension);
void *jp_resolve_extension(jp_resolve *resolve);
jp_loop *jp_resolve_loop(const jp_resolve *resolve);
/* Forget it: no callback comes, the resolve is gone. Not in its own callback. */
int jp_resolve_cancel(jp_resolve *resolve);

#ifdef __cplusplus
}
#endif

#endif
