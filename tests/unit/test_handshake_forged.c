/* The handshake against everything that is not the other side: changed, cut and made-up hellos. */
#include "handshake_pair.h"

#include "handshake_internal.h"

/* ---- hellos that lie ---- */

static void test_malformed_hello(void **state)
{
    static const struct {
        unsigned offset;
        uint8_t value;
    } cases[] = {
        {3, 1}, /* not a handshake packet */
        {4, WIRE_RETRY},
        {5, 2},
        {6, 1},
        {7, 1},
        {CH_SPI, 0}, /* SPI 255 */
        {CH_SUITES, 0},
        {CH_COOKIE_LEN, 1},
        {CH_COOKIE_LEN, 23},
        {CH_COOKIE_LEN, 25},
        {CH_COOKIE, 1},
        {CH_COOKIE + 23, 1},
        {CH_PARAMS_LEN, 57},
        {CH_PARAMS_LEN, 255},
        {CH_PARAMS_LEN, 1},
        {CH_PARAMS + HS_PARAMS_MAX - 1, 1},
        {CH_PARAMS + 1, 60}, /* a value longer than the parameters */
    };
    struct pair *p = *state;

    p->config.client_spi = 0x01000000 | 0xff;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(p);
        assert_int_equal(check(p, false), HS_OK);
        p->client.hello[cases[i].offset] = cases[i].value;
        assert_int_equal(check(p, false), HS_MALFORMED);
    }
}

/* Not one byte of a ClientHello can change on the way without the handshake failing. */
static void test_flipped_client_hello(void **state)
{
    struct pair *p = *state;

    start(p);
    for (unsigned i = 0; i < HS_CLIENT_HELLO_LEN; i++) {
        uint8_t flip = (uint8_t)(1 << i % 8), hello[HS_CLIENT_HELLO_LEN];

        memcpy(hello, p->client.hello, sizeof(hello));
        hello[i] ^= flip;
        if (hs_server_check(&p->server, hello, sizeof(hello), client_addr, NOW, false) != HS_OK ||
            hs_server_answer(&p->server, p->aead, hello, SERVER_SPI, &p->rnd, &p->server_result,
                             p->hello, &p->hello_len) != HS_OK)
            continue;
        assert_int_equal(input(p), HS_IGNORE);
    }
    assert_int_equal(answer(p), HS_OK);
    assert_int_equal(input(p), HS_DONE);
}

/* ... and of a ServerHello. With both backends: they leave different things behind a wrong tag. */
static void test_flipped_server_hello(void **state)
{
    struct pair *p = *state;
    struct hs_client before;

    for (unsigned i = 0; i < 4; i++) {
        struct aead *aead = aead_new(i / 2 ? AEAD_SODIUM : aead_best());

        assert_non_null(aead);
        p->server.suites[0] = 1 + i % 2;
        start_and_answer(p);
        before = p->client;
        for (unsigned j = 0; j < p->hello_len; j++) {
            p->hello[j] ^= (uint8_t)(1 << j % 8);
            assert_int_equal(
                hs_client_input(&p->client, aead, p->hello, p->hello_len, &p->client_result),
                HS_IGNORE);
            p->hello[j] ^= (uint8_t)(1 << j % 8);
        }
        aead_free(aead);
        assert_memory_equal(&before, &p->client, sizeof(before));
        assert_int_equal(input(p), HS_DONE);
    }
}

/* Every length but the right one, in memory of exactly that length. */
static void test_lengths(void **state)
{
    struct pair *p = *state;

    start_and_answer(p);
    for (size_t len = 0; len < WIRE_HS_MAX; len++) {
        uint8_t *msg = calloc(1, len ? len : 1);

        assert_non_null(msg);
        memcpy(msg, p->client.hello, len < HS_CLIENT_HELLO_LEN ? len : HS_CLIENT_HELLO_LEN);
        assert_int_equal(hs_server_check(&p->server, msg, len, client_addr, NOW, false),
                         len == HS_CLIENT_HELLO_LEN ? HS_OK : HS_MALFORMED);
        memcpy(msg, p->hello, len < p->hello_len ? len : p->hello_len);
        assert_int_equal(hs_client_input(&p->client, p->aead, msg, len, &p->client_result),
                         len == p->hello_len ? HS_DONE : HS_IGNORE);
        hs_client_spi_of(msg, len);
        if (len >= WIRE_HS_HDR) {
            wire_hs_hdr_put(msg, WIRE_RETRY);
            if (len != RETRY_LEN)
                assert_int_equal(hs_client_input(&p->client, p->aead, msg, len, &p->client_result),
                                 HS_IGNORE);
            wire_hs_hdr_put(msg, WIRE_RESET);
            assert_null(hs_reset_check(msg, len, p->server.identity));
        }
        free(msg);
    }
}

/* ---- lies under a good tag ---- */

/* The schedule of the ServerHello as it stands, as its client computes it; `zero`: with an all-zero
 * X25519 secret, as if the client did not refuse that. */
static void schedule(struct pair *p, struct hs_schedule *k, bool zero)
{
    uint8_t mlkem[MLKEM_SS_LEN], x25519[HS_X25519_LEN] = {0};

    assert_int_equal(mlkem768_decaps(mlkem, p->client.dk, p->hello + SH_CT), 0);
    if (!zero)
        assert_int_equal(crypto_scalarmult(x25519, p->client.x25519_secret, p->hello + SH_X25519),
                         0);
    hs_schedule_start(k, p->client.hello, p->hello, mlkem, x25519);
}

/* Open the genuine ServerHello; returns the sealed part's length in clear. */
static size_t unseal(struct pair *p, struct hs_schedule *k, uint8_t sealed[SEALED_MAX])
{
    uint8_t text[SEALED_MAX + AEAD_TAG_LEN];
    struct aead_key key;
    struct aead_op op = {.key = &key, .text = text, .spi = CLIENT_SPI};

    op.len = (uint32_t)(p->hello_len - SH_SEALED - AEAD_TAG_LEN);
    schedule(p, k, false);
    assert_int_equal(hs_schedule_sealing_key(k, p->aead, &key, p->hello[SH_SUITE]), 0);
    memcpy(text, p->hello + SH_SEALED, op.len + AEAD_TAG_LEN);
    aead_open(p->aead, &op, 1);
    assert_true(op.ok);
    memcpy(sealed, text, op.len);
    return op.len;
}

/* Put another sealed part into the ServerHello, with a tag that is right. */
static void reseal(struct pair *p, const struct hs_schedule *k, const uint8_t *sealed, size_t len)
{
    struct aead_key key;
    struct aead_op op = {
        .key = &key, .text = p->hello + SH_SEALED, .spi = CLIENT_SPI, .len = (uint32_t)len};

    memcpy(p->hello + SH_SEALED, sealed, len);
    assert_int_equal(hs_schedule_sealing_key(k, p->aead, &key, p->hello[SH_SUITE]), 0);
    aead_seal(p->aead, &op, 1);
    p->hello_len = SH_SEALED + len + AEAD_TAG_LEN;
}

/* The man in the middle who knows the handshake's keys, but not the identity's. */
static void test_flipped_inside_seal(void **state)
{
    struct pair *p = *state;
    uint8_t sealed[SEALED_MAX];
    struct hs_schedule k;
    size_t len;

    p->config.pinned = NULL;
    start_and_answer(p);
    len = unseal(p, &k, sealed);
    for (size_t i = 0; i < len; i++) {
        sealed[i] ^= (uint8_t)(1 << i % 8);
        reseal(p, &k, sealed, len);
        assert_int_equal(input(p), HS_IGNORE);
        sealed[i] ^= (uint8_t)(1 << i % 8);
    }
    reseal(p, &k, sealed, len - 1);
    assert_int_equal(input(p), HS_IGNORE);
    reseal(p, &k, sealed, len);
    assert_int_equal(input(p), HS_DONE);
    assert_agreed(p);
}

/* Sign, finish and seal what the sealed part says now, as its server would. */
static void resign(struct pair *p, struct hs_schedule *k, uint8_t *sealed)
{
    hs_schedule_identity(k, sealed);
    hs_sign(sealed + SEALED_SIGNATURE, p->server.identity_secret, hs_label_server, k->t1);
    hs_schedule_finished(k, sealed, sealed + SEALED_FINISHED);
    reseal(p, k, sealed, (size_t)SEALED_PARAMS + sealed[SEALED_PARAMS_LEN]);
}

/* A genuine server that says impossible things. */
static void test_server_lies(void **state)
{
    struct pair *p = *state;
    uint8_t sealed[SEALED_MAX];
    struct hs_schedule k;

    start_and_answer(p);
    unseal(p, &k, sealed);
    be32_store(sealed + SEALED_SPI, WIRE_SPI_MIN - 1);
    resign(p, &k, sealed);
    assert_int_equal(input(p), HS_IGNORE);
    be32_store(sealed + SEALED_SPI, WIRE_SPI_MIN);
    resign(p, &k, sealed);
    assert_int_equal(input(p), HS_DONE);
    assert_int_equal(p->client_result.server_spi, WIRE_SPI_MIN);

    sealed[SEALED_PARAMS_LEN] = 0; /* all defaults */
    resign(p, &k, sealed);
    assert_int_equal(input(p), HS_DONE);
    assert_params(&p->client_result.peer, &hs_params_default);

    sealed[SEALED_PARAMS_LEN] = 3;
    memcpy(sealed + SEALED_PARAMS, (uint8_t[]){2, 1, 0}, 3); /* max_streams 0 */
    resign(p, &k, sealed);
    assert_int_equal(input(p), HS_IGNORE);

    sealed[SEALED_PARAMS_LEN] = 1; /* ends inside a parameter */
    resign(p, &k, sealed);
    assert_int_equal(input(p), HS_IGNORE);
    sealed[SEALED_PARAMS_LEN] = 0; /* ends before the sealed part does */
    resign(p, &k, sealed);
    reseal(p, &k, sealed, SEALED_PARAMS + 1);
    assert_int_equal(input(p), HS_IGNORE);
}

/* ... in clear. */
static void test_server_lies_in_clear(void **state)
{
    static const struct {
        unsigned offset;
        uint8_t value;
        enum hs_verdict verdict;
    } cases[] = {
        {SH_RANDOM, 0, HS_DONE},
        {SH_ZERO, 1, HS_IGNORE},
        {SH_ZERO + 2, 1, HS_IGNORE},
        {SH_SUITE, AEAD_CHACHA20_POLY1305, HS_IGNORE}, /* not offered */
        {SH_SPI, 0xff, HS_IGNORE},
        {7, 1, HS_IGNORE},
    };
    struct pair *p = *state;
    uint8_t sealed[SEALED_MAX];
    struct hs_schedule k;

    p->config.suites[1] = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start_and_answer(p);
        unseal(p, &k, sealed);
        p->hello[cases[i].offset] = cases[i].value;
        schedule(p, &k, false);
        resign(p, &k, sealed);
        assert_int_equal(input(p), cases[i].verdict);
    }
}

/* ---- bad shares ---- */

/* Points of small order on Curve25519 and its twist, and their non-canonical forms: every product
 * is zero. */
static const char *const small_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};
enum { SMALL_ORDER = sizeof(small_order) / sizeof(small_order[0]) };

static void small_order_point(uint8_t point[HS_X25519_LEN], unsigned i, bool top_bit)
{
    sodium_hex2bin(point, HS_X25519_LEN, small_order[i], 64, NULL, NULL, NULL);
    point[31] |= (uint8_t)(top_bit << 7);
}

static void test_small_order_client(void **state)
{
    struct pair *p = *state;

    start(p);
    for (unsigned i = 0; i < 2 * SMALL_ORDER; i++) {
        small_order_point(p->client.hello + CH_X25519, i / 2, i % 2);
        assert_int_equal(check(p, false), HS_OK);
        assert_int_equal(answer(p), HS_BAD_SHARE);
    }
}

/* A genuine server with a share that makes the X25519 secret zero, everything else right for that.
 */
static void test_small_order_server(void **state)
{
    struct pair *p = *state;
    uint8_t sealed[SEALED_MAX];
    struct hs_schedule k;

    start_and_answer(p);
    unseal(p, &k, sealed);
    for (unsigned i = 0; i < 2 * SMALL_ORDER; i++) {
        small_order_point(p->hello + SH_X25519, i / 2, i % 2);
        schedule(p, &k, true);
        resign(p, &k, sealed);
        assert_int_equal(input(p), HS_IGNORE);
    }
}

/* Coefficients of the encapsulation key must be below 3329: two of 12 bits in every three bytes. */
static void test_bad_encapsulation_key(void **state)
{
    struct pair *p = *state;
    uint8_t *ek, old[3];

    start(p);
    ek = p->client.hello + CH_EK;
    for (unsigned i = 0; i < 1152; i += 3 * 127) {
        memcpy(old, ek + i, 3);
        ek[i] = 3328 & 0xff;
        ek[i + 1] = (uint8_t)(old[1] & 0xf0) | 3328 >> 8;
        assert_int_equal(answer(p), HS_OK);
        ek[i] = 3329 & 0xff;
        assert_int_equal(answer(p), HS_BAD_SHARE);
        memcpy(ek + i, old, 3);
        ek[i + 1] = (uint8_t)((old[1] & 0x0f) | (3329 & 0xf) << 4);
        ek[i + 2] = 3329 >> 4;
        assert_int_equal(answer(p), HS_BAD_SHARE);
        memcpy(ek + i, old, 3);
    }
    assert_int_equal(answer(p), HS_OK);
    assert_int_equal(input(p), HS_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_malformed_hello),      PAIR_TEST(test_flipped_client_hello),
        PAIR_TEST(test_flipped_server_hello), PAIR_TEST(test_lengths),
        PAIR_TEST(test_flipped_inside_seal),  PAIR_TEST(test_server_lies),
        PAIR_TEST(test_server_lies_in_clear), PAIR_TEST(test_small_order_client),
        PAIR_TEST(test_small_order_server),   PAIR_TEST(test_bad_encapsulation_key),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
