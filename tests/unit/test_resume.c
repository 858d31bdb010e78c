/* Resumption: what honest sides agree on, and what nobody else can make of it. */
#include "resume_pair.h"

#include <errno.h>

static const char word[] = "idempotent";

/* ---- honest sides ---- */

static void assert_resumed(const struct resuming *r)
{
    const struct hs_result *c = &r->client_result, *s = &r->server_result;

    assert_memory_equal(c->c2s_secret, s->c2s_secret, KDF_HASH_LEN);
    assert_memory_equal(c->s2c_secret, s->s2c_secret, KDF_HASH_LEN);
    assert_memory_equal(c->resumption, s->resumption, KDF_HASH_LEN);
    assert_memory_not_equal(c->c2s_secret, c->s2c_secret, KDF_HASH_LEN);
    assert_memory_not_equal(c->c2s_secret, r->pair->client_result.c2s_secret, KDF_HASH_LEN);
    assert_memory_not_equal(c->resumption, r->pair->client_result.resumption, KDF_HASH_LEN);
    assert_int_equal(c->client_spi, CLIENT_SPI);
    assert_int_equal(s->client_spi, CLIENT_SPI);
    assert_int_equal(c->server_spi, SERVER_SPI);
    assert_int_equal(s->server_spi, SERVER_SPI);
    assert_int_equal(c->alg, s->alg);
    assert_memory_equal(c->server_identity, r->pair->server.identity, HS_IDENTITY_LEN);
    assert_memory_equal(s->server_identity, r->pair->server.identity, HS_IDENTITY_LEN);
    assert_params(&c->peer, &r->pair->server.params);
    assert_params(&s->peer, &r->pair->config.params);
    assert_int_equal(c->peer.max_data, r->pair->server.params.max_data);
    assert_int_equal(s->peer.max_data, r->pair->config.params.max_data);
}

/* With each suite and backend, and from a resumed session again. */
static void test_resumes(void **state)
{
    struct resuming *r = *state;
    uint8_t ticket[RESUME_TICKET_LEN];

    for (unsigned i = 0; i < 4; i++) {
        r->pair->config.suites[0] = (uint8_t)(1 + i % 2);
        r->pair->config.suites[1] = 0;
        visit(r);
        for (unsigned again = 0; again < 2; again++) {
            resume_and_reply(r, word, sizeof(word));
            assert_int_equal(r->early.len, sizeof(word));
            assert_memory_equal(r->early.frames, word, sizeof(word));
            assert_int_equal(hs_client_spi_of(r->accept, sizeof(r->accept)), CLIENT_SPI);
            assert_int_equal(deliver(r, r->accept, sizeof(r->accept)), RESUME_DONE);
            assert_resumed(r);
            r->pair->client_result = r->client_result;
            resumption_keep(&r->kept, &r->client_result);
            resume_ticket_make(&r->tickets, &r->pair->server, r->server_result.resumption,
                               &r->pair->rnd, ticket);
            resumption_ticket(&r->kept, ticket, sizeof(ticket));
        }
        aead_free(r->pair->aead);
        r->pair->aead = aead_new(i == 1 ? aead_best() : AEAD_SODIUM);
        assert_non_null(r->pair->aead);
    }
}

/* A client uses a ticket once; a second connection with a copy of it gets other keys. */
static void test_client_uses_up(void **state)
{
    struct resuming *r = *state;
    struct resumption copy = r->kept;
    struct hs_result first;

    resume_and_reply(r, NULL, 0);
    assert_int_equal(r->early.len, 0);
    assert_true(sodium_is_zero((const uint8_t *)&r->kept, sizeof(r->kept)));
    assert_int_equal(resume(r, NULL, 0), -EINVAL);
    first = r->server_result;

    r->kept = copy;
    resume_tickets_init(&r->tickets, &r->pair->rnd, NOW);
    assert_int_equal(resume(r, NULL, 0), 0);
    assert_int_equal(reply(r), HS_OK); /* as if the server forgot that it was used */
    assert_memory_not_equal(first.c2s_secret, r->server_result.c2s_secret, KDF_HASH_LEN);
    resume_client_wipe(&r->client);
    assert_true(sodium_is_zero((const uint8_t *)&r->client, sizeof(r->client)));
}

static void test_client_config(void **state)
{
    struct resuming *r = *state;
    struct hs_client_config good = r->pair->config, *config = &r->pair->config;
    struct resumption kept = r->kept;
    uint8_t other[HS_IDENTITY_LEN] = {1};

    config->client_spi = WIRE_SPI_MIN - 1;
    assert_int_equal(resume(r, NULL, 0), -EINVAL);
    *config = good;
    config->params.max_data = config->params.max_stream_data = 0; /* a light session */
    assert_int_equal(resume(r, NULL, 0), -EINVAL);
    *config = good;
    config->pinned = other;
    assert_int_equal(resume(r, NULL, 0), -ENOENT);
    *config = good;
    config->suites[0] = AEAD_CHACHA20_POLY1305;
    config->suites[1] = 0;
    assert_int_equal(resume(r, NULL, 0), -ENOENT);
    *config = good;
    r->kept.ticket_len = 0;
    assert_int_equal(resume(r, NULL, 0), -ENOENT);
    r->kept = kept;
    config->pinned = NULL;
    assert_int_equal(resume(r, NULL, 0), 0);
}

/* Up to the last byte; tickets of every length. */
static void test_room(void **state)
{
    struct resuming *r = *state;
    struct resumption kept = r->kept;
    uint8_t frames[RESUME_EARLY_MAX + 1];

    memset(frames, 7, sizeof(frames));
    assert_int_equal(resumption_room(&kept), 1094);
    assert_int_equal(resume(r, frames, 1095), -EMSGSIZE);
    resume_and_reply(r, frames, 1094);
    assert_int_equal(r->early.len, 1094);
    assert_memory_equal(r->early.frames, frames, 1094);
    for (unsigned len = 1; len <= FRAME_TICKET_MAX; len++) {
        r->kept = kept;
        r->kept.ticket_len = (uint8_t)len;
        assert_int_equal(resume(r, frames, resumption_room(&r->kept) + 1), -EMSGSIZE);
        assert_int_equal(resume(r, frames, resumption_room(&r->kept)), 0);
        assert_int_equal(judge(r, false), HS_OK);
        assert_int_equal(redeem(r), HS_BAD_TICKET);
    }
}

/* Whatever answers a ResumeHello is shorter. */
static void test_no_amplification(void **state)
{
    struct resuming *r = *state;
    uint8_t retry[100];

    resume_and_reply(r, word, sizeof(word));
    assert_true(sizeof(r->accept) < RESUME_HELLO_LEN && RESUME_REFUSE_LEN < RESUME_HELLO_LEN);
    assert_int_equal(hs_server_retry(&r->pair->server, r->client.hello, client_addr, NOW, retry),
                     68);
}

/* ---- cookies ---- */

static enum resume_verdict follow(struct resuming *r, uint64_t now)
{
    uint8_t msg[100];
    size_t len = hs_server_retry(&r->pair->server, r->client.hello, client_addr, now, msg);

    return deliver(r, msg, len);
}

static void test_cookie(void **state)
{
    struct resuming *r = *state;
    uint8_t other[HS_ADDR_LEN] = {9};

    assert_int_equal(resume(r, word, sizeof(word)), 0);
    assert_false(hs_hello_has_cookie(r->client.hello));
    assert_int_equal(judge(r, true), HS_BAD_COOKIE);
    assert_int_equal(follow(r, NOW), RESUME_SEND);
    assert_true(hs_hello_has_cookie(r->client.hello));
    assert_int_equal(judge(r, true), HS_OK);
    assert_int_equal(
        resume_server_check(&r->pair->server, r->client.hello, RESUME_HELLO_LEN, other, NOW, false),
        HS_BAD_COOKIE);
    assert_int_equal(redeem(r), HS_OK);
    assert_memory_equal(r->early.frames, word, sizeof(word));
    assert_int_equal(reply(r), HS_OK);
    assert_int_equal(deliver(r, r->accept, sizeof(r->accept)), RESUME_DONE);
    assert_resumed(r);
}

static void test_retries_cap(void **state)
{
    struct resuming *r = *state;

    assert_int_equal(resume(r, NULL, 0), 0);
    for (unsigned i = 0; i < HS_RETRIES_MAX; i++)
        assert_int_equal(follow(r, NOW + i), RESUME_SEND);
    assert_int_equal(follow(r, NOW + 9), RESUME_IGNORE);
}

/* The answer to a hello without the cookie is not for the hello with it. */
static void test_answer_to_older_hello(void **state)
{
    struct resuming *r = *state;

    resume_and_reply(r, NULL, 0);
    assert_int_equal(follow(r, NOW), RESUME_SEND);
    assert_int_equal(deliver(r, r->accept, sizeof(r->accept)), RESUME_IGNORE);
}

/* ---- once, and not for long ---- */

static void test_replay(void **state)
{
    struct resuming *r = *state;
    struct resumption copy = r->kept;

    resume_and_reply(r, word, sizeof(word));
    memset(&r->early, 0xff, sizeof(r->early));
    assert_int_equal(redeem(r), HS_BAD_TICKET);
    assert_true(sodium_is_zero((const uint8_t *)&r->early, sizeof(r->early)));
    assert_int_equal(follow(r, NOW), RESUME_SEND); /* with a cookie, too */
    assert_int_equal(redeem(r), HS_BAD_TICKET);
    r->kept = copy; /* and in another hello */
    assert_int_equal(resume(r, word, sizeof(word)), 0);
    assert_int_equal(redeem(r), HS_BAD_TICKET);
    visit(r);
    resume_and_reply(r, word, sizeof(word));
}

static void test_restart(void **state)
{
    struct resuming *r = *state;

    assert_int_equal(resume(r, word, sizeof(word)), 0);
    resume_tickets_wipe(&r->tickets);
    resume_tickets_init(&r->tickets, &r->pair->rnd, NOW);
    assert_int_equal(redeem(r), HS_BAD_TICKET);
}

/* Tickets live through one change of the key, and used ones stay used. */
static void test_rotation(void **state)
{
    static const struct {
        uint64_t first, second;
        enum hs_server_error error;
    } cases[] = {
        {RESUME_KEY_LIFETIME_S - 1, 2 * RESUME_KEY_LIFETIME_S - 2, HS_OK},
        {RESUME_KEY_LIFETIME_S, 2 * RESUME_KEY_LIFETIME_S - 1, HS_OK},
        {RESUME_KEY_LIFETIME_S, 2 * RESUME_KEY_LIFETIME_S, HS_BAD_TICKET},
        {1, 2 * RESUME_KEY_LIFETIME_S - 1, HS_OK},
        {1, 2 * RESUME_KEY_LIFETIME_S, HS_BAD_TICKET},
    };
    struct resuming *r = *state;
    const struct hs_random *rnd = &r->pair->rnd;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        resume_tickets_init(&r->tickets, rnd, NOW);
        visit(r);
        assert_int_equal(resume(r, NULL, 0), 0);
        resume_tickets_tick(&r->tickets, rnd, NOW + cases[i].first);
        resume_tickets_tick(&r->tickets, rnd, NOW + cases[i].second);
        assert_int_equal(redeem(r), cases[i].error);
        assert_int_equal(redeem(r), HS_BAD_TICKET);
        visit(r);
        resume_and_reply(r, NULL, 0);
    }
    resume_tickets_init(&r->tickets, rnd, NOW);
    visit(r);
    resume_and_reply(r, NULL, 0);
    resume_tickets_tick(&r->tickets, rnd, NOW + RESUME_KEY_LIFETIME_S);
    assert_int_equal(redeem(r), HS_BAD_TICKET);
}

/* A ticket is for the server that gave it, as it was then. */
static void test_other_server(void **state)
{
    struct resuming *r = *state;
    struct hs_server *server = &r->pair->server, good = *server;

    assert_int_equal(resume(r, NULL, 0), 0);
    server->identity[0] ^= 1;
    assert_int_equal(redeem(r), HS_BAD_TICKET);
    *server = good;
    server->params.max_data++;
    assert_int_equal(redeem(r), HS_BAD_TICKET);
    *server = good;
    server->suites[0] = AEAD_CHACHA20_POLY1305;
    assert_int_equal(redeem(r), HS_NO_SUITE);
    *server = good;
    assert_int_equal(redeem(r), HS_OK);
}

/* Few tickets are taken for used ones. */
static void test_used_set(void **state)
{
    enum { USED = 20000 };
    struct resuming *r = *state;
    struct resume_key *key = &r->tickets.keys[0];
    uint8_t ticket[RESUME_TICKET_LEN];
    unsigned wrong = 0;

    for (unsigned i = 0; i < USED; i++) {
        r->pair->rnd.fill(r->pair->rnd.arg, ticket, sizeof(ticket));
        wrong += !resume_ticket_use(key, ticket);
        assert_false(resume_ticket_use(key, ticket));
    }
    assert_in_range(wrong, 0, USED / 100);
}

/* ---- lies ---- */

static void test_malformed(void **state)
{
    static const struct {
        unsigned offset;
        uint8_t value;
    } cases[] = {
        {3, 1},
        {4, WIRE_CLIENT_HELLO},
        {5, 2},
        {6, 1},
        {7, 1},
        {CH_SPI, 0}, /* SPI 255 */
        {RH_TICKET_LEN, 0},
        {RH_TICKET_LEN, FRAME_TICKET_MAX + 1},
        {RH_TICKET_LEN, 255},
        {CH_COOKIE_LEN, 1},
        {CH_COOKIE_LEN, 25},
        {CH_COOKIE, 1},
        {CH_COOKIE + 23, 1},
        {RH_PARAMS_LEN, 57},
        {RH_PARAMS_LEN, 255},
        {RH_PARAMS_LEN, 1},
        {RH_PARAMS_LEN, 0}, /* what follows is not zero */
        {RH_PARAMS + HS_PARAMS_MAX - 1, 1},
    };
    struct resuming *r = *state;
    struct resume_client good;

    r->pair->config.client_spi = 0x01000000 | 0xff;
    assert_int_equal(resume(r, NULL, 0), 0);
    good = r->client;
    assert_int_equal(judge(r, false), HS_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        r->client.hello[cases[i].offset] = cases[i].value;
        assert_int_equal(judge(r, false), HS_MALFORMED);
        r->client = good;
    }
    memset(r->client.hello + RH_PARAMS, 0, HS_PARAMS_MAX); /* all defaults: a light session */
    r->client.hello[RH_PARAMS_LEN] = 0;
    assert_int_equal(judge(r, false), HS_MALFORMED);
}

/* Every length but the right one, in memory of exactly that length. */
static void test_lengths(void **state)
{
    struct resuming *r = *state;
    uint8_t refuse[RESUME_REFUSE_LEN];

    resume_and_reply(r, word, sizeof(word));
    resume_server_refuse(r->client.hello, refuse);
    for (size_t len = 0; len < WIRE_HS_MAX; len++) {
        uint8_t *msg = calloc(1, len ? len : 1);

        assert_non_null(msg);
        memcpy(msg, r->client.hello, len < RESUME_HELLO_LEN ? len : RESUME_HELLO_LEN);
        assert_int_equal(resume_server_check(&r->pair->server, msg, len, client_addr, NOW, false),
                         len == RESUME_HELLO_LEN ? HS_OK : HS_MALFORMED);
        memcpy(msg, r->accept, len < sizeof(r->accept) ? len : sizeof(r->accept));
        assert_int_equal(deliver(r, msg, len),
                         len == sizeof(r->accept) ? RESUME_DONE : RESUME_IGNORE);
        memcpy(msg, refuse, len < sizeof(refuse) ? len : sizeof(refuse));
        assert_int_equal(deliver(r, msg, len),
                         len == sizeof(refuse) ? RESUME_REFUSED : RESUME_IGNORE);
        hs_client_spi_of(msg, len);
        free(msg);
    }
}

/* No bit of a ResumeHello may change on its way; the ticket stays good meanwhile. Only the cookie
 * proves itself in another way. */
static void test_flipped_hello(void **state)
{
    struct resuming *r = *state;
    uint8_t *hello = r->client.hello;

    assert_int_equal(resume(r, word, sizeof(word)), 0);
    assert_int_equal(follow(r, NOW), RESUME_SEND);
    for (unsigned i = 0; i < 8 * RESUME_HELLO_LEN; i++) {
        hello[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_true(judge(r, true) != HS_OK || redeem(r) != HS_OK);
        hello[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    assert_int_equal(judge(r, true), HS_OK);
    assert_int_equal(redeem(r), HS_OK);
}

/* ... nor of a ResumeAccept. */
static void test_flipped_accept(void **state)
{
    struct resuming *r = *state;
    struct resume_client before;

    resume_and_reply(r, NULL, 0);
    before = r->client;
    for (unsigned i = 0; i < 8 * sizeof(r->accept); i++) {
        r->accept[i / 8] ^= (uint8_t)(1 << i % 8);
        /* the top bit of an X25519 share is not part of it, but of T0 */
        assert_int_equal(deliver(r, r->accept, sizeof(r->accept)), RESUME_IGNORE);
        r->accept[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    assert_memory_equal(&before, &r->client, sizeof(before));
    assert_int_equal(deliver(r, r->accept, sizeof(r->accept)), RESUME_DONE);
}

/* Only who saw the hello can refuse it. */
static void test_refuse(void **state)
{
    struct resuming *r = *state;
    uint8_t refuse[RESUME_REFUSE_LEN];

    assert_int_equal(resume(r, NULL, 0), 0);
    resume_server_refuse(r->client.hello, refuse);
    for (unsigned i = 0; i < 8 * sizeof(refuse); i++) {
        refuse[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(deliver(r, refuse, sizeof(refuse)), RESUME_IGNORE);
        refuse[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    assert_int_equal(hs_client_spi_of(refuse, sizeof(refuse)), CLIENT_SPI);
    assert_int_equal(deliver(r, refuse, sizeof(refuse)), RESUME_REFUSED);
}

/* Who has the ticket but not its secret, which a client never sends, has nothing. */
static void test_stolen_ticket(void **state)
{
    struct resuming *r = *state;
    struct resumption stolen = r->kept;

    stolen.secret[0] ^= 1;
    r->kept = stolen;
    assert_int_equal(resume(r, word, sizeof(word)), 0);
    assert_int_equal(redeem(r), HS_BAD_TICKET);
}

/* A server that cannot open the ticket cannot answer. */
static void test_impostor(void **state)
{
    struct resuming *r = *state;

    resume_and_reply(r, NULL, 0);
    r->early.secret[31] ^= 0x80;
    assert_int_equal(reply(r), HS_OK);
    assert_int_equal(deliver(r, r->accept, sizeof(r->accept)), RESUME_IGNORE);
}

/* A server's answer that lies under a good tag. */
static void test_server_lies(void **state)
{
    struct resuming *r = *state;
    uint8_t x25519[HS_X25519_LEN], sealed[ACCEPT_LEN];
    struct hs_schedule k;

    resume_and_reply(r, NULL, 0);
    assert_int_equal(crypto_scalarmult(x25519, r->client.x25519_secret, r->accept + RA_X25519), 0);
    resume_schedule_start(&k, r->client.hello, r->accept, r->early.secret, x25519);
    for (unsigned i = 0; i < 3; i++) {
        struct aead_key key;
        struct aead_op op = {
            .key = &key, .text = r->accept + RA_SEALED, .spi = CLIENT_SPI, .len = ACCEPT_LEN};

        be32_store(sealed + ACCEPT_SPI, i == 0 ? WIRE_SPI_MIN : WIRE_SPI_MIN - 1);
        resume_schedule_finished(&k, sealed, sealed + ACCEPT_FINISHED);
        if (i == 2) {
            be32_store(sealed + ACCEPT_SPI, WIRE_SPI_MIN); /* not what was finished */
            sealed[ACCEPT_FINISHED] ^= 1;
        }
        memcpy(op.text, sealed, sizeof(sealed));
        assert_int_equal(hs_schedule_sealing_key(&k, r->pair->aead, &key, r->kept.alg), -EINVAL);
        assert_int_equal(hs_schedule_sealing_key(&k, r->pair->aead, &key, r->client.alg), 0);
        aead_seal(r->pair->aead, &op, 1);
        assert_int_equal(deliver(r, r->accept, sizeof(r->accept)),
                         i == 0 ? RESUME_DONE : RESUME_IGNORE);
    }
}

/* A share that makes the X25519 secret zero, of either side, everything else right for that. */
static void test_small_order(void **state)
{
    struct resuming *r = *state;
    uint8_t zero[HS_X25519_LEN] = {0};
    struct hs_schedule k;
    struct aead_key key;
    struct aead_op op = {
        .key = &key, .text = r->accept + RA_SEALED, .spi = CLIENT_SPI, .len = ACCEPT_LEN};

    resume_and_reply(r, NULL, 0);
    memset(r->accept + RA_X25519, 0, HS_X25519_LEN);
    resume_schedule_start(&k, r->client.hello, r->accept, r->early.secret, zero);
    be32_store(op.text + ACCEPT_SPI, SERVER_SPI);
    resume_schedule_finished(&k, op.text, op.text + ACCEPT_FINISHED);
    assert_int_equal(hs_schedule_sealing_key(&k, r->pair->aead, &key, r->client.alg), 0);
    aead_seal(r->pair->aead, &op, 1);
    assert_int_equal(deliver(r, r->accept, sizeof(r->accept)), RESUME_IGNORE);

    memset(r->client.hello + RH_X25519, 0, HS_X25519_LEN);
    assert_int_equal(reply(r), HS_BAD_SHARE);
}

/* An owner of a ticket who says that there is more early data than there is. */
static void test_early_length_lies(void **state)
{
    struct resuming *r = *state;
    uint8_t *hello = r->client.hello, *text;
    struct aead_key key;
    struct aead_op op = {.key = &key, .spi = CLIENT_SPI};

    assert_int_equal(resume(r, NULL, 0), 0);
    text = op.text = hello + early_place(hello);
    op.len = (uint32_t)early_text_len(hello);
    assert_int_equal(resume_early_key(r->pair->aead, &key, hello, r->client.secret), 0);
    for (unsigned i = 0; i < 3; i++) {
        memset(text, 0, op.len);
        be16_store(text, (uint16_t)(i == 0 ? 0xffff : op.len - EARLY_FRAMES + 2 - i));
        aead_seal(r->pair->aead, &op, 1);
        assert_int_equal(redeem(r), i == 2 ? HS_OK : HS_BAD_TICKET);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESUMING_TEST(test_resumes),
        RESUMING_TEST(test_client_uses_up),
        RESUMING_TEST(test_client_config),
        RESUMING_TEST(test_room),
        RESUMING_TEST(test_no_amplification),
        RESUMING_TEST(test_cookie),
        RESUMING_TEST(test_retries_cap),
        RESUMING_TEST(test_answer_to_older_hello),
        RESUMING_TEST(test_replay),
        RESUMING_TEST(test_restart),
        RESUMING_TEST(test_rotation),
        RESUMING_TEST(test_other_server),
        RESUMING_TEST(test_used_set),
        RESUMING_TEST(test_malformed),
        RESUMING_TEST(test_lengths),
        RESUMING_TEST(test_flipped_hello),
        RESUMING_TEST(test_flipped_accept),
        RESUMING_TEST(test_refuse),
        RESUMING_TEST(test_stolen_ticket),
        RESUMING_TEST(test_impostor),
        RESUMING_TEST(test_server_lies),
        RESUMING_TEST(test_small_order),
        RESUMING_TEST(test_early_length_lies),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
