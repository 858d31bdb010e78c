/* Sessions that are resumed: early data is read as packet number 0, answered before the client has
 * confirmed its keys, but not with more than three times what came; tickets wait until then. */
#include "plane.h"
#include "resume.h"

enum { ALLOWED = 3 * RESUME_HELLO_LEN, SECOND = 1000000 };

static const uint8_t ping = FRAME_PING;

static struct client full_client(struct plane *plane, unsigned n, uint16_t listener)
{
    struct client c = client_new(plane, n, 0);

    c.path.our_port = listener;
    c.credit = (struct jp_ipc_credit){1 << 20, 1 << 20, 1 << 20};
    return c;
}

/* What the plane sent to c until now. */
struct heard {
    unsigned packets, tickets, acks;
    uint32_t bytes, echoed;
};

static void read_frame(struct heard *h, const struct frame *f)
{
    if (f->type == FRAME_TICKET) {
        assert_int_equal(f->u.ticket.len, RESUME_TICKET_LEN);
        assert_int_equal(f->u.ticket.bytes[RESUME_TICKET_LEN - 1], 7);
        h->tickets++;
    } else if (f->type == FRAME_ACK) {
        h->acks++;
    } else if (f->type == FRAME_STREAM) {
        h->echoed += f->u.stream.len;
    }
}

static struct heard hear(struct client *c)
{
    struct heard h = {0};
    struct rte_mbuf *m;

    while ((m = plane_sent(c->plane)) != NULL) {
        struct seen s = client_open(c, m);
        const uint8_t *p = s.frames, *end = p + s.frames_len;
        struct frame f;

        while (frame_next(&p, end, false, &f) > 0)
            read_frame(&h, &f);
        h.packets++;
        h.bytes += s.payload_len;
        rte_pktmbuf_free(s.m);
    }
    return h;
}

/* A whole message of len bytes on stream 1. */
static uint32_t put_message(uint8_t *frames, uint32_t len)
{
    uint8_t *p = frame_put_stream_hdr(frames, 1, 0, 0, true);

    memset(p, 1, len);
    return (uint32_t)(p + len - frames);
}

static void early_data_is_echoed_at_once(void **state)
{
    struct plane *plane = *state;
    struct client c = full_client(plane, 1, PLANE_ECHO);
    uint8_t frames[1100], packet[1400];
    struct heard h;
    uint64_t pn;

    c.early = frames;
    c.early_len = (uint16_t)put_message(frames, 1000);
    assert_int_equal(client_install(&c), 0);
    plane_pass(plane, 50000);
    h = hear(&c);
    assert_int_equal(h.echoed, 1000);
    assert_true(h.acks > 0 && h.bytes <= ALLOWED);
    assert_int_equal(plane_count(plane, JP_messages), 1);

    assert_int_equal(epoch_tx_next(&c.tx, &pn), EPOCH_OK);
    assert_int_equal(pn, 0); /* which came */
    client_send_payload(&c, packet, client_seal(&c, 0, frames, c.early_len, packet));
    plane_settle(plane);
    assert_int_equal(plane_count(plane, JP_replay_seen), 1);
    client_send(&c, &ping, 1);
    plane_settle(plane);
    assert_true(client_session(&c)->confirmed);
    assert_int_equal(plane_count(plane, JP_messages), 1);
    plane_ignore_sent(plane);
}

/* A source has much to say: not to an address that nobody has proven. */
static void answers_do_not_amplify(void **state)
{
    struct plane *plane = *state;
    struct client c = full_client(plane, 1, PLANE_FAST_SOURCE);
    uint8_t frames[64];
    struct heard h;
    uint64_t pn;

    c.early = frames;
    c.early_len = (uint16_t)put_message(frames, 1);
    assert_int_equal(client_install(&c), 0);
    plane_pass(plane, 5 * SECOND);
    h = hear(&c);
    assert_in_range(h.bytes, ALLOWED / 2, ALLOWED);

    assert_int_equal(epoch_tx_next(&c.tx, &pn), EPOCH_OK);
    client_send(&c, &ping, 1);
    plane_pass(plane, SECOND / 10);
    h = hear(&c);
    assert_true(h.bytes > ALLOWED);
}

static void tickets_wait_for_the_client(void **state)
{
    struct plane *plane = *state;
    struct client c = full_client(plane, 1, PLANE_ECHO);

    c.ticket_len = RESUME_TICKET_LEN;
    assert_int_equal(client_install(&c), 0);
    plane_pass(plane, SECOND);
    client_expect_nothing(&c);
    client_send(&c, &ping, 1);
    plane_pass(plane, SECOND / 10);
    assert_int_equal(hear(&c).tickets, 1);
}

/* Early data that breaks the rules ends its session, and nothing else. */
static void malformed_early_data(void **state)
{
    struct plane *plane = *state;
    struct client c = full_client(plane, 1, PLANE_ECHO);
    const uint8_t unknown[] = {0x3f, 0x3f};

    c.early = unknown;
    c.early_len = sizeof(unknown);
    assert_int_equal(client_install(&c), 0);
    plane_settle(plane);
    assert_null(client_session(&c));
    assert_int_equal(plane_count(plane, JP_sessions_failed), 1);
    plane_ignore_sent(plane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(early_data_is_echoed_at_once, plane_setup, plane_teardown),
        cmocka_unit_test_setup_teardown(answers_do_not_amplify, plane_setup, plane_teardown),
        cmocka_unit_test_setup_teardown(tickets_wait_for_the_client, plane_setup, plane_teardown),
        cmocka_unit_test_setup_teardown(malformed_early_data, plane_setup, plane_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
