/* Early data of a session that is resumed: what conn_send gave travels in the ResumeHello, and
 * arrives once whether the server takes the ticket or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sodium.h>

#include "pair.h"
#include "resume.h"

enum { MESSAGE = 5000, SECOND = 1000000, SPI = 0x1001 };

/* One end's view. */
struct view {
    struct resumption kept;
    unsigned messages;
};
static uint8_t message[MESSAGE];

static void on_opened(struct conn *c, uint32_t stream)
{
    (void)c, (void)stream;
}

static void on_readable(struct conn *c, uint32_t stream)
{
    struct end *e = conn_user(c);
    struct view *v = e->app;
    struct reassembly_message *m;

    while ((m = conn_read(c, stream)) != NULL) {
        const uint8_t *data;
        uint32_t n;

        for (uint32_t at = 0; at < MESSAGE; at += n) {
            n = reassembly_read(m, at, &data);
            assert_memory_equal(data, message + at, n);
        }
        v->messages++;
        conn_release(c, stream, m, e->net->sim.now);
    }
}

static void on_ended(struct conn *c, uint32_t stream, enum conn_end how)
{
    (void)c, (void)stream, (void)how;
}

static void on_released(struct conn *c, void *user, enum sendq_fate fate)
{
    (void)c, (void)user, (void)fate;
}

static void on_path(struct conn *c, unsigned path, enum conn_path_event event)
{
    (void)c, (void)path, (void)event;
}

static void on_ticket(struct conn *c, const uint8_t *ticket, uint32_t len)
{
    struct view *v = ((struct end *)conn_user(c))->app;

    resumption_ticket(&v->kept, ticket, len);
}

static int on_acked(struct conn *c, uint64_t pn)
{
    (void)c;
    return pn < ((struct end *)conn_user(c))->next_pn ? 0 : -1;
}

static void on_closed(struct conn *c, uint64_t code, const char *reason, bool local)
{
    (void)c, (void)local;
    fail_msg("closed: %u %s", (unsigned)code, reason);
}

static const struct conn_ops ops = {
    .opened = on_opened,
    .readable = on_readable,
    .ended = on_ended,
    .released = on_released,
    .path = on_path,
    .ticket = on_ticket,
    .acked = on_acked,
    .closed = on_closed,
};

struct world {
    struct net net;
    struct view view[2];
    struct end *client, *server;
    struct aead *aead;
    struct hs_server identity;
    struct resume_tickets tickets;
    struct resume_client hello;
};

static void begin(struct world *w)
{
    struct end_config config[2] = {end_config_default(&ops), end_config_default(&ops)};
    struct link_config link = {.rate = 10000000, .delay_us = 20000};

    net_init(&w->net, 1, &link);
    config[0].app = &w->view[0];
    config[1].app = &w->view[1];
    w->client = pair_start(&w->net, &config[0], &config[1]);
    w->server = w->client->peer;
    w->identity.params = config[1].conn.local;
    w->identity.suites[0] = AEAD_CHACHA20_POLY1305;
}

/* A session whose server gives a ticket. */
static void visit(struct world *w)
{
    struct hs_result result = {.alg = AEAD_CHACHA20_POLY1305, .peer = w->identity.params};
    uint8_t ticket[RESUME_TICKET_LEN];

    resumption_keep(&w->view[0].kept, &result);
    resume_ticket_make(&w->tickets, &w->identity, result.resumption, &hs_random_system, ticket);
    assert_int_equal(conn_ticket(w->server->conn, ticket, sizeof(ticket)), 0);
    end_pump(w->server);
    sim_run(&w->net.sim, w->net.sim.now + SECOND);
    assert_int_equal(w->view[0].kept.ticket_len, RESUME_TICKET_LEN);
}

/* The client's next packet, not sent but in a ResumeHello. */
static uint64_t resume(struct world *w)
{
    struct hs_client_config config = {
        .client_spi = SPI, .suites = {AEAD_CHACHA20_POLY1305}, .params = w->identity.params};
    uint8_t frames[CONN_PACKET_MAX];
    struct conn_packet p = {.frames = frames, .room = (uint32_t)resumption_room(&w->view[0].kept)};
    uint64_t pn = w->client->next_pn++, now = w->net.sim.now;
    int stream = conn_open(w->client->conn, CONN_STREAM_ANY, &conn_stream_default, now);

    assert_true(stream >= 0);
    assert_int_equal(
        conn_write(w->client->conn, (uint32_t)stream, message, MESSAGE, false, NULL, now), 0);
    assert_int_equal(conn_send(w->client->conn, now, pn, &p), 1);
    assert_in_range(p.len, 1000, resumption_room(&w->view[0].kept));
    assert_int_equal(resume_client_start(&w->hello, w->aead, &config, &w->view[0].kept, frames,
                                         p.len, &hs_random_system),
                     0);
    return pn;
}

static void take_early(struct world *w, uint64_t pn)
{
    struct resume_early early;
    struct jp_path path = end_path(w->client, 0, 0), back = path;
    struct conn_received p = {
        .frames = early.frames, .path = &back, .pn = pn, .bytes = RESUME_HELLO_LEN};

    memcpy(back.our_ip, path.peer_ip, 16);
    memcpy(back.peer_ip, path.our_ip, 16);
    assert_int_equal(resume_server_open(&w->identity, &w->tickets, w->aead, w->hello.hello, &early),
                     HS_OK);
    p.len = early.len;
    assert_int_equal(replay_commit(&w->server->replay, pn), REPLAY_FRESH);
    conn_receive(w->server->conn, w->net.sim.now, &p);
    end_pump(w->server);
}

static void early_data(bool taken)
{
    struct world *w = calloc(1, sizeof(*w));
    struct conn_stats stats;
    uint64_t pn;

    assert_non_null(w);
    randombytes_buf_deterministic(message, sizeof(message),
                                  (uint8_t[randombytes_SEEDBYTES]){taken});
    w->aead = aead_new(AEAD_SODIUM);
    resume_tickets_init(&w->tickets, &hs_random_system, 0);
    begin(w);
    visit(w);
    pn = resume(w);
    if (taken)
        take_early(w, pn);
    end_pump(w->client);
    sim_run(&w->net.sim, w->net.sim.now + 5 * SECOND);
    conn_stats(w->client->conn, &stats);
    assert_int_equal(w->view[1].messages, 1);
    assert_int_equal(stats.packets_lost, taken ? 0 : 1);
    assert_true(conn_is_idle(w->client->conn));
    aead_free(w->aead);
    net_fini(&w->net);
    free(w);
}

static void taken(void **state)
{
    (void)state;
    early_data(true);
}

/* The packet counts as lost, and the message comes all the same. */
static void refused(void **state)
{
    (void)state;
    early_data(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(taken), cmocka_unit_test(refused)};

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
