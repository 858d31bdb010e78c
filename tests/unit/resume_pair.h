/* A client that was at the server before, and keeps a ticket: the fixture of the resumption's
 * tests.
 */
#ifndef TESTS_RESUME_PAIR_H
#define TESTS_RESUME_PAIR_H

#include "handshake_pair.h"
#include "resume_internal.h"

struct resuming {
    struct pair *pair;
    struct resume_tickets tickets;
    struct resumption kept;
    struct resume_client client;
    struct resume_early early;
    struct hs_result client_result, server_result;
    uint8_t accept[RESUME_ACCEPT_LEN];
};

/* A whole handshake, and the ticket that comes with it. */
static inline void visit(struct resuming *r)
{
    struct pair *p = r->pair;
    uint8_t ticket[RESUME_TICKET_LEN];

    start_and_answer(p);
    assert_int_equal(input(p), HS_DONE);
    assert_memory_equal(p->client_result.resumption, p->server_result.resumption, KDF_HASH_LEN);
    resumption_keep(&r->kept, &p->client_result);
    resume_ticket_make(&r->tickets, &p->server, p->server_result.resumption, &p->rnd, ticket);
    resumption_ticket(&r->kept, ticket, sizeof(ticket));
}

static inline int resuming_setup(void **state)
{
    struct resuming *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    setup((void **)&r->pair);
    r->pair->server.params.max_data = r->pair->config.params.max_data = 1 << 20;
    r->pair->server.params.max_stream_data = r->pair->config.params.max_stream_data = 1 << 18;
    resume_tickets_init(&r->tickets, &r->pair->rnd, NOW);
    visit(r);
    *state = r;
    return 0;
}

static inline int resuming_teardown(void **state)
{
    struct resuming *r = *state;

    teardown((void **)&r->pair);
    free(r);
    return 0;
}

static inline int resume(struct resuming *r, const void *frames, size_t len)
{
    return resume_client_start(&r->client, r->pair->aead, &r->pair->config, &r->kept, frames, len,
                               &r->pair->rnd);
}

static inline enum hs_server_error judge(const struct resuming *r, bool need_cookie)
{
    return resume_server_check(&r->pair->server, r->client.hello, RESUME_HELLO_LEN, client_addr,
                               NOW, need_cookie);
}

static inline enum hs_server_error redeem(struct resuming *r)
{
    return resume_server_open(&r->pair->server, &r->tickets, r->pair->aead, r->client.hello,
                              &r->early);
}

static inline enum hs_server_error reply(struct resuming *r)
{
    return resume_server_answer(&r->pair->server, r->pair->aead, r->client.hello, &r->early,
                                SERVER_SPI, &r->pair->rnd, &r->server_result, r->accept);
}

static inline enum resume_verdict deliver(struct resuming *r, const uint8_t *msg, size_t len)
{
    return resume_client_input(&r->client, r->pair->aead, msg, len, &r->client_result);
}

/* Up to the ResumeAccept. */
static inline void resume_and_reply(struct resuming *r, const void *frames, size_t len)
{
    assert_int_equal(resume(r, frames, len), 0);
    assert_int_equal(judge(r, false), HS_OK);
    assert_int_equal(redeem(r), HS_OK);
    assert_int_equal(reply(r), HS_OK);
}

#define RESUMING_TEST(test) cmocka_unit_test_setup_teardown(test, resuming_setup, resuming_teardown)

#endif
