/* Clients talk to the echo, and see what the protocol promises them. */
#include "plane.h"

#include "bytes.h"

/* ---- echo ---- */

static void echo_on(struct plane *plane, struct jp_path path, enum aead_alg alg)
{
    struct client c = client_new(plane, 1, 0);

    path.port = (uint8_t)plane->dp.port[path.vlan != 0 ? PLANE_TAGGED : PLANE_UNTAGGED].id;
    c.path = path;
    c.alg = alg;
    assert_int_equal(client_install(&c), 0);
    for (unsigned len = 1; len <= 1301; len += 100) {
        client_send_stream(&c, 3, len / 100, 0, true, len, (uint8_t)len);
        client_send_datagram(&c, len, 7);
        plane_turn(plane);
        struct frame f = client_expect_data(&c, len, (uint8_t)len);

        assert_int_equal(f.type, FRAME_STREAM);
        assert_int_equal(f.u.stream.id, 3);
        assert_int_equal(f.u.stream.seq, len / 100);
        assert_int_equal(f.u.stream.offset, 0);
        assert_true(f.u.stream.fin);
        assert_int_equal(client_expect_data(&c, len, 7).type, FRAME_DATAGRAM);
    }
    client_expect_nothing(&c);
    assert_int_equal(plane_count(plane, JP_delivered), 28);
    assert_int_equal(plane_count(plane, JP_rx_packets), 28);
}

static void echoes_over_ip4(void **state)
{
    echo_on(*state, plane_path(1, PLANE_ECHO, 4), AEAD_AES256_GCM);
}

static void echoes_over_ip6(void **state)
{
    echo_on(*state, plane_path(1, PLANE_ECHO, 6), AEAD_CHACHA20_POLY1305);
}

static void echoes_over_vlan(void **state)
{
    struct jp_path path = plane_path(1, PLANE_ECHO, 6);

    path.vlan = PLANE_VLAN;
    echo_on(*state, path, AEAD_AES256_GCM);
}

/* A tag that only says a priority is not a VLAN's. */
static void takes_priority_tags(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);
    uint8_t payload[PLANE_FRAME_MAX], frame[PLANE_FRAME_MAX];
    const uint8_t datagram[] = {FRAME_DATAGRAM, 42};
    uint32_t len = client_seal(&c, 0, datagram, sizeof(datagram), payload);

    c.path.vlan = 1;
    len = client_frame(&c, payload, len, frame);
    be16_store(frame + 14, 0xe000);
    plane_inject(plane, PLANE_UNTAGGED, 0, frame, len);
    plane_turn(plane);
    c.path.vlan = 0; /* the answer has none */
    client_expect_data(&c, 1, 42);
}

static void counts_what_comes(void **state)
{
    struct plane *plane = *state;
    uint8_t frame[100] = {0};
    uint64_t bytes = 0;

    for (uint32_t len = 1; len <= sizeof(frame); bytes += len++)
        plane_inject(plane, PLANE_UNTAGGED, 0, frame, len);
    plane_settle(plane);
    assert_int_equal(plane_count(plane, JP_rx_packets), sizeof(frame));
    assert_int_equal(plane_count(plane, JP_rx_bytes), bytes);
}

/* n datagrams of a byte, from `first` up. */
static uint8_t *put_datagrams(uint8_t *p, unsigned n, uint8_t first)
{
    for (unsigned i = 0; i < n; i++) {
        *p++ = FRAME_DATAGRAM | FRAME_DATAGRAM_LEN;
        *p++ = 1;
        *p++ = (uint8_t)(first + i);
    }
    return p;
}

static void splits_a_packets_frames(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);
    uint8_t frames[1300];

    for (unsigned i = 0; i < 12; i++) /* more units than a burst holds */
        client_send(&c, frames,
                    (uint32_t)(put_datagrams(frames, FRAME_DATA_MAX, (uint8_t)(16 * i)) - frames));
    plane_turn(plane);
    for (unsigned i = 0; i < 12 * FRAME_DATA_MAX; i++)
        client_expect_data(&c, 1, (uint8_t)i);
    client_expect_nothing(&c);
    assert_int_equal(plane_count(plane, JP_split_frames), 180);
    assert_int_equal(plane_count(plane, JP_delivered), 192);
}

/* One packet asks for too much: the session is closed, with nothing done but what was counted. */
static void expect_violation(struct client *c, const uint8_t *frames, const uint8_t *end)
{
    uint64_t failed = plane_count(c->plane, JP_sessions_failed);

    client_send(c, frames, (uint32_t)(end - frames));
    plane_turn(c->plane);
    assert_int_equal(plane_count(c->plane, JP_sessions_failed), failed + 1);
    assert_null(client_session(c));
}

static void caps_a_packets_frames(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);
    uint8_t frames[1300], *p;

    expect_violation(&c, frames, put_datagrams(frames, FRAME_DATA_MAX + 1, 0));
    assert_int_equal(plane_ignore_sent(plane), 1); /* the CLOSE */
    c = client_start(plane, 2, PLANE_ECHO);
    p = frame_put_fec_source_hdr(frames, 0, 0, 3 * FRAME_DATA_MAX);
    p = put_datagrams(p, FRAME_DATA_MAX, 0);
    expect_violation(&c, frames, put_datagrams(p, 1, 0)); /* inside and behind a symbol */
    assert_int_equal(plane_ignore_sent(plane), 1);
    c = client_start(plane, 3, PLANE_ECHO);
    p = frame_put_path(frames, FRAME_PATH_CHALLENGE, (const uint8_t[8]){1});
    expect_violation(&c, frames, frame_put_path(p, FRAME_PATH_CHALLENGE, (const uint8_t[8]){2}));
    assert_int_equal(plane_ignore_sent(plane), 2); /* the first's answer, too */
    assert_int_equal(plane_count(plane, JP_delivered), 0);
}

/* A burst of packets full of frames takes no more packet buffers at once than two bursts do. */
static void a_burst_of_frames_leaves_buffers(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    static struct rte_mbuf *taken[65536];
    uint8_t frames[1300];
    unsigned n;

    for (unsigned i = 0; i < BURST_MAX; i++)
        client_send(&c, frames,
                    (uint32_t)(put_datagrams(frames, FRAME_DATA_MAX, (uint8_t)i) - frames));
    for (n = 0; rte_mempool_avail_count(plane->mbufs) > 2 * BURST_MAX; n++) {
        assert_in_range(n, 0, RTE_DIM(taken) - 1);
        taken[n] = rte_pktmbuf_alloc(plane->mbufs);
    }
    plane_turn(plane);
    rte_pktmbuf_free_bulk(taken, n);
    assert_int_equal(plane_count(plane, JP_no_mbuf), 0);
    assert_int_equal(plane_count(plane, JP_delivered), BURST_MAX * FRAME_DATA_MAX);
}

/* ---- order ---- */

static void restores_order(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);

    for (uint64_t seq = 10; seq > 0; seq--)
        client_send_stream(&c, 1, seq, 0, true, 8, (uint8_t)seq);
    plane_turn(plane);
    client_expect_nothing(&c);
    assert_int_equal(plane_count(plane, JP_held), 10);
    client_send_stream(&c, 2, 0, 0, true, 8, 99); /* nobody waits for another stream */
    client_send_stream(&c, 1, 0, 0, true, 8, 0);
    plane_turn(plane);
    client_expect_data(&c, 8, 99);
    for (uint64_t seq = 0; seq <= 10; seq++)
        assert_int_equal(client_expect_data(&c, 8, (uint8_t)seq).u.stream.seq, seq);
    assert_int_equal(plane_count(plane, JP_held), 0);
}

/* The streams' first messages are missing. */
static void expect_skipped_in_time(struct plane *plane, struct client *c, uint32_t first,
                                   uint32_t last)
{
    for (uint32_t id = first; id <= last; id++)
        client_send_stream(c, id, 1, 0, true, 8, (uint8_t)id);
    plane_turn(plane);
    plane_pass(plane, plane->dp.config.reorder_timeout_us - TIMER_TICK_US);
    client_expect_nothing(c);
    plane_pass(plane, 2 * TIMER_TICK_US);
    for (uint32_t id = first; id <= last; id++)
        client_expect_data(c, 8, (uint8_t)id);
    assert_int_equal(plane_count(plane, JP_gaps_skipped), last);
}

static void skips_gaps_in_time(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);

    expect_skipped_in_time(plane, &c, 1, 1);
    plane_pass(plane, ACK_DELAY_US + TIMER_TICK_US);
    plane_ignore_sent(plane);                /* the ACK */
    expect_skipped_in_time(plane, &c, 2, 4); /* nothing is missing of the session's first stream */
}

static void skips_gaps_when_too_much_waits(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);
    uint32_t max = plane->dp.config.reorder_max;

    for (uint64_t seq = 1; seq <= max + 1; seq++)
        client_send_stream(&c, 1, seq, 0, true, 8, (uint8_t)seq);
    plane_turn(plane);
    for (uint64_t seq = 1; seq <= max + 1; seq++)
        client_expect_data(&c, 8, (uint8_t)seq);
    assert_int_equal(plane_count(plane, JP_gaps_skipped), 1);
}

/* Who holds all it may leaves the others as much as it takes. */
static void held_packets_have_a_cap(void **state)
{
    struct plane *plane = *state;
    struct client greedy = client_start(plane, 1, PLANE_DISCARD);
    struct client other = client_start(plane, 2, PLANE_ECHO);
    struct lcore *lc = plane->dp.lcore[0];
    uint32_t was = lc->held_max;

    lc->held_max = plane->dp.config.reorder_max;
    for (uint32_t id = 1; id <= 20; id++)
        client_send_stream(&greedy, id, 1, 0, true, 8, 0);
    plane_turn(plane);
    assert_in_range(plane_count(plane, JP_held), 1, lc->held_max / 4);
    client_send_stream(&other, 1, 1, 0, true, 8, 1);
    client_send_stream(&other, 1, 0, 0, true, 8, 0);
    plane_turn(plane);
    client_expect_data(&other, 8, 0);
    client_expect_data(&other, 8, 1);
    lc->held_max = was;
}

/* A message that lost a part is not continued; the next one is whole again. */
static void breaks_messages_off(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);

    client_send_stream(&c, 1, 0, 0, false, 8, 0);
    client_send_stream(&c, 1, 0, 16, false, 8, 16); /* 8-15 are lost */
    client_send_stream(&c, 1, 0, 24, true, 8, 24);
    client_send_stream(&c, 1, 1, 0, true, 8, 50);
    plane_turn(plane);
    client_expect_data(&c, 8, 0);
    plane_pass(plane, plane->dp.config.reorder_timeout_us + TIMER_TICK_US);
    client_expect_data(&c, 8, 50);
    assert_int_equal(plane_count(plane, JP_gap_broken), 2);
    plane_ignore_sent(plane);
}

/* ---- FEC ---- */

enum { K = 4, R = 2, SYMBOL = 32 };

/* The sources and repairs of one block, as packets' frames. */
struct block {
    uint8_t frames[K + R][64];
    uint32_t len[K + R];
};

static struct block make_block(uint64_t id, bool streams)
{
    struct block b;
    struct fec_enc enc;
    struct fec_pools pools = {.symbol_max = 1500};
    static alignas(64) uint8_t symbols[R * 1536];
    unsigned i;

    pool_init(&pools.symbols, symbols, 1500, R);
    assert_int_equal(fec_enc_init(&enc, K, R), 0);
    for (i = 0; i < K; i++) {
        uint8_t inside[SYMBOL];
        uint64_t seq = id * K + i;
        uint8_t *p = streams ? frame_put_stream_hdr(inside, 1, seq, 0, true)
                             : frame_put_datagram_hdr(inside);

        for (unsigned j = 0; j < 8 + i; j++) /* of different lengths */
            *p++ = (uint8_t)(seq + j);
        uint32_t len = (uint32_t)(p - inside);

        p = frame_put_fec_source_hdr(b.frames[i], id, (uint8_t)i, (uint16_t)len);
        memcpy(p, inside, len);
        b.len[i] = (uint32_t)(p - b.frames[i]) + len;
        assert_int_equal(fec_enc_add(&enc, &pools, 0, p - 2, len + 2), i == K - 1);
    }
    for (; i < K + R; i++) {
        uint8_t *p = frame_put_fec_repair_hdr(b.frames[i], id, K, R, (uint8_t)(i - K));

        memcpy(p, fec_enc_repair(&enc, i - K), enc.longest);
        b.len[i] = (uint32_t)(p - b.frames[i]) + enc.longest;
    }
    fec_enc_close(&enc, &pools);
    return b;
}

/* Send what of block b the mask says. */
static void send_block(struct client *c, const struct block *b, unsigned mask)
{
    for (unsigned i = 0; i < K + R; i++)
        if (mask >> i & 1)
            client_send(c, b->frames[i], b->len[i]);
}

static void recovers_whatever_two_are_lost(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);
    uint64_t id = 0, lost = 0;

    for (unsigned mask = 0; mask < 1u << (K + R); mask++) {
        if (__builtin_popcount(mask) != K)
            continue;
        struct block b = make_block(id, true);

        send_block(&c, &b, mask);
        plane_turn(plane);
        for (unsigned i = 0; i < K; i++)
            client_expect_data(&c, 8 + i, (uint8_t)(id * K + i));
        lost += K - (unsigned)__builtin_popcount(mask & ((1u << K) - 1));
        id++;
    }
    assert_int_equal(plane_count(plane, JP_fec_recovered), lost);
    assert_int_equal(plane_count(plane, JP_delivered), id * K);
    assert_int_equal(client_session(&c)->fec_recovered, lost);
    plane_ignore_sent(plane);
}

/* The symbol that makes recovery possible may be a source. */
static void recovers_when_a_source_completes(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    struct block b = make_block(0, false);

    send_block(&c, &b, 0x31); /* one source, both repairs */
    send_block(&c, &b, 0x08);
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_fec_recovered), 2);
    assert_int_equal(plane_count(plane, JP_delivered), 4);
}

/* An original that comes after its recovery is not delivered again. */
static void delivers_recovered_once(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    struct block b = make_block(0, false);

    send_block(&c, &b, 0x3c);
    send_block(&c, &b, 0x03);
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_fec_recovered), 2);
    assert_int_equal(plane_count(plane, JP_delivered), 4);
    assert_int_equal(plane_count(plane, JP_fec_duplicate), 2);
    assert_int_equal(plane_count(plane, JP_repair), 2);
}

static void gives_blocks_up(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    struct block b = make_block(0, false);

    const uint32_t was = plane->dp.config.fec_expire_us;

    plane->dp.config.fec_expire_us = 10000; /* before any ACK is due */
    send_block(&c, &b, 0x11);               /* one source, one repair */
    plane_turn(plane);
    plane_pass(plane, 12000);
    assert_int_equal(plane_count(plane, JP_fec_lost), 3);
    assert_int_equal(plane->dp.lcore[0]->fec.symbols.used, 0);
    plane->dp.config.fec_expire_us = was;
}

/* Sessions beyond the decoders there are go on without. */
static void goes_on_without_decoders(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    struct pool *decoders = &plane->dp.lcore[0]->fec_decoders;
    struct pool was = *decoders;
    struct block b = make_block(0, false);

    decoders->free = NULL;
    decoders->fresh_left = 0;
    send_block(&c, &b, 0x37);
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_delivered), 3);
    assert_int_equal(plane_count(plane, JP_repair), 2);
    *decoders =
        was; /* what was read without a decoder could be recovered, and read again, by one now */
    send_block(&c, &b, 0x30);
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_delivered), 3);
    assert_int_equal(decoders->used, 0);
}

static void protects_what_it_sends(void **state)
{
    struct plane *plane = *state;
    struct client c = client_new(plane, 1, 0);

    c.fec_k = 4;
    c.fec_r = 2;
    assert_int_equal(client_install(&c), 0);
    for (uint8_t i = 0; i < 4; i++)
        client_send_datagram(&c, 10, i);
    client_send_datagram(&c, 10, 4); /* alone in its block */
    plane_turn(plane);
    assert_int_equal(plane_ignore_sent(plane), 4 + 2 + 1);
    plane_pass(plane, plane->dp.config.fec_flush_us + TIMER_TICK_US);
    assert_true(plane_ignore_sent(plane) >= 2);
    assert_int_equal(plane_count(plane, JP_repairs_sent), 4);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, plane_setup, plane_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(echoes_over_ip4),
        CASE(echoes_over_ip6),
        CASE(echoes_over_vlan),
        CASE(takes_priority_tags),
        CASE(counts_what_comes),
        CASE(splits_a_packets_frames),
        CASE(caps_a_packets_frames),
        CASE(a_burst_of_frames_leaves_buffers),
        CASE(restores_order),
        CASE(skips_gaps_in_time),
        CASE(skips_gaps_when_too_much_waits),
        CASE(breaks_messages_off),
        CASE(held_packets_have_a_cap),
        CASE(recovers_whatever_two_are_lost),
        CASE(recovers_when_a_source_completes),
        CASE(delivers_recovered_once),
        CASE(gives_blocks_up),
        CASE(goes_on_without_decoders),
        CASE(protects_what_it_sends),
    };

    return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
