/* What the parts of the worked example share. */
#ifndef TESTS_EXAMPLE_H
#define TESTS_EXAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "epoch.h"
#include "fixed_random.h"
#include "frame.h"
#include "handshake.h"

enum { CLIENT_SPI = 0x10203040, SERVER_SPI = 0x50607080, CLEAR = 1168 };

#define MESSAGE "Hello, Jetplane!"
enum { MESSAGE_LEN = sizeof(MESSAGE) - 1 };

/* The randomness each side draws, again, to be shown. */
struct drawn {
    uint8_t x25519[32];
    uint8_t mlkem[64]; /* client: d || z; server: m (32) */
    uint8_t random[32];
};

struct example {
    FILE *f;
    struct aead *aead;
    struct drawn client_drawn, server_drawn;
    uint8_t identity_seed[32];
    struct hs_server server;
    struct hs_client client;
    struct hs_result client_result, server_result;
    uint8_t server_hello[WIRE_HS_MAX];
    size_t server_hello_len;
};

/* ---- example_listing.c ---- */

/* One value: on its line, or on lines of 32 bytes behind it. */
void put_value(FILE *f, const char *name, const uint8_t *p, size_t n);

/* A packet explained field by field. */
struct listing {
    FILE *f;
    uint8_t bytes[256]; /* all fields so far */
    size_t len;
};
void put_field(struct listing *l, const void *bytes, size_t n, const char *meaning);
/* ... must be the whole packet. */
void end_listing(struct listing *l, const uint8_t *bytes, size_t n);
/* Of both together. */
void sha256_2(uint8_t out[32], const void *a, size_t a_len, const void *b, size_t b_len);

/* ---- chapters ---- */

void put_fec(struct example *e);
void put_resumption(struct example *e);

#endif
