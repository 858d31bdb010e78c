/* The handshake between two honest sides: suites, pins, cookies, resets, threads. */
#include "handshake_pair.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>

#include "epoch.h"
#include "handshake_internal.h"

/* ---- the good paths ---- */

/* Suites of client and server, and what comes of them; 0: nothing in common. */
static void test_suites(void **state)
{
    static const struct {
        uint8_t client[2], server[2], chosen;
    } cases[] = {
        {{1, 2}, {1, 2}, 1}, {{2, 1}, {1, 2}, 1}, {{1, 2}, {2, 1}, 2}, {{2, 0}, {1, 2}, 2},
        {{1, 0}, {2, 1}, 1}, {{1, 2}, {2, 0}, 2}, {{1, 0}, {2, 0}, 0}, {{2, 0}, {1, 0}, 0},
        {{1, 0}, {0, 0}, 0}, {{1, 0}, {0, 1}, 1}, {{2, 2}, {1, 2}, 2},
    };
    struct pair *p = *state;

    p->config.params = (struct hs_params){5000, 7, 9000, 20, 4, 1 << 20, 1 << 16, 1 << 24};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(p->config.suites, cases[i].client, 2);
        memcpy(p->server.suites, cases[i].server, 2);
        start(p);
        assert_int_equal(check(p, false), HS_OK);
        if (cases[i].chosen == 0) {
            assert_int_equal(answer(p), HS_NO_SUITE);
            continue;
        }
        assert_int_equal(answer(p), HS_OK);
        assert_int_equal(hs_client_spi_of(p->hello, p->hello_len), CLIENT_SPI);
        assert_int_equal(input(p), HS_DONE);
        assert_int_equal(p->client_result.alg, cases[i].chosen);
        assert_agreed(p);
    }
}

/* A server whose own list is broken refuses rather than seal with nothing. */
static void test_unknown_suite(void **state)
{
    struct pair *p = *state;

    start(p);
    p->server.suites[0] = p->client.hello[CH_SUITES] = 77;
    assert_int_equal(check(p, false), HS_OK);
    assert_int_equal(answer(p), HS_NO_SUITE);
}

static void test_backends_interoperate(void **state)
{
    struct pair *p = *state;
    struct aead *best = aead_new(aead_best());

    assert_non_null(best);
    for (uint8_t suite = 1; suite <= 2; suite++) {
        p->config.suites[0] = suite;
        p->config.suites[1] = 0;
        start_and_answer(p);
        assert_int_equal(
            hs_client_input(&p->client, best, p->hello, p->hello_len, &p->client_result), HS_DONE);
        assert_agreed(p);
    }
    aead_free(best);
}

/* The same randomness makes the same bytes, other randomness other keys. */
static void test_randomness(void **state)
{
    struct pair *p = *state;
    struct fixed_random before = p->source;
    uint8_t first[HS_CLIENT_HELLO_LEN];
    struct hs_result old;

    start_and_answer(p);
    memcpy(first, p->client.hello, sizeof(first));
    old = p->server_result;

    p->source = before;
    start_and_answer(p);
    assert_memory_equal(first, p->client.hello, sizeof(first));
    assert_memory_equal(old.c2s_secret, p->server_result.c2s_secret, KDF_HASH_LEN);
    assert_memory_equal(old.s2c_secret, p->server_result.s2c_secret, KDF_HASH_LEN);

    p->rnd = hs_random_system;
    assert_int_equal(answer(p), HS_OK);
    assert_memory_not_equal(old.c2s_secret, p->server_result.c2s_secret, KDF_HASH_LEN);
    assert_memory_not_equal(old.s2c_secret, p->server_result.s2c_secret, KDF_HASH_LEN);
    start(p);
    assert_memory_not_equal(first + CH_X25519, p->client.hello + CH_X25519, HS_X25519_LEN);
    assert_memory_not_equal(first + CH_EK, p->client.hello + CH_EK, MLKEM_EK_LEN);
}

/* One packet sealed by one side's secret opens with the other's. */
static void assert_carries(struct aead *aead, enum aead_alg alg, uint32_t spi, const uint8_t *from,
                           const uint8_t *to)
{
    uint8_t text[24 + AEAD_TAG_LEN] = "twenty-four bytes inside";
    struct aead_op op = {.text = text, .spi = spi, .len = 24};
    static struct aead_key scratch;
    struct epoch_tx tx;
    struct epoch_rx rx;

    assert_int_equal(epoch_tx_init(&tx, aead, alg, from), 0);
    assert_int_equal(epoch_rx_init(&rx, aead, alg, to), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(epoch_tx_next(&tx, &op.pn), EPOCH_OK);
        op.key = &tx.current;
        aead_seal(aead, &op, 1);
        assert_memory_not_equal(text, "twenty-four bytes inside", 24);
        op.key = epoch_rx_key(&rx, aead, op.pn, &scratch);
        assert_non_null(op.key);
        op.ok = false;
        aead_open(aead, &op, 1);
        assert_true(op.ok);
        assert_memory_equal(text, "twenty-four bytes inside", 24);
    }
    epoch_tx_wipe(&tx);
    epoch_rx_wipe(&rx);
}

static void test_session_keys(void **state)
{
    struct pair *p = *state;

    for (uint8_t suite = 1; suite <= 2; suite++) {
        const struct hs_result *c = &p->client_result, *s = &p->server_result;

        p->config.suites[0] = suite;
        p->config.suites[1] = 0;
        start_and_answer(p);
        assert_int_equal(input(p), HS_DONE);
        assert_carries(p->aead, suite, c->server_spi, c->c2s_secret, s->c2s_secret);
        assert_carries(p->aead, suite, s->client_spi, s->s2c_secret, c->s2c_secret);
    }
}

static void test_client_config(void **state)
{
    struct pair *p = *state;
    struct hs_client_config good = p->config, bad[7];

    for (unsigned i = 0; i < 7; i++)
        bad[i] = good;
    bad[0].client_spi = WIRE_SPI_MIN - 1;
    bad[1].suites[0] = 0;
    bad[2].suites[0] = 3;
    bad[3].suites[1] = 3;
    bad[4].params.max_packet = 1279;
    bad[5].params.fec_k = 4;
    bad[6].params.idle_timeout_ms = 0;
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(hs_client_start(&p->client, &bad[i], &p->rnd), -EINVAL);
    good.client_spi = WIRE_SPI_MIN;
    assert_int_equal(hs_client_start(&p->client, &good, &p->rnd), 0);
    hs_client_wipe(&p->client);
    assert_true(sodium_is_zero((const uint8_t *)&p->client, sizeof(p->client)));
}

/* Without a pin any identity that proves itself is taken; with one, only that. */
static void test_pin(void **state)
{
    struct pair *p = *state;
    struct hs_server other;
    uint8_t pin[HS_IDENTITY_LEN];

    identity_make(&other, &p->rnd);
    p->config.pinned = other.identity;
    start_and_answer(p);
    assert_int_equal(input(p), HS_IGNORE);

    p->config.pinned = NULL;
    start_and_answer(p);
    assert_int_equal(input(p), HS_DONE);
    assert_agreed(p);

    memcpy(pin, p->server.identity, sizeof(pin)); /* the client keeps its own copy */
    p->config.pinned = pin;
    start_and_answer(p);
    memset(pin, 0, sizeof(pin));
    assert_int_equal(input(p), HS_DONE);

    memcpy(p->server.identity, other.identity, HS_IDENTITY_LEN); /* claims it, cannot sign as it */
    p->config.pinned = other.identity;
    start_and_answer(p);
    assert_int_equal(input(p), HS_IGNORE);
}

/* No answer is much larger than the hello. */
static void test_no_amplification(void **state)
{
    struct pair *p = *state;
    uint8_t retry[100];

    p->server.params =
        (struct hs_params){86400000, 65535, 9000, 64, 16, (1 << 30) - 1, (1 << 30) - 1, 1024};
    start_and_answer(p);
    assert_in_range(p->hello_len, 0, HS_CLIENT_HELLO_LEN + 32);
    assert_int_equal(hs_server_retry(&p->server, p->client.hello, client_addr, NOW, retry), 68);
    assert_int_equal(input(p), HS_DONE);
    assert_agreed(p);
}

/* ---- cookies ---- */

static enum hs_verdict follow_retry(struct pair *p, uint64_t now)
{
    uint8_t msg[100];
    size_t len = hs_server_retry(&p->server, p->client.hello, client_addr, now, msg);

    assert_int_equal(hs_client_spi_of(msg, len), CLIENT_SPI);
    return hs_client_input(&p->client, p->aead, msg, len, &p->client_result);
}

static void test_cookie(void **state)
{
    struct pair *p = *state;

    start(p);
    assert_int_equal(check(p, true), HS_BAD_COOKIE);
    assert_int_equal(follow_retry(p, NOW), HS_SEND);
    assert_int_equal(check(p, true), HS_OK);
    assert_int_equal(answer(p), HS_OK);
    assert_int_equal(input(p), HS_DONE);
    assert_agreed(p);
}

/* The answer to a hello without the cookie is not for the hello with it. */
static void test_answer_to_older_hello(void **state)
{
    struct pair *p = *state;

    start_and_answer(p);
    assert_int_equal(follow_retry(p, NOW), HS_SEND);
    assert_int_equal(input(p), HS_IGNORE);
}

static void test_retries_cap(void **state)
{
    struct pair *p = *state;
    uint8_t last[HS_CLIENT_HELLO_LEN];

    start(p);
    for (unsigned i = 0; i < HS_RETRIES_MAX; i++)
        assert_int_equal(follow_retry(p, NOW + i), HS_SEND);
    memcpy(last, p->client.hello, sizeof(last));
    assert_int_equal(follow_retry(p, NOW + 9), HS_IGNORE);
    assert_memory_equal(last, p->client.hello, sizeof(last));
    assert_int_equal(answer(p), HS_OK);
    assert_int_equal(input(p), HS_DONE);
}

static void test_cookie_binds(void **state)
{
    struct pair *p = *state;
    uint8_t *hello = p->client.hello, addr[HS_ADDR_LEN];

    start(p);
    assert_int_equal(follow_retry(p, NOW), HS_SEND);
    for (int64_t age = -3; age < 15; age++)
        assert_int_equal(hs_server_check(&p->server, hello, HS_CLIENT_HELLO_LEN, client_addr,
                                         (uint64_t)(NOW + age), true),
                         age >= 0 && age <= HS_COOKIE_LIFETIME_S ? HS_OK : HS_BAD_COOKIE);
    for (unsigned i = 0; i < HS_ADDR_LEN; i++) {
        memcpy(addr, client_addr, sizeof(addr));
        addr[i] ^= 1;
        assert_int_equal(hs_server_check(&p->server, hello, HS_CLIENT_HELLO_LEN, addr, NOW, false),
                         HS_BAD_COOKIE);
    }
    for (unsigned i = CH_SPI; i < CH_EK; i++) {
        bool bound = i < CH_SUITES || (i >= CH_COOKIE && i < CH_X25519);

        hello[i] ^= 0x10;
        if (bound)
            assert_int_equal(check(p, true), HS_BAD_COOKIE);
        hello[i] ^= 0x10;
    }
    assert_int_equal(check(p, true), HS_OK);
    p->server.cookie_key[31] ^= 1;
    assert_int_equal(check(p, true), HS_BAD_COOKIE);
}

/* Whatever is changed in front of a Retry's cookie, or in its length, the client stays as it is. */
static void test_forged_retry(void **state)
{
    struct pair *p = *state;
    struct hs_client before;
    uint8_t msg[100];

    start(p);
    before = p->client;
    assert_int_equal(hs_server_retry(&p->server, p->client.hello, client_addr, NOW, msg),
                     RETRY_LEN);
    for (unsigned i = 0; i < RETRY_COOKIE; i++) {
        msg[i] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(hs_client_input(&p->client, p->aead, msg, RETRY_LEN, &p->client_result),
                         HS_IGNORE);
        msg[i] ^= (uint8_t)(1 << i % 8);
    }
    assert_int_equal(hs_client_input(&p->client, p->aead, msg, RETRY_LEN + 1, &p->client_result),
                     HS_IGNORE);
    assert_memory_equal(&before, &p->client, sizeof(before));
    assert_int_equal(hs_client_input(&p->client, p->aead, msg, RETRY_LEN, &p->client_result),
                     HS_SEND);
}

/* ---- reset ---- */

static void test_reset(void **state)
{
    struct pair *p = *state;
    uint8_t quote[WIRE_QUOTE], msg[HS_RESET_LEN + 1] = {0};
    const uint8_t *quoted;
    struct hs_server other;

    identity_make(&other, &p->rnd);
    p->rnd.fill(p->rnd.arg, quote, sizeof(quote));
    hs_reset_make(&p->server, quote, msg);
    quoted = hs_reset_check(msg, HS_RESET_LEN, p->server.identity);
    assert_non_null(quoted);
    assert_memory_equal(quoted, quote, sizeof(quote));
    assert_null(hs_reset_check(msg, HS_RESET_LEN, other.identity));
    assert_null(hs_reset_check(msg, HS_RESET_LEN + 1, p->server.identity));
    for (unsigned i = 0; i < HS_RESET_LEN * 8; i++) {
        msg[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_null(hs_reset_check(msg, HS_RESET_LEN, p->server.identity));
        msg[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    start(p); /* a client in its handshake does not care */
    assert_int_equal(hs_client_input(&p->client, p->aead, msg, HS_RESET_LEN, &p->client_result),
                     HS_IGNORE);
    assert_int_equal(hs_client_spi_of(msg, HS_RESET_LEN), 0);
}

/* ---- threads ---- */

enum { THREADS = 4, PER_THREAD = 20 };

static void *handshakes(void *arg)
{
    const struct pair *shared = arg;
    struct aead *aead = aead_new(AEAD_SODIUM);
    uintptr_t done = 0;

    for (unsigned i = 0; aead && i < PER_THREAD; i++) {
        struct hs_client client;
        struct hs_result at_client, at_server;
        uint8_t hello[WIRE_HS_MAX];
        size_t len;

        if (hs_client_start(&client, &shared->config, &hs_random_system) < 0 ||
            hs_server_check(&shared->server, client.hello, HS_CLIENT_HELLO_LEN, client_addr, NOW,
                            false) != HS_OK ||
            hs_server_answer(&shared->server, aead, client.hello, SERVER_SPI, &hs_random_system,
                             &at_server, hello, &len) != HS_OK ||
            hs_client_input(&client, aead, hello, len, &at_client) != HS_DONE)
            break;
        done += memcmp(at_client.c2s_secret, at_server.c2s_secret, KDF_HASH_LEN) == 0;
    }
    aead_free(aead);
    return (void *)done;
}

static void test_threads(void **state)
{
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, handshakes, *state), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *done;

        assert_int_equal(pthread_join(threads[i], &done), 0);
        assert_int_equal((uintptr_t)done, PER_THREAD);
    }
}

/* ---- what is left ---- */

enum { STACK = 1 << 20, DRAWS = 6, PART = 16 };

/* A part of everything that is drawn is noted. */
struct witness {
    struct hs_random rnd;
    unsigned n;
    uint8_t drawn[DRAWS][PART];
};

static void draw(void *arg, uint8_t *out, size_t len)
{
    struct witness *w = arg;

    assert_true(w->n < DRAWS);
    w->rnd.fill(w->rnd.arg, out, len);
    memcpy(w->drawn[w->n++], out + 8, PART); /* X25519 changes the ends */
}

static void *do_start(void *pair)
{
    struct pair *p = pair;

    return hs_client_start(&p->client, &p->config, &p->rnd) == 0 ? p : NULL;
}

static void *do_answer(void *pair)
{
    return answer(pair) == HS_OK ? pair : NULL;
}

static void *do_input(void *pair)
{
    return input(pair) == HS_DONE ? pair : NULL;
}

/* So would what a step left be found. */
__attribute__((no_sanitize("address"))) static void *do_leave(void *pair)
{
    const struct pair *p = pair;
    const struct witness *w = p->rnd.arg;
    uint8_t left[STACK / 2]; /* its beginning is below what the end of a thread overwrites */

    memcpy(left, w->drawn[0], PART);
    __asm__ volatile("" : : "r"(left) : "memory"); /* somebody may look at it */
    return pair;
}

static alignas(4096) uint8_t stack[STACK];

static void run_on_stack(void *(*step)(void *), struct pair *p)
{
    pthread_attr_t attr;
    pthread_t thread;
    void *ok;

    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstack(&attr, stack, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attr, step, p), 0);
    assert_int_equal(pthread_join(thread, &ok), 0);
    assert_non_null(ok);
    pthread_attr_destroy(&attr);
}

/* When a step is done, nothing that either side drew in secret is on the stack of its thread, nor a
 * session's secret; and nothing at all in a client that was wiped. */
static void test_secrets_are_wiped(void **state)
{
    static void *(*const steps[])(void *) = {do_start, do_answer, do_input};
    static const unsigned secrets[] = {0, 1, 3, 4}; /* the others are the randoms, which are sent */
    struct pair *p = *state;
    struct witness w = {.rnd = p->rnd};

    p->rnd = (struct hs_random){.fill = draw, .arg = &w};
    for (unsigned step = 0; step < sizeof(steps) / sizeof(steps[0]); step++) {
        run_on_stack(steps[step], p);
        for (unsigned i = 0; i < sizeof(secrets) / sizeof(secrets[0]) && secrets[i] < w.n; i++)
            assert_null(memmem(stack, STACK, w.drawn[secrets[i]], PART));
        if (steps[step] != do_start) {
            assert_null(memmem(stack, STACK, p->server_result.c2s_secret, KDF_HASH_LEN));
            assert_null(memmem(stack, STACK, p->server_result.s2c_secret, KDF_HASH_LEN));
        }
    }
    assert_int_equal(w.n, DRAWS);
    assert_agreed(p);
    run_on_stack(do_leave, p);
    assert_non_null(memmem(stack, STACK, w.drawn[0], PART));
    hs_client_wipe(&p->client);
    assert_true(sodium_is_zero((const uint8_t *)&p->client, sizeof(p->client)));
}

static void test_error_names(void **state)
{
    (void)state;
    for (int e = HS_BAD_SHARE; e <= HS_OK; e++)
        assert_string_not_equal(hs_server_error_name((enum hs_server_error)e), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_suites),
        PAIR_TEST(test_unknown_suite),
        PAIR_TEST(test_backends_interoperate),
        PAIR_TEST(test_randomness),
        PAIR_TEST(test_session_keys),
        PAIR_TEST(test_client_config),
        PAIR_TEST(test_pin),
        PAIR_TEST(test_no_amplification),
        PAIR_TEST(test_cookie),
        PAIR_TEST(test_answer_to_older_hello),
        PAIR_TEST(test_retries_cap),
        PAIR_TEST(test_cookie_binds),
        PAIR_TEST(test_forged_retry),
        PAIR_TEST(test_secrets_are_wiped),
        PAIR_TEST(test_reset),
        PAIR_TEST(test_threads),
        PAIR_TEST(test_error_names),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
