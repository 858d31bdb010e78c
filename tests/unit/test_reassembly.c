/* Reassembly: orders, overlaps, abandonment, caps; and random streams against what was sent. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame.h"
#include "reassembly_fixture.h"
#include "rng.h"

enum { WINDOW = 1 << 20, COST = FLOW_MESSAGE_COST };

/* Push [offset, offset + len) of message seq as it should be. */
static int push(struct reassembly_fixture *f, uint64_t seq, uint32_t offset, uint32_t len, bool fin)
{
    uint8_t *data = malloc(len);

    for (uint32_t i = 0; i < len; i++)
        data[i] = message_byte(seq, offset + i);
    int ret = reassembly_push(&f->r, seq, offset, data, len, fin);

    free(data);
    return ret;
}

/* Take the next message, which must be seq with len bytes, read and release it. */
static void expect(struct reassembly_fixture *f, uint64_t seq, uint32_t len)
{
    struct reassembly_message *m = reassembly_take(&f->r);
    const uint8_t *data;
    uint32_t n;

    assert_non_null(m);
    assert_int_equal(m->seq, seq);
    assert_int_equal(m->len, len);
    for (uint32_t at = 0; at < len; at += n) {
        n = reassembly_read(m, at, &data);
        for (uint32_t i = 0; i < n; i++)
            if (data[i] != message_byte(seq, at + i))
                fail_msg("message %llu byte %u", (unsigned long long)seq, at + i);
    }
    reassembly_release(&f->r, m);
}

static void in_order(void **state)
{
    struct reassembly_fixture f;

    (void)state;
    for (int ordered = 0; ordered < 2; ordered++) {
        reassembly_fixture_init(&f, ordered, WINDOW, 100, 100);
        for (uint64_t seq = 0; seq < 300; seq++) {
            assert_int_equal(push(&f, seq, 0, 700, false), 0);
            assert_null(reassembly_take(&f.r));
            assert_int_equal(push(&f, seq, 700, 600, true), 0);
            expect(&f, seq, 1300);
            assert_null(reassembly_take(&f.r));
            assert_true(reassembly_fixture_idle(&f)); /* zero state */
        }
        assert_int_equal(f.stream.counted, 300 * (COST + 1300));
        assert_int_equal(push(&f, 7, 0, 700, false), 0); /* long gone */
        assert_true(reassembly_fixture_idle(&f));
        reassembly_fixture_fini(&f);
    }
}

static void order_is_kept_or_not(void **state)
{
    struct reassembly_fixture f;

    (void)state;
    reassembly_fixture_init(&f, true, WINDOW, 100, 100);
    push(&f, 1, 0, 10, true);
    push(&f, 2, 0, 20, true);
    assert_null(reassembly_take(&f.r));
    push(&f, 0, 0, 5, true);
    expect(&f, 0, 5);
    expect(&f, 1, 10);
    expect(&f, 2, 20);
    assert_true(reassembly_fixture_idle(&f));
    reassembly_fixture_fini(&f);

    reassembly_fixture_init(&f, false, WINDOW, 100, 100);
    push(&f, 2, 0, 20, true);
    push(&f, 1, 0, 10, true);
    expect(&f, 2, 20);
    assert_int_equal(reassembly_fixture_held(&f), 2 * COST + 10); /* its number is remembered */
    push(&f, 2, 0, 20, true);
    push(&f, 0, 0, 5, true);
    expect(&f, 1, 10);
    expect(&f, 0, 5);
    assert_null(reassembly_take(&f.r)); /* nothing twice */
    assert_true(reassembly_fixture_idle(&f));
    reassembly_fixture_fini(&f);
}

static void empty_messages(void **state)
{
    struct reassembly_fixture f;

    (void)state;
    reassembly_fixture_init(&f, true, WINDOW, 100, 100);
    assert_int_equal(push(&f, 0, 0, 0, false), 0); /* says nothing */
    assert_true(reassembly_fixture_idle(&f));
    assert_int_equal(push(&f, 0, 0, 0, true), 0);
    expect(&f, 0, 0);
    assert_int_equal(push(&f, 1, 0, 100, false), 0);
    assert_int_equal(push(&f, 1, 100, 0, true), 0); /* an end by itself */
    expect(&f, 1, 100);
    reassembly_fixture_fini(&f);
}

static void overlaps(void **state)
{
    struct reassembly_fixture f;
    uint8_t wrong[200];

    (void)state;
    reassembly_fixture_init(&f, true, WINDOW, 100, 100);
    assert_int_equal(push(&f, 0, 100, 500, false), 0);
    assert_int_equal(push(&f, 0, 100, 500, false), 0);
    assert_int_equal(push(&f, 0, 50, 300, false), 0);
    assert_int_equal(push(&f, 0, 550, 150, true), 0);
    assert_int_equal(f.stream.counted, COST + 700);
    for (uint32_t i = 0; i < 200; i++)
        wrong[i] = message_byte(0, i);

    wrong[99] ^= 1;
    assert_int_equal(reassembly_push(&f.r, 0, 51, wrong + 51, 49, false), -EPROTO);
    assert_int_equal(reassembly_push(&f.r, 0, 99, wrong + 99, 1, false), -EPROTO);
    assert_int_equal(reassembly_push(&f.r, 0, 99, wrong + 99, 101, false), -EPROTO);
    assert_int_equal(reassembly_push(&f.r, 0, 0, wrong, 50, false), 0); /* all of that is right */
    expect(&f, 0, 700);
    reassembly_fixture_fini(&f);
}

static void ends_are_final(void **state)
{
    struct reassembly_fixture f;

    (void)state;
    reassembly_fixture_init(&f, false, WINDOW, 100, 100);
    push(&f, 0, 500, 100, true);
    assert_int_equal(push(&f, 0, 500, 99, true), -EPROTO);
    assert_int_equal(push(&f, 0, 500, 101, true), -EPROTO);
    assert_int_equal(push(&f, 0, 550, 51, false), -EPROTO);
    assert_int_equal(push(&f, 0, 550, 50, false), 0);
    push(&f, 1, 500, 100, false);
    assert_int_equal(push(&f, 1, 0, 500, true), -EPROTO); /* before what was seen */
    assert_int_equal(push(&f, 1, FRAME_MESSAGE_MAX, 1, true), -EPROTO);
    assert_int_equal(reassembly_push(&f.r, 1, 1, NULL, UINT32_MAX, true), -EPROTO);
    reassembly_fixture_fini(&f);
}

static void credit_is_enforced(void **state)
{
    struct reassembly_fixture f;

    (void)state;
    reassembly_fixture_init(&f, true, 2 * COST + 100, 100, 100);
    assert_int_equal(push(&f, 0, COST + 100, 1, false), -EDQUOT); /* one byte too far out */
    reassembly_fixture_fini(&f);
    reassembly_fixture_init(&f, true, 2 * COST + 100, 100, 100);
    assert_int_equal(push(&f, 0, 50, 50, false), 0); /* the gap counts */
    assert_int_equal(f.stream.counted, COST + 100);
    assert_int_equal(push(&f, 0, 0, 50, false), 0);
    assert_int_equal(f.stream.counted, COST + 100);
    assert_int_equal(push(&f, 1, 0, 0, true), 0);
    assert_int_equal(push(&f, 2, 0, 0, true), -EDQUOT);
    assert_int_equal(push(&f, 0, 100, 1, false), -EDQUOT);
    reassembly_fixture_fini(&f);
    reassembly_fixture_init(&f, true, WINDOW * 8, 100, 100);
    assert_int_equal(push(&f, FLOW_MESSAGES_AHEAD, 0, 1, true), -EPROTO);
    assert_int_equal(push(&f, FLOW_MESSAGES_AHEAD - 1, 0, 1, true), 0);
    assert_int_equal(push(&f, UINT64_MAX - 1, 0, 1, true), -EPROTO);
    reassembly_fixture_fini(&f);
}

static void forward_skips(void **state)
{
    struct reassembly_fixture f;

    (void)state;
    reassembly_fixture_init(&f, true, WINDOW, 100, 100);
    push(&f, 1, 0, 100, true);   /* whole, waits */
    push(&f, 2, 100, 100, true); /* begun: 200 */
    push(&f, 4, 0, 10, true);    /* waits behind the mark */
    /* 0 was sent up to 50 bytes, 3 to 30 */
    uint64_t total = 4 * COST + 50 + 100 + 200 + 30;

    assert_int_equal(reassembly_forward(&f.r, 4, total), 0);
    assert_int_equal(reassembly_forward(&f.r, 4, total), 0);
    assert_int_equal(f.stream.counted, total + COST + 10);
    assert_int_equal(reassembly_fixture_held(&f), 2 * COST + 110);
    assert_int_equal(push(&f, 2, 0, 100, false), 0); /* late: nobody waits for it */
    expect(&f, 1, 100);
    expect(&f, 4, 10);
    assert_null(reassembly_take(&f.r));
    assert_true(reassembly_fixture_idle(&f));
    assert_int_equal(f.r.floor, 5);
    reassembly_fixture_fini(&f);

    reassembly_fixture_init(&f, false, WINDOW, 100, 100);
    push(&f, 1, 0, 100, true);
    push(&f, 3, 0, 100, true);
    expect(&f, 1, 100);
    assert_int_equal(reassembly_forward(&f.r, 2, 2 * COST + 150), 0);
    assert_int_equal(reassembly_fixture_held(&f), COST + 100);
    expect(&f, 3, 100);
    assert_int_equal(reassembly_forward(&f.r, 3, 3 * COST + 150), 0);
    assert_true(reassembly_fixture_idle(&f));
    assert_int_equal(f.r.floor, 4);
    reassembly_fixture_fini(&f);
}

/* Over numbers of which something is known here and there, and over those nobody heard of. */
static void forward_goes_far(void **state)
{
    const uint64_t known[] = {0, 63, 64, 1000, 2047, 2048, 4031};
    enum { KNOWN = 7, AHEAD = FLOW_MESSAGES_AHEAD };
    struct reassembly_fixture f;
    uint64_t base = 0, total = 0;

    (void)state;
    reassembly_fixture_init(&f, true, 1 << 30, 100, 100);
    for (unsigned round = 0; round < 5; round++, base += AHEAD) {
        for (unsigned i = 1; i < KNOWN; i++)
            assert_int_equal(push(&f, base + known[i], 0, 10, i % 2), 0);
        total += AHEAD * COST + (KNOWN - 1) * 10;
        assert_int_equal(reassembly_forward(&f.r, base + AHEAD, total), 0);
        assert_int_equal(f.r.floor, base + AHEAD);
        for (unsigned i = 1; i < KNOWN; i += 2)
            expect(&f, base + known[i], 10);
        assert_true(reassembly_fixture_idle(&f));
    }
    for (unsigned i = 0; i < 1000; i++) {
        base += AHEAD;
        assert_int_equal(reassembly_forward(&f.r, base, total), 0);
    }
    assert_int_equal(push(&f, base, 0, 10, true), 0);
    expect(&f, base, 10);
    reassembly_fixture_fini(&f);
}

static void forward_must_be_true(void **state)
{
    struct reassembly_fixture f;

    (void)state;
    reassembly_fixture_init(&f, true, WINDOW, 100, 100);
    push(&f, 0, 0, 100, false);
    assert_int_equal(reassembly_forward(&f.r, FLOW_MESSAGES_AHEAD + 1, WINDOW / 2), -EPROTO);
    assert_int_equal(reassembly_forward(&f.r, 1, COST + 99), -EPROTO); /* we counted more */
    reassembly_fixture_fini(&f);
    reassembly_fixture_init(&f, true, WINDOW, 100, 100);
    assert_int_equal(reassembly_forward(&f.r, 1, WINDOW + 1), -EDQUOT);
    reassembly_fixture_fini(&f);
    reassembly_fixture_init(&f, true, WINDOW, 100, 100);
    assert_int_equal(reassembly_end(&f.r, 1), 0);
    assert_int_equal(reassembly_forward(&f.r, 2, 10), -EPROTO);
    reassembly_fixture_fini(&f);
}

static void half_close(void **state)
{
    struct reassembly_fixture f;

    (void)state;
    reassembly_fixture_init(&f, true, WINDOW, 100, 100);
    push(&f, 1, 0, 10, true);
    assert_int_equal(reassembly_end(&f.r, 1), -EPROTO); /* there were two */
    assert_int_equal(reassembly_end(&f.r, 2), 0);
    assert_int_equal(reassembly_end(&f.r, 2), 0);
    assert_int_equal(reassembly_end(&f.r, 3), -EPROTO);
    assert_int_equal(push(&f, 2, 0, 10, true), -EPROTO);
    assert_false(reassembly_done(&f.r));
    push(&f, 0, 0, 10, true);
    expect(&f, 0, 10);
    assert_false(reassembly_done(&f.r));
    expect(&f, 1, 10);
    assert_true(reassembly_done(&f.r));
    reassembly_fixture_fini(&f);
}

static void reset_drops(void **state)
{
    struct reassembly_fixture f;

    (void)state;
    reassembly_fixture_init(&f, false, WINDOW, 100, 100);
    push(&f, 0, 0, 10, true);
    push(&f, 1, 0, 10, true); /* whole, not taken */
    expect(&f, 0, 10);
    push(&f, 2, 0, 10, false);
    push(&f, 3, 0, 10, true); /* whole, behind one that is not */
    assert_int_equal(reassembly_reset(&f.r, 4 * COST + 39), -EPROTO);
    assert_int_equal(reassembly_reset(&f.r, WINDOW + 1), -EDQUOT);
    assert_int_equal(reassembly_reset(&f.r, 4 * COST + 100), 0);
    assert_int_equal(f.session.consumed, 4 * COST + 100);
    assert_true(reassembly_fixture_idle(&f));
    assert_true(reassembly_done(&f.r));
    assert_int_equal(push(&f, 9, 0, 10, true), 0); /* late */
    assert_true(reassembly_fixture_idle(&f));
    reassembly_fixture_fini(&f);
}

/* Dry pools: nothing is lost that a repetition does not bring. */
static void dry_pools(void **state)
{
    struct reassembly_fixture f;

    (void)state;
    for (uint32_t blocks = 0; blocks < 12; blocks++) {
        reassembly_fixture_init(&f, true, WINDOW, 2, blocks);
        int ret = push(&f, 0, 1000, 3000, true);

        assert_int_equal(ret, blocks < 10 ? -ENOBUFS : 0); /* table 2, data 7, index 1 */
        if (blocks >= 2)
            assert_int_equal(f.stream.counted, COST + 4000);
        else
            assert_true(reassembly_fixture_idle(&f));
        assert_int_equal(push(&f, 0, 1000, 3000, true), ret); /* again: counted once */
        assert_true(f.stream.counted <= COST + 4000);
        reassembly_fixture_fini(&f);
    }
    reassembly_fixture_init(&f, true, WINDOW, 1, 10);
    assert_int_equal(push(&f, 1, 0, 10, true), 0);
    assert_int_equal(push(&f, 0, 0, 10, true), -ENOBUFS);
    assert_int_equal(f.stream.counted, COST + 10);
    reassembly_fixture_fini(&f);
}

static void the_longest_message(void **state)
{
    struct reassembly_fixture f;
    enum { STEP = 4000 };

    (void)state;
    reassembly_fixture_init(&f, true, COST + FRAME_MESSAGE_MAX, 2, 40000);
    for (uint32_t left = FRAME_MESSAGE_MAX; left > 0;) { /* the last fragment first */
        uint32_t n = left % STEP ? left % STEP : STEP;

        assert_int_equal(push(&f, 0, left - n, n, left == FRAME_MESSAGE_MAX), 0);
        left -= n;
    }
    assert_true(reassembly_fixture_memory(&f) < FRAME_MESSAGE_MAX / 100 * 116);
    expect(&f, 0, FRAME_MESSAGE_MAX);
    assert_true(reassembly_fixture_idle(&f));
    reassembly_fixture_fini(&f);
}

/* A message that grows from its start: its tree does, level by level. */
static void messages_grow(void **state)
{
    struct reassembly_fixture f;
    enum { LEN = 3000000, STEP = 1000 };

    (void)state;
    reassembly_fixture_init(&f, false, COST + LEN, 2, 8000);
    for (uint32_t at = 0; at < LEN; at += STEP)
        assert_int_equal(push(&f, 0, at, STEP, at + STEP == LEN), 0);
    expect(&f, 0, LEN);
    assert_true(reassembly_fixture_idle(&f));
    reassembly_fixture_fini(&f);
}

/* A stream that always holds something, round and round the table. */
static void the_table_rolls(void **state)
{
    struct reassembly_fixture f;

    (void)state;
    reassembly_fixture_init(&f, true, 1 << 30, 5, 20);
    push(&f, 0, 0, 1, false);
    for (uint64_t seq = 0; seq < 20000; seq++) {
        assert_int_equal(push(&f, seq + 1, 0, 2, false), 0);
        assert_int_equal(push(&f, seq, 1, 10, true), 0);
        expect(&f, seq, 11);
        assert_true(reassembly_fixture_memory(&f) <=
                    REASSEMBLY_OVERHEAD * reassembly_fixture_held(&f));
    }
    reassembly_fixture_fini(&f);
}

/* However a peer that breaks no rule lays its fragments, memory follows the credit. */
static void memory_follows_credit(void **state)
{
    struct rng rng = rng_new(91);
    struct reassembly_fixture f;

    (void)state;
    for (unsigned kind = 0; kind < 8; kind++) {
        reassembly_fixture_init(&f, kind & 1, WINDOW, 5000, 10000);
        for (unsigned i = 0; i < 20000; i++) {
            uint64_t seq = kind & 2 ? (i * 64 + i / 63) % 4000 : rng_below(&rng, 4000);
            uint32_t offset = kind & 4 ? 0 : (uint32_t)rng_below(&rng, 1 << rng_below(&rng, 18));
            int ret = push(&f, seq + 1, offset, 1, false); /* never message 0: all wait */

            assert_true(ret == 0 || ret == -EDQUOT);
            assert_true(reassembly_fixture_memory(&f) <=
                        REASSEMBLY_OVERHEAD * reassembly_fixture_held(&f));
        }
        assert_true(reassembly_fixture_held(&f) <= WINDOW);
        assert_true(reassembly_fixture_held(&f) > WINDOW - WINDOW / 8); /* it was used up */
        reassembly_fixture_fini(&f);
    }
}

/* ---- random streams ---- */

enum { MESSAGES = 600, SPAN = 40, LEN_MAX = 6000 };

struct sent_message {
    uint32_t len, sent; /* sent: the highest byte the sender sent; below len: given up */
    bool given_up, delivered;
};

struct model {
    struct reassembly_fixture f;
    struct sent_message m[MESSAGES];
    uint64_t base, expected; /* lowest not over; ordered: the next to come at the earliest */
    bool ordered;
};

static void deliver(struct model *m)
{
    struct reassembly_message *got;

    while ((got = m->f.r.ready) != NULL) {
        assert_false(m->m[got->seq].delivered);
        assert_true(m->m[got->seq].sent == m->m[got->seq].len);
        if (m->ordered) {
            assert_true(got->seq >= m->expected);
            m->expected = got->seq + 1;
        }
        m->m[got->seq].delivered = true;
        expect(&m->f, got->seq, m->m[got->seq].len);
    }
}

/* A random piece of a random message around the base, if it was sent. */
static void random_fragment(struct model *m, struct rng *rng)
{
    uint64_t seq = m->base + rng_below(rng, SPAN);

    if (seq >= MESSAGES)
        return;
    struct sent_message *s = &m->m[seq];
    uint32_t offset = (uint32_t)rng_below(rng, s->sent + 1);
    uint32_t len = (uint32_t)rng_below(rng, s->sent - offset + 1);

    if (rng_below(rng, 2)) /* up to the end */
        len = s->sent - offset;
    if (rng_below(rng, 3) == 0) /* and from the start */
        offset = 0, len = s->sent;
    bool fin = !s->given_up && offset + len == s->len;

    assert_int_equal(push(&m->f, seq, offset, len, fin), 0);
}

/* The sender finds the base over. */
static void move_base(struct model *m)
{
    uint64_t total = 0, seq = m->base;

    while (seq < MESSAGES && (m->m[seq].delivered || m->m[seq].given_up))
        seq++;
    for (uint64_t i = 0; i < seq; i++)
        total += m->m[i].sent > 0 || m->m[i].len == 0 ? flow_cost(m->m[i].sent) : 0;
    m->base = seq;
    if (seq > 0)
        assert_int_equal(reassembly_forward(&m->f.r, seq, total), 0);
}

static void random_streams(void **state)
{
    struct rng rng = rng_new(92);
    static struct model m;

    (void)state;
    for (unsigned run = 0; run < 20; run++) {
        uint64_t total = 0;

        memset(&m, 0, sizeof(m));
        m.ordered = run & 1;
        reassembly_fixture_init(&m.f, m.ordered, UINT64_C(1) << 32, 200, 2000);
        for (unsigned i = 0; i < MESSAGES; i++) {
            struct sent_message *s = &m.m[i];

            s->len = s->sent = (uint32_t)rng_below(&rng, rng_below(&rng, 3) ? 300 : LEN_MAX);
            if (s->len > 1 && rng_below(&rng, 4) == 0) {
                s->given_up = true;
                s->sent = 1 + (uint32_t)rng_below(&rng, s->len - 1);
            }
            total += flow_cost(s->sent);
        }
        for (unsigned i = 0; m.base < MESSAGES; i++) {
            assert_true(i < 400000);
            random_fragment(&m, &rng);
            deliver(&m);
            if (rng_below(&rng, 20) == 0) {
                move_base(&m);
                deliver(&m);
            }
        }
        assert_int_equal(reassembly_end(&m.f.r, MESSAGES), 0);
        assert_true(reassembly_done(&m.f.r));
        assert_true(reassembly_fixture_idle(&m.f));
        assert_int_equal(m.f.stream.counted, total); /* both sides' sums agree */
        for (unsigned i = 0; i < MESSAGES; i++)
            assert_int_equal(m.m[i].delivered, !m.m[i].given_up);
        reassembly_fixture_fini(&m.f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(order_is_kept_or_not),
        cmocka_unit_test(empty_messages),
        cmocka_unit_test(overlaps),
        cmocka_unit_test(ends_are_final),
        cmocka_unit_test(credit_is_enforced),
        cmocka_unit_test(forward_skips),
        cmocka_unit_test(forward_goes_far),
        cmocka_unit_test(forward_must_be_true),
        cmocka_unit_test(half_close),
        cmocka_unit_test(reset_drops),
        cmocka_unit_test(dry_pools),
        cmocka_unit_test(the_longest_message),
        cmocka_unit_test(messages_grow),
        cmocka_unit_test(the_table_rolls),
        cmocka_unit_test(memory_follows_credit),
        cmocka_unit_test(random_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
