/* A port that takes less than there is to send: who gets how much of it, and who waits. */
#include "peer.h"

#include "transport/state.h"

enum {
    SLOTS = 2, /* of the port: what it takes in a tick of 250 us, some 90 Mbit/s */
    TICK = 250,
    SECOND = 1000000,
    WEIGHTS_BELOW_SYSTEM = 4 + 2 + 1,
};

/* A session whose source sends as fast as it can, at this priority. */
static struct peer *flood(struct plane *plane, unsigned n, enum drr_priority priority)
{
    struct peer *p = peer_start(plane, n, PLANE_FAST_SOURCE);
    struct conn_stream_config config = conn_stream_default;

    p->source = true;
    p->delay_us = 2000;
    peer_open(p, 1, NULL)->size = 1;
    peers_pass(plane, 50000);
    config.priority = (uint8_t)priority;
    assert_int_equal(conn_configure(conn_of(client_session(&p->client)->full),
                                    (uint32_t)p->stream[0].id, &config),
                     0);
    return p;
}

static uint64_t share_of_peer(struct peer *p, uint64_t before)
{
    return p->bytes - before;
}

/* ---- among full sessions ---- */

static void two_sessions_share(void **state)
{
    struct plane *plane = *state;
    struct peer *a = flood(plane, 1, DRR_BULK), *b;
    uint64_t before_a, before_b;

    peers_pass(plane, SECOND / 2); /* the first has it for itself */
    b = flood(plane, 2, DRR_BULK);
    b->delay_us = 4000; /* and answers later */
    peers_pass(plane, SECOND / 2);
    before_a = a->bytes;
    before_b = b->bytes;
    peers_pass(plane, SECOND);
    uint64_t got_a = share_of_peer(a, before_a), got_b = share_of_peer(b, before_b);

    assert_in_range(got_a, got_b * 8 / 10, got_b * 10 / 8);
    assert_true(got_a + got_b > 9 * SECOND);
    assert_int_equal(plane_count(plane, JP_tx_full), 0); /* they wait for the port */
    assert_int_equal(plane_count(plane, JP_packets_lost), 0);
    peer_free(a);
    peer_free(b);
}

static void priorities_share_by_weight(void **state)
{
    static const unsigned weight[DRR_PRIORITIES] = {8, 4, 2, 1};
    struct plane *plane = *state;
    struct peer *p[DRR_PRIORITIES];
    uint64_t before[DRR_PRIORITIES], total = 0;

    for (unsigned i = 0; i < DRR_PRIORITIES; i++)
        p[i] = flood(plane, i + 1, (enum drr_priority)i);
    peers_pass(plane, SECOND);
    for (unsigned i = 0; i < DRR_PRIORITIES; i++)
        before[i] = p[i]->bytes;
    peers_pass(plane, SECOND);
    for (unsigned i = 0; i < DRR_PRIORITIES; i++)
        total += before[i] = share_of_peer(p[i], before[i]);
    for (unsigned i = 0; i < DRR_PRIORITIES; i++)
        assert_in_range(before[i] * 15, total * weight[i] * 8 / 10, total * weight[i] * 12 / 10);
    for (unsigned i = 0; i < DRR_PRIORITIES; i++)
        peer_free(p[i]);
}

/* Packets that reached a peer, of all that the plane sent: links that lose nothing keep their
 * order.
 */
static uint64_t arrived(struct peer *const *p, unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += p[i]->along[0];
    return sum;
}

/* A message comes back that is more urgent than what three others send: how many packets leave
 * before it. */
static uint64_t packets_before_echo(struct plane *plane, struct peer *const *p, unsigned n)
{
    struct peer_stream *s = &p[0]->stream[0];
    uint64_t messages = plane_count(plane, JP_messages), sent;

    s->to_write++;
    do {
        sent = plane_count(plane, JP_tx_packets);
        peers_pass(plane, TICK);
    } while (plane_count(plane, JP_messages) == messages);
    while (s->received < s->to_write)
        peers_pass(plane, TICK);
    return arrived(p, n) - sent;
}

static void urgent_messages_pass_bulk(void **state)
{
    struct conn_stream_config config = conn_stream_default;
    struct plane *plane = *state;
    struct peer *p[4];

    p[0] = peer_start(plane, 1, PLANE_ECHO);
    p[0]->delay_us = 2000;
    peer_open(p[0], 1, NULL)->size = 500;
    peers_pass(plane, 50000);
    config.priority = DRR_SYSTEM;
    assert_int_equal(conn_configure(conn_of(client_session(&p[0]->client)->full),
                                    (uint32_t)p[0]->stream[0].id, &config),
                     0);
    for (unsigned i = 1; i < 4; i++)
        p[i] = flood(plane, i + 1, DRR_BULK);
    peers_pass(plane, SECOND / 2);
    for (unsigned i = 0; i < 50; i++) {
        assert_in_range(packets_before_echo(plane, p, 4), 1, WEIGHTS_BELOW_SYSTEM + 2 * SLOTS);
        peers_pass(plane, 1000 + 37 * i);
    }
    for (unsigned i = 0; i < 4; i++)
        peer_free(p[i]);
}

/* The same of a session that waits for its turn as bulk already: only what was sealed before leaves
 * before it. */
static void urgent_messages_move_their_session(void **state)
{
    struct conn_stream_config config = conn_stream_default;
    struct plane *plane = *state;
    struct peer *p[PEERS_MAX];
    struct transport *t;

    for (unsigned i = 0; i < PEERS_MAX; i++)
        p[i] = flood(plane, i + 1, DRR_BULK);
    peers_pass(plane, SECOND / 2);
    t = client_session(&p[0]->client)->full;
    config.priority = DRR_SYSTEM;
    for (unsigned i = 0; i < 20; i++) { /* each a source's first message */
        int id = conn_open(conn_of(t), CONN_STREAM_ANY, &config, plane->now);
        uint64_t sent = plane_count(plane, JP_tx_packets);
        unsigned opened = p[0]->streams;

        assert_true(drr_waits(&t->turn));
        assert_int_equal(conn_write(conn_of(t), (uint32_t)id, t->lc->transports->pattern, 100,
                                    false, NULL, plane->now),
                         0);
        t->queued++;
        transport_touch(t);
        while (p[0]->streams == opened)
            peers_pass(plane, TICK);
        assert_in_range(arrived(p, PEERS_MAX) - sent, 1, 3 * SLOTS);
        peers_pass(plane, 1000 + 37 * i);
    }
    for (unsigned i = 0; i < PEERS_MAX; i++)
        peer_free(p[i]);
}

/* ---- ports ---- */

/* Who sends through a port that is stuck waits alone, and goes on along another. */
static void a_stuck_port_stops_its_own(void **state)
{
    struct plane *plane = *state;
    struct peer *stuck = flood(plane, 1, DRR_SYSTEM), *p = flood(plane, 2, DRR_BULK);
    uint64_t before;

    plane->stuck[PLANE_TAGGED] = true;
    stuck->second = plane_path(101, PLANE_FAST_SOURCE, 6);
    stuck->second.vlan = PLANE_VLAN;
    stuck->second.port = (uint8_t)plane->dp.port[PLANE_TAGGED].id;
    assert_int_equal(conn_migrate(stuck->conn, &stuck->second, plane->now), 0);
    peers_pass(plane, SECOND / 4);
    assert_int_equal(client_session(&stuck->client)->path.port, stuck->second.port);
    before = p->bytes;
    peers_pass(plane, SECOND / 2);
    assert_true(p->bytes - before > 4 * SECOND);
    assert_int_equal(conn_migrate(stuck->conn, &stuck->home, plane->now), 0);
    before = stuck->bytes;
    peers_pass(plane, SECOND / 2);
    assert_true(stuck->bytes - before > SECOND);
    assert_int_equal(plane_count(plane, JP_tx_full), 0);
    plane->stuck[PLANE_TAGGED] = false;
    peer_free(stuck);
    peer_free(p);
}

/* ---- with light sessions, whose packets do not wait ---- */

static void light_and_full_share(void **state)
{
    struct plane *plane = *state;
    struct peer *p = flood(plane, 1, DRR_BULK);
    struct client light = client_start(plane, 50, PLANE_ECHO);
    uint64_t full;

    peers_pass(plane, SECOND / 2);
    full = p->along[0];
    for (unsigned tick = 0; tick < SECOND / TICK; tick++) {
        for (unsigned i = 0; i < 4 * SLOTS; i++)
            client_send_datagram(&light, 1000, 1);
        peers_pass(plane, TICK);
    }
    full = p->along[0] - full;
    assert_in_range(full, peers_others / 3, peers_others * 3);
    peer_free(p);
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
        TEST(two_sessions_share),         TEST(priorities_share_by_weight),
        TEST(urgent_messages_pass_bulk),  TEST(urgent_messages_move_their_session),
        TEST(a_stuck_port_stops_its_own), TEST(light_and_full_share),
    };

    plane_size.tx_slots = SLOTS;
    if (argc > 1) /* one of them */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("qos", tests, NULL, NULL);
}
