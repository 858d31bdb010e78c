/* Full sessions: reliable messages through a link that loses and reorders, what holds them back,
 * and how they end. */
#include "peer.h"

#include "transport/state.h"

static const struct conn_stream_config unordered = {
    .max_retransmissions = SENDQ_RELIABLE,
    .priority = DRR_BULK,
    .protection = CONN_PLAIN,
    .unordered = true,
};
static const struct conn_stream_config protected = {
    .max_retransmissions = SENDQ_RELIABLE,
    .priority = DRR_MEDIA,
    .protection = CONN_LATENCY,
};

static struct transports *transports_of(struct plane *plane)
{
    return plane->dp.lcore[0]->transports;
}

static struct jp_ipc_session describe(struct peer *p)
{
    struct jp_ipc_session out = {0};

    session_describe(p->client.plane->dp.lcore[0], client_session(&p->client), &out);
    return out;
}

/* The reason of the next RETIRED event. */
static uint32_t retired(struct plane *plane)
{
    struct event event;

    do
        assert_true(plane_event(plane, &event));
    while (event.type != JP_IPC_RETIRED);
    return event.u.retired.reason;
}

static void idle_sessions_are_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct session) + transport_size() <= 10240);
}

/* ---- echo ---- */

static void echo_survives_loss(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);

    p->loss = 50;
    p->jitter_us = 3000;
    for (unsigned i = 0; i < 8; i++)
        peer_open(p, 40, NULL)->finish = true;
    peers_run(plane, peers_echoed);
    peers_pass(plane, 1000000);
    assert_int_equal(describe(p).streams, 0);
    assert_true(describe(p).full);
    assert_true(describe(p).packets_lost > 0);
    assert_true(describe(p).stream_bytes_again > 0);
    assert_true(plane_count(plane, JP_packets_lost) > 0);
    assert_int_equal(plane_count(plane, JP_messages), 8 * 40);
    assert_int_equal(plane_count(plane, JP_delivered_bytes), p->bytes);
    assert_int_equal(plane_count(plane, JP_transport), describe(p).rx_packets);
    peer_free(p);
}

static void echo_over_ipv6(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);
    struct jp_path path = plane_path(1, PLANE_ECHO, 6);

    path.port = p->client.path.port;
    p->client.path = path; /* it moves there at once */
    p->loss = 20;
    peer_open(p, 100, NULL)->finish = true;
    peers_run(plane, peers_echoed);
    assert_int_equal(client_session(&p->client)->path.ip_version, 6);
    peer_free(p);
}

static void a_hundred_streams(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);

    p->loss = 10;
    for (unsigned i = 0; i < 50; i++) { /* of ids below 100, clients use the odd ones */
        struct peer_stream *s = peer_open(p, 20, NULL);

        s->size = 1000;
        s->finish = true;
    }
    peers_run(plane, peers_echoed);
    peer_free(p);
}

static void echo_keeps_order_and_flags(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);

    p->loss = 50;
    p->unordered = true;
    for (unsigned i = 0; i < 4; i++) {
        struct peer_stream *s = peer_open(p, 50, &unordered);

        s->size = 700;
        s->compressed = i % 2;
        s->finish = true;
    }
    peers_run(plane, peers_echoed);
    for (unsigned i = 0; i < p->streams; i++)
        assert_int_equal(p->stream[i].numbers, 50 * 49 / 2);
    peer_free(p);
}

static void fec_saves_packets(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);

    p->loss = 50;
    peer_open(p, 500, &protected)->size = 1000;
    peers_run(plane, peers_echoed);
    assert_true(describe(p).fec_recovered > 0);
    peer_free(p);
}

static void datagrams_return(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);
    uint8_t data[10][100];

    for (unsigned i = 0; i < 10; i++) {
        for (unsigned j = 0; j < sizeof(data[i]); j++)
            data[i][j] = (uint8_t)(i * 7 + j);
        assert_int_equal(conn_datagram(p->conn, data[i], sizeof(data[i]), DRR_MEDIA, NULL), 0);
    }
    peers_pass(plane, 100000);
    assert_int_equal(p->datagrams, 10);
    peer_free(p);
}

/* A client that reads nothing is held back by its own credit and by ours; another is not. */
static void who_does_not_read_waits_alone(void **state)
{
    struct plane *plane = *state;
    struct peer *slow = peer_start(plane, 1, PLANE_ECHO), *p = peer_start(plane, 2, PLANE_ECHO);
    struct transports *ts = transports_of(plane);

    slow->stalled = true;
    for (unsigned i = 0; i < 40; i++)
        peer_open(slow, 100, NULL)->size = PEER_MESSAGE_MAX;
    peers_pass(plane, 3000000);
    assert_in_range(plane_count(plane, JP_messages), 1, 200);
    assert_true(ts->echo[ECHO_LARGE].used <= ts->echo[ECHO_LARGE].capacity / 2);
    peer_open(p, 50, NULL)->finish = true;
    for (unsigned i = 0; i < 5000 && !p->stream[0].over; i++)
        peers_pass(plane, 1000);
    assert_true(p->stream[0].over);
    assert_int_equal(slow->messages, 0);
    slow->stalled = false;
    peers_run(plane, peers_echoed);
    peer_free(p);
    peer_free(slow);
}

/* Messages of no bytes take room all the same. */
static void many_small_messages(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);

    for (unsigned i = 0; i < 4; i++)
        peer_open(p, 2000, NULL)->size = 1 + i;
    peers_run(plane, peers_echoed);
    peer_free(p);
}

/* ---- the other sinks ---- */

static void discard_reads_all(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_DISCARD);
    struct peer_stream *s = peer_open(p, 500, NULL);

    s->finish = true;
    for (unsigned i = 0; i < 10000 && !s->over; i++)
        peers_pass(plane, 1000);
    assert_true(s->over);
    assert_int_equal(s->received, 0);
    assert_int_equal(plane_count(plane, JP_messages), 500);
    peer_free(p);
}

static void source_fills_the_link(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_FAST_SOURCE);

    p->source = true;
    p->loss = 5;
    peer_open(p, 1, NULL)->size = 1;
    peers_pass(plane, 2000000);
    assert_true(p->messages > 2000); /* 10 a round trip would be 2000 */
    assert_int_equal(p->bytes, 1000 * p->messages);
    peer_free(p);
}

static void source_sends_on_all_streams(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_FAST_SOURCE);
    uint32_t least = UINT32_MAX, most = 0;

    p->source = true;
    p->loss = 5;
    for (unsigned i = 0; i < 50; i++) /* of ids below 100, clients use the odd ones */
        peer_open(p, 1, NULL)->size = 1;
    peers_pass(plane, 2000000);
    for (unsigned i = 0; i < 50; i++) {
        least = RTE_MIN(least, p->stream[i].received);
        most = RTE_MAX(most, p->stream[i].received);
    }
    assert_true(p->messages > 2000);
    assert_in_range(least, most / 2, most);
    peer_free(p);
}

static void source_keeps_its_pace(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_SOURCE);
    uint8_t data = 0;

    p->source = true;
    assert_int_equal(conn_datagram(p->conn, &data, 1, DRR_MEDIA, NULL), 0);
    peers_pass(plane, 1000000);
    assert_in_range(p->messages, 950, 1001);
    peer_free(p);
}

/* It is the session's, however many streams there are. */
static void source_keeps_its_pace_on_all_streams(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_SOURCE);

    p->source = true;
    for (unsigned i = 0; i < 10; i++)
        peer_open(p, 1, NULL)->size = 1;
    peers_pass(plane, 1000000);
    assert_in_range(p->messages, 950, 1001);
    for (unsigned i = 0; i < 10; i++)
        assert_in_range(p->stream[i].received, 90, 101);
    peer_free(p);
}

/* ---- paths and keys ---- */

static void rebinding_loses_nothing(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);

    peer_open(p, 300, NULL)->finish = true;
    peers_pass(plane, 60000);
    for (unsigned i = 0; i < 4; i++) {
        assert_false(p->stream[0].over);
        p->client.path.peer_port++;
        p->client.path.peer_ip[15]++;
        peers_pass(plane, 40000);
    }
    peers_run(plane, peers_echoed);
    assert_int_equal(plane_count(plane, JP_paths_changed), 4);
    assert_int_equal(client_session(&p->client)->path.peer_port, p->client.path.peer_port);
    assert_int_equal(describe(p).path.peer_port, p->client.path.peer_port);
    peer_free(p);
}

static void two_paths_share(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);
    struct peer_stream *s = peer_open(p, 600, NULL);

    s->size = 8000;
    s->finish = true;
    p->second = plane_path(101, PLANE_ECHO, 6);
    p->second.port = p->client.path.port;
    peers_pass(plane, 50000);
    assert_true(conn_path_add(p->conn, &p->second, PATH_SHARE, plane->now) > 0);
    peers_run(plane, peers_echoed);
    assert_int_equal(describe(p).paths, 2);
    assert_true(describe(p).path_of[0].validated && describe(p).path_of[1].validated);
    assert_true(p->along[0] > 100 && p->along[1] > 100); /* by their rates */
    assert_int_equal(plane_count(plane, JP_sessions_failed), 0);
    peer_free(p);
}

static void a_client_migrates(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);

    peer_open(p, 300, NULL)->finish = true;
    peers_pass(plane, 60000);
    assert_false(p->stream[0].over);
    p->second = plane_path(101, PLANE_ECHO, 6);
    p->second.port = p->client.path.port;
    assert_int_equal(conn_migrate(p->conn, &p->second, plane->now), 0);
    peers_run(plane, peers_echoed);
    assert_int_equal(client_session(&p->client)->path.ip_version, 6);
    peer_free(p);
}

static void keys_change_under_way(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);
    struct session *s = client_session(&p->client);

    s->tx.next_pn = p->client.tx.next_pn = (1 << EPOCH_SHIFT) - 100;
    peer_open(p, 200, NULL)->finish = true;
    peers_run(plane, peers_echoed);
    assert_int_equal(s->tx.epoch, 1);
    assert_int_equal(s->rx.current.epoch, 1);
    assert_int_equal(plane_count(plane, JP_auth_failed), 0);
    peer_free(p);
}

static void marks_are_reported(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);

    p->ce = 3;
    peer_open(p, 100, NULL)->finish = true;
    peers_run(plane, peers_echoed);
    assert_int_equal(describe(p).ce_received, 3);
    peer_free(p);
}

/* ---- memory ---- */

static void waits_for_memory(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);
    struct pool *pool = &transports_of(plane)->pools.reassembly.messages;
    void *taken = NULL;

    peer_open(p, 1, NULL)->finish = true;
    while (pool_left(pool) > 100) {
        void **object = pool_get(pool);

        *object = taken;
        taken = object;
    }
    peers_pass(plane, 500000);
    assert_int_equal(p->messages, 0);
    assert_true(plane_count(plane, JP_transport_full) > 0);
    assert_int_equal(plane_count(plane, JP_transport), 0);
    while (taken) {
        void *next = *(void **)taken;

        pool_put(pool, taken);
        taken = next;
    }
    peers_run(plane, peers_echoed);
    peer_free(p);
}

static void sessions_have_a_limit(void **state)
{
    struct plane *plane = *state;
    struct pool *pool = &transports_of(plane)->sessions;
    uint32_t fresh = pool->fresh_left;
    unsigned n = 0;
    struct client c;
    int result;

    pool->fresh_left = 1; /* and those that came back from others */
    do {
        c = client_new(plane, n, 0);
        c.credit = (struct jp_ipc_credit){1 << 20, 1 << 18, 1 << 16};
        result = client_install(&c);
        n += result == 0;
    } while (result == 0);
    pool->fresh_left = fresh - 1;
    assert_int_equal(result, -ENOSPC);
    assert_int_equal(plane_count(plane, JP_sessions_full), n);
    c.credit = (struct jp_ipc_credit){0}; /* a light one finds room */
    assert_int_equal(client_install(&c), 0);
}

/* ---- timers ---- */

/* Sessions that fell silent together have their heartbeats due together: a turn runs no more than
 * some of them, and soon all have had theirs. */
static void a_herd_of_heartbeats(void **state)
{
    enum { HERD = 4000, HEARTBEAT_MS = 5000, WORK_MAX = 512, TURNS_MAX = 200 };
    struct plane *plane = *state;
    struct lcore *lc = plane->dp.lcore[0];
    unsigned turns = 0;

    plane->dp.config.full.heartbeat_ms = HEARTBEAT_MS;
    plane->dp.config.full.mtu_discovery = false; /* nothing else to send */
    for (unsigned i = 0; i < HERD; i++) {
        struct client c = client_new(plane, 0, 0);

        c.server_spi = 0x10000 + i;
        c.credit = (struct jp_ipc_credit){1 << 20, 1 << 18, 1 << 16};
        assert_int_equal(client_install(&c), 0);
        client_session(&c)->confirmed = true;
        session_schedule(lc, client_session(&c));
    }
    plane->dp.config.full.heartbeat_ms = 0;
    plane->dp.config.full.mtu_discovery = true;
    plane_pass(plane, HEARTBEAT_MS * 1000 - 2 * TIMER_TICK_US);
    assert_int_equal(plane_ignore_sent(plane), 0);
    for (unsigned sent = 0; sent < HERD; turns++) {
        lc->now = plane->now += TIMER_FINE_TICK_US;
        assert_true(worker_turn(lc) <= WORK_MAX);
        sent += plane_ignore_sent(plane);
        assert_true(turns < TURNS_MAX);
    }
}

/* ---- the end ---- */

static void closed_by_the_client(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);

    peer_open(p, 1000, NULL);
    peers_pass(plane, 100000);
    conn_close(p->conn, 77, "enough", plane->now);
    peers_pass(plane, 100000);
    assert_null(client_session(&p->client));
    assert_int_equal(retired(plane), JP_RETIRED_PEER);
    peer_free(p);
}

static void retired_mid_transfer(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);
    struct command command = {
        .type = JP_IPC_RETIRE,
        .u.retire = {.server_spi = p->client.server_spi, .code = CLOSE_ADMIN},
    };

    peer_open(p, 1000, NULL);
    peers_pass(plane, 100000);
    plane_command(plane, 0, &command);
    peers_pass(plane, 100000);
    assert_null(client_session(&p->client));
    assert_int_equal(retired(plane), JP_RETIRED_OPERATOR);
    assert_true(p->closed && !p->local);
    assert_int_equal(p->code, CLOSE_ADMIN);
    peer_free(p);
}

static void shut_down_mid_transfer(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_FAST_SOURCE);

    p->source = true;
    peer_open(p, 1, NULL);
    peers_pass(plane, 100000);
    sessions_shutdown(plane->dp.lcore[0], UINT32_MAX);
    peers_pass(plane, 100000);
    assert_int_equal(p->code, CLOSE_SHUTDOWN);
    peer_free(p);
}

static void violation_closes(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO);

    peer_open(p, 1, NULL);
    peers_pass(plane, 100000);
    client_send(&p->client, (const uint8_t[]){0xff}, 1); /* no such frame */
    peers_pass(plane, 100000);
    assert_null(client_session(&p->client));
    assert_int_equal(retired(plane), JP_RETIRED_VIOLATION);
    assert_int_equal(p->code, CLOSE_PROTOCOL);
    peer_free(p);
}

static void silent_sessions_end(void **state)
{
    struct plane *plane = *state;
    struct peer *p = peer_start(plane, 1, PLANE_ECHO), *unconfirmed;

    peer_open(p, 1000, NULL);
    peers_pass(plane, 50000);
    unconfirmed = peer_start(plane, 2, PLANE_ECHO);
    p->cut = unconfirmed->cut = true;
    peers_pass(plane, 9000000);
    assert_int_equal(describe(unconfirmed).tx_packets, 0); /* it may be somebody else's address */
    peers_pass(plane, 2000000);
    assert_null(client_session(&unconfirmed->client));
    assert_int_equal(retired(plane), JP_RETIRED_UNCONFIRMED);
    assert_non_null(client_session(&p->client));
    peers_pass(plane, 20000000);
    assert_null(client_session(&p->client));
    assert_int_equal(retired(plane), JP_RETIRED_IDLE);
    peer_free(p);
    peer_free(unconfirmed);
}

static int setup(void **state)
{
    peers_forget();
    return plane_setup(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, plane_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(idle_sessions_are_small),
        TEST(echo_survives_loss),
        TEST(echo_over_ipv6),
        TEST(a_hundred_streams),
        TEST(echo_keeps_order_and_flags),
        TEST(fec_saves_packets),
        TEST(datagrams_return),
        TEST(who_does_not_read_waits_alone),
        TEST(many_small_messages),
        TEST(discard_reads_all),
        TEST(source_fills_the_link),
        TEST(source_sends_on_all_streams),
        TEST(source_keeps_its_pace),
        TEST(source_keeps_its_pace_on_all_streams),
        TEST(rebinding_loses_nothing),
        TEST(two_paths_share),
        TEST(a_client_migrates),
        TEST(keys_change_under_way),
        TEST(marks_are_reported),
        TEST(waits_for_memory),
        TEST(sessions_have_a_limit),
        TEST(a_herd_of_heartbeats),
        TEST(closed_by_the_client),
        TEST(retired_mid_transfer),
        TEST(shut_down_mid_transfer),
        TEST(violation_closes),
        TEST(silent_sessions_end),
    };

    if (argc > 1) /* one of them */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
