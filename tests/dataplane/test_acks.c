/* What the data plane answers beside data: acknowledgements, path responses, fates of other
 * packets. */
#include "plane.h"

#include "handshake.h"
#include "ingress.h"
#include "origin.h"

/* The ACK in the one packet that was sent. */
static struct frame expect_ack(struct client *c)
{
    struct seen d = client_receive(c);
    const uint8_t *p = d.frames;
    struct frame f;

    assert_int_equal(frame_next(&p, d.frames + d.frames_len, false, &f), 1);
    assert_int_equal(f.type, FRAME_ACK);
    rte_pktmbuf_free(d.m);
    return f;
}

static void acknowledges_in_time(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);

    for (unsigned i = 0; i < 3; i++)
        client_send_datagram(&c, 10, 0);
    c.tx.next_pn++; /* one is lost */
    client_send_datagram(&c, 10, 0);
    plane_turn(plane);
    client_expect_nothing(&c);
    plane_pass(plane, ACK_DELAY_US + TIMER_TICK_US);
    struct frame f = expect_ack(&c);

    assert_int_equal(f.u.ack.largest, 4);
    assert_int_equal(f.u.ack.n, 2);
    assert_int_equal(f.u.ack.ranges[1].first, 0);
    assert_int_equal(f.u.ack.ranges[1].last, 2);
    assert_in_range(f.u.ack.delay_us, ACK_DELAY_US, ACK_DELAY_US + 2 * TIMER_TICK_US);
    client_expect_nothing(&c);
}

static void acknowledges_every_64(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);

    for (unsigned i = 0; i < 2 * ACK_EVERY; i++)
        client_send_datagram(&c, 10, 0);
    plane_settle(plane);
    assert_int_equal(expect_ack(&c).u.ack.largest, ACK_EVERY - 1);
    assert_int_equal(expect_ack(&c).u.ack.largest, 2 * ACK_EVERY - 1);
    client_expect_nothing(&c);
    plane_pass(plane, 2 * ACK_DELAY_US);
    client_expect_nothing(&c);
}

/* ACKs are not acknowledged, or two ends would never be silent. */
static void acknowledges_no_acks(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    uint8_t frame[ACK_FRAME_MAX];

    client_send_datagram(&c, 10, 0);
    plane_pass(plane, ACK_DELAY_US + TIMER_TICK_US);
    uint64_t largest = 0;
    struct frame f = expect_ack(&c);
    uint8_t *end =
        frame_put_ack(frame, 0, &(struct frame_ack_range){.first = largest, .last = largest}, 1);

    assert_int_equal(f.u.ack.largest, 0);
    client_send(&c, frame, (uint32_t)(end - frame));
    plane_pass(plane, 2 * ACK_DELAY_US);
    client_expect_nothing(&c);
    assert_int_equal(plane_count(plane, JP_control), 1);
}

/* All that a session waits for shares one timer: firing for one must not forget the others. */
static void one_timer_serves_all(void **state)
{
    struct plane *plane = *state;
    struct client c = client_new(plane, 1, 0);
    const uint64_t flush = plane->dp.config.fec_flush_us, gap = plane->dp.config.reorder_timeout_us;

    c.fec_k = 4;
    c.fec_r = 1;
    assert_int_equal(client_install(&c), 0);
    client_send_stream(&c, 1, 1, 0, true, 8, 1); /* held: a gap, and an ACK, to wait for */
    client_send_datagram(&c, 8, 1);              /* echoed: a block to flush */
    plane_turn(plane);
    assert_int_equal(plane_ignore_sent(plane), 1);
    plane_pass(plane, flush + TIMER_TICK_US);
    assert_int_equal(plane_count(plane, JP_repairs_sent), 1);
    plane_pass(plane, gap - flush);
    assert_int_equal(plane_count(plane, JP_delivered),
                     2); /* it opens a block anew, at 20 or 21 ms */
    plane_pass(plane, ACK_DELAY_US - gap);
    assert_int_equal(plane_count(plane, JP_acks_sent), 1);
    plane_pass(plane, 2 * TIMER_TICK_US);
    assert_int_equal(plane_count(plane, JP_repairs_sent), 2);
    plane_ignore_sent(plane);
}

static void remembers_acks_behind_gaps(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);

    client_send_stream(&c, 1, 1, 0, true, 8, 1);
    plane_turn(plane);
    plane_pass(plane, plane->dp.config.reorder_timeout_us + TIMER_TICK_US);
    assert_int_equal(plane_count(plane, JP_delivered), 1);
    client_expect_nothing(&c);
    plane_pass(plane, ACK_DELAY_US - plane->dp.config.reorder_timeout_us + TIMER_TICK_US);
    assert_int_equal(expect_ack(&c).u.ack.largest, 0);
}

static void remembers_blocks_behind_acks(void **state)
{
    struct plane *plane = *state;
    struct client c = client_new(plane, 1, 0);

    c.fec_k = 4;
    c.fec_r = 1;
    assert_int_equal(client_install(&c), 0);
    client_send(&c, (const uint8_t[]){FRAME_PING}, 1);
    plane_pass(plane, ACK_DELAY_US - plane->dp.config.fec_flush_us / 2);
    client_send_datagram(&c, 8, 1);
    plane_pass(plane, plane->dp.config.fec_flush_us / 2 + TIMER_TICK_US);
    assert_int_equal(plane_count(plane, JP_acks_sent), 1);
    assert_int_equal(plane_count(plane, JP_repairs_sent), 0);
    plane_pass(plane, plane->dp.config.fec_flush_us / 2 + TIMER_TICK_US);
    assert_int_equal(plane_count(plane, JP_repairs_sent), 1);
    plane_ignore_sent(plane);
}

static void answers_challenges(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);
    const uint8_t data[8] = "jetplane";
    uint8_t frame[16];
    struct frame f;

    client_send(&c, frame, (uint32_t)(frame_put_path(frame, FRAME_PATH_CHALLENGE, data) - frame));
    plane_turn(plane);
    struct seen d = client_receive(&c);
    const uint8_t *p = d.frames;

    assert_int_equal(frame_next(&p, d.frames + d.frames_len, false, &f), 1);
    assert_int_equal(f.type, FRAME_PATH_RESPONSE);
    assert_memory_equal(f.u.path_data, data, 8);
    rte_pktmbuf_free(d.m);
}

static void gives_other_packets_their_fates(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);
    uint8_t hello[HS_CLIENT_HELLO_LEN] = {[4] = WIRE_CLIENT_HELLO, [5] = WIRE_VERSION};
    uint8_t arp[60] = {[12] = 8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
    struct jp_path path;
    void *m = NULL;

    client_send_payload(&c, (const uint8_t[]){0xff}, 1);
    client_send(&c, (const uint8_t[]){FRAME_PADDING, FRAME_PING}, 2);
    client_send_payload(&c, hello, sizeof(hello));
    memcpy(arp + 28, c.path.peer_ip + 12, 4);
    memcpy(arp + 38, c.path.our_ip + 12, 4);
    plane_inject(plane, PLANE_UNTAGGED, 0, arp, sizeof(arp));
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_keepalive), 1);
    assert_int_equal(plane_count(plane, JP_control), 1);
    assert_int_equal(plane_count(plane, JP_arp), 1);
    assert_int_equal(rte_ring_dequeue(plane->dp.lcore[0]->punts, &m), 0);
    packet_path(&plane->dp, m, &path);
    assert_memory_equal(&path, &c.path, sizeof(path));
    assert_int_equal(rte_ring_enqueue(plane->dp.lcore[0]->punts, m), 0); /* for the main lcore */
    plane_ignore_sent(plane);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, plane_setup, plane_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(acknowledges_in_time),       CASE(acknowledges_every_64),
        CASE(acknowledges_no_acks),       CASE(one_timer_serves_all),
        CASE(remembers_acks_behind_gaps), CASE(remembers_blocks_behind_acks),
        CASE(answers_challenges),         CASE(gives_other_packets_their_fates),
    };

    return cmocka_run_group_tests_name("acks", tests, NULL, NULL);
}
