/* The inputs of a resumption. The first byte says whose: the server's hello, or the client's
 * answers. Nothing but the honest packet may be believed, and that once. */
#include <sodium.h>
#include <string.h>

#include "fixed_random.h"
#include "fuzz.h"
#include "resume.h"

enum { SPI_CLIENT = 0x1001, SPI_SERVER = 0x2002, NOW = 1700000000, RETRY_MAX = 100 };
enum target { TO_SERVER, TO_SERVER_STRICT, TO_CLIENT, TARGETS };

/* One honest resumption, made once. */
static struct {
    bool made;
    struct fixed_random source;
    struct hs_random rnd;
    struct aead *aead;
    struct hs_server server;
    struct resume_tickets tickets;
    struct resume_client client;
    uint8_t addr[HS_ADDR_LEN];
    uint8_t with_cookie[RESUME_HELLO_LEN];
    uint8_t retry[RETRY_MAX], accept[RESUME_ACCEPT_LEN], refuse[RESUME_REFUSE_LEN];
    size_t retry_len;
} honest;

static const char early_data[] = "early";

static void make_server(void)
{
    uint8_t seed[crypto_sign_SEEDBYTES] = {1};

    crypto_sign_seed_keypair(honest.server.identity, honest.server.identity_secret, seed);
    memset(honest.server.cookie_key, 2, sizeof(honest.server.cookie_key));
    honest.server.params = hs_params_default;
    honest.server.params.max_data = honest.server.params.max_stream_data = 65536;
    honest.server.suites[0] = AEAD_AES256_GCM;
    honest.server.suites[1] = AEAD_CHACHA20_POLY1305;
    resume_tickets_init(&honest.tickets, &honest.rnd, NOW);
}

/* As a handshake would leave it. */
static void keep(struct resumption *kept)
{
    struct hs_result result = {.alg = AEAD_AES256_GCM, .peer = honest.server.params};
    uint8_t ticket[RESUME_TICKET_LEN];

    memcpy(result.server_identity, honest.server.identity, HS_IDENTITY_LEN);
    honest.rnd.fill(honest.rnd.arg, result.resumption, sizeof(result.resumption));
    resumption_keep(kept, &result);
    resume_ticket_make(&honest.tickets, &honest.server, result.resumption, &honest.rnd, ticket);
    resumption_ticket(kept, ticket, sizeof(ticket));
}

static void forget_used(void)
{
    memset(honest.tickets.keys[0].used, 0, sizeof(honest.tickets.keys[0].used));
}

static void make_answers(void)
{
    struct resume_client follower = honest.client;
    struct resume_early early;
    struct hs_result result;

    FUZZ_CHECK(resume_server_open(&honest.server, &honest.tickets, honest.aead, honest.client.hello,
                                  &early) == HS_OK);
    forget_used();
    FUZZ_CHECK(resume_server_answer(&honest.server, honest.aead, honest.client.hello, &early,
                                    SPI_SERVER, &honest.rnd, &result, honest.accept) == HS_OK);
    resume_server_refuse(honest.client.hello, honest.refuse);
    honest.retry_len =
        hs_server_retry(&honest.server, honest.client.hello, honest.addr, NOW, honest.retry);
    FUZZ_CHECK(resume_client_input(&follower, honest.aead, honest.retry, honest.retry_len,
                                   &result) == RESUME_SEND);
    memcpy(honest.with_cookie, follower.hello, sizeof(honest.with_cookie));
}

static void make_honest(void)
{
    struct hs_client_config config = {
        .client_spi = SPI_CLIENT,
        .suites = {AEAD_AES256_GCM},
        .pinned = honest.server.identity,
    };
    struct resumption kept;

    if (honest.made)
        return;
    honest.made = true;
    strcpy(honest.source.label, "fuzz_resume");
    honest.rnd = fixed_random_of(&honest.source);
    honest.aead = aead_new(AEAD_SODIUM);
    FUZZ_CHECK(honest.aead);
    make_server();
    keep(&kept);
    config.params = honest.server.params;
    FUZZ_CHECK(resume_client_start(&honest.client, honest.aead, &config, &kept,
                                   (const uint8_t *)early_data, sizeof(early_data),
                                   &honest.rnd) == 0);
    make_answers();
}

static bool is_honest_hello(const uint8_t *msg)
{
    return memcmp(msg, honest.client.hello, RESUME_HELLO_LEN) == 0 ||
           memcmp(msg, honest.with_cookie, RESUME_HELLO_LEN) == 0;
}

static void to_server(const uint8_t *msg, size_t len, bool need_cookie)
{
    struct resume_early early;
    enum hs_server_error error =
        resume_server_check(&honest.server, msg, len, honest.addr, NOW, need_cookie);

    if (error != HS_OK)
        return;
    FUZZ_CHECK(!need_cookie || hs_hello_has_cookie(msg));
    error = resume_server_open(&honest.server, &honest.tickets, honest.aead, msg, &early);
    FUZZ_CHECK((error == HS_OK) == is_honest_hello(msg));
    if (error == HS_OK) {
        FUZZ_CHECK(early.len == sizeof(early_data) &&
                   memcmp(early.frames, early_data, sizeof(early_data)) == 0);
        FUZZ_CHECK(resume_server_open(&honest.server, &honest.tickets, honest.aead, msg, &early) ==
                   HS_BAD_TICKET);
        forget_used();
    }
}

static void to_client(const uint8_t *msg, size_t len)
{
    struct resume_client client = honest.client;
    struct hs_result result;
    enum resume_verdict verdict = resume_client_input(&client, honest.aead, msg, len, &result);
    bool accepts = len == RESUME_ACCEPT_LEN && memcmp(msg, honest.accept, len) == 0;
    bool refuses = len == RESUME_REFUSE_LEN && memcmp(msg, honest.refuse, len) == 0;

    FUZZ_CHECK((verdict == RESUME_DONE) == accepts);
    FUZZ_CHECK((verdict == RESUME_REFUSED) == refuses);
    if (verdict != RESUME_SEND)
        FUZZ_CHECK(memcmp(&client, &honest.client, sizeof(client)) == 0);
    else /* all but the cookie is ours */
        FUZZ_CHECK(len == honest.retry_len && memcmp(msg, honest.retry, len - HS_COOKIE_LEN) == 0);
    if (verdict != RESUME_IGNORE)
        FUZZ_CHECK(hs_client_spi_of(msg, len) == SPI_CLIENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_honest();
    if (size == 0)
        return 0;
    if (data[0] % TARGETS == TO_CLIENT)
        to_client(data + 1, size - 1);
    else
        to_server(data + 1, size - 1, data[0] % TARGETS == TO_SERVER_STRICT);
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
        {TO_SERVER, honest.client.hello, RESUME_HELLO_LEN},
        {TO_SERVER_STRICT, honest.with_cookie, RESUME_HELLO_LEN},
        {TO_CLIENT, honest.retry, honest.retry_len},
        {TO_CLIENT, honest.accept, RESUME_ACCEPT_LEN},
        {TO_CLIENT, honest.refuse, RESUME_REFUSE_LEN},
    };
    if (index >= sizeof(seeds) / sizeof(*seeds))
        return 0;
    out[0] = (uint8_t)seeds[index].target;
    memcpy(out + 1, seeds[index].msg, seeds[index].len);
    return seeds[index].len + 1;
}
