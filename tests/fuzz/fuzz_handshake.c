/* The handshake's inputs. The first byte says whose: the server's hello, the client's answers, or a
 * reset. Nothing but the honest packet may be believed. */
#include <sodium.h>
#include <string.h>

#include "bytes.h"
#include "fixed_random.h"
#include "fuzz.h"
#include "handshake.h"

enum { SPI_CLIENT = 0x1001, SPI_SERVER = 0x2002, NOW = 1700000000, RETRY_MAX = 100 };
enum target { TO_SERVER, TO_SERVER_STRICT, TO_CLIENT, TO_RESET, TARGETS };

/* One honest handshake, made once. */
static struct {
    bool made;
    struct fixed_random source;
    struct hs_random rnd;
    struct aead *aead;
    struct hs_server server;
    struct hs_client client;
    uint8_t addr[HS_ADDR_LEN];
    uint8_t with_cookie[HS_CLIENT_HELLO_LEN];
    uint8_t retry[RETRY_MAX], answer[WIRE_HS_MAX], reset[HS_RESET_LEN];
    size_t retry_len, answer_len;
} honest;

static void make_server(void)
{
    uint8_t seed[crypto_sign_SEEDBYTES] = {1};

    crypto_sign_seed_keypair(honest.server.identity, honest.server.identity_secret, seed);
    memset(honest.server.cookie_key, 2, sizeof(honest.server.cookie_key));
    honest.server.params = hs_params_default;
    honest.server.suites[0] = AEAD_AES256_GCM;
    honest.server.suites[1] = AEAD_CHACHA20_POLY1305;
}

static void make_honest(void)
{
    struct hs_client_config config = {
        .client_spi = SPI_CLIENT,
        .suites = {AEAD_CHACHA20_POLY1305, AEAD_AES256_GCM},
        .params = hs_params_default,
        .pinned = honest.server.identity,
    };
    struct hs_client follower;
    struct hs_result result;
    uint8_t quote[WIRE_QUOTE] = {0, 0, 0x20, 2};

    if (honest.made)
        return;
    honest.made = true;
    strcpy(honest.source.label, "fuzz_handshake");
    honest.rnd = fixed_random_of(&honest.source);
    honest.aead = aead_new(AEAD_SODIUM);
    FUZZ_CHECK(honest.aead);
    make_server();
    FUZZ_CHECK(hs_client_start(&honest.client, &config, &honest.rnd) == 0);
    honest.retry_len =
        hs_server_retry(&honest.server, honest.client.hello, honest.addr, NOW, honest.retry);
    FUZZ_CHECK(hs_server_answer(&honest.server, honest.aead, honest.client.hello, SPI_SERVER,
                                &honest.rnd, &result, honest.answer, &honest.answer_len) == HS_OK);
    hs_reset_make(&honest.server, quote, honest.reset);
    follower = honest.client;
    FUZZ_CHECK(hs_client_input(&follower, honest.aead, honest.retry, honest.retry_len, &result) ==
               HS_SEND);
    memcpy(honest.with_cookie, follower.hello, sizeof(honest.with_cookie));
}

static void to_server(const uint8_t *msg, size_t len, bool need_cookie)
{
    struct hs_result result = {0};
    uint8_t out[WIRE_HS_MAX];
    size_t out_len = 0;
    enum hs_server_error error =
        hs_server_check(&honest.server, msg, len, honest.addr, NOW, need_cookie);

    if (error == HS_BAD_COOKIE)
        FUZZ_CHECK(hs_server_retry(&honest.server, msg, honest.addr, NOW, out) < RETRY_MAX);
    if (error != HS_OK)
        return;
    error = hs_server_answer(&honest.server, honest.aead, msg, SPI_SERVER, &honest.rnd, &result,
                             out, &out_len);
    FUZZ_CHECK(error == HS_OK || error == HS_NO_SUITE || error == HS_BAD_SHARE);
    if (error == HS_OK)
        FUZZ_CHECK(out_len <= len && result.client_spi >= WIRE_SPI_MIN &&
                   hs_params_valid(&result.peer));
}

static void to_client(const uint8_t *msg, size_t len)
{
    struct hs_client client = honest.client;
    struct hs_result result;
    enum hs_verdict verdict = hs_client_input(&client, honest.aead, msg, len, &result);
    bool is_answer = len == honest.answer_len && memcmp(msg, honest.answer, len) == 0;

    FUZZ_CHECK((verdict == HS_DONE) == is_answer);
    if (verdict != HS_SEND)
        FUZZ_CHECK(memcmp(&client, &honest.client, sizeof(client)) == 0);
    else /* all but the cookie is ours */
        FUZZ_CHECK(len == honest.retry_len && memcmp(msg, honest.retry, len - HS_COOKIE_LEN) == 0);
    if (verdict != HS_IGNORE)
        FUZZ_CHECK(hs_client_spi_of(msg, len) == SPI_CLIENT);
}

static void to_reset(const uint8_t *msg, size_t len)
{
    const uint8_t *quote = hs_reset_check(msg, len, honest.server.identity);
    bool is_reset = len == HS_RESET_LEN && memcmp(msg, honest.reset, len) == 0;

    FUZZ_CHECK((quote != NULL) == is_reset);
    FUZZ_CHECK(!quote || quote == msg + WIRE_HS_HDR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_honest();
    if (size == 0)
        return 0;
    switch ((enum target)(data[0] % TARGETS)) {
    case TO_SERVER:
    case TO_SERVER_STRICT:
        to_server(data + 1, size - 1, data[0] % TARGETS == TO_SERVER_STRICT);
        break;
    case TO_CLIENT:
        to_client(data + 1, size - 1);
        break;
    default:
        to_reset(data + 1, size - 1);
    }
    hs_client_spi_of(data + 1, size - 1);
    return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    make_honest();
    const struct {
        enum target target;
        const uint8_t *msg;
        size_t len;
    } seeds[] = {
        {TO_SERVER, honest.client.hello, HS_CLIENT_HELLO_LEN},
        {TO_SERVER_STRICT, honest.with_cookie, HS_CLIENT_HELLO_LEN},
        {TO_CLIENT, honest.retry, honest.retry_len},
        {TO_CLIENT, honest.answer, honest.answer_len},
        {TO_RESET, honest.reset, HS_RESET_LEN},
    };
    if (index >= sizeof(seeds) / sizeof(*seeds))
        return 0;
    out[0] = (uint8_t)seeds[index].target;
    memcpy(out + 1, seeds[index].msg, seeds[index].len);
    return seeds[index].len + 1;
}
