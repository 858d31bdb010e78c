#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "epoch.h"
#include "vectors.h"

enum { TEXT_LEN = 40, SPI = 0x1234 };

#define EPOCH_START(e) ((uint64_t)(e) << EPOCH_SHIFT)
#define EPOCH_LAST(e)  (EPOCH_START((e) + 1) - 1)

static const uint8_t secret[KDF_HASH_LEN] = {42};

/* A sender and a receiver that share secret(0). */
struct pair {
    struct aead *aead;
    struct epoch_tx tx;
    struct epoch_rx rx;
};

struct packet {
    uint64_t pn;
    uint8_t bytes[TEXT_LEN + AEAD_TAG_LEN];
};

static int setup(void **state)
{
    static struct pair p;

    p.aead = aead_new(aead_best());
    assert_non_null(p.aead);
    assert_int_equal(epoch_tx_init(&p.tx, p.aead, AEAD_AES256_GCM, secret), 0);
    assert_int_equal(epoch_rx_init(&p.rx, p.aead, AEAD_AES256_GCM, secret), 0);
    *state = &p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;

    aead_free(p->aead);
    return 0;
}

static struct packet send_packet(struct pair *p)
{
    struct packet packet = {.bytes = {7}};
    struct aead_op op = {.key = &p->tx.current, .text = packet.bytes, .spi = SPI, .len = TEXT_LEN};

    assert_int_equal(epoch_tx_next(&p->tx, &packet.pn), EPOCH_OK);
    op.pn = packet.pn;
    aead_seal(p->aead, &op, 1);
    return packet;
}

/* Open as the data path does: commit only what authenticated. */
static bool receive(struct pair *p, struct packet packet)
{
    struct aead_key scratch;
    struct aead_op op = {.text = packet.bytes, .pn = packet.pn, .spi = SPI, .len = TEXT_LEN};

    op.key = epoch_rx_key(&p->rx, p->aead, packet.pn, &scratch);
    if (!op.key)
        return false;
    aead_open(p->aead, &op, 1);
    if (op.ok)
        epoch_rx_commit(&p->rx, p->aead, packet.pn);
    return op.ok;
}

static void rekey(struct pair *p)
{
    assert_int_equal(epoch_tx_acked(&p->tx, p->tx.next_pn - 1), 0);
    assert_int_equal(epoch_tx_rotate(&p->tx, p->aead), 0);
}

/* Keys of epochs 0 and 3, computed by another implementation of HKDF. */
static void key_schedule(void **state)
{
    struct pair *p = *state;
    uint8_t expected[AEAD_MATERIAL_LEN];

    hex_decode(expected, sizeof(expected),
               "b0c2c87fba4646b575bcf39f3a2ddea82e98146ff528eeae4017cf2e69dc73e6e81c9137");
    assert_memory_equal(p->rx.material, expected, sizeof(expected));
    hex_decode(expected, sizeof(expected),
               "e15fd5273bec35abe7966aa7b8afa593ec8e7458b1b31adc40cf71784e1c461ec8c5b222");
    for (unsigned e = 1; e <= 3; e++)
        epoch_rx_commit(&p->rx, p->aead, EPOCH_START(e));
    assert_memory_equal(p->rx.material, expected, sizeof(expected));
}

/* Both sides go through many epochs together, one rekey by time after another. */
static void ratchets_together(void **state)
{
    struct pair *p = *state;

    for (unsigned e = 0; e < 20; e++) {
        struct packet a = send_packet(p), b = send_packet(p);

        assert_int_equal(epoch_of(a.pn), e);
        assert_int_equal(a.pn, EPOCH_START(e));
        assert_true(receive(p, b));
        assert_true(receive(p, a));
        assert_int_equal(p->rx.current.epoch, e);
        rekey(p);
    }
}

/* Packets of either side of a boundary open in any order, as long as one epoch apart. */
static void reordered_around_a_boundary(void **state)
{
    struct pair *p = *state;
    struct packet old[3], new[3];

    for (unsigned i = 0; i < 3; i++)
        old[i] = send_packet(p);
    rekey(p);
    for (unsigned i = 0; i < 3; i++)
        new[i] = send_packet(p);
    assert_true(receive(p, new[2]));
    assert_int_equal(p->rx.current.epoch, 1);
    assert_true(receive(p, old[1]));
    assert_int_equal(p->rx.current.epoch, 1);
    assert_true(receive(p, new[0]));
    assert_true(receive(p, old[0]));
    rekey(p);
    assert_true(receive(p, send_packet(p)));
    assert_int_equal(p->rx.current.epoch, 2);
    assert_false(receive(p, old[2])); /* two behind now */
    assert_true(receive(p, new[1]));
}

/* Forged packets of every nearby epoch leave no trace, and the real ones still open after them. */
static void forgery_changes_nothing(void **state)
{
    struct pair *p = *state;
    struct epoch_rx before;
    struct packet forged;

    assert_true(receive(p, send_packet(p)));
    rekey(p);
    assert_true(receive(p, send_packet(p)));
    memcpy(&before, &p->rx, sizeof(before));
    for (unsigned e = 0; e < 5; e++) {
        forged = (struct packet){.pn = EPOCH_START(e) + 5};
        assert_false(receive(p, forged));
        assert_memory_equal(&p->rx, &before, sizeof(before));
    }
    rekey(p);
    forged = send_packet(p);
    forged.bytes[0] ^= 1;
    assert_false(receive(p, forged));
    assert_memory_equal(&p->rx, &before, sizeof(before));
    assert_true(receive(p, send_packet(p)));
    assert_int_equal(p->rx.current.epoch, 2);
}

static void only_neighbours_have_keys(void **state)
{
    struct pair *p = *state;
    struct aead_key scratch;
    const struct epoch_rx *rx = &p->rx;

    assert_ptr_equal(epoch_rx_key(rx, p->aead, 0, &scratch), &rx->current);
    assert_ptr_equal(epoch_rx_key(rx, p->aead, EPOCH_LAST(1), &scratch), &scratch);
    assert_null(epoch_rx_key(rx, p->aead, EPOCH_START(2), &scratch));
    assert_null(epoch_rx_key(rx, p->aead, UINT64_MAX, &scratch)); /* no "previous" of epoch 0 */
    for (unsigned e = 1; e <= 5; e++)
        epoch_rx_commit(&p->rx, p->aead, EPOCH_START(e));
    assert_null(epoch_rx_key(rx, p->aead, EPOCH_LAST(3), &scratch));
    assert_ptr_equal(epoch_rx_key(rx, p->aead, EPOCH_START(4), &scratch), &scratch);
    assert_ptr_equal(epoch_rx_key(rx, p->aead, EPOCH_LAST(4), &scratch), &scratch);
    assert_ptr_equal(epoch_rx_key(rx, p->aead, EPOCH_START(5), &scratch), &rx->current);
    assert_ptr_equal(epoch_rx_key(rx, p->aead, EPOCH_START(6), &scratch), &scratch);
    assert_null(epoch_rx_key(rx, p->aead, EPOCH_START(7), &scratch));
}

static void commit_takes_one_step_only(void **state)
{
    struct pair *p = *state;

    epoch_rx_commit(&p->rx, p->aead, EPOCH_START(2));
    assert_int_equal(p->rx.current.epoch, 0);
    epoch_rx_commit(&p->rx, p->aead, EPOCH_START(1));
    epoch_rx_commit(&p->rx, p->aead, EPOCH_START(1) + 1);
    epoch_rx_commit(&p->rx, p->aead, 0);
    assert_int_equal(p->rx.current.epoch, 1);
}

/* Nothing of a retired key or secret stays in the receiver. */
static void retired_keys_are_gone(void **state)
{
    struct pair *p = *state;
    uint8_t material[AEAD_MATERIAL_LEN], next_secret[KDF_HASH_LEN];

    memcpy(material, p->rx.material, sizeof(material));
    memcpy(next_secret, p->rx.next_secret, sizeof(next_secret));
    for (unsigned e = 1; e <= 2; e++)
        epoch_rx_commit(&p->rx, p->aead, EPOCH_START(e));
    assert_null(memmem(&p->rx, sizeof(p->rx), material, 16));
    assert_null(memmem(&p->rx, sizeof(p->rx), next_secret, 16));
    epoch_rx_wipe(&p->rx);
    epoch_tx_wipe(&p->tx);
    assert_true(sodium_is_zero((const uint8_t *)&p->rx, sizeof(p->rx)));
    assert_true(sodium_is_zero((const uint8_t *)&p->tx, sizeof(p->tx)));
}

/* The last number of an epoch is used, the next needs an acknowledgement of this epoch. */
static void blocked_without_acknowledgement(void **state)
{
    struct pair *p = *state;
    uint64_t pn;

    send_packet(p);
    p->tx.next_pn = EPOCH_LAST(0);
    assert_int_equal(epoch_tx_next(&p->tx, &pn), EPOCH_OK);
    assert_int_equal(pn, EPOCH_LAST(0));
    assert_int_equal(epoch_tx_next(&p->tx, &pn), EPOCH_BLOCKED);
    assert_int_equal(epoch_tx_rotate(&p->tx, p->aead), -EAGAIN);
    assert_int_equal(epoch_tx_acked(&p->tx, 0), 0);
    assert_int_equal(epoch_tx_next(&p->tx, &pn), EPOCH_ROTATE);
    assert_int_equal(epoch_tx_rotate(&p->tx, p->aead), 0);
    assert_int_equal(epoch_tx_next(&p->tx, &pn), EPOCH_OK);
    assert_int_equal(pn, EPOCH_START(1));
    assert_int_equal(epoch_tx_rotate(&p->tx, p->aead), -EAGAIN);
    assert_int_equal(epoch_tx_acked(&p->tx, 0), 0); /* of the epoch before: no permission */
    assert_int_equal(epoch_tx_rotate(&p->tx, p->aead), -EAGAIN);
}

static void acknowledgement_of_the_unsent(void **state)
{
    struct pair *p = *state;

    assert_int_equal(epoch_tx_acked(&p->tx, 0), -EPROTO);
    send_packet(p);
    send_packet(p);
    assert_int_equal(epoch_tx_acked(&p->tx, 2), -EPROTO);
    assert_int_equal(epoch_tx_acked(&p->tx, UINT64_MAX), -EPROTO);
    assert_false(p->tx.acked);
    rekey(p);
    assert_int_equal(epoch_tx_acked(&p->tx, 2), -EPROTO); /* skipped by the rekey */
    assert_int_equal(epoch_tx_acked(&p->tx, EPOCH_LAST(0)), -EPROTO);
    assert_int_equal(epoch_tx_acked(&p->tx, EPOCH_START(1)), -EPROTO);
    assert_int_equal(epoch_tx_acked(&p->tx, 1), 0);
    send_packet(p);
    assert_int_equal(epoch_tx_acked(&p->tx, EPOCH_START(1)), 0);
}

/* When the numbers run out the sender stops; it never starts over. */
static void numbers_run_out(void **state)
{
    struct pair *p = *state;
    uint64_t pn;

    p->tx.epoch = epoch_of(UINT64_MAX);
    p->tx.next_pn = UINT64_MAX;
    p->tx.acked = true;
    assert_int_equal(epoch_tx_next(&p->tx, &pn), EPOCH_OK);
    assert_int_equal(pn, UINT64_MAX);
    assert_int_equal(epoch_tx_next(&p->tx, &pn), EPOCH_ROTATE);
    assert_int_equal(epoch_tx_rotate(&p->tx, p->aead), 0);
    assert_int_equal(epoch_tx_next(&p->tx, &pn), EPOCH_BLOCKED);
}

static void unknown_algorithm(void **state)
{
    struct pair *p = *state;

    assert_int_equal(epoch_rx_init(&p->rx, p->aead, (enum aead_alg)9, secret), -EINVAL);
    assert_int_equal(epoch_tx_init(&p->tx, p->aead, (enum aead_alg)9, secret), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(key_schedule),
        TEST(ratchets_together),
        TEST(reordered_around_a_boundary),
        TEST(forgery_changes_nothing),
        TEST(only_neighbours_have_keys),
        TEST(commit_takes_one_step_only),
        TEST(retired_keys_are_gone),
        TEST(blocked_without_acknowledgement),
        TEST(acknowledgement_of_the_unsent),
        TEST(numbers_run_out),
        TEST(unknown_algorithm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
