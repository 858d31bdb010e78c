/* What the sinks send: message numbers, payload and pace, seen from the client's side. */
#include "rig.h"

#include "sinks/sink.h"

static void take(struct rig *rig, struct rig_session *rs, uint32_t id, uint64_t seq,
                 uint32_t offset, uint32_t len, bool fin)
{
    struct rte_mbuf *m = rig_data(rig, 80, len, (uint8_t)offset);
    struct packet *p = packet_of(m);

    p->stream_id = id;
    p->node = (struct reorder_node){.seq = seq, .offset = offset, .fin = fin};
    p->session = &rs->s;
    sink_of(&rig->lc, &rs->s)->take(&rig->lc, &m, 1);
}

/* The one frame of the next packet sent; *m to be freed. */
static struct frame next_frame(struct rig *rig, struct rig_session *rs, struct rte_mbuf **m)
{
    struct seen d;
    struct frame f;

    assert_int_equal(rig_sent(m, 1), 1);
    d = rig_open(rig, rs, *m);
    const uint8_t *p = d.frames;

    assert_int_equal(frame_next(&p, p + d.frames_len, false, &f), 1);
    return f;
}

static struct rig_session *session_of(struct rig *rig, enum jp_sink sink)
{
    struct config_listener *listener = &rig->dp.config.listener[0];

    *listener =
        (struct config_listener){.sink = (uint8_t)sink, .source_rate = 2500, .source_size = 700};
    return rig_session(rig, &rig->path4, AEAD_AES256_GCM);
}

static void expect_stream(struct rig *rig, struct rig_session *rs, uint32_t id, uint64_t seq,
                          uint32_t offset, uint32_t len, bool fin)
{
    struct rte_mbuf *m;
    struct frame f = next_frame(rig, rs, &m);

    assert_int_equal(f.type, FRAME_STREAM);
    assert_int_equal(f.u.stream.id, id);
    assert_int_equal(f.u.stream.seq, seq);
    assert_int_equal(f.u.stream.offset, offset);
    assert_int_equal(f.u.stream.len, len);
    assert_int_equal(f.u.stream.fin, fin);
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(f.u.stream.data[i], (uint8_t)(offset + i));
    rte_pktmbuf_free(m);
}

static void echo_numbers_messages_itself(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = session_of(rig, JP_SINK_ECHO);

    take(rig, rs, 3, 70, 0, 100, false);
    take(rig, rs, 4, 9, 0, 0, true); /* an empty message, elsewhere */
    take(rig, rs, 3, 70, 100, 50, true);
    take(rig, rs, 3, 72, 0, 10, true); /* 71 was lost as a whole */
    take(rig, rs, 3, 73, 0, 20, false);
    take(rig, rs, 3, 73, 20, 20, false); /* its end is lost */
    take(rig, rs, 3, 74, 0, 30, true);
    take(rig, rs, 3, 75, 0, 40, false); /* so is this one's */
    take(rig, rs, 3, 78, 0, 5, false);
    take(rig, rs, 3, 78, 5, 5, true);
    take(rig, rs, 4, 10, 0, 7, true);
    egress_run(&rig->lc);
    expect_stream(rig, rs, 3, 0, 0, 100, false);
    expect_stream(rig, rs, 4, 0, 0, 0, true);
    expect_stream(rig, rs, 3, 0, 100, 50, true);
    expect_stream(rig, rs, 3, 1, 0, 10, true);
    expect_stream(rig, rs, 3, 2, 0, 20, false);
    expect_stream(rig, rs, 3, 2, 20, 20, false);
    expect_stream(rig, rs, 3, 3, 0, 30, true);
    expect_stream(rig, rs, 3, 4, 0, 40, false);
    expect_stream(rig, rs, 3, 5, 0, 5, false);
    expect_stream(rig, rs, 3, 5, 5, 5, true);
    expect_stream(rig, rs, 4, 1, 0, 7, true);
    rig_session_free(rig, rs);
}

static void echo_returns_datagrams(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = session_of(rig, JP_SINK_ECHO);
    struct rte_mbuf *m = rig_data(rig, 80, 33, 1);

    packet_of(m)->is_datagram = 1;
    packet_of(m)->session = &rs->s;
    sink_of(&rig->lc, &rs->s)->take(&rig->lc, &m, 1);
    egress_run(&rig->lc);
    struct frame f = next_frame(rig, rs, &m);

    assert_int_equal(f.type, FRAME_DATAGRAM);
    assert_int_equal(f.u.datagram.len, 33);
    rte_pktmbuf_free(m);
    rig_session_free(rig, rs);
}

static void discard_sends_nothing(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = session_of(rig, JP_SINK_DISCARD);

    take(rig, rs, 3, 70, 0, 100, true);
    egress_run(&rig->lc);
    assert_int_equal(rig->counter[JP_tx_packets], 0);
    rig_session_free(rig, rs);
}

/* ---- source ---- */

/* Take messages `seq`... off the wire, each of `size` bytes, until there are none; returns how
 * many. */
static unsigned source_messages(struct rig *rig, struct rig_session *rs, uint64_t seq,
                                uint32_t size)
{
    uint32_t offset = 0;
    unsigned n = 0;
    struct rte_mbuf *m;

    while (rig->counter[JP_tx_packets] > 0) {
        struct frame f = next_frame(rig, rs, &m);

        rig->counter[JP_tx_packets]--;
        assert_int_equal(f.type, FRAME_STREAM);
        assert_int_equal(f.u.stream.id, 1);
        assert_int_equal(f.u.stream.seq, seq + n);
        assert_int_equal(f.u.stream.offset, offset);
        for (uint32_t i = 0; i < f.u.stream.len; i++)
            assert_int_equal(f.u.stream.data[i], (uint8_t)(seq + n + offset + i));
        offset += f.u.stream.len;
        assert_int_equal(f.u.stream.fin, offset == size);
        if (f.u.stream.fin) {
            n++;
            offset = 0;
        }
        rte_pktmbuf_free(m);
    }
    assert_int_equal(offset, 0);
    return n;
}

static uint64_t tick(struct rig *rig, struct rig_session *rs)
{
    uint64_t next = sink_of(&rig->lc, &rs->s)->tick(&rig->lc, &rs->s);

    egress_run(&rig->lc);
    return next;
}

static void source_keeps_its_pace(void **state)
{
    struct rig *rig = *state;
    uint64_t start = rig->lc.now;
    static const uint32_t rates[] = {3, 100, 999, 2500, 7777, 50000};

    for (unsigned i = 0; i < RTE_DIM(rates); i++) {
        struct rig_session *rs = session_of(rig, JP_SINK_SOURCE);
        uint64_t n = 0;

        rig->dp.config.listener[0].source_rate = rates[i];
        assert_int_equal(rs->s.source_next, 0); /* waits for the first data */
        take(rig, rs, 3, 0, 0, 10, true);
        uint64_t first = rs->s.source_next;

        assert_true(wheel_armed(&rs->s.timer));
        rig->lc.now += TIMER_TICK_US;
        take(rig, rs, 3, 1, 0, 10, true);
        assert_int_equal(rs->s.source_next, first);
        for (unsigned ms = 0; ms < 2000; ms++) {
            rig->lc.now += TIMER_TICK_US;
            if (rs->s.source_next > rig->lc.now)
                continue;
            rs->s.source_next = tick(rig, rs);
            n += source_messages(rig, rs, n, 700);
        }
        assert_in_range(n, 2 * rates[i] - 1, 2 * rates[i] + rates[i] / 500 + 2);
        rig_session_free(rig, rs);
    }
    rig->lc.now = start;
}

/* After a stall it goes on at its rate: what was missed stays missed. */
static void source_never_catches_up(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = session_of(rig, JP_SINK_SOURCE);

    take(rig, rs, 3, 0, 0, 10, true);
    rig->lc.now += 1000000;
    rs->s.source_next = tick(rig, rs);
    assert_true(rs->s.source_next > rig->lc.now);
    assert_true(rs->s.source_next <= rig->lc.now + 400);
    assert_in_range(source_messages(rig, rs, 0, 700), 1, 11); /* 4 ms of 2500 a second */
    rig_session_free(rig, rs);
}

/* Without its stream it sends nothing, and begins when data comes again. */
static void source_begins_anew(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = session_of(rig, JP_SINK_SOURCE);
    struct stream_pool *pool = &rig->lc.streams;
    struct stream_chunk *taken[8 + 1];
    unsigned n = 0;

    assert_non_null(streams_get(&rs->s.streams, pool, 3)); /* has the place of the first */
    while ((taken[n] = pool_get(&pool->pool)))
        n++;
    take(rig, rs, 3, 0, 0, 10, true);
    rig->lc.now += TIMER_TICK_US;
    rs->s.source_next = tick(rig, rs);
    assert_int_equal(rs->s.source_next, 0);
    assert_int_equal(rig->counter[JP_tx_packets], 0);
    while (n > 0)
        pool_put(&pool->pool, taken[--n]);
    take(rig, rs, 3, 1, 0, 10, true);
    assert_int_not_equal(rs->s.source_next, 0);
    rig->lc.now += TIMER_TICK_US;
    rs->s.source_next = tick(rig, rs);
    assert_in_range(source_messages(rig, rs, 0, 700), 1, 4);
    rig_session_free(rig, rs);
}

static void source_fragments_long_messages(void **state)
{
    static const uint16_t sizes[] = {1, 255, 256, 257, 1400, 1401, 2900, 65535};
    struct rig *rig = *state;

    for (unsigned i = 0; i < RTE_DIM(sizes); i++) {
        struct rig_session *rs = session_of(rig, JP_SINK_SOURCE);
        struct stream *st = streams_get(&rs->s.streams, &rig->lc.streams, 1);

        rig->dp.config.listener[0].source_size = sizes[i];
        st->tx_seq = 250; /* the payload begins anywhere in its pattern */
        rs->s.source_next = rig->lc.now;
        rs->s.source_next = tick(rig, rs);
        assert_int_equal(source_messages(rig, rs, 250, sizes[i]), 1);
        rig_session_free(rig, rs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(echo_numbers_messages_itself, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(echo_returns_datagrams, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(discard_sends_nothing, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(source_keeps_its_pace, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(source_never_catches_up, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(source_begins_anew, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(source_fragments_long_messages, rig_setup, rig_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
