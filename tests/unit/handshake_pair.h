/* One client and one server, ready to shake hands: the fixture of the handshake's tests. */
#ifndef TESTS_HANDSHAKE_PAIR_H
#define TESTS_HANDSHAKE_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixed_random.h"
#include "handshake.h"

enum { CLIENT_SPI = 0x01020304, SERVER_SPI = 0xa1b2c3d4, NOW = 1700000000 };

static const uint8_t client_addr[HS_ADDR_LEN] = {
    [10] = 0xff, [11] = 0xff, [12] = 198, [13] = 18, [15] = 2, [16] = 0xc0, [17] = 1,
};

/* One client, one server and what went between them. */
struct pair {
    struct fixed_random source;
    struct hs_random rnd;
    struct aead *aead;
    struct hs_server server;
    struct hs_client_config config;
    struct hs_client client;
    struct hs_result client_result, server_result;
    uint8_t hello[WIRE_HS_MAX]; /* the ServerHello */
    size_t hello_len;
};

static inline void identity_make(struct hs_server *s, const struct hs_random *rnd)
{
    uint8_t seed[crypto_sign_SEEDBYTES];

    rnd->fill(rnd->arg, seed, sizeof(seed));
    crypto_sign_seed_keypair(s->identity, s->identity_secret, seed);
    rnd->fill(rnd->arg, s->cookie_key, sizeof(s->cookie_key));
}

static inline int setup(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    strcpy(p->source.label, "test_handshake");
    p->rnd = fixed_random_of(&p->source);
    p->aead = aead_new(AEAD_SODIUM);
    assert_non_null(p->aead);
    identity_make(&p->server, &p->rnd);
    p->server.params = hs_params_default;
    p->server.suites[0] = AEAD_AES256_GCM;
    p->server.suites[1] = AEAD_CHACHA20_POLY1305;
    p->config = (struct hs_client_config){
        .client_spi = CLIENT_SPI,
        .suites = {AEAD_AES256_GCM, AEAD_CHACHA20_POLY1305},
        .params = hs_params_default,
        .pinned = p->server.identity,
    };
    *state = p;
    return 0;
}

static inline int teardown(void **state)
{
    struct pair *p = *state;

    aead_free(p->aead);
    free(p);
    return 0;
}

static inline void start(struct pair *p)
{
    assert_int_equal(hs_client_start(&p->client, &p->config, &p->rnd), 0);
}

static inline enum hs_server_error check(struct pair *p, bool need_cookie)
{
    return hs_server_check(&p->server, p->client.hello, HS_CLIENT_HELLO_LEN, client_addr, NOW,
                           need_cookie);
}

static inline enum hs_server_error answer(struct pair *p)
{
    return hs_server_answer(&p->server, p->aead, p->client.hello, SERVER_SPI, &p->rnd,
                            &p->server_result, p->hello, &p->hello_len);
}

static inline enum hs_verdict input(struct pair *p)
{
    return hs_client_input(&p->client, p->aead, p->hello, p->hello_len, &p->client_result);
}

/* Up to the ServerHello. */
static inline void start_and_answer(struct pair *p)
{
    start(p);
    assert_int_equal(check(p, false), HS_OK);
    assert_int_equal(answer(p), HS_OK);
}

static inline void assert_params(const struct hs_params *is, const struct hs_params *should)
{
    assert_int_equal(is->idle_timeout_ms, should->idle_timeout_ms);
    assert_int_equal(is->max_streams, should->max_streams);
    assert_int_equal(is->max_packet, should->max_packet);
    assert_int_equal(is->fec_k, should->fec_k);
    assert_int_equal(is->fec_r, should->fec_r);
}

static inline void assert_agreed(const struct pair *p)
{
    const struct hs_result *c = &p->client_result, *s = &p->server_result;

    assert_memory_equal(c->c2s_secret, s->c2s_secret, KDF_HASH_LEN);
    assert_memory_equal(c->s2c_secret, s->s2c_secret, KDF_HASH_LEN);
    assert_memory_not_equal(c->c2s_secret, c->s2c_secret, KDF_HASH_LEN);
    assert_int_equal(c->client_spi, CLIENT_SPI);
    assert_int_equal(s->client_spi, CLIENT_SPI);
    assert_int_equal(c->server_spi, SERVER_SPI);
    assert_int_equal(s->server_spi, SERVER_SPI);
    assert_int_equal(c->alg, s->alg);
    assert_memory_equal(c->server_identity, p->server.identity, HS_IDENTITY_LEN);
    assert_memory_equal(s->server_identity, p->server.identity, HS_IDENTITY_LEN);
    assert_params(&c->peer, &p->server.params);
    assert_params(&s->peer, &p->config.params);
}

#define PAIR_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
