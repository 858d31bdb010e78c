/* What an authentic peer that means harm may not do to a session: one packet never becomes much
 * work, nor a lie the truth. What it may hold of what others need: test_conn_holdings.c. */
#include "conn_fixture.h"

enum { RECORDS = 8, STREAMS = 200 };

static const struct plenty enough = {
    .streams = 512, .closed = 8, .sent = 512, .send = 1024, .messages = 64, .blocks = 256};

static struct peer *begin(bool server)
{
    struct conn_config config = config_of(0, 100);

    world_begin(&enough);
    config.server = server;
    config.peer.max_streams = 2 * STREAMS + 1;
    return peer_begin(0, &config);
}

/* ---- work ---- */

/* Reports that are no news, and then a lie. */
static void receive_reports(struct peer *p, unsigned n)
{
    struct frame_ack_range never_sent = {1000, 1000};
    uint8_t frames[256], *end = frames;

    for (unsigned i = 1; i < n; i++)
        end = frame_put_control(end, FRAME_NACK, 0, 0, 0);
    end = frame_put_ack(end, 0, &never_sent, 1);
    receive(p, frames, end);
}

static void reports_of_a_packet_are_few(void **state)
{
    struct peer *p = begin(true);

    (void)state;
    receive_reports(p, 17); /* each is a walk over records: it is not read */
    assert_false(conn_is_closed(p->c));
    receive_reports(p, 16);
    assert_int_equal(p->code, CLOSE_PROTOCOL);
}

static uint8_t *put_blocked(uint8_t *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p = frame_put_control(p, FRAME_STREAM_BLOCKED, i, 1, 0);
    return p;
}

static void controls_of_a_packet_are_few(void **state)
{
    uint8_t frames[CONN_PACKET_MAX];
    struct peer *p = begin(true);

    (void)state;
    receive(p, frames, put_blocked(frames, CONN_CONTROLS_MAX));
    assert_int_equal(p->opened, CONN_CONTROLS_MAX);
    assert_int_equal(p->code, 0);
    receive(p, frames, put_blocked(frames, CONN_CONTROLS_MAX + 1));
    assert_int_equal(p->code, CLOSE_PROTOCOL);
    assert_int_equal(p->opened, CONN_CONTROLS_MAX);
}

static void sources_of_a_packet_are_few(void **state)
{
    uint8_t frames[CONN_PACKET_MAX], *end = frames;
    struct peer *p = begin(true);

    (void)state;
    for (unsigned i = 0; i <= CONN_CONTROLS_MAX; i++)
        end = frame_put_fec_source_hdr(end, i, 0, 0);
    receive(p, frames, end);
    assert_int_equal(p->code, CLOSE_PROTOCOL);
    assert_true(w.pools.fec.blocks.used <= FEC_BLOCKS);
}

static void tickets_of_a_packet_are_few(void **state)
{
    const uint8_t ticket[1] = {0};
    uint8_t frames[CONN_PACKET_MAX], *end = frames;
    struct peer *p = begin(false);

    (void)state;
    for (unsigned i = 0; i <= CONN_CONTROLS_MAX; i++)
        end = frame_put_ticket(end, ticket, sizeof(ticket));
    receive(p, frames, end);
    assert_int_equal(p->code, CLOSE_PROTOCOL);
    assert_int_equal(p->tickets, CONN_CONTROLS_MAX);
}

/* However many wait for it, a byte of credit wakes few of them; and all that fits all of them. */
static void credit_wakes_a_few(void **state)
{
    static const uint8_t data[4096];
    uint8_t frames[64];
    struct peer *p = begin(true);

    (void)state;
    p->c->path[0].congestion.cwnd = 1 << 30;
    p->c->tx.limit = 0;
    for (unsigned i = 0; i < STREAMS; i++) {
        int id = conn_open(p->c, CONN_STREAM_ANY, &conn_stream_default, w.now);

        assert_true(id > 0);
        assert_int_equal(conn_write(p->c, (uint32_t)id, data, sizeof(data), false, NULL, w.now), 0);
    }
    answer_all(p);
    assert_int_equal(p->c->waiting.n, STREAMS);
    for (uint64_t limit = 1; limit < 10; limit++) {
        receive(p, frames, frame_put_control(frames, FRAME_MAX_DATA, 0, limit, 0));
        assert_true(p->c->waiting.n >= STREAMS - 16);
        send_all(p);
        w.now += 10000;
        send_all(p);
        assert_int_equal(p->c->waiting.n, STREAMS);
    }
    receive(p, frames, frame_put_control(frames, FRAME_MAX_DATA, 0, 1 << 24, 0));
    for (unsigned i = 0; i < 1000 && !conn_is_idle(p->c); i++) {
        w.now += 10000;
        answer_all(p);
    }
    assert_true(conn_is_idle(p->c));
}

/* Who acknowledges nothing keeps nobody else from sending. */
static void records_are_shared(void **state)
{
    static const uint8_t data[1 << 20];
    struct peer *p[2] = {begin(true)};
    struct conn_config config = config_of(1, 100);
    unsigned sent[2];

    (void)state;
    p[1] = peer_begin(1, &config);
    for (unsigned i = 0; i < 2; i++) {
        p[i]->c->path[0].congestion.cwnd = 1 << 30;
        p[i]->c->path[0].congestion.pacing_rate = 0;
        p[i]->c->tx.limit = 1 << 30;
        int id = conn_open(p[i]->c, 2, &conn_stream_default, w.now);

        stream_find(p[i]->c, (uint32_t)id)->tx.limit = 1 << 30;
        conn_write(p[i]->c, (uint32_t)id, data, sizeof(data), false, NULL, w.now);
        sent[i] = 0;
        for (unsigned turn = 0; turn < 1000; turn++, w.now += 1000)
            sent[i] += send_all(p[i]);
    }
    assert_int_equal(sent[0], (enough.sent + 64) / 2);
    assert_int_equal(sent[1], (enough.sent + 64) / 4);
}

/* ---- paths ---- */

static void challenges_need_no_record(void **state)
{
    struct jp_path moved = {.peer_port = 7};
    uint8_t frames[CONN_PACKET_MAX];
    struct conn_packet out = {.frames = frames};
    struct peer *p = begin(true);
    struct pool *sent = &w.pools.sent;

    (void)state;
    sent->capacity = sent->fresh_left = 0;
    *frames = FRAME_PING;
    receive_along(p, frames, frames + 1, &moved);
    assert_int_equal(conn_send(p->c, w.now, 0, &out), 1);
    assert_int_equal(out.path->peer_port, 7);
    assert_int_equal(frames[0], FRAME_PATH_CHALLENGE);
    assert_int_equal(conn_send(p->c, w.now, 1, &out), 0);
    assert_true(conn_deadline(p->c, w.now) > w.now);
}

static void one_challenge_a_packet(void **state)
{
    const uint8_t data[8] = {1};
    uint8_t frames[64], *end = frame_put_path(frames, FRAME_PATH_CHALLENGE, data);
    struct peer *p = begin(true);

    (void)state;
    for (unsigned i = 0; i < 1000; i++) { /* answered with as much, if at all */
        receive(p, frames, end);
        assert_true(send_all(p) <= 2);
    }
    assert_int_equal(p->code, 0);
    receive(p, frames, frame_put_path(end, FRAME_PATH_CHALLENGE, data));
    assert_int_equal(p->code, CLOSE_PROTOCOL);
}

/* Every packet comes from another address: few are believed, and none gets more than 3x. */
static void addresses_churn(void **state)
{
    uint8_t frames[CONN_PACKET_MAX];
    struct peer *p = begin(true);
    uint64_t to_unproven = 0;

    (void)state;
    for (uint16_t port = 100; port < 10100; port++, w.now += 100) {
        struct jp_path moved = {.peer_port = port};
        struct conn_packet out = {.frames = frames};

        *frames = FRAME_PING;
        receive_along(p, frames, frames + 1, &moved);
        conn_timeout(p->c, w.now);
        while (conn_send(p->c, w.now, p->c->next_pn, &out)) {
            to_unproven += out.len;
            out.frames = frames;
        }
    }
    assert_int_equal(p->code, 0);
    assert_true(p->moves <= 10); /* a second: a few initial probe timeouts */
    assert_true(to_unproven <= 10000 * 1200 / 10);
}

/* ---- lies ---- */

static void send_ping(struct peer *p, uint64_t pn)
{
    uint8_t frames[CONN_PACKET_MAX];
    struct conn_packet out = {.frames = frames};

    p->c->ping_due = true;
    assert_int_equal(conn_send(p->c, w.now, pn, &out), 1);
}

/* Numbers are left out so that who acknowledges what it did not get is found out. */
static void forged_acknowledgements_close(void **state)
{
    const struct frame_ack_range forged[] = {{0, 10}, {5, 10}, {5, 5}, {11, 11}, {10, 11}};

    (void)state;
    for (unsigned i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
        uint8_t frames[64];
        struct peer *p = begin(true);

        send_ping(p, 0);
        send_ping(p, 10);
        receive(p, frames, frame_put_ack(frames, 0, &forged[i], 1));
        assert_int_equal(p->code, CLOSE_PROTOCOL);
        world_end(NULL);
    }
    begin(true);
}

static void forged_recoveries_close(void **state)
{
    uint8_t frames[64];
    struct peer *p = begin(true);

    (void)state;
    receive(p, frames, frame_put_recovered(frames, false, 0, 1));
    assert_int_equal(p->code, CLOSE_PROTOCOL);
}

/* More than it was given, by what it claims was sent. */
static void claims_cost_credit(void **state)
{
    static const enum frame_type types[] = {FRAME_STREAM_RESET, FRAME_FORWARD};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t frames[64];
        struct peer *p = begin(true);

        receive(p, frames,
                frame_put_control(frames, types[i], 1, types[i] == FRAME_FORWARD ? 1 : CREDIT + 1,
                                  CREDIT + 1));
        assert_int_equal(p->code, CLOSE_PROTOCOL);
        world_end(NULL);
    }
    begin(true);
}

/* Gaps without end on every stream hold next to nothing. */
static void gaps_cost_nothing(void **state)
{
    uint8_t frames[CONN_PACKET_MAX];
    struct peer *p = begin(true);
    uint64_t seq = 0;

    (void)state;
    for (unsigned packet = 0; packet < 1000; packet++) {
        uint8_t *end = frames;

        for (unsigned i = 0; i < CONN_CONTROLS_MAX; i++)
            end = frame_put_control(end, FRAME_FORWARD, 1, seq += FLOW_MESSAGES_AHEAD, 0);
        receive(p, frames, end);
    }
    assert_int_equal(p->code, 0);
    assert_int_equal(w.pools.reassembly.blocks.used, 0);
    assert_int_equal(stream_find(p->c, 1)->in.floor, seq);
}

/* Nothing larger may be sent before its first packet: then there is nothing to be done, either. */
static void confirming_late_keeps_nobody_busy(void **state)
{
    struct conn_config config = config_of(0, 100);
    struct conn_packet packet;
    uint8_t frames[CONN_PACKET_MAX];
    struct peer *p;

    (void)state;
    world_begin(&enough);
    config.mtu_discovery = true;
    p = peer_begin(0, &config);
    receive(p, frames, frame_put_ping(frames));
    for (unsigned turns = 0; conn_deadline(p->c, w.now) <= w.now; turns++) {
        packet = (struct conn_packet){.frames = frames, .room = 200};
        conn_send(p->c, w.now, p->c->next_pn, &packet);
        assert_true(turns < 5);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reports_of_a_packet_are_few),
        TEST(controls_of_a_packet_are_few),
        TEST(sources_of_a_packet_are_few),
        TEST(tickets_of_a_packet_are_few),
        TEST(credit_wakes_a_few),
        TEST(records_are_shared),
        TEST(challenges_need_no_record),
        TEST(one_challenge_a_packet),
        TEST(addresses_churn),
        TEST(forged_acknowledgements_close),
        TEST(forged_recoveries_close),
        TEST(claims_cost_credit),
        TEST(gaps_cost_nothing),
        TEST(confirming_late_keeps_nobody_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
