/* The map of what was sent: acknowledgement, loss and lateness, by hand and against a table of
 * every packet. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rng.h"
#include "sent_fixture.h"

#define ACK(f, acked, ...)                                                                         \
    sent_ack(&(f)->sent, (const struct frame_ack_range[]){__VA_ARGS__},                            \
             sizeof((struct frame_ack_range[]){__VA_ARGS__}) / sizeof(struct frame_ack_range),     \
             acked)

static void ranges_take_their_records(void **state)
{
    struct sent_fixture f;
    struct sent_packet *acked;

    (void)state;
    sent_fixture_init(&f, 20, 20);
    sent_fixture_send(&f, 10, 100, 1);
    assert_int_equal(ACK(&f, &acked, {7, 8}, {2, 4}), 0);
    static const uint64_t expected[] = {2, 3, 4, 7, 8}; /* oldest first */
    const struct sent_packet *p = acked;

    for (int i = 0; i < 5; i++, p = p->next)
        assert_int_equal(p->pn, expected[i]);
    assert_null(p);
    assert_int_equal(f.sent.count, 5);
    assert_int_equal(f.pool.used, 10); /* the caller still reads them */
    sent_release(&f.sent, &f.pool, acked, 0);
    assert_int_equal(f.pool.used, 5);
    assert_int_equal(ACK(&f, &acked, {7, 8}, {2, 4}), 0); /* again: nothing new */
    assert_null(acked);
    assert_int_equal(ACK(&f, &acked, {0, 9}), 0);
    assert_int_equal(sent_list_count(acked, NULL), 5);
    sent_release(&f.sent, &f.pool, acked, 0);
    sent_fixture_send(&f, 1, 200, 0); /* the emptied list goes on */
    assert_int_equal(f.sent.head->pn, 10);
    assert_ptr_equal(f.sent.head, f.sent.live);
    sent_fixture_fini(&f);
}

static void items_come_back(void **state)
{
    struct sent_fixture f;
    struct sent_packet *acked;
    struct sent_packet *p;

    (void)state;
    sent_fixture_init(&f, 4, 4);
    p = sent_fixture_send(&f, 1, 5, 0);
    p->flags |= SENT_ECT;
    for (p->n = 0; p->n < SENT_ITEMS; p->n++)
        p->items[p->n] = (struct sent_item){.type = 0x17,
                                            .stream = UINT16_MAX,
                                            .seq = UINT64_MAX - p->n,
                                            .offset = FRAME_MESSAGE_MAX - 1,
                                            .len = 9000};
    assert_int_equal(ACK(&f, &acked, {0, 0}), 0);
    assert_int_equal(acked->n, SENT_ITEMS);
    assert_int_equal(acked->flags, SENT_ECT);
    for (unsigned i = 0; i < SENT_ITEMS; i++) {
        assert_int_equal(acked->items[i].type, 0x17);
        assert_int_equal(acked->items[i].stream, UINT16_MAX);
        assert_int_equal(acked->items[i].seq, UINT64_MAX - i);
        assert_int_equal(acked->items[i].offset, FRAME_MESSAGE_MAX - 1);
        assert_int_equal(acked->items[i].len, 9000);
    }
    sent_release(&f.sent, &f.pool, acked, 0);
    sent_fixture_fini(&f);
}

static void never_sent_is_refused(void **state)
{
    struct sent_fixture f;
    struct sent_packet *acked;

    (void)state;
    sent_fixture_init(&f, 20, 20);
    assert_int_equal(ACK(&f, &acked, {0, 0}), -EPROTO); /* before anything was */
    sent_fixture_send(&f, 5, 0, 0);                     /* 0-4 */
    assert_int_equal(ACK(&f, &acked, {0, 5}), -EPROTO);
    assert_int_equal(ACK(&f, &acked, {UINT64_MAX, UINT64_MAX}, {0, 1}), -EPROTO);
    sent_add(&f.sent, &f.pool, 6, 0);       /* 5 skipped */
    sent_add(&f.sent, &f.pool, 1 << 22, 0); /* and the rest of the epoch */
    sent_note(&f.sent, (1 << 22) + 1);
    assert_int_equal(ACK(&f, &acked, {5, 5}), -EPROTO);
    assert_int_equal(ACK(&f, &acked, {6, 6}, {0, 5}), -EPROTO);
    assert_int_equal(ACK(&f, &acked, {1 << 22, 1 << 22}, {5, 6}), -EPROTO);
    assert_int_equal(ACK(&f, &acked, {7, 7}), -EPROTO);
    assert_int_equal(ACK(&f, &acked, {1000, 2000}), -EPROTO);
    assert_int_equal(ACK(&f, &acked, {(1 << 22) - 1, 1 << 22}), -EPROTO);
    assert_null(acked);
    assert_int_equal(f.sent.count, 7); /* nothing changed */
    assert_int_equal(f.sent.acked_end, 0);
    assert_int_equal(ACK(&f, &acked, {1 << 22, (1 << 22) + 1}, {6, 6}, {0, 4}), 0);
    assert_int_equal(sent_list_count(acked, NULL), 7);
    sent_release(&f.sent, &f.pool, acked, 0);
    assert_int_equal(ACK(&f, &acked, {5, 6}), -EPROTO); /* remembered with nothing in flight */
    sent_fixture_fini(&f);
}

static void numbers_without_a_record(void **state)
{
    struct sent_fixture f;
    struct sent_packet *acked;

    (void)state;
    sent_fixture_init(&f, 20, 20);
    sent_note(&f.sent, 0);
    sent_fixture_send(&f, 1, 0, 0);
    sent_note(&f.sent, 2);
    assert_int_equal(ACK(&f, &acked, {2, 2}), 0);
    assert_null(acked);
    assert_int_equal(ACK(&f, &acked, {0, 2}), 0);
    assert_int_equal(sent_list_count(acked, NULL), 1);
    sent_release(&f.sent, &f.pool, acked, 0);
    sent_fixture_fini(&f);
}

static void caps(void **state)
{
    struct sent_fixture a, b;

    (void)state;
    sent_fixture_init(&a, 10, 4); /* the session's */
    sent_fixture_send(&a, 4, 0, 0);
    assert_null(sent_add(&a.sent, &a.pool, 4, 0));
    assert_int_equal(a.sent.next_pn, 4);
    sent_fixture_fini(&a);
    sent_fixture_init(&b, 3, 10); /* the pool's */
    sent_fixture_send(&b, 3, 0, 0);
    assert_null(sent_add(&b.sent, &b.pool, 3, 0));
    assert_int_equal(b.sent.next_pn, 3);
    sent_fixture_fini(&b);
}

static void lost_by_threshold(void **state)
{
    struct sent_fixture f;
    struct sent_packet *acked, *lost;

    (void)state;
    sent_fixture_init(&f, 20, 20);
    sent_fixture_send(&f, 10, 0, 1);
    assert_ptr_equal(sent_lose(&f.sent, 3, UINT64_MAX), f.sent.live); /* nothing acknowledged */
    assert_int_equal(f.sent.lost, 0);
    ACK(&f, &acked, {5, 5});
    sent_release(&f.sent, &f.pool, acked, 0);
    lost = sent_lose(&f.sent, 3, 0);
    assert_int_equal(lost->pn, 0); /* 0, 1, 2: three or more before 5 */
    assert_int_equal(sent_list_count(lost, f.sent.live), 3);
    assert_int_equal(f.sent.live->pn, 3);
    lost = sent_lose(&f.sent, 3, 4); /* 3 and 4, by time: 4 was sent at 4 */
    assert_int_equal(sent_list_count(lost, f.sent.live), 1);
    lost = sent_lose(&f.sent, 3, UINT64_MAX); /* but nothing sent after 5 */
    assert_int_equal(sent_list_count(lost, f.sent.live), 1);
    assert_int_equal(f.sent.live->pn, 6);
    assert_int_equal(f.sent.lost, 5);
    sent_fixture_fini(&f);
}

static void jumps_are_no_distance(void **state)
{
    struct sent_fixture f;
    struct sent_packet *acked, *lost;

    (void)state;
    sent_fixture_init(&f, 20, 20);
    sent_fixture_send(&f, 2, 0, 0);
    sent_add(&f.sent, &f.pool, 5 << 22, 0);
    ACK(&f, &acked, {5 << 22, 5 << 22});
    sent_release(&f.sent, &f.pool, acked, 0);
    lost = sent_lose(&f.sent, 3, 0);
    assert_int_equal(sent_list_count(lost, f.sent.live), 0);
    lost = sent_lose(&f.sent, 2, 0);
    assert_int_equal(sent_list_count(lost, f.sent.live), 1);
    sent_fixture_fini(&f);
}

static void late_is_told(void **state)
{
    struct sent_fixture f;
    struct sent_packet *acked;

    (void)state;
    sent_fixture_init(&f, 20, 20);
    sent_fixture_send(&f, 8, 0, 0);
    ACK(&f, &acked, {5, 5});
    sent_release(&f.sent, &f.pool, acked, 0);
    sent_lose(&f.sent, 3, 0); /* 0-2 */
    ACK(&f, &acked, {1, 3});
    assert_int_equal(acked->pn, 1);
    assert_true(acked->flags & SENT_LOST);
    assert_true(acked->next->flags & SENT_LOST);
    assert_false(acked->next->next->flags & SENT_LOST);
    assert_int_equal(f.sent.lost, 1);
    assert_int_equal(f.sent.live->pn, 4);
    sent_release(&f.sent, &f.pool, acked, 0);
    sent_fixture_fini(&f);
}

static void lost_are_forgotten(void **state)
{
    struct sent_fixture f;
    struct sent_packet *acked;

    (void)state;
    sent_fixture_init(&f, 400, 400);
    sent_fixture_send(&f, 202, 1000, 1);
    ACK(&f, &acked, {200, 200});
    sent_lose(&f.sent, 1, 0);
    assert_int_equal(f.sent.lost, 200);
    sent_release(&f.sent, &f.pool, acked, 0);
    assert_int_equal(f.sent.lost, SENT_LOST_MAX); /* the newest */
    assert_int_equal(f.sent.head->pn, 200 - SENT_LOST_MAX);
    sent_release(&f.sent, &f.pool, NULL, 1190); /* those sent from 1190 on */
    assert_int_equal(f.sent.lost, 10);
    assert_int_equal(f.sent.head->pn, 190);
    ACK(&f, &acked, {201, 201}); /* nothing in flight: nothing to wait for */
    sent_release(&f.sent, &f.pool, acked, 0);
    assert_int_equal(f.pool.used, 0);
    assert_int_equal(f.sent.count, 0);
    sent_fixture_send(&f, 1, 0, 0);
    assert_ptr_equal(f.sent.head, f.sent.live);
    sent_fixture_fini(&f);
}

static void recovered_by_fec(void **state)
{
    struct sent_fixture f;
    struct sent_packet *acked, *lost;

    (void)state;
    sent_fixture_init(&f, 20, 20);
    sent_fixture_send(&f, 8, 0, 0);
    sent_recovered(&f.sent, 1); /* nothing was acknowledged: cannot be */
    ACK(&f, &acked, {4, 4});
    sent_release(&f.sent, &f.pool, acked, 0);
    sent_recovered(&f.sent, 0);
    sent_recovered(&f.sent, 4); /* not here */
    sent_recovered(&f.sent, 6); /* newer */
    lost = sent_lose(&f.sent, 3, 0);
    assert_int_equal(sent_list_count(lost, f.sent.live), 2); /* lost all the same */
    assert_true(lost->flags & SENT_RECOVERED);
    assert_false(lost->next->flags & SENT_RECOVERED);
    for (struct sent_packet *p = f.sent.live; p; p = p->next)
        assert_false(p->flags & SENT_RECOVERED);
    sent_fixture_fini(&f);
}

static void gaps_are_marked(void **state)
{
    struct sent_fixture f;
    struct sent_packet *acked;

    (void)state;
    sent_fixture_init(&f, 20, 20);
    sent_fixture_send(&f, 6, 0, 0);
    ACK(&f, &acked, {4, 5}, {1, 2});
    sent_release(&f.sent, &f.pool, acked, 0);
    sent_fixture_send(&f, 2, 0, 0);
    const struct sent_packet *p = f.sent.head;
    static const struct {
        uint64_t pn;
        bool after_acked;
    } expected[] = {{0, false}, {3, true}, {6, true}, {7, false}};

    for (int i = 0; i < 4; i++, p = p->next) {
        assert_int_equal(p->pn, expected[i].pn);
        assert_int_equal((p->flags & SENT_AFTER_ACKED) != 0, expected[i].after_acked);
    }
    sent_fixture_fini(&f);
}

/* ---- against a table of every packet ---- */

enum { PACKETS = 3000, THRESHOLD = 3 };
enum fate { SKIPPED, FLYING, LOST, ACKED, FORGOTTEN };

struct model {
    enum fate fate[PACKETS];
    uint64_t order[PACKETS], sent_at[PACKETS];
    uint64_t next, orders, acked_end;
};

static void model_send(struct model *m, struct sent_fixture *f, struct rng *rng, uint64_t now)
{
    uint64_t pn = m->next + (rng_below(rng, 100) == 0); /* few enough to be remembered */

    for (; m->next < pn; m->next++)
        m->fate[m->next] = SKIPPED;
    if (!sent_add(&f->sent, &f->pool, pn, now))
        return;
    m->fate[pn] = FLYING;
    m->order[pn] = m->orders++;
    m->sent_at[pn] = now;
    m->next = pn + 1;
}

static void model_compare(struct model *m, const struct sent_fixture *f)
{
    const struct sent_packet *p = f->sent.head;
    uint32_t count = 0;

    for (uint64_t pn = 0; pn < m->next; pn++) {
        if (m->fate[pn] == LOST && (!p || p->pn != pn)) {
            m->fate[pn] = FORGOTTEN; /* the oldest only: all other records must be there */
        } else if (m->fate[pn] == FLYING || m->fate[pn] == LOST) {
            assert_int_equal(p->pn, pn);
            assert_int_equal((p->flags & SENT_LOST) != 0, m->fate[pn] == LOST);
            p = p->next;
            count++;
        }
    }
    assert_null(p);
    assert_int_equal(f->sent.count, count);
    assert_int_equal(f->pool.used, count);
    assert_true(f->sent.lost <= SENT_LOST_MAX);
}

/* Up to 6 random ranges of what was sent; how many. */
static unsigned random_ranges(const struct model *m, struct rng *rng,
                              struct frame_ack_range ranges[6])
{
    uint64_t pn = m->next > 60 ? m->next - rng_below(rng, 60) : m->next;
    unsigned n = 0;

    while (n < 6 && pn-- > 0) {
        struct frame_ack_range r = {.last = pn};

        if (m->fate[pn] == SKIPPED || rng_below(rng, 4) == 0)
            continue;
        while (pn > 0 && m->fate[pn - 1] != SKIPPED && rng_below(rng, 8) > 0)
            pn--;
        r.first = pn--;
        ranges[n++] = r;
        if (pn == UINT64_MAX)
            break;
    }
    return n;
}

static void model_ack(struct model *m, struct sent_fixture *f, struct rng *rng, uint64_t cutoff)
{
    struct frame_ack_range ranges[6];
    struct sent_packet *acked, *p, *lost;
    unsigned n = random_ranges(m, rng, ranges);

    if (n == 0)
        return;
    assert_int_equal(sent_ack(&f->sent, ranges, n, &acked), 0);
    p = acked;
    for (unsigned i = n; i-- > 0;)
        for (uint64_t pn = ranges[i].first; pn <= ranges[i].last; pn++) {
            if (m->fate[pn] != FLYING && m->fate[pn] != LOST)
                continue;
            assert_non_null(p);
            assert_int_equal(p->pn, pn);
            assert_int_equal((p->flags & SENT_LOST) != 0, m->fate[pn] == LOST);
            m->fate[pn] = ACKED;
            m->acked_end = m->order[pn] >= m->acked_end ? m->order[pn] + 1 : m->acked_end;
            p = p->next;
        }
    assert_null(p);
    lost = sent_lose(&f->sent, THRESHOLD, cutoff);
    for (uint64_t pn = 0; pn < m->next; pn++) {
        if (m->fate[pn] != FLYING || m->order[pn] >= m->acked_end ||
            (m->order[pn] + THRESHOLD >= m->acked_end && m->sent_at[pn] >= cutoff))
            continue;
        assert_int_equal(lost->pn, pn);
        m->fate[pn] = LOST;
        lost = lost->next;
    }
    assert_ptr_equal(lost, f->sent.live);
    sent_release(&f->sent, &f->pool, acked, 0);
    model_compare(m, f);
}

static void random_against_a_table(void **state)
{
    static struct model m;
    struct rng rng = rng_new(7);

    (void)state;
    for (int round = 0; round < 30; round++) {
        struct sent_fixture f;
        uint64_t now = 1000;

        sent_fixture_init(&f, 500, 400);
        m = (struct model){0};
        while (m.next < PACKETS - 20) {
            now += rng_below(&rng, 10);
            if (rng_below(&rng, 8) > 0)
                model_send(&m, &f, &rng, now);
            else
                model_ack(&m, &f, &rng, rng_below(&rng, 2) ? now - rng_below(&rng, 1000) : 0);
        }
        model_compare(&m, &f);
        sent_fixture_fini(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_take_their_records),
        cmocka_unit_test(items_come_back),
        cmocka_unit_test(never_sent_is_refused),
        cmocka_unit_test(numbers_without_a_record),
        cmocka_unit_test(caps),
        cmocka_unit_test(lost_by_threshold),
        cmocka_unit_test(jumps_are_no_distance),
        cmocka_unit_test(late_is_told),
        cmocka_unit_test(lost_are_forgotten),
        cmocka_unit_test(recovered_by_fec),
        cmocka_unit_test(gaps_are_marked),
        cmocka_unit_test(random_against_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
