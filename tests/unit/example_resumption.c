/* The worked example's resumption. */
#include "example.h"

#include "resume.h"

enum { TICKET_AT = 160, ACCEPT_CLEAR = 44 };

struct resumed {
    struct resume_client client;
    struct hs_result client_result, server_result;
    uint8_t ticket[RESUME_TICKET_LEN];
    uint8_t accept[RESUME_ACCEPT_LEN];
    uint8_t client_x25519[32], client_random[32], server_x25519[32];
};

/* Both sides had given credit. The client's early data is the frame of its first packet. */
static void run_resumption(struct example *e, struct resumed *r, const uint8_t *frames, size_t len)
{
    struct fixed_random client = {.label = "resuming client"};
    struct fixed_random server = {.label = "resuming server"}, before;
    struct hs_random client_rnd = fixed_random_of(&client), server_rnd = fixed_random_of(&server);
    struct resume_tickets *tickets = calloc(1, sizeof(*tickets));
    struct hs_client_config config = {
        .client_spi = CLIENT_SPI, .suites = {AEAD_AES256_GCM}, .params = hs_params_default};
    struct resume_early early;
    struct resumption kept;

    assert_non_null(tickets);
    config.params.max_data = config.params.max_stream_data = 65536;
    e->server.params.max_data = e->server.params.max_stream_data = 65536;
    e->client_result.peer = e->server.params;
    resume_tickets_init(tickets, &server_rnd, 0);
    resume_ticket_make(tickets, &e->server, e->server_result.resumption, &server_rnd, r->ticket);
    resumption_keep(&kept, &e->client_result);
    resumption_ticket(&kept, r->ticket, RESUME_TICKET_LEN);
    assert_int_equal(
        resume_client_start(&r->client, e->aead, &config, &kept, frames, len, &client_rnd), 0);
    memcpy(r->client_x25519, r->client.x25519_secret, 32);
    memcpy(r->client_random, r->client.hello + 12, 32);
    assert_int_equal(resume_server_open(&e->server, tickets, e->aead, r->client.hello, &early),
                     HS_OK);
    assert_int_equal(early.len, len);
    assert_memory_equal(early.frames, frames, len);
    before = server;
    fixed_random_fill(&server, r->server_x25519, 32); /* to be shown, and drawn again */
    server = before;
    assert_int_equal(resume_server_answer(&e->server, e->aead, r->client.hello, &early, SERVER_SPI,
                                          &server_rnd, &r->server_result, r->accept),
                     HS_OK);
    assert_int_equal(
        resume_client_input(&r->client, e->aead, r->accept, RESUME_ACCEPT_LEN, &r->client_result),
        RESUME_DONE);
    free(tickets);
}

/* Section 2.8, step by step. */
static void put_resumed_keys(struct example *e, const struct resumed *r)
{
    static const char salt[] = "jetplane1 resume";
    uint8_t ikm[64], t0[32], hs[32], sh[36], t1[32], t2[32], key[32], finished[32], c2s[32];
    uint8_t s2c[32], resumption[32], spi[4];

    memcpy(ikm, e->client_result.resumption, 32);
    assert_int_equal(crypto_scalarmult(ikm + 32, r->server_x25519, r->client.hello + 72), 0);
    sha256_2(t0, r->client.hello, RESUME_HELLO_LEN, r->accept, ACCEPT_CLEAR);
    hkdf_extract(hs, salt, strlen(salt), ikm, sizeof(ikm));
    kdf_derive(sh, 36, hs, "server hello", t0, 32);
    be32_store(spi, SERVER_SPI);
    sha256_2(t1, t0, 32, spi, 4);
    kdf_derive(key, 32, hs, "finished", t1, 32);
    crypto_auth_hmacsha256(finished, t1, 32, key);
    sha256_2(t2, t1, 32, finished, 32);
    kdf_derive(c2s, 32, hs, "client to server", t2, 32);
    kdf_derive(s2c, 32, hs, "server to client", t2, 32);
    kdf_derive(resumption, 32, hs, "resumption", t2, 32);
    assert_memory_equal(c2s, r->client_result.c2s_secret, 32);
    assert_memory_equal(s2c, r->server_result.s2c_secret, 32);
    assert_memory_equal(resumption, r->client_result.resumption, 32);

    put_value(e->f, "x25519", ikm + 32, 32);
    put_value(e->f, "T0", t0, 32);
    put_value(e->f, "hs", hs, 32);
    put_value(e->f, "sh key", sh, 32);
    put_value(e->f, "sh salt", sh + 32, 4);
    put_value(e->f, "T1", t1, 32);
    put_value(e->f, "finished", finished, 32);
    put_value(e->f, "T2", t2, 32);
    put_value(e->f, "c2s[0]", c2s, 32);
    put_value(e->f, "s2c[0]", s2c, 32);
    put_value(e->f, "resumption", resumption, 32);
}

void put_resumption(struct example *e)
{
    struct resumed *r = calloc(1, sizeof(*r));
    uint8_t frames[64], *p = frame_put_stream_hdr(frames, 1, 0, 0, true), hash[32], early[36];

    assert_non_null(r);
    memcpy(p, MESSAGE, MESSAGE_LEN);
    run_resumption(e, r, frames, (size_t)(p + MESSAGE_LEN - frames));
    crypto_hash_sha256(hash, r->client.hello, TICKET_AT + RESUME_TICKET_LEN);
    kdf_derive(early, 36, e->client_result.resumption, "early", hash, 32);
    fprintf(e->f,
            "### A resumption\n\n"
            "As if both sides had given 65536 bytes of credit in the handshake above, and the "
            "server this ticket:\n\n");
    put_value(e->f, "ticket", r->ticket, RESUME_TICKET_LEN);
    fprintf(e->f, "\nThe early data is the frame of the client's first packet above. The SPIs are "
                  "the same, everything else is drawn anew:\n\n");
    put_value(e->f, "client x25519 secret", r->client_x25519, 32);
    put_value(e->f, "client random", r->client_random, 32);
    put_value(e->f, "server x25519 secret", r->server_x25519, 32);
    put_value(e->f, "H", hash, 32);
    put_value(e->f, "early key", early, 32);
    put_value(e->f, "early salt", early + 32, 4);
    put_value(e->f, "ResumeHello", r->client.hello, RESUME_HELLO_LEN);
    fprintf(e->f, "\nThe server's answer:\n\n");
    put_resumed_keys(e, r);
    put_value(e->f, "ResumeAccept", r->accept, RESUME_ACCEPT_LEN);
    free(r);
}
