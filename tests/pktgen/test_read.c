/* What comes back is judged: once and as it was sent, or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame.h"
#include "receive.h"

enum { LEN = 100, SENT = 10000, PHASE = 3 };

static struct jetgen g = {.phase_id = PHASE};
static struct worker w;
static struct session s;
static struct stream_state streams[3];
static uint8_t packet[LEN + 100];

static int begin(void **state)
{
    (void)state;
    payload_pattern_init(&g.pattern, 1);
    w = (struct worker){.g = &g};
    wheel_init(&w.wheel, 0);
    memset(streams, 0, sizeof(streams));
    s = (struct session){
        .index = 7, .state = SESSION_UP, .counter = SENT, .max_stream = 2, .streams = streams};
    return 0;
}

static struct payload echo(uint64_t counter, uint32_t stream)
{
    return (struct payload){
        .counter = counter, .session = 7, .stream = stream, .phase = PHASE, .len = LEN};
}

/* The server answers with p behind the frame header that ends at `data`. */
static void comes(struct payload p, uint8_t *data)
{
    payload_put(&g.pattern, &p, data);
    read_packet(&w, &s, packet, (uint32_t)(data + LEN - packet));
}

static void comes_in_stream(struct payload p, uint32_t stream)
{
    comes(p, frame_put_stream_hdr(packet, stream, 0, 0, true));
}

static void expect(enum counter which, uint64_t n)
{
    assert_int_equal(w.results.counter[which], n);
}

static void counts_what_is_right(void **state)
{
    struct payload datagram = echo(1, 0), lost = echo(2, 2);

    (void)state;
    datagram.flags = PAYLOAD_DATAGRAM;
    lost.flags = PAYLOAD_LOST;
    w.window.under_way = w.window.bucket[0] = 5;
    comes_in_stream(echo(0, 1), 1);
    comes(datagram, frame_put_datagram_hdr(packet));
    comes_in_stream(lost, 2);
    expect(C_delivered, 3);
    expect(C_delivered_bytes, 3 * LEN);
    expect(C_fec_recovered, 1);
    assert_int_equal(w.window.under_way, 3); /* without the lost one, which the window forgot */
    expect(C_corrupt_delivered, 0);
    expect(C_rx_bad_frame, 0);
}

static void sees_what_comes_twice_or_late(void **state)
{
    struct payload before = echo(4, 1);

    (void)state;
    comes_in_stream(echo(5, 1), 1);
    comes_in_stream(echo(5, 1), 1);
    expect(C_delivered, 1);
    expect(C_duplicate_delivered, 1);
    before.phase--;
    comes_in_stream(before, 1);
    expect(C_late_delivered, 1);
    comes_in_stream(echo(SENT - 1, 1), 1);
    comes_in_stream(echo(SENT - 1 - REPLAY_WINDOW, 1), 1); /* who knows whether it is the first */
    expect(C_late_delivered, 2);
    expect(C_delivered, 2);
    expect(C_corrupt_delivered, 0);
}

static void sees_what_overtakes_in_a_stream(void **state)
{
    struct payload datagram = echo(2, 0);

    (void)state;
    datagram.flags = PAYLOAD_DATAGRAM;
    comes_in_stream(echo(5, 1), 1);
    comes_in_stream(echo(3, 2), 2);
    for (; datagram.counter > 0; datagram.counter--)
        comes(datagram, frame_put_datagram_hdr(packet));
    expect(C_out_of_order, 0); /* of one stream only, and datagrams have no order */
    comes_in_stream(echo(4, 1), 1);
    comes_in_stream(echo(6, 1), 1);
    expect(C_out_of_order, 1);
    expect(C_delivered, 6);
}

static void sees_what_is_wrong(void **state)
{
    struct payload others = echo(1, 1), datagram = echo(1, 1);
    uint8_t *data = frame_put_stream_hdr(packet, 1, 0, 0, true);

    (void)state;
    others.session++;
    datagram.flags = PAYLOAD_DATAGRAM;
    comes_in_stream(others, 1);
    comes_in_stream(echo(1, 1), 2);
    comes_in_stream(datagram, 1);
    comes_in_stream(echo(SENT, 1), 1); /* not sent yet */
    expect(C_corrupt_delivered, 4);
    comes(echo(1, 1), frame_put_stream_hdr(packet, 1, 0, 0, false));
    comes(echo(1, 1), frame_put_stream_hdr(packet, 1, 0, 1, true));
    comes(echo(1, 0), frame_put_datagram_hdr(packet));
    expect(C_corrupt_delivered, 7);
    comes_in_stream(echo(1, 1), 1);
    expect(C_delivered, 1); /* as it was sent, and */
    data[LEN - 1] ^= 1;
    read_packet(&w, &s, packet, (uint32_t)(data + LEN - packet));
    expect(C_corrupt_delivered, 8);
    expect(C_delivered, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(counts_what_is_right, begin),
        cmocka_unit_test_setup(sees_what_comes_twice_or_late, begin),
        cmocka_unit_test_setup(sees_what_overtakes_in_a_stream, begin),
        cmocka_unit_test_setup(sees_what_is_wrong, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
