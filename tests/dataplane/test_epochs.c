/* Keys change, each direction by itself, with packets of several epochs under way. */
#include "plane.h"

#include "ack.h"

/* The client acknowledges pn, so the server may enter its next epoch. */
static void send_ack(struct client *c, uint64_t pn)
{
    uint8_t frame[ACK_FRAME_MAX];
    uint8_t *end = frame_put_ack(frame, 0, &(struct frame_ack_range){.first = pn, .last = pn}, 1);

    client_send(c, frame, (uint32_t)(end - frame));
}

/* The next epoch, once the server has acknowledged a packet of this one; all it sent is gone. */
static void next_epoch(struct client *c)
{
    client_send(c, (const uint8_t[]){FRAME_PING}, 1);
    plane_pass(c->plane, 30000);
    plane_ignore_sent(c->plane);
    c->tx.acked = true;
    assert_int_equal(epoch_tx_rotate(&c->tx, c->plane->aead), 0);
}

static void follows_the_clients_epochs(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);
    uint8_t late[PLANE_FRAME_MAX];
    uint32_t late_len = 0;

    for (uint64_t epoch = 0; epoch < 5; epoch++) {
        const uint8_t datagram[] = {FRAME_DATAGRAM, (uint8_t)epoch};

        client_send_datagram(&c, 1, (uint8_t)epoch);
        plane_turn(plane);
        client_expect_data(&c, 1, (uint8_t)epoch);
        if (late_len > 0) { /* a packet of the epoch before still counts, once */
            client_send_payload(&c, late, late_len);
            plane_turn(plane);
            client_expect_nothing(&c);
            assert_int_equal(plane_count(plane, JP_replay_old), epoch);
        }
        late_len = client_seal(&c, c.tx.next_pn++, datagram, 2, late);
        next_epoch(&c);
    }
    assert_int_equal(client_session(&c)->rx.current.epoch, 4);
    assert_int_equal(plane_count(plane, JP_rekeys), 4);
}

/* Around the border, packets of both epochs share a burst, out of order. */
static void mixes_epochs_in_a_burst(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    uint8_t old[8][PLANE_FRAME_MAX];
    uint32_t len[8];
    const uint8_t datagram[] = {FRAME_DATAGRAM, 1};
    uint64_t border = UINT64_C(1) << EPOCH_SHIFT;

    for (unsigned i = 0; i < 8; i++)
        len[i] = client_seal(&c, border - 8 + i, datagram, 2, old[i]);
    next_epoch(&c);
    for (unsigned i = 0; i < 8; i++) {
        client_send(&c, datagram, 2);
        client_send_payload(&c, old[i], len[i]);
    }
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_delivered), 16);
    assert_int_equal(plane_count(plane, JP_rekeys), 1);
}

/* Of one session, in one burst: the epoch before, the current and the next. */
static void opens_three_epochs_in_a_burst(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);
    uint8_t late[PLANE_FRAME_MAX];
    const uint8_t datagram[] = {FRAME_DATAGRAM, 1};
    uint64_t border = UINT64_C(1) << EPOCH_SHIFT;
    uint32_t len = client_seal(&c, border - 1, datagram, 2, late);

    next_epoch(&c);
    client_send(&c, datagram, 2);
    plane_pass(plane, 30000); /* acknowledged */
    client_send(&c, datagram, 2);
    client_send_payload(&c, late, len);
    c.tx.acked = true;
    assert_int_equal(epoch_tx_rotate(&c.tx, plane->aead), 0);
    client_send(&c, datagram, 2);
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_auth_failed), 0);
    assert_int_equal(plane_count(plane, JP_delivered), 4);
    assert_int_equal(client_session(&c)->rx.current.epoch, 2);
}

/* Four sessions and more change epochs in one burst: the keys expanded for it have their limit, the
 * packets not. */
static void many_sessions_change_epochs_at_once(void **state)
{
    struct plane *plane = *state;
    struct client c[12];

    for (unsigned i = 0; i < 12; i++) {
        c[i] = client_start(plane, i, PLANE_DISCARD);
        next_epoch(&c[i]);
    }
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 12; i++)
            client_send_datagram(&c[i], 10, 0);
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_delivered), 36);
    assert_int_equal(plane_count(plane, JP_rekeys), 12);
}

/* A client that rushes through epochs makes us derive no key before we acknowledged one of its
 * packets. */
static void epochs_wait_for_our_ack(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_DISCARD);

    client_send_datagram(&c, 1, 0);
    plane_turn(plane);
    c.tx.acked = true; /* it lies */
    assert_int_equal(epoch_tx_rotate(&c.tx, plane->aead), 0);
    client_send_datagram(&c, 1, 1);
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_epoch_far), 1);
    plane_pass(plane, 30000);
    client_send_datagram(&c, 1, 2);
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_delivered), 2);
    assert_int_equal(client_session(&c)->rx.current.epoch, 1);
    c.tx.acked = true; /* and again: the ACK was of the epoch before */
    assert_int_equal(epoch_tx_rotate(&c.tx, plane->aead), 0);
    client_send_datagram(&c, 1, 3);
    plane_turn(plane);
    assert_int_equal(plane_count(plane, JP_epoch_far), 2);
    assert_int_equal(plane_count(plane, JP_rekeys), 1);
}

static void enters_epochs_when_acknowledged(void **state)
{
    struct plane *plane = *state;
    struct client c = client_start(plane, 1, PLANE_ECHO);
    struct session *s = client_session(&c);
    uint64_t last = (UINT64_C(1) << EPOCH_SHIFT) - 1;

    s->tx.next_pn = last; /* as if it had sent all the others */
    client_send_datagram(&c, 1, 1);
    client_send_datagram(&c, 1, 2);
    plane_turn(plane);
    client_expect_data(&c, 1, 1);
    client_expect_nothing(&c);
    assert_int_equal(plane_count(plane, JP_tx_blocked), 1);
    send_ack(&c, last);
    client_send_datagram(&c, 1, 3);
    plane_turn(plane);
    struct seen d = client_receive(&c);

    assert_int_equal(d.pn, last + 1);
    rte_pktmbuf_free(d.m);
    assert_int_equal(s->tx.epoch, 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, plane_setup, plane_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(follows_the_clients_epochs),    CASE(mixes_epochs_in_a_burst),
        CASE(opens_three_epochs_in_a_burst), CASE(many_sessions_change_epochs_at_once),
        CASE(epochs_wait_for_our_ack),       CASE(enters_epochs_when_acknowledged),
    };

    return cmocka_run_group_tests_name("epochs", tests, NULL, NULL);
}
