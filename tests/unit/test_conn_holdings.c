/* Pools that all sessions of a thread need, and peers that hold as much of them as they may: the
 * others go on. */
#include "conn_fixture.h"

enum { HOSTILE = 48, ROUNDS = 400, FRAGMENT = 4000 };

static struct peer *server_begin(unsigned i, uint16_t max_streams)
{
    struct conn_config config = config_of(i, max_streams);

    return peer_begin(i, &config);
}

/* Messages that are never finished, as much of each as a packet has room for. */
static bool hoard(struct peer *p, unsigned round)
{
    uint8_t frames[CONN_PACKET_MAX], *end = frames;

    for (unsigned i = 0; i < 2; i++)
        end = put_fragment(end, 1 + 2 * (round % 4), round / 4, i * FRAGMENT, FRAGMENT, false);
    return offer(p, frames, end);
}

/* A message in two packets, of more than what hoarders hold at first. */
static void send_message(struct peer *p, unsigned round)
{
    uint8_t frames[CONN_PACKET_MAX];

    assert_true(offer(p, frames, put_fragment(frames, 1, round, 0, FRAGMENT, false)));
    assert_true(offer(p, frames, put_fragment(frames, 1, round, FRAGMENT, FRAGMENT, true)));
    answer_all(p);
}

static unsigned closed_for_limits(unsigned n)
{
    unsigned closed = 0;

    for (unsigned i = 0; i < n; i++) {
        assert_true(w.peer[i].code == 0 || w.peer[i].code == CLOSE_LIMIT);
        closed += w.peer[i].code == CLOSE_LIMIT;
    }
    return closed;
}

static void hoarders_of_memory_starve_nobody(void **state)
{
    const struct plenty more = {.streams = 1024, .sent = 256, .messages = 4096, .blocks = 8192};
    struct peer *honest;

    (void)state;
    world_begin(&more);
    for (unsigned i = 0; i < HOSTILE; i++)
        server_begin(i, 100);
    honest = server_begin(HOSTILE, 100);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < HOSTILE; i++)
            if (round * 2 * FRAGMENT < CREDIT / 2)
                hoard(&w.peer[i], round);
        send_message(honest, round);
    }
    assert_int_equal(honest->read, ROUNDS);
    assert_int_equal(honest->code, 0);
    assert_true(closed_for_limits(HOSTILE) > HOSTILE / 2);
    assert_true(closed_for_limits(HOSTILE) < HOSTILE); /* only as many as it takes */
}

static void empty_messages_are_memory_too(void **state)
{
    const struct plenty more = {.streams = 1024, .sent = 256, .messages = 4096, .blocks = 65536};
    uint8_t frames[CONN_PACKET_MAX];
    struct peer *honest;

    (void)state;
    world_begin(&more);
    for (unsigned i = 0; i < HOSTILE; i++)
        server_begin(i, 100);
    honest = server_begin(HOSTILE, 100);
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < HOSTILE; i++) {
            uint8_t *end = frames;

            for (unsigned j = 0; j < FRAME_DATA_MAX; j++) /* whole, but out of order */
                end = put_fragment(end, 1, 1 + round * FRAME_DATA_MAX + j, 0, 0, true);
            offer(&w.peer[i], frames, end);
        }
        send_message(honest, round);
    }
    assert_int_equal(honest->read, 50);
    assert_true(closed_for_limits(HOSTILE) > 0);
}

static void hoarders_of_streams_starve_nobody(void **state)
{
    const struct plenty more = {.streams = 512, .closed = 64, .sent = 256};
    uint8_t frames[CONN_PACKET_MAX];
    struct peer *honest;

    (void)state;
    world_begin(&more);
    for (unsigned i = 0; i < HOSTILE; i++)
        server_begin(i, 100);
    honest = server_begin(HOSTILE, 100);
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < HOSTILE; i++)
            offer(&w.peer[i], frames,
                  frame_put_control(frames, FRAME_MAX_STREAM_DATA, round, 1, 0));
        assert_true(offer(honest, frames,
                          frame_put_control(frames, FRAME_STREAM_RESET, 1 + 2 * round, 0, 0)));
        answer_all(honest);
    }
    assert_int_equal(honest->ended, 100);
    assert_true(closed_for_limits(HOSTILE) > 0);
}

/* Alone, and still too much: it is told so. */
static void too_many_streams_close(void **state)
{
    const struct plenty more = {.streams = 100, .closed = 8, .sent = 256};
    uint8_t frames[64];
    struct peer *p;
    unsigned id = 1;

    (void)state;
    world_begin(&more);
    p = server_begin(0, 1000);
    while (offer(p, frames, frame_put_control(frames, FRAME_MAX_STREAM_DATA, id, 1, 0)))
        id++;
    assert_int_equal(p->opened, 101);
    assert_int_equal(p->code, CLOSE_LIMIT);
}

/* One id of each page. */
static void hoarders_of_ids_starve_nobody(void **state)
{
    const struct plenty more = {.streams = 512, .closed = 256, .sent = 256};
    uint8_t frames[CONN_PACKET_MAX];
    struct peer *honest;

    (void)state;
    world_begin(&more);
    for (unsigned i = 0; i < 8; i++)
        server_begin(i, 65535);
    honest = server_begin(8, 100);
    for (uint32_t id = 0; id < 65535; id += 1024)
        for (unsigned i = 0; i < 8; i++) {
            for (unsigned odd = 0; odd < 2; odd++)
                offer(&w.peer[i], frames,
                      frame_put_control(frames, FRAME_STREAM_RESET, id + odd, 0, 0));
            if (!conn_is_closed(w.peer[i].c))
                answer_all(&w.peer[i]);
            assert_true(
                offer(honest, frames,
                      frame_put_control(frames, FRAME_STREAM_RESET, 1 + 2 * honest->opened, 0, 0)));
            answer_all(honest);
        }
    assert_int_equal(honest->ended, 64 * 8);
    assert_true(closed_for_limits(8) > 0);
}

/* Who uses ids in order holds next to nothing of them. */
static void used_up_ids_cost_nothing(void **state)
{
    const struct plenty more = {.streams = 16, .closed = 1, .sent = 256};
    uint8_t frames[CONN_PACKET_MAX];
    struct peer *p;

    (void)state;
    world_begin(&more);
    p = server_begin(0, 100);
    for (uint32_t id = 1; id < 65536; id += 2) {
        assert_true(offer(p, frames, frame_put_control(frames, FRAME_STREAM_RESET, id, 0, 0)));
        answer_all(p);
        assert_true(w.pools.closed.used <= 1);
    }
    assert_int_equal(p->ended, 32768);
    for (uint32_t id = 1; id < 65536; id += 2)
        assert_true(closed_ids_has(p->c, id));
    assert_false(closed_ids_has(p->c, 2));
    assert_int_equal(p->code, 0);
}

/* Sessions that hold much alike go by how long they have. Who gives back as much is new again. */
static void the_oldest_of_a_class_goes_first(void **state)
{
    const struct plenty more = {.streams = 16, .sent = 256, .messages = 512, .blocks = 256};
    struct peer *p[3];

    (void)state;
    world_begin(&more);
    for (unsigned i = 0; i < 3; i++)
        p[i] = server_begin(i, 100);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned j = 0; j < 3; j++)
            assert_true(hoard(p[i], j));
    for (unsigned i = 0; i < 10; i++) {
        uint8_t frames[CONN_PACKET_MAX];

        assert_true(offer(p[0], frames, put_fragment(frames, 99, i, 0, FRAGMENT, true)));
    }
    uint32_t capacity = w.pools.reassembly.blocks.capacity;

    w.pools.reassembly.blocks.capacity = w.pools.reassembly.blocks.used + CONN_RESERVE_BLOCKS - 1;
    assert_true(conn_can_receive(p[0]->c));
    w.pools.reassembly.blocks.capacity = capacity;
    assert_int_equal(p[0]->code, 0);
    assert_int_equal(p[1]->code, CLOSE_LIMIT);
    assert_int_equal(p[2]->code, 0);
}

/* What the peer was promised stays, but no more is while memory is short; then windows grow again.
 */
static void short_memory_gives_little_credit(void **state)
{
    const struct plenty more = {.streams = 16, .sent = 256, .messages = 65536, .blocks = 65536};
    uint32_t *used = &w.pools.reassembly.blocks.used, half;
    uint8_t frames[64];
    struct peer *p;

    (void)state;
    world_begin(&more);
    p = server_begin(0, 100);
    p->c->rx.window = 8 * CREDIT;
    half = w.pools.reassembly.blocks.capacity / 2;
    *used += half + 2;
    receive(p, frames, frame_put_control(frames, FRAME_DATA_BLOCKED, 0, CREDIT / 2, 0));
    assert_int_equal(p->c->rx.limit, CREDIT);
    assert_int_equal(p->c->rx.window, CREDIT);
    /* a message that needs more gets it, at its own risk */
    receive(p, frames, frame_put_control(frames, FRAME_DATA_BLOCKED, 0, 3 * CREDIT, 0));
    assert_int_equal(p->c->rx.limit, 3 * CREDIT);
    *used -= half + 2;
    receive(p, frames, frame_put_control(frames, FRAME_DATA_BLOCKED, 0, 5 * CREDIT, 0));
    assert_int_equal(p->c->rx.limit, 5 * CREDIT);
}

#define TEST(name) cmocka_unit_test_teardown(name, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hoarders_of_memory_starve_nobody),  TEST(empty_messages_are_memory_too),
        TEST(hoarders_of_streams_starve_nobody), TEST(too_many_streams_close),
        TEST(hoarders_of_ids_starve_nobody),     TEST(used_up_ids_cost_nothing),
        TEST(the_oldest_of_a_class_goes_first),  TEST(short_memory_gives_little_credit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
