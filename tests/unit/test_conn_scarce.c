/* Where there is no more: memory that a packet should have found, room to send, a path's width; and
 * what to do when word of it gets lost. */
#include "conn_fixture.h"

static const struct plenty enough = {
    .streams = 64, .closed = 8, .sent = 8192, .send = 8192, .messages = 64, .blocks = 256};

static struct {
    int writable; /* times */
    int stream;   /* the last that was */
    unsigned released[SENDQ_ABANDONED + 1];
    int acked; /* what to say of acknowledgements */
} seen;

static void note_writable(struct conn *c, int stream)
{
    (void)c;
    seen.writable++;
    seen.stream = stream;
}

static void note_released(struct conn *c, void *user, enum sendq_fate fate)
{
    (void)c, (void)user;
    seen.released[fate]++;
}

static int say_of_acked(struct conn *c, uint64_t pn)
{
    (void)c, (void)pn;
    return seen.acked;
}

static struct peer *begin(bool server)
{
    static struct conn_ops noting;
    struct conn_config config = config_of(0, 100);
    struct peer *p;

    world_begin(&enough);
    memset(&seen, 0, sizeof(seen));
    noting = ops;
    noting.writable = note_writable;
    noting.released = note_released;
    noting.acked = say_of_acked;
    config.ops = &noting;
    config.server = server;
    config.peer.max_streams = 8;
    config.peer.max_data = config.peer.max_stream_data = 1 << 30;
    p = peer_begin(0, &config);
    p->c->path[0].congestion.cwnd = 1 << 30;
    return p;
}

static void drain(struct pool *pool)
{
    pool->capacity = pool->used;
    pool->fresh_left = 0;
    pool->free = NULL;
}

/* ---- memory: the session ends, and says why; nothing is written anywhere ---- */

static void no_stream(void **state)
{
    uint8_t frames[64];
    struct peer *p = begin(true);

    (void)state;
    drain(&w.pools.streams);
    receive(p, frames, put_fragment(frames, 1, 0, 0, 8, true));
    assert_int_equal(p->code, CLOSE_LIMIT);
    assert_int_equal(p->opened, 0);
}

static void no_block(void **state)
{
    uint8_t frames[64];
    struct peer *p = begin(true);

    (void)state;
    drain(&w.pools.reassembly.blocks);
    receive(p, frames, put_fragment(frames, 1, 0, 0, 8, true));
    assert_int_equal(p->code, CLOSE_LIMIT);
    assert_int_equal(p->read, 0);
}

/* A stream ends, and that its id is used up can be noted nowhere. */
static void no_page_of_used_ids(void **state)
{
    uint8_t frames[64];
    struct peer *p = begin(true);

    (void)state;
    drain(&w.pools.closed);
    receive(p, frames, frame_put_control(frames, FRAME_STREAM_RESET, 1, 0, 0));
    answer_all(p);
    assert_int_equal(p->code, CLOSE_LIMIT);
    assert_int_equal(p->ended, 0);
}

/* ---- room to send: who was refused is told when there is some ---- */

static void stream_full(void **state)
{
    static const uint8_t data[8];
    struct peer *p = begin(true);
    int id = conn_open(p->c, CONN_STREAM_ANY, &conn_stream_default, w.now);

    (void)state;
    for (unsigned i = 0; i < CONN_MESSAGES_MAX; i++)
        assert_int_equal(conn_write(p->c, (uint32_t)id, data, 8, false, NULL, w.now), 0);
    assert_int_equal(conn_write(p->c, (uint32_t)id, data, 8, false, NULL, w.now), -ENOBUFS);
    assert_int_equal(seen.writable, 0);
    for (unsigned i = 0; i < 1000 && !conn_is_idle(p->c); i++) {
        w.now += 10000;
        answer_all(p);
    }
    assert_int_equal(seen.writable, 1);
    assert_int_equal(seen.stream, id);
    assert_int_equal(conn_write(p->c, (uint32_t)id, data, 8, false, NULL, w.now), 0);
}

static void datagrams_full(void **state)
{
    static const uint8_t data[8];
    struct peer *p = begin(true);

    (void)state;
    for (unsigned i = 0; i < CONN_DATAGRAMS_MAX; i++)
        assert_int_equal(conn_datagram(p->c, data, 8, DRR_CHAT, NULL), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(conn_datagram(p->c, data, 8, DRR_CHAT, NULL), -ENOBUFS);
    conn_timeout(p->c, w.now);
    assert_int_equal(seen.writable, 0);
    for (unsigned i = 0; i < 1000 && !conn_is_idle(p->c); i++) {
        w.now += 10000;
        answer_all(p);
        conn_timeout(p->c, w.now);
    }
    assert_int_equal(seen.writable, 1);
    assert_int_equal(seen.stream, CONN_STREAM_ANY);
    assert_int_equal(conn_datagram(p->c, data, 8, DRR_CHAT, NULL), 0);
}

/* One that fitted when it was queued does not keep others from leaving. */
static void path_gets_narrower(void **state)
{
    static const uint8_t data[CONN_PACKET_MAX];
    struct peer *p = begin(true);

    (void)state;
    assert_int_equal(conn_datagram(p->c, data, conn_datagram_max(p->c), DRR_CHAT, NULL), 0);
    assert_int_equal(conn_datagram(p->c, data, 8, DRR_CHAT, NULL), 0);
    p->c->path[0].mtu -= 100;
    answer_all(p);
    assert_int_equal(seen.released[SENDQ_ABANDONED], 1);
    assert_true(conn_is_idle(p->c));
}

/* ---- word of it is lost ---- */

/* Sends all it has to; whether one of the frames is a MAX_STREAMS. */
static bool sends_max_streams(struct peer *p)
{
    uint8_t frames[CONN_PACKET_MAX];
    struct conn_packet out = {.frames = frames};
    bool found = false;

    for (; conn_send(p->c, w.now, p->c->next_pn, &out); out.frames = frames) {
        const uint8_t *at = frames;
        struct frame f;

        while (frame_next(&at, frames + out.len, false, &f) > 0)
            found |= f.type == FRAME_MAX_STREAMS;
    }
    return found;
}

static void acknowledge(struct peer *p)
{
    uint8_t frames[64];
    struct frame_ack_range since = {p->acked, p->c->next_pn - 1};

    w.now += 10000;
    p->acked = p->c->next_pn;
    receive(p, frames, frame_put_ack(frames, 0, &since, 1));
}

static void more_streams_are_said_again(void **state)
{
    uint8_t frames[64];
    struct peer *p = begin(true);

    (void)state;
    for (uint32_t id = 1; !sends_max_streams(p); id += 2) {
        receive(p, frames, frame_put_control(frames, FRAME_STREAM_RESET, id, 0, 0));
        assert_false(sends_max_streams(p));
        acknowledge(p);
    }
    p->acked = p->c->next_pn; /* that one is lost */
    for (unsigned i = 0; i < 8; i++) {
        p->c->ping_due = true;
        assert_false(sends_max_streams(p));
    }
    acknowledge(p);
    assert_true(sends_max_streams(p));
    assert_int_equal(p->code, 0);
}

/* Of a block of two sources. */
static void receive_repair(struct peer *p)
{
    uint8_t frames[256], *end = frame_put_fec_repair_hdr(frames, 0, 2, 1, 0);

    memset(end, 0, 40);
    receive(p, frames, end + 40);
}

/* What is given up may be waited for; not by what could not come before it is. */
static void later_messages_do_not_wait_for_what_is_given_up(void **state)
{
    uint8_t frames[64];
    struct peer *p = begin(true);

    (void)state;
    receive_repair(p); /* others may come, and rebuild it */
    receive(p, frames, frame_put_control(frames, FRAME_FORWARD, 1, 10, 0));
    assert_int_equal(stream_find(p->c, 1)->in.floor, 0);
    receive(p, frames, put_fragment(frames, 1, FLOW_MESSAGES_AHEAD, 0, 8, true));
    assert_int_equal(p->code, 0);
    assert_int_equal(stream_find(p->c, 1)->in.floor, 10);
}

/* What FEC could not mend is sent again at once; what no acknowledgement has overtaken is not. */
static void told_of_losses_it_sends_again(void **state)
{
    static const uint8_t data[8];
    const struct frame_ack_range last = {3, 3};
    uint8_t frames[64], *nack = frame_put_control(frames, FRAME_NACK, 0, 2, 0);
    struct peer *p = begin(true);
    int id = conn_open(p->c, CONN_STREAM_ANY, &conn_stream_default, w.now);

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(conn_write(p->c, (uint32_t)id, data, 8, false, NULL, w.now), 0);
        assert_int_equal(send_all(p), 1);
    }
    w.now += 10000;
    receive(p, frames, nack);
    assert_int_equal(p->c->stats.packets_lost, 0);
    p->c->path[0].loss.threshold = 100; /* it waits for more acknowledgements than there will be */
    receive(p, frames, frame_put_ack(frames, 0, &last, 1));
    assert_int_equal(p->c->stats.packets_lost, 0);
    nack = frame_put_control(frames, FRAME_NACK, 0, 2, 0);
    receive(p, frames, nack);
    assert_int_equal(p->c->stats.packets_lost, 3);
    assert_true(send_all(p) > 0);
}

/* ---- lies that others find out ---- */

/* Whoever numbers the packets knows that this one was not sent. */
static void owner_disbelieves_acknowledgement(void **state)
{
    uint8_t frames[64];
    struct frame_ack_range first = {0, 0};
    struct peer *p = begin(true);

    (void)state;
    p->c->ping_due = true;
    assert_int_equal(send_all(p), 1);
    seen.acked = -1;
    receive(p, frames, frame_put_ack(frames, 0, &first, 1));
    assert_int_equal(p->code, CLOSE_PROTOCOL);
}

/* A source of a block that has fewer, says its repair. */
static void source_contradicts_repair(void **state)
{
    uint8_t frames[256], *end;
    struct peer *p = begin(true);

    (void)state;
    receive_repair(p);
    assert_int_equal(p->code, 0);
    end = frame_put_fec_source_hdr(frames, 0, 5, 1);
    *end++ = FRAME_PING;
    receive(p, frames, end);
    assert_int_equal(p->code, CLOSE_PROTOCOL);
}

#define TEST(name) cmocka_unit_test_teardown(name, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_stream),
        TEST(no_block),
        TEST(no_page_of_used_ids),
        TEST(stream_full),
        TEST(datagrams_full),
        TEST(path_gets_narrower),
        TEST(more_streams_are_said_again),
        TEST(later_messages_do_not_wait_for_what_is_given_up),
        TEST(told_of_losses_it_sends_again),
        TEST(owner_disbelieves_acknowledgement),
        TEST(source_contradicts_repair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
