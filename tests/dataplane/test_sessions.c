/* How sessions begin, move and end; what the control plane is told; and who of several workers
 * serves them. */
#include "plane.h"

#include <errno.h>
#include <pthread.h>

#include <rte_cycles.h>
#include <rte_ip.h>

#include "bytes.h"
#include "rng.h"

/* ---- beginning ---- */

static void installs_then_replies(void **state)
{
    struct plane *plane = *state;
    struct client c = client_new(plane, 1, 0);
    struct jp_ipc_install in = {.path = c.path,
                                .server_spi = c.server_spi,
                                .client_spi = c.client_spi,
                                .idle_timeout_ms = 30000,
                                .max_streams = 100,
                                .max_packet = 1472,
                                .alg = AEAD_AES256_GCM,
                                .reply_len = 5,
                                .reply = "hello"};

    assert_int_equal(session_install(plane->dp.lcore[0], &in), 0);
    plane_turn(plane);
    struct rte_mbuf *m = plane_sent(plane);

    assert_non_null(m);
    struct seen d = rig_dissect(m, &c.path);

    assert_int_equal(d.payload_len, 5);
    assert_memory_equal(d.payload, "hello", 5);
    rte_pktmbuf_free(m);
    assert_int_equal(plane_count(plane, JP_sessions), 1);
}

static void refuses_what_is_no_session(void **state)
{
    struct plane *plane = *state;
    struct client good = client_new(plane, 1, 0), c;

    assert_int_equal(client_install(&good), 0);
    c = good;
    assert_int_equal(client_install(&c), -EEXIST);
    c = client_new(plane, 2, 0);
    c.path.our_port = 9; /* no listener */
    assert_int_equal(client_install(&c), -EINVAL);
    c = client_new(plane, 2, 0);
    c.path.port = 200;
    assert_int_equal(client_install(&c), -EINVAL);
    c = client_new(plane, 2, 0);
    c.path.ip_version = 5;
    assert_int_equal(client_install(&c), -EINVAL);
    c = client_new(plane, 2, 0);
    c.fec_k = FEC_K_MAX + 1;
    c.fec_r = 1;
    assert_int_equal(client_install(&c), -EINVAL);
    c = client_new(plane, 2, 0);
    c.server_spi = 255;
    assert_int_equal(client_install(&c), -EINVAL);
    assert_int_equal(plane_count(plane, JP_sessions_refused), 6);
    assert_int_equal(plane_count(plane, JP_sessions), 1);
    assert_int_equal(session_table_count(plane->dp.lcore[0]->sessions), 1);
}

/* An owner is asked for its own sessions only. */
static void refuses_others_sessions(void **state)
{
    struct plane *plane = *state;

    plane_workers(plane, 2);
    struct client c = client_new(plane, 1, 1);
    struct jp_ipc_install in = {.path = c.path,
                                .server_spi = c.server_spi,
                                .client_spi = c.client_spi,
                                .idle_timeout_ms = 1000,
                                .max_streams = 1,
                                .max_packet = 1472,
                                .alg = AEAD_AES256_GCM};

    assert_int_equal(session_install(plane->dp.lcore[0], &in), -EINVAL);
    assert_int_equal(session_install(plane->dp.lcore[1], &in), 0);
}

/* ---- ending ---- */

static void expect_retired(struct plane *plane, const struct client *c, enum jp_retired why)
{
    struct event event;

    assert_true(plane_event(plane, &event));
    assert_int_equal(event.type, JP_IPC_RETIRED);
    assert_int_equal(event.u.retired.server_spi, c->server_spi);
    assert_int_equal(event.u.retired.reason, why);
    assert_null(client_session(c));
    assert_int_equal(plane_count(plane, JP_sessions), 0);
}

static void expect_close(struct client *c, uint64_t code)
{
    struct seen d = client_receive(c);
    const uint8_t *p = d.frames;
    struct frame f;

    assert_int_equal(frame_next(&p, d.frames + d.frames_len, false, &f), 1);
    assert_int_equal(f.type, FRAME_CLOSE);
    assert_int_equal(f.u.close.code, code);
    rte_pktmbuf_free(d.m);
}

static void forgets_the_unconfirmed(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);

    plane_pass(plane, plane->dp.config.confirm_timeout_ms * 1000 - TIMER_TICK_US);
    assert_non_null(client_session(&c));
    plane_pass(plane, 2 * TIMER_TICK_US);
    expect_retired(plane, &c, JP_RETIRED_UNCONFIRMED);
    client_expect_nothing(&c); /* nobody there proved to be there */
    assert_int_equal(plane_count(plane, JP_sessions_unconfirmed), 1);
}

static void idles_out(void **state)
{
    struct plane *plane = *state;
    struct client c = client_new(plane, 1, 0);

    c.idle_timeout_ms = 2000;
    c.path.our_port = PLANE_DISCARD;
    assert_int_equal(client_install(&c), 0);
    for (unsigned i = 0; i < 3; i++) {
        client_send_datagram(&c, 10, 0);
        plane_pass(plane, 1900000);
        assert_non_null(client_session(&c));
    }
    assert_int_equal(plane_ignore_sent(plane), 3); /* ACKs */
    plane_pass(plane, 101000);
    expect_close(&c, CLOSE_IDLE);
    expect_retired(plane, &c, JP_RETIRED_IDLE);
}

static void caps_idle_timeouts(void **state)
{
    struct plane *plane = *state;
    struct client c = client_new(plane, 1, 0);

    c.idle_timeout_ms = 86400000;
    assert_int_equal(client_install(&c), 0);
    assert_int_equal(client_session(&c)->idle_timeout_ms, plane->dp.config.idle_timeout_max_ms);
}

static void ends_when_the_peer_closes(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    uint8_t frame[64] = {FRAME_DATAGRAM | FRAME_DATAGRAM_LEN, 1, 'x'};
    uint8_t *end = frame_put_close(frame + 3, CLOSE_NONE, "bye");

    client_send(&c, frame, (uint32_t)(end - frame));
    plane_turn(plane);
    expect_retired(plane, &c, JP_RETIRED_PEER);
    client_expect_nothing(&c);
    assert_int_equal(plane_count(plane, JP_delivered), 1); /* what came before */
}

static void closes_on_violation(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    const uint8_t frames[] = {FRAME_DATAGRAM | FRAME_DATAGRAM_LEN,
                              1,
                              'x',
                              FRAME_DATAGRAM | FRAME_DATAGRAM_LEN,
                              1,
                              'y',
                              0x3f};

    client_send(&c, frames, sizeof(frames));
    plane_turn(plane);
    expect_close(&c, CLOSE_PROTOCOL);
    expect_retired(plane, &c, JP_RETIRED_VIOLATION);
    assert_int_equal(plane_count(plane, JP_delivered), 0);
    assert_int_equal(plane_count(plane, JP_bad_frame), 2);
}

static void retires_by_command(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    struct command retire = {.type = JP_IPC_RETIRE,
                             .u.retire = {.server_spi = c.server_spi, .code = CLOSE_ADMIN}};

    client_send(&c, (const uint8_t[]){FRAME_PING}, 1);
    plane_turn(plane);
    plane_command(plane, 0, &retire);
    plane_turn(plane);
    expect_close(&c, CLOSE_ADMIN);
    expect_retired(plane, &c, JP_RETIRED_OPERATOR);
    plane_command(plane, 0, &retire);
    plane_turn(plane);
    expect_retired(plane, &c, JP_RETIRED_UNKNOWN);
    client_expect_nothing(&c);
}

/* Who never proved to be there is sent nothing. */
static void retires_the_unconfirmed_silently(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    struct command retire = {.type = JP_IPC_RETIRE,
                             .u.retire = {.server_spi = c.server_spi, .code = CLOSE_ADMIN}};

    plane_command(plane, 0, &retire);
    plane_turn(plane);
    client_expect_nothing(&c);
    expect_retired(plane, &c, JP_RETIRED_OPERATOR);
}

static void shutdown_closes_all(void **state)
{
    struct plane *plane = *state;
    struct client c[8];

    for (unsigned i = 0; i < 8; i++) {
        c[i] = client_start(plane, i, PLANE_DISCARD);
        client_send(&c[i], (const uint8_t[]){FRAME_PING}, 1);
    }
    plane_turn(plane);
    sessions_shutdown(plane->dp.lcore[0], UINT32_MAX);
    assert_int_equal(plane_count(plane, JP_sessions), 0);
    assert_int_equal(plane_ignore_sent(plane), 8);
}

/* ---- moving ---- */

enum { PATH_FRAME = 9 };

/* Whether somebody is there, a session that moved is asked: what says so. */
static void read_challenge(struct client *c, uint8_t response[static PATH_FRAME])
{
    struct seen d = client_receive(c);
    const uint8_t *p = d.frames;
    struct frame f;

    assert_int_equal(frame_next(&p, d.frames + d.frames_len, false, &f), 1);
    assert_int_equal(f.type, FRAME_PATH_CHALLENGE);
    frame_put_path(response, FRAME_PATH_RESPONSE, f.u.path_data);
    rte_pktmbuf_free(d.m);
}

static void answer_challenge(struct client *c)
{
    uint8_t response[PATH_FRAME];

    read_challenge(c, response);
    client_send(c, response, sizeof(response));
    plane_turn(c->plane);
}

static void answers_where_the_newest_came_from(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);
    struct jp_path home = c.path, away = plane_path(9, PLANE_ECHO, 6);
    uint8_t late[PLANE_FRAME_MAX];
    const uint8_t datagram[] = {FRAME_DATAGRAM, 3};

    away.port = home.port;
    client_send_datagram(&c, 1, 1);
    plane_turn(plane);
    client_expect_data(&c, 1, 1);
    uint32_t len = client_seal(&c, c.tx.next_pn++, datagram, 2, late);

    c.path = away;
    client_send_datagram(&c, 1, 2);
    plane_turn(plane);
    answer_challenge(&c);
    client_expect_data(&c, 1, 2); /* checks that it went there */
    c.path = home;
    client_send_payload(&c, late, len); /* an older packet moves nobody back */
    plane_turn(plane);
    c.path = away;
    client_expect_data(&c, 1, 3);
    assert_int_equal(plane_count(plane, JP_paths_changed), 1);
}

/* Who has the keys, but not the address, does not know what went there. */
static void guesses_prove_no_address(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    uint8_t response[PATH_FRAME];

    client_send_datagram(&c, 1, 1);
    plane_turn(plane);
    c.path.peer_port++;
    client_send_datagram(&c, 1, 2);
    plane_turn(plane);
    read_challenge(&c, response);
    for (unsigned bit = 0; bit < 64; bit++) {
        uint8_t guess[PATH_FRAME];

        memcpy(guess, response, sizeof(guess));
        guess[1 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        client_send(&c, guess, sizeof(guess));
        plane_turn(plane);
        assert_true(client_session(&c)->unproven);
    }
    client_send(&c, response, sizeof(response));
    plane_turn(plane);
    assert_false(client_session(&c)->unproven);
    plane_ignore_sent(plane);
}

/* Also within one burst the newest packet says where the client is. */
static void the_newest_of_a_burst_says_where(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    struct jp_path home = c.path;

    client_send_datagram(&c, 1, 1);
    plane_turn(plane);
    c.path = plane_path(9, PLANE_DISCARD, 4);
    c.path.port = home.port;
    client_send_datagram(&c, 1, 2);
    c.path = home;
    client_send_datagram(&c, 1, 3);
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_paths_changed), 2);
    assert_int_equal(client_session(&c)->path.peer_port, home.peer_port);
    assert_memory_equal(client_session(&c)->path.peer_ip, home.peer_ip, sizeof(home.peer_ip));
    assert_true(client_session(&c)->unproven);
    plane_ignore_sent(plane);
}

/* Nobody without the keys can move a session. */
static void forgeries_move_nobody(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);
    struct jp_path home = c.path;
    uint8_t forged[PLANE_FRAME_MAX];
    const uint8_t datagram[] = {FRAME_DATAGRAM, 3};
    uint32_t len = client_seal(&c, 100, datagram, 2, forged);

    forged[len - 1] ^= 1;
    c.path = plane_path(9, PLANE_ECHO, 4);
    client_send_payload(&c, forged, len);
    c.path = home;
    client_send_datagram(&c, 1, 1);
    plane_turn(plane);
    client_expect_data(&c, 1, 1);
    assert_int_equal(plane_count(plane, JP_paths_changed), 0);
}

/* ---- what the control plane is told ---- */

static void reports_unknown_sessions(void **state)
{
    struct plane *plane = *state;
    struct client c = client_new(plane, 1, 0);
    uint8_t payload[64] = {0};
    struct event event;

    c.path = plane_path(1, PLANE_ECHO, 6);
    c.path.port = (uint8_t)plane->dp.port[0].id;
    wire_data_hdr_put(payload, c.server_spi, 77);
    payload[31] = 0xab;
    client_send_payload(&c, payload, 39); /* too short for a reset */
    client_send_payload(&c, payload, 40);
    plane_turn(plane);
    assert_true(plane_event(plane, &event));
    assert_int_equal(event.type, JP_IPC_UNKNOWN_SPI);
    assert_memory_equal(&event.u.unknown.path, &c.path, sizeof(c.path));
    assert_memory_equal(event.u.unknown.quote, payload, JP_IPC_QUOTE);
    assert_false(plane_event(plane, &event));
    for (unsigned i = 0; i < 10; i++)
        client_send_payload(&c, payload, 40);
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_resets_asked), plane->dp.config.reset_burst);
    assert_int_equal(plane_count(plane, JP_resets_limited), 11 - plane->dp.config.reset_burst);
    assert_int_equal(plane_count(plane, JP_unknown_spi), 12);
}

/* Many sources together get no more than the total. */
static void reports_of_many_are_limited(void **state)
{
    enum { TOTAL = 8 };
    struct plane *plane = *state;
    uint8_t payload[64] = {0};

    plane->dp.config.reset_total = TOTAL;
    for (unsigned i = 0; i < 3 * TOTAL; i++) {
        struct client c = client_new(plane, 1 + i, 0);

        wire_data_hdr_put(payload, c.server_spi, 77);
        client_send_payload(&c, payload, sizeof(payload));
    }
    plane_turn(plane);
    plane->dp.config.reset_total = 0;
    assert_int_equal(plane_count(plane, JP_resets_asked), TOTAL);
    assert_int_equal(plane_count(plane, JP_resets_limited), 2 * TOTAL);
}

/* However many strangers there are, what sessions have to say finds an event. */
static void reports_leave_room(void **state)
{
    struct plane *plane = *state;
    struct lcore *lc = plane->dp.lcore[0];
    unsigned n = 0;

    for (struct event *e; (e = event_new(lc, JP_IPC_UNKNOWN_SPI)); n++)
        event_send(lc, e);
    assert_in_range(n, 100, lc->event_pool->size / 2 + 1);
    for (unsigned i = 0; i < n - 1; i++) {
        struct event *e = event_new(lc, JP_IPC_RETIRED);

        assert_non_null(e);
        event_send(lc, e);
    }
}

/* Keys of sessions never installed do not stay behind. */
static void wipes_what_it_did_not_run(void **state)
{
    struct plane *plane = *state;
    struct command install = {.type = JP_IPC_INSTALL}, *queued;
    void *c;

    memset(&install.u, 0xa5, sizeof(install.u));
    plane_command(plane, 0, &install);
    commands_wipe(plane->dp.lcore[0]);
    assert_int_equal(rte_ring_count(plane->dp.lcore[0]->commands), 0);
    assert_int_equal(rte_mempool_in_use_count(plane->dp.lcore[0]->command_pool), 0);
    for (unsigned i = 0; i < plane->dp.lcore[0]->command_pool->size; i++) { /* where was it? */
        assert_int_equal(rte_mempool_get(plane->dp.lcore[0]->command_pool, &c), 0);
        queued = c;
        assert_memory_not_equal(&queued->u, &install.u, sizeof(install.u));
        rte_mempool_put(plane->dp.lcore[0]->command_pool, c);
    }
}

/* The kernel leaves sums to a NIC that a veth does not have. */
static void follows_unfinished_checksums(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);
    uint8_t payload[PLANE_FRAME_MAX], frame[PLANE_FRAME_MAX];
    const uint8_t datagram[] = {FRAME_DATAGRAM, 3};

    for (unsigned version = 4; version <= 6; version += 2) {
        uint32_t len = client_seal(&c, c.tx.next_pn++, datagram, 2, payload);

        c.path = plane_path(9, PLANE_ECHO, version);
        c.path.port = (uint8_t)plane->dp.port[0].id;
        len = client_frame(&c, payload, len, frame);
        uint8_t *ip = frame + 14, *udp = ip + (version == 4 ? 20 : 40);
        uint32_t sum = version == 4 ? rte_raw_cksum(ip + 12, 8) : rte_raw_cksum(ip + 8, 32);

        sum += rte_cpu_to_be_16(17) + (uint32_t)rte_cpu_to_be_16(be16_load(udp + 4));
        while (sum > 0xffff)
            sum = (sum & 0xffff) + (sum >> 16);
        memcpy(udp + 6, &(uint16_t){(uint16_t)sum}, 2);
        plane_inject(plane, 0, 0, frame, len);
        plane_turn(plane);
        if (version == 4)
            answer_challenge(&c);
        client_expect_data(&c, 1, 3); /* checks that it went there */
    }
    assert_int_equal(plane_count(plane, JP_paths_changed), 2);
}

static void lists_every_session_once(void **state)
{
    enum { N = 200 };
    struct plane *plane = *state;
    struct command list = {.type = JP_IPC_LIST, .u.list = {.request = 5, .max = JP_IPC_LIST_MAX}};
    struct client c[N];
    unsigned seen[N] = {0};
    struct event event;

    for (unsigned i = 0; i < N; i++)
        c[i] = client_start(plane, i, PLANE_ECHO);
    do {
        plane_command(plane, 0, &list);
        plane_turn(plane);
        unsigned page = 0;

        while (plane_event(plane, &event) && event.type == JP_IPC_SESSION) {
            assert_int_equal(event.u.session.request, 5);
            seen[event.u.session.client_spi - c[0].client_spi]++;
            page++;
        }
        assert_int_equal(event.type, JP_IPC_LIST_END);
        assert_true(page <= JP_IPC_LIST_MAX);
        list.u.list.cursor = event.u.list_end.cursor;
    } while (list.u.list.cursor != 0);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(seen[i], 1);
}

static void describes_a_session(void **state)
{
    struct plane *plane = *state;
    struct client c = client_new(plane, 1, 0);
    struct command query = {.type = JP_IPC_QUERY,
                            .u.query = {.request = 6, .server_spi = c.server_spi}};
    struct event event;

    c.fec_k = 10;
    c.fec_r = 3;
    assert_int_equal(client_install(&c), 0);
    client_send_stream(&c, 5, 0, 0, true, 100, 0);
    client_send_stream(&c, 5, 2, 0, true, 100, 0);
    plane_turn(plane);
    plane_pass(plane, 1000000);
    plane_ignore_sent(plane);
    plane_command(plane, 0, &query);
    plane_turn(plane);
    assert_true(plane_event(plane, &event));
    assert_int_equal(event.type, JP_IPC_SESSION);
    const struct jp_ipc_session *s = &event.u.session;

    assert_int_equal(s->server_spi, c.server_spi);
    assert_int_equal(s->client_spi, c.client_spi);
    assert_memory_equal(&s->path, &c.path, sizeof(c.path));
    assert_int_equal(s->age_ms, 1000);
    assert_int_equal(s->idle_ms, 1000);
    assert_int_equal(s->rx_packets, 2);
    assert_int_equal(s->rx_pn, 1);
    assert_int_equal(s->tx_pn, s->tx_packets);
    assert_int_equal(s->streams, 1);
    assert_int_equal(s->fec_k, 10);
    assert_int_equal(s->fec_r, 3);
    assert_int_equal(s->confirmed, 1);
    assert_int_equal(s->sink, JP_SINK_ECHO);
    assert_int_equal(s->alg, AEAD_AES256_GCM);
    assert_true(plane_event(plane, &event));
    assert_int_equal(event.type, JP_IPC_LIST_END);
    assert_true(event.u.list_end.cursor == LIST_END_ALL);
}

/* ---- several workers ---- */

/* Packets arrive anywhere; their owners, and nobody else, deal with them, all about equally. */
static void owners_serve_their_sessions(void **state)
{
    enum { N = 2000, ROUNDS = 3 };
    struct plane *plane = *state;
    struct client *c = calloc(N, sizeof(*c));
    struct rng rng = rng_new(4);
    uint64_t expected[PLANE_LCORES] = {0}, misdirected = 0, min = UINT64_MAX, max = 0;

    plane_workers(plane, PLANE_LCORES);
    for (unsigned i = 0; i < N; i++) {
        c[i] = client_new(plane, i, 0);
        c[i].server_spi = (uint32_t)rng_next(&rng) | 0x100;
        c[i].path.our_port = PLANE_DISCARD;
        assert_int_equal(client_install(&c[i]), 0);
    }
    for (unsigned i = 0; i < ROUNDS * N; i++) {
        struct client *from = &c[i % N];
        unsigned owner = owner_of(&plane->dp, from->server_spi);

        from->queue = (unsigned)rng_below(&rng, PLANE_LCORES);
        client_send_datagram(from, 50, 0);
        expected[owner]++;
        misdirected += owner != from->queue;
        if (i % 128 == 0)
            plane_settle(plane);
    }
    plane_settle(plane);
    for (unsigned i = 0; i < PLANE_LCORES; i++) {
        assert_int_equal(plane->stats.lcore[i].counter[JP_delivered], expected[i]);
        min = RTE_MIN(min, expected[i]);
        max = RTE_MAX(max, expected[i]);
    }
    assert_true(max * 4 <= min * 5);
    assert_int_equal(plane_count(plane, JP_delivered), ROUNDS * N);
    assert_int_equal(plane_count(plane, JP_misdirected), misdirected);
    assert_int_equal(plane_count(plane, JP_handed_in), misdirected);
    free(c);
}

/* A port may have fewer queues than there are workers. */
static void polls_the_queues_a_port_has(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);

    plane_workers(plane, 2);
    plane->dp.port[PLANE_UNTAGGED].rx_queues = 1;
    c.queue = 1;
    client_send_datagram(&c, 10, 0);
    plane_settle(plane);
    assert_int_equal(plane_count(plane, JP_rx_packets), 0);
    plane->dp.port[PLANE_UNTAGGED].rx_queues = PLANE_LCORES;
    plane_settle(plane);
    assert_int_equal(plane_count(plane, JP_rx_packets), 1);
}

/* ---- anything at all ---- */

/* Change a valid payload somehow; returns its new length. */
static uint32_t spoil(struct rng *rng, uint8_t *payload, uint32_t len)
{
    switch (rng_below(rng, 4)) {
    case 0:
        payload[rng_below(rng, len)] ^= (uint8_t)(1 << rng_below(rng, 8));
        return len;
    case 1:
        return (uint32_t)rng_below(rng, len);
    case 2:
        rng_fill(rng, payload, len);
        return len;
    default:
        return len; /* a replay, when it is sent twice */
    }
}

/* Random frames, most of them valid, under the right key. */
static uint32_t random_frames(struct rng *rng, uint8_t *frames)
{
    uint8_t *p = frames;
    uint64_t block = rng_below(rng, 40);

    if (rng_below(rng, 50) == 0) {
        rng_fill(rng, frames, 40);
        return 40;
    }
    if (rng_below(rng, 8) == 0) {
        p = frame_put_fec_repair_hdr(p, block, 4, 2, (uint8_t)rng_below(rng, 2));
        rng_fill(rng, p, 40);
        return (uint32_t)(p + 40 - frames);
    }
    if (rng_below(rng, 2) == 0)
        p = frame_put_fec_source_hdr(p, block, (uint8_t)rng_below(rng, 4), 0);
    uint8_t *symbol = p - 2;
    bool inside = p > frames;

    p = frame_put_stream_hdr_len(p, (uint32_t)rng_below(rng, 110), rng_below(rng, 8),
                                 (uint32_t)rng_below(rng, 3) * 10, rng_below(rng, 2), 10);
    memset(p, 1, 10);
    p += 10;
    *p++ = FRAME_PING;
    if (inside)
        be16_store(symbol, (uint16_t)(p - symbol - 2));
    return (uint32_t)(p - frames);
}

/* Good packets, spoiled ones, replays and noise: nothing leaks, and every packet has its fate. */
static void accounts_for_anything(void **state)
{
    enum { N = 32, PACKETS = 60000 };
    struct plane *plane = *state;
    struct rng rng = rng_new(5);
    struct client c[N];

    plane_workers(plane, PLANE_LCORES);
    for (unsigned i = 0; i < N; i++) {
        c[i] = client_new(plane, i, i % PLANE_LCORES);
        c[i].fec_k = i % 2 ? 8 : 0;
        c[i].fec_r = i % 2 ? 2 : 0;
        assert_int_equal(client_install(&c[i]), 0);
    }
    for (unsigned i = 0; i < PACKETS; i++) {
        struct client *from = &c[rng_below(&rng, N)];
        uint8_t frames[256], payload[PLANE_FRAME_MAX];
        uint32_t len = random_frames(&rng, frames);

        if (!client_session(from)) /* it broke the protocol: begin anew */
            assert_int_equal(client_install(from), 0);
        from->queue = (unsigned)rng_below(&rng, PLANE_LCORES);
        len = client_seal(from, from->tx.next_pn++, frames, len, payload);
        client_send_payload(from, payload, len);
        if (rng_below(&rng, 4) == 0) {
            len = spoil(&rng, payload, len);
            client_send_payload(from, payload, len);
        }
        if (i % 64 == 0) {
            struct event event;

            plane_settle(plane);
            plane_pass(plane, TIMER_TICK_US * rng_below(&rng, 20));
            plane_ignore_sent(plane);
            while (plane_event(plane, &event))
                ;
            plane_check_sum(plane);
        }
    }
    plane_settle(plane);
    assert_true(plane_count(plane, JP_delivered) > PACKETS / 10);
    assert_true(plane_count(plane, JP_sessions_failed) > 0);
}

/* ---- stopping ---- */

static void *run_worker(void *lcore)
{
    worker_run(lcore);
    return NULL;
}

/* One worker sees the stop long before another, which still hands packets over to it. */
static void stopping_loses_no_packet(void **state)
{
    struct plane *plane = *state;
    pthread_t first;

    plane_workers(plane, 2);
    plane->stop = true;
    struct client c = client_new(plane, 1, 0);

    assert_int_equal(client_install(&c), 0);
    assert_int_equal(pthread_create(&first, NULL, run_worker, plane->dp.lcore[0]), 0);
    rte_delay_us_sleep(50000);
    c.queue = 1;
    client_send(&c, (const uint8_t[]){FRAME_PING}, 1);
    worker_turn(plane->dp.lcore[1]);
    run_worker(plane->dp.lcore[1]);
    assert_int_equal(pthread_join(first, NULL), 0);
    plane->stop = false;
    for (unsigned i = 0; i < 2; i++)
        plane->dp.lcore[i]->quiet = false;
    assert_int_equal(rte_ring_count(plane->dp.lcore[0]->steered), 0);
    assert_int_equal(plane_count(plane, JP_control), 1);
    assert_int_equal(plane_count(plane, JP_sessions_retired), 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, plane_setup, plane_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(installs_then_replies),
        CASE(refuses_what_is_no_session),
        CASE(refuses_others_sessions),
        CASE(forgets_the_unconfirmed),
        CASE(idles_out),
        CASE(caps_idle_timeouts),
        CASE(ends_when_the_peer_closes),
        CASE(closes_on_violation),
        CASE(retires_by_command),
        CASE(retires_the_unconfirmed_silently),
        CASE(shutdown_closes_all),
        CASE(answers_where_the_newest_came_from),
        CASE(guesses_prove_no_address),
        CASE(the_newest_of_a_burst_says_where),
        CASE(forgeries_move_nobody),
        CASE(reports_unknown_sessions),
        CASE(reports_of_many_are_limited),
        CASE(reports_leave_room),
        CASE(wipes_what_it_did_not_run),
        CASE(follows_unfinished_checksums),
        CASE(lists_every_session_once),
        CASE(describes_a_session),
        CASE(owners_serve_their_sessions),
        CASE(polls_the_queues_a_port_has),
        CASE(accounts_for_anything),
        CASE(stopping_loses_no_packet),
    };

    return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
