/* The stateless cookie: time (8) || MAC (16), a keyed BLAKE2b over the time, the client's address
 * and the hello's SPI and random. It proves that the client receives at that address, at no cost to
 * the server. */
#include <sodium.h>

#include "bytes.h"
#include "handshake_internal.h"

enum { TIME_LEN = 8, BOUND_LEN = CH_SUITES - CH_SPI };
static_assert(HS_COOKIE_LEN - TIME_LEN >= crypto_generichash_BYTES_MIN, "MAC length");

void cookie_make(uint8_t cookie[HS_COOKIE_LEN], const uint8_t key[32], const uint8_t *hello,
                 const uint8_t addr[HS_ADDR_LEN], uint64_t now_s)
{
    uint8_t text[TIME_LEN + HS_ADDR_LEN + BOUND_LEN];

    be64_store(text, now_s);
    memcpy(text + TIME_LEN, addr, HS_ADDR_LEN);
    memcpy(text + TIME_LEN + HS_ADDR_LEN, hello + CH_SPI, BOUND_LEN);
    memcpy(cookie, text, TIME_LEN);
    crypto_generichash(cookie + TIME_LEN, HS_COOKIE_LEN - TIME_LEN, text, sizeof(text), key, 32);
}

/* Is the hello's cookie ours, for this hello and addr, and at most HS_COOKIE_LIFETIME_S old? */
static bool cookie_check(const uint8_t key[32], const uint8_t *hello,
                         const uint8_t addr[HS_ADDR_LEN], uint64_t now_s)
{
    uint64_t made = be64_load(hello + CH_COOKIE);
    uint8_t want[HS_COOKIE_LEN];

    if (made > now_s || now_s - made > HS_COOKIE_LIFETIME_S)
        return false;
    cookie_make(want, key, hello, addr, made);
    return sodium_memcmp(want, hello + CH_COOKIE, HS_COOKIE_LEN) == 0;
}

bool cookie_well_formed(const uint8_t *hello)
{
    return hs_hello_has_cookie(hello) ||
           (hello[CH_COOKIE_LEN] == 0 && sodium_is_zero(hello + CH_COOKIE, HS_COOKIE_LEN));
}

enum hs_server_error cookie_judge(const struct hs_server *s, const uint8_t *hello,
                                  const uint8_t addr[HS_ADDR_LEN], uint64_t now_s, bool need_cookie)
{
    if (!hs_hello_has_cookie(hello))
        return need_cookie ? HS_BAD_COOKIE : HS_OK;
    return cookie_check(s->cookie_key, hello, addr, now_s) ? HS_OK : HS_BAD_COOKIE;
}
