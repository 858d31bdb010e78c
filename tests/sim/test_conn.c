/* What a session promises, one promise a test: two ends over a link on which little goes wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app.h"

enum { MBIT = 1000000, MS = 1000, S = 1000000 };

static struct net net;
static struct app app;
static struct end *client, *server;
static struct end_config config;

static const struct link_config line = {.rate = 10 * MBIT, .delay_us = 20 * MS, .queue = 65536};
static const struct flow_plan nothing = {.config = {.max_retransmissions = SENDQ_RELIABLE}};

static int setup(void **state)
{
    (void)state;
    snprintf(net_label, sizeof(net_label), "test_conn");
    net_init(&net, 1, &line);
    app_init(&app, &net, 1);
    config = end_config_default(&app_ops);
    config.app = &app;
    return 0;
}

static void start(void)
{
    client = pair_start(&net, &config, &config);
    server = client->peer;
    app_start(&app, client);
}

static int teardown(void **state)
{
    (void)state;
    app.over = true;
    net_fini(&net);
    app_fini(&app);
    return 0;
}

static struct flow_plan messages(uint32_t n, uint32_t size, uint32_t interval_us)
{
    return (struct flow_plan){.config = conn_stream_default,
                              .messages = n,
                              .size_min = size,
                              .size_max = size,
                              .interval_us = interval_us};
}

static void run(uint64_t us)
{
    sim_run(&net.sim, net.sim.now + us);
}

/* Whether a packet has a fragment of the stream. */
static bool has_stream(const struct conn_packet *p, uint32_t id)
{
    const uint8_t *at = p->frames;
    struct frame f;

    while (frame_next(&at, p->frames + p->len, false, &f) > 0)
        if (f.type == FRAME_STREAM && f.u.stream.id == id)
            return true;
    return false;
}

/* ---- streams ---- */

static bool lose_first_of_1(struct end *e, const struct conn_packet *p, uint64_t pn)
{
    (void)pn;
    if (!has_stream(p, 1))
        return false;
    e->loses = NULL;
    return true;
}

/* What comes behind the lost message of stream 1 on stream 3 is there after one way; what it held
 * up on its own after more than a round trip. */
static void a_loss_delays_no_other_stream(void **state)
{
    struct flow_plan plan = messages(50, 200, 3 * MS);
    const struct app_stream *a, *b;

    (void)state;
    a = app_stream(&app, false, 0, &plan, &nothing);
    b = app_stream(&app, false, 1 * MS, &plan, &nothing);
    start();
    client->loses = lose_first_of_1;
    run(2 * S);
    assert_int_equal(a->id, 1);
    assert_null(client->loses);
    assert_int_equal(a->flow[0].received, 50);
    assert_int_equal(b->flow[0].received, 50);
    assert_in_range(b->flow[0].latency_max, 20 * MS, 24 * MS);
    assert_true(a->flow[0].latency_max > 60 * MS);
    assert_true(app_done(&app));
}

static void a_half_closed_stream_goes_on(void **state)
{
    struct flow_plan one = messages(1, 100, 0), many = messages(100, 1000, 10 * MS);
    const struct app_stream *s;

    (void)state;
    s = app_stream(&app, false, 0, &one, &many);
    start();
    run(500 * MS);
    assert_true(s->flow[0].ended && !s->flow[1].ended);
    assert_false(s->over[0] || s->over[1]);
    assert_int_equal(conn_write(client->conn, 1, (const uint8_t *)"x", 1, false, NULL, net.sim.now),
                     -EPIPE);
    run(2 * S);
    assert_int_equal(s->flow[1].received, 100);
    assert_true(s->over[0] && s->over[1]);
    assert_int_equal(conn_write(client->conn, 1, (const uint8_t *)"x", 1, false, NULL, net.sim.now),
                     -ENOENT);
}

static void a_reset_gives_up_one_direction(void **state)
{
    struct flow_plan cut = messages(100, 60000, 0), many = messages(100, 1000, 10 * MS);
    const struct app_stream *s;

    (void)state;
    cut.reset_after = 20;
    s = app_stream(&app, false, 0, &cut, &many);
    start();
    run(3 * S);
    assert_true(s->flow[0].ended && s->flow[0].received < 20);
    assert_int_equal(s->flow[0].released, 20);
    assert_int_equal(s->flow[1].received, 100);
    assert_true(app_done(&app));
}

/* Many more streams than may be open at once, one side's only: ids never run out. */
static void ids_come_back(void **state)
{
    struct flow_plan one = messages(1, 100, 0);

    (void)state;
    config.conn.local.max_streams = 5;
    for (unsigned i = 0; i < APP_STREAMS; i++)
        app_stream(&app, false, 0, &one, &one);
    start();
    run(60 * S);
    assert_true(app_done(&app));
    app_check(&app);
}

/* ---- priorities ---- */

static struct {
    uint32_t urgent, bulk; /* ids */
    unsigned before;       /* packets of bulk data sent since the urgent message was written */
    unsigned most;
    uint32_t seen; /* urgent messages */
} watch;

static bool watch_urgent(struct end *e, const struct conn_packet *p, uint64_t pn)
{
    const struct flow *f = &app.stream[1].flow[0];

    (void)e;
    (void)pn;
    if (f->written == watch.seen)
        return false;
    if (has_stream(p, watch.urgent)) {
        watch.seen = f->written;
        watch.before = 0;
    } else if (has_stream(p, watch.bulk) && ++watch.before > watch.most) {
        watch.most = watch.before;
    }
    return false;
}

/* System data takes the next packet that leaves, however much bulk data waits. */
static void bulk_never_delays_system(void **state)
{
    struct flow_plan bulk = messages(200, 60000, 0), urgent = messages(100, 300, 50 * MS);

    (void)state;
    bulk.config.priority = DRR_BULK;
    urgent.config.priority = DRR_SYSTEM;
    app_stream(&app, false, 0, &bulk, &nothing);
    app_stream(&app, false, 1, &urgent, &nothing);
    memset(&watch, 0, sizeof(watch));
    watch.bulk = 1;
    watch.urgent = 3;
    start();
    client->loses = watch_urgent;
    run(6 * S);
    assert_int_equal(app.stream[1].flow[0].received, 100);
    assert_int_equal(watch.most, 0);
}

/* Both have more than the link takes: they share as their weights say. */
static void bulk_never_starves(void **state)
{
    struct flow_plan plan = messages(2000, 10000, 0);
    double ratio;

    (void)state;
    plan.config.priority = DRR_BULK;
    app_stream(&app, false, 0, &plan, &nothing);
    plan.config.priority = DRR_SYSTEM;
    app_stream(&app, false, 0, &plan, &nothing);
    start();
    run(10 * S);
    ratio = (double)app.stream[1].flow[0].received / app.stream[0].flow[0].received;
    printf("System gets %.2f times what Bulk gets\n", ratio);
    assert_true(ratio > 7 && ratio < 9);
}

/* ---- several paths ---- */

static void add_path(enum path_use use)
{
    struct jp_path path = end_path(client, 0, 1);

    run(S);
    assert_true(conn_path_add(client->conn, &path, use, net.sim.now) > 0);
    end_pump(client);
    run(S);
    assert_int_equal(app.state[0].paths[CONN_PATH_VALIDATED], 1);
    assert_int_equal(app.state[1].paths[CONN_PATH_VALIDATED], 1);
}

static void darken(unsigned link)
{
    net.link[link][UP].config.blackhole = net.link[link][DOWN].config.blackhole = true;
}

/* One path breaks: the other has everything already. */
static void duplicates_hide_a_broken_path(void **state)
{
    struct flow_plan plan = messages(500, 500, 10 * MS);
    const struct app_stream *s;
    struct conn_stats stats;

    (void)state;
    s = app_stream(&app, false, 2 * S, &plan, &nothing);
    start();
    add_path(PATH_DUPLICATE);
    conn_path_set(client->conn, 0, PATH_DUPLICATE, net.sim.now);
    end_pump(client);
    run(2 * S);
    darken(1);
    run(4 * S);
    assert_int_equal(s->flow[0].received, 500);
    assert_in_range(s->flow[0].latency_max, 20 * MS, 25 * MS);
    conn_stats(client->conn, &stats);
    assert_true(stats.path[1].sent > 100);
}

static void standby_takes_over(void **state)
{
    struct flow_plan plan = messages(500, 500, 10 * MS);
    struct conn_stats stats;

    (void)state;
    app_stream(&app, false, 2 * S, &plan, &plan);
    start();
    add_path(PATH_STANDBY);
    run(2 * S);
    conn_stats(client->conn, &stats);
    assert_true(stats.path[1].sent < 10);
    darken(0);
    run(20 * S);
    assert_true(app_done(&app));
    app_check(&app);
}

/* Less than a session's packets want, as IPv6's least MTU over IPv4 is. */
static void narrow(unsigned link, enum direction d)
{
    net.link[link][d].config.mtu = 1280;
}

static void no_path_that_is_too_narrow_is_taken(void **state)
{
    (void)state;
    start();
    for (unsigned d = UP; d <= DOWN; d++) {
        struct jp_path path = end_path(client, d, 1);

        net.link[1][UP].config.mtu = net.link[1][DOWN].config.mtu = 0;
        narrow(1, d);
        run(S);
        assert_true(conn_path_add(client->conn, &path, PATH_SHARE, net.sim.now) > 0);
        end_pump(client);
        run(10 * S);
        assert_int_equal(app.state[0].paths[CONN_PATH_VALIDATED], 0);
        assert_int_equal(app.state[0].paths[CONN_PATH_FAILED], d + 1);
    }
}

static uint64_t sent_by(const struct end *e, unsigned path)
{
    struct conn_stats stats;

    conn_stats(e->conn, &stats);
    return stats.path[path].sent;
}

/* It answers what is small, and is offered again; and yet no data goes there any more. */
static void a_path_that_narrows_is_left(void **state)
{
    struct flow_plan plan = messages(4500, 5000, 10 * MS);
    uint64_t from_client, from_server;

    (void)state;
    app_stream(&app, false, 2 * S, &plan, &plan);
    start();
    add_path(PATH_STANDBY);
    run(2 * S);
    narrow(0, UP);
    narrow(0, DOWN);
    run(3 * S);
    from_client = sent_by(client, 0);
    from_server = sent_by(server, 0);
    run(20 * S);
    assert_in_range(sent_by(client, 0) - from_client, 1, 30);
    assert_in_range(sent_by(server, 0) - from_server, 0, 30);
    for (unsigned i = 0; i < 3; i++) {
        conn_path_set(client->conn, 0, PATH_SHARE, net.sim.now);
        end_pump(client);
        run(5 * S);
    }
    assert_in_range(sent_by(client, 0) - from_client, 4, 60);
    assert_in_range(sent_by(server, 0) - from_server, 0, 60);
    run(30 * S);
    assert_true(app_done(&app));
    app_check(&app);
}

/* The client notices, though small packets are answered: it is the one that can take another. */
static void narrow_and_notice(const struct flow_plan *up, const struct flow_plan *down,
                              const struct flow_plan *small)
{
    config.conn.mtu_discovery = true;
    app_stream(&app, false, 0, up, down);
    app_stream(&app, false, 0, small, &nothing);
    start();
    run(4 * S);
    assert_false(conn_is_failing(client->conn));
    narrow(0, UP);
    narrow(0, DOWN);
    run(20 * S);
    for (unsigned i = 0; i < 10; i++, run(S))
        assert_true(conn_is_failing(client->conn));
}

static void a_download_shows_that_its_path_narrowed(void **state)
{
    struct flow_plan bulk = messages(20000, 60000, 0);

    (void)state;
    narrow_and_notice(&nothing, &bulk, &nothing);
}

static void small_messages_do_not_hide_a_narrow_path(void **state)
{
    struct flow_plan plan = messages(1000, 5000, 200 * MS), small = messages(20000, 100, 5 * MS);

    (void)state;
    narrow_and_notice(&plan, &nothing, &small);
}

/* 5 s of heartbeats that nothing made necessary are small. */
static void heartbeats_are_small(void **state)
{
    struct flow_plan plan = messages(100, 5000, 0);
    struct conn_stats before, after;

    (void)state;
    app_stream(&app, false, 0, &nothing, &plan);
    start();
    run(30 * S);
    conn_stats(client->conn, &before);
    run(300 * S);
    conn_stats(client->conn, &after);
    assert_in_range(after.packets_sent - before.packets_sent, 50, 130);
    assert_true(after.bytes_sent - before.bytes_sent < 130 * 100);
}

/* A sender that waits for the reader, with much in flight that a dark spell swallows, is back at
 * work soon after it. */
static void make_up_for_a_dark_spell(const char *algorithm)
{
    struct flow_plan plan = messages(20000, 60000, 0);
    struct link_config wide = {.rate = 1000 * MBIT, .delay_us = 20 * MS, .queue = 4 << 20};
    const struct app_stream *s;
    uint32_t before;

    net.link[0][UP].config = net.link[0][DOWN].config = wide;
    config.conn.congestion = congestion_find(algorithm);
    s = app_stream(&app, false, 0, &plan, &nothing);
    start();
    run(3 * S);
    darken(0);
    run(2 * S);
    net.link[0][UP].config = net.link[0][DOWN].config = wide;
    before = s->flow[0].received;
    run(6 * S);
    printf("%s: %u messages in 3 s, then %u in 6 s\n", algorithm, before,
           s->flow[0].received - before);
    assert_true(s->flow[0].received - before > before / 2);
}

static void newreno_makes_up_for_a_dark_spell(void **state)
{
    (void)state;
    make_up_for_a_dark_spell("newreno");
}

static void cubic_makes_up_for_a_dark_spell(void **state)
{
    (void)state;
    make_up_for_a_dark_spell("cubic");
}

static void bbr_makes_up_for_a_dark_spell(void **state)
{
    (void)state;
    make_up_for_a_dark_spell("bbr");
}

/* Twice the links, nearly twice the data. */
static void paths_share(void **state)
{
    struct flow_plan bulk = messages(2000, 60000, 0);
    uint32_t before;
    double share;

    (void)state;
    config.conn.congestion = congestion_find("bbr");
    app_stream(&app, false, 2 * S, &bulk, &nothing);
    start();
    add_path(PATH_SHARE);
    run(3 * S);
    before = app.stream[0].flow[0].received;
    run(10 * S);
    share = (app.stream[0].flow[0].received - before) * 60000.0 * 8 / 10 / (double)line.rate;
    printf("two paths of one link's rate carry %.2f times as much\n", share);
    assert_true(share > 1.6);
}

/* ---- the end ---- */

static void close_says_why(void **state)
{
    (void)state;
    start();
    run(S);
    conn_close(server->conn, CLOSE_ADMIN, "for maintenance", net.sim.now);
    end_pump(server);
    assert_true(app.state[1].closed && app.state[1].local);
    run(100 * MS);
    assert_true(app.state[0].closed && !app.state[0].local);
    assert_int_equal(app.state[0].code, CLOSE_ADMIN);
    assert_string_equal(app.state[0].reason, "for maintenance");
    assert_int_equal(conn_open(client->conn, CONN_STREAM_ANY, &conn_stream_default, net.sim.now),
                     -EPIPE);
}

static void three_misses_are_death(void **state)
{
    uint64_t last;

    (void)state;
    start();
    run(11 * S); /* some heartbeats */
    assert_false(app.state[0].closed || app.state[1].closed);
    net.link[0][DOWN].config.blackhole = true;
    last = net.sim.now;
    run(14 * S);
    assert_false(app.state[0].closed);
    run(7 * S);
    assert_true(app.state[0].closed && app.state[0].local);
    assert_int_equal(app.state[0].code, CLOSE_DEAD);
    assert_true(net.sim.now > last);
}

static void idle_sessions_end(void **state)
{
    (void)state;
    config.conn.heartbeat_us = 0;
    config.conn.local.idle_timeout_ms = 5000;
    start();
    run(4900 * MS);
    assert_false(app.state[0].closed || app.state[1].closed);
    run(S);
    assert_true(app.state[0].closed && app.state[1].closed);
    assert_int_equal(app.state[0].code, CLOSE_IDLE);
}

static void heartbeats_keep_a_session(void **state)
{
    struct conn_stats stats;

    (void)state;
    config.conn.local.idle_timeout_ms = 6000;
    start();
    run(300 * S);
    assert_false(app.state[0].closed || app.state[1].closed);
    conn_stats(client->conn, &stats);
    assert_true(stats.packets_sent < 2 * 2 * 300 / 5);
    assert_int_equal(conn_pools_used(&client->pools), 0);
    assert_int_equal(conn_pools_used(&server->pools), 0);
}

/* However long it is, it comes before the session idles out. */
static void long_heartbeats_keep_a_session(void **state)
{
    (void)state;
    config.conn.local.idle_timeout_ms = 6000;
    config.conn.heartbeat_us = 30 * S;
    start();
    run(300 * S);
    assert_false(app.state[0].closed || app.state[1].closed);
}

static void a_session_is_small(void **state)
{
    (void)state;
    printf("a session is %zu bytes, a stream %zu, a direction with FEC %zu\n", conn_size(),
           conn_stream_size(), conn_fec_size());
    assert_true(conn_size() <= 10240 - 1024); /* its owner has some, too */
}

static bool lose_one(struct end *e, const struct conn_packet *p, uint64_t pn)
{
    (void)p;
    (void)pn;
    e->loses = NULL;
    return true;
}

static void a_lost_ticket_comes_again(void **state)
{
    uint8_t ticket[FRAME_TICKET_MAX] = {1, 2, 3};

    (void)state;
    start();
    run(S);
    for (unsigned i = 0; i < 3; i++) {
        server->loses = lose_one;
        assert_int_equal(conn_ticket(server->conn, ticket, sizeof(ticket)), 0);
        assert_int_equal(conn_ticket(server->conn, ticket, sizeof(ticket)), -EBUSY);
        end_pump(server);
        run(3 * S);
        assert_int_equal(app.state[0].tickets, i + 1);
        assert_memory_equal(app.state[0].ticket, ticket, sizeof(ticket));
    }
    assert_int_equal(conn_ticket(server->conn, ticket, sizeof(ticket) + 1), -EMSGSIZE);
}

/* ---- peers that break the rules ---- */

/* An authentic packet of these frames comes to the server. */
static void inject(const uint8_t *frames, const uint8_t *end)
{
    struct jp_path path = end_path(client, 0, 0);
    struct conn_received p = {
        .frames = frames, .pn = client->next_pn++, .len = (uint32_t)(end - frames), .bytes = 1000};

    memcpy(path.our_ip, path.peer_ip, 16);
    memcpy(path.peer_ip, end_path(client, 0, 0).our_ip, 16);
    p.path = &path;
    replay_commit(&server->replay, p.pn);
    conn_receive(server->conn, net.sim.now, &p);
}

static uint8_t *stream_frame(uint8_t *p, unsigned flags, uint32_t id, uint64_t seq, uint32_t offset,
                             uint32_t len, uint8_t fill)
{
    p = frame_put_stream_flags(p, flags | FRAME_STREAM_LEN, id, seq, offset, len);
    memset(p, fill, len);
    return p + len;
}

static uint8_t *forged_ack(uint8_t *p)
{
    struct frame_ack_range range = {1000000, 1000000};

    return frame_put_ack(p, 0, &range, 1);
}

static uint8_t *skipped_ack(uint8_t *p)
{
    struct frame_ack_range range = {0, server->next_pn - 1};

    return frame_put_ack(p, 0, &range, 1);
}

static uint8_t *beyond_stream_credit(uint8_t *p)
{
    return stream_frame(p, 0, 1, 0, config.conn.local.max_stream_data, 1, 0);
}

static uint8_t *beyond_session_credit(uint8_t *p)
{
    for (uint32_t id = 1; id < 16; id += 2)
        p = stream_frame(p, 0, id, 0, config.conn.local.max_stream_data - 2000, 1, 0);
    return p;
}

static uint8_t *beyond_ids(uint8_t *p)
{
    return stream_frame(p, 0, 2 * config.conn.local.max_streams + 1, 0, 0, 1, 0);
}

/* ... where the server alone opens streams. */
static uint8_t *of_the_other(uint8_t *p)
{
    return stream_frame(p, 0, config.conn.local.max_streams, 0, 0, 1, 0);
}

static uint8_t *too_far_ahead(uint8_t *p)
{
    return stream_frame(p, 0, 1, FLOW_MESSAGES_AHEAD, 0, 1, 0);
}

static uint8_t *other_bytes(uint8_t *p)
{
    p = stream_frame(p, 0, 1, 1, 0, 10, 1);
    return stream_frame(p, 0, 1, 1, 5, 10, 2);
}

static uint8_t *other_end(uint8_t *p)
{
    p = stream_frame(p, FRAME_STREAM_FIN, 1, 1, 0, 10, 1);
    return stream_frame(p, 0, 1, 1, 10, 10, 1);
}

static uint8_t *other_order(uint8_t *p)
{
    p = stream_frame(p, 0, 1, 0, 0, 1, 0);
    return stream_frame(p, FRAME_STREAM_UNORDERED, 1, 0, 1, 1, 0);
}

static uint8_t *after_the_end(uint8_t *p)
{
    p = frame_put_control(p, FRAME_STREAM_END, 1, 1, 0);
    return stream_frame(p, 0, 1, 1, 0, 1, 0);
}

static uint8_t *forward_beyond_credit(uint8_t *p)
{
    return frame_put_control(p, FRAME_FORWARD, 1, 1, UINT64_C(1) << 40);
}

static uint8_t *reset_beyond_credit(uint8_t *p)
{
    return frame_put_control(p, FRAME_STREAM_RESET, 1, 0, UINT64_C(1) << 40);
}

static uint8_t *impossible_ids(uint8_t *p)
{
    return frame_put_control(p, FRAME_MAX_STREAMS, 0, FRAME_STREAM_IDS + 1, 0);
}

static uint8_t *too_many_frames(uint8_t *p)
{
    for (unsigned i = 0; i <= FRAME_DATA_MAX; i++)
        p = frame_put_datagram_hdr_len(p, 0);
    return p;
}

static uint8_t *two_challenges(uint8_t *p)
{
    p = frame_put_path(p, FRAME_PATH_CHALLENGE, (const uint8_t[8]){1});
    return frame_put_path(p, FRAME_PATH_CHALLENGE, (const uint8_t[8]){2});
}

static uint8_t *clients_ticket(uint8_t *p)
{
    return frame_put_ticket(p, (const uint8_t[4]){1}, 4);
}

static uint8_t *recovered_nothing(uint8_t *p)
{
    return frame_put_recovered(p, false, 3, 1);
}

static uint8_t *unknown_frame(uint8_t *p)
{
    *p = 0x3f + 1;
    return p + 1;
}

static void violations_close(void **state)
{
    static const struct {
        const char *what;
        uint8_t *(*put)(uint8_t *p);
    } violations[] = {
        {"an ACK of what was never sent", forged_ack},
        {"an ACK of a number that was skipped", skipped_ack},
        {"more than the stream's credit", beyond_stream_credit},
        {"more than the session's credit", beyond_session_credit},
        {"an id beyond the limit", beyond_ids},
        {"an id of the other side's", of_the_other},
        {"a message too far ahead", too_far_ahead},
        {"other bytes than before", other_bytes},
        {"another end than before", other_end},
        {"another order than before", other_order},
        {"data behind the end", after_the_end},
        {"a FORWARD beyond credit", forward_beyond_credit},
        {"a STREAM_RESET beyond credit", reset_beyond_credit},
        {"more ids than there are", impossible_ids},
        {"17 data frames", too_many_frames},
        {"two challenges", two_challenges},
        {"a client's ticket", clients_ticket},
        {"a report of what was never sent", recovered_nothing},
        {"an unknown frame", unknown_frame},
    };

    for (unsigned i = 0; i < sizeof(violations) / sizeof(violations[0]); i++) {
        uint8_t frames[4096];

        if (i > 0)
            setup(state);
        start();
        server->skip_one_in = 2;
        run(6 * S);
        app.hostile = true;
        inject(frames, violations[i].put(frames));
        if (!app.state[1].closed || app.state[1].code != CLOSE_PROTOCOL)
            fail_msg("%s does not close the session", violations[i].what);
        end_pump(server);
        run(S);
        assert_true(app.state[0].closed && !app.state[0].local);
        assert_int_equal(app.state[0].code, CLOSE_PROTOCOL);
        if (i + 1 < sizeof(violations) / sizeof(violations[0]))
            teardown(state);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_loss_delays_no_other_stream),
        TEST(a_half_closed_stream_goes_on),
        TEST(a_reset_gives_up_one_direction),
        TEST(ids_come_back),
        TEST(bulk_never_delays_system),
        TEST(bulk_never_starves),
        TEST(duplicates_hide_a_broken_path),
        TEST(standby_takes_over),
        TEST(no_path_that_is_too_narrow_is_taken),
        TEST(a_path_that_narrows_is_left),
        TEST(a_download_shows_that_its_path_narrowed),
        TEST(small_messages_do_not_hide_a_narrow_path),
        TEST(heartbeats_are_small),
        TEST(newreno_makes_up_for_a_dark_spell),
        TEST(cubic_makes_up_for_a_dark_spell),
        TEST(bbr_makes_up_for_a_dark_spell),
        TEST(paths_share),
        TEST(close_says_why),
        TEST(three_misses_are_death),
        TEST(idle_sessions_end),
        TEST(heartbeats_keep_a_session),
        TEST(long_heartbeats_keep_a_session),
        TEST(a_session_is_small),
        TEST(a_lost_ticket_comes_again),
        TEST(violations_close),
    };

    fec_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
