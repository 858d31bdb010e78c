/* What one packet, or a pool that is dry, may not do to a session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "conn_state.h"

enum { NOW = 1000000000, RECORDS = 8, TABLE = 16 };

static struct {
    struct conn *c;
    struct conn_pools pools;
    struct conn_entry *table[TABLE];
    struct replay replay;
    void *records;
    uint64_t pn;
} w;

static void on_path(struct conn *c, unsigned path, enum conn_path_event event)
{
    (void)c;
    (void)path;
    (void)event;
}
static void on_closed(struct conn *c, uint64_t code, const char *reason, bool local)
{
    (void)c;
    (void)reason;
    assert_int_equal(code, CLOSE_PROTOCOL);
    assert_true(local);
}
static const struct conn_ops ops = {.path = on_path, .closed = on_closed};

static int setup(void **state)
{
    struct conn_config config = {.ops = &ops,
                                 .pools = &w.pools,
                                 .replay = &w.replay,
                                 .congestion = &cc_newreno,
                                 .local = hs_params_default,
                                 .peer = hs_params_default,
                                 .server = true};

    (void)state;
    memset(&w, 0, sizeof(w));
    config.local.max_data = config.peer.max_data = 1 << 20;
    config.local.max_stream_data = config.peer.max_stream_data = 1 << 20;
    config.window_max = config.stream_window_max = 1 << 20;
    w.pools.table = w.table;
    w.pools.table_mask = TABLE - 1;
    w.records = aligned_alloc(64, pool_footprint(sizeof(struct sent_packet), RECORDS));
    pool_init(&w.pools.sent, w.records, sizeof(struct sent_packet), RECORDS);
    w.c = aligned_alloc(64, (conn_size() + 63) & ~(size_t)63);
    return conn_init(w.c, &config, NOW);
}

static int teardown(void **state)
{
    (void)state;
    conn_fini(w.c);
    free(w.c);
    free(w.records);
    return 0;
}

static void receive(const uint8_t *frames, const uint8_t *end, struct jp_path path)
{
    struct conn_received p = {.frames = frames,
                              .path = &path,
                              .pn = w.pn++,
                              .len = (uint32_t)(end - frames),
                              .bytes = 1200};

    assert_int_equal(replay_commit(&w.replay, p.pn), REPLAY_FRESH);
    conn_receive(w.c, NOW, &p);
}

/* Reports that are no news, and then a lie. */
static void receive_reports(unsigned n)
{
    struct frame_ack_range never_sent = {1000, 1000};
    uint8_t frames[256], *p = frames;

    for (unsigned i = 1; i < n; i++)
        p = frame_put_control(p, FRAME_NACK, 0, 0, 0);
    p = frame_put_ack(p, 0, &never_sent, 1);
    receive(frames, p, w.c->config.path);
}

static void reports_of_a_packet_are_few(void **state)
{
    (void)state;
    receive_reports(17); /* each is a walk over records: it is not read */
    assert_false(conn_is_closed(w.c));
    receive_reports(16);
    assert_true(conn_is_closed(w.c));
}

static void challenges_need_no_record(void **state)
{
    struct jp_path moved = {.peer_port = 7};
    uint8_t frames[CONN_PACKET_MAX];
    struct conn_packet p = {.frames = frames};

    (void)state;
    while (pool_get(&w.pools.sent))
        ;
    *frames = FRAME_PING;
    receive(frames, frames + 1, moved);
    assert_int_equal(conn_send(w.c, NOW, 0, &p), 1);
    assert_int_equal(p.path->peer_port, 7);
    assert_int_equal(frames[0], FRAME_PATH_CHALLENGE);
    assert_int_equal(conn_send(w.c, NOW, 1, &p), 0);
    assert_true(conn_deadline(w.c, NOW) > NOW);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reports_of_a_packet_are_few),
        TEST(challenges_need_no_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
