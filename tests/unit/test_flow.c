/* Flow control: limits, violations, windows that grow, and that whole messages never block each
 * other for good. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow.h"
#include "rng.h"

enum { RTT = 50000 };

static void limits_only_rise(void **state)
{
    struct flow_tx f = {0};

    (void)state;
    assert_false(flow_tx_raise(&f, 0));
    assert_true(flow_tx_raise(&f, 100));
    assert_false(flow_tx_raise(&f, 100));
    assert_false(flow_tx_raise(&f, 99));
    assert_int_equal(flow_tx_left(&f), 100);
}

static void whole_messages_are_taken(void **state)
{
    struct flow_tx stream = {.limit = 3000}, session = {.limit = 2500};
    uint64_t want = 0;

    (void)state;
    assert_ptr_equal(flow_tx_take(&stream, &session, 3000 - 1023, &want), &stream);
    assert_int_equal(want, 3001);
    assert_ptr_equal(flow_tx_take(&stream, &session, 3000 - 1024, &want), &session);
    assert_int_equal(want, 3000);
    assert_int_equal(stream.used + session.used, 0);
    assert_null(flow_tx_take(&stream, &session, 1000, &want));
    assert_int_equal(stream.used, 2024);
    assert_int_equal(session.used, 2024);
    flow_tx_return(&stream, &session, 1000);
    assert_int_equal(flow_tx_left(&stream), 3000 - FLOW_MESSAGE_COST);
    assert_ptr_equal(flow_tx_take(&stream, &session, UINT32_MAX, &want), &stream);
}

static void long_ones_leave_a_reserve(void **state)
{
    struct flow_tx stream = {.limit = 1 << 20}, session = {.limit = FLOW_LONG + 2048};
    uint64_t want;

    (void)state;
    assert_ptr_equal(flow_tx_take(&stream, &session, FLOW_LONG + 1, &want), &session);
    assert_int_equal(want, flow_cost(FLOW_LONG + 1) + FLOW_RESERVE);
    assert_null(flow_tx_take(&stream, &session, FLOW_LONG, &want));
    session = (struct flow_tx){.limit = want};
    assert_null(flow_tx_take(&stream, &session, FLOW_LONG + 1, &want));
    assert_int_equal(flow_tx_left(&session), FLOW_RESERVE);
}

static void violations(void **state)
{
    struct flow_rx stream, session;

    (void)state;
    flow_rx_init(&stream, 1000, 1000, 0);
    flow_rx_init(&session, 1500, 1500, 0);
    assert_int_equal(flow_rx_count(&stream, &session, 1001), -EDQUOT);
    assert_int_equal(flow_rx_count(&stream, &session, UINT64_MAX), -EDQUOT);
    assert_int_equal(flow_rx_count(&stream, &session, 1000), 0);
    assert_int_equal(flow_rx_count(&stream, &session, 1), -EDQUOT);
    flow_rx_init(&stream, 1000, 1000, 0); /* another stream, the same session */
    assert_int_equal(flow_rx_count(&stream, &session, 501), -EDQUOT);
    assert_int_equal(stream.counted, 0);
    assert_int_equal(session.counted, 1000);
    assert_int_equal(flow_rx_count(&stream, &session, 500), 0);
}

static void streams_are_limited_by_number(void **state)
{
    struct flow_rx f;

    (void)state;
    flow_rx_init(&f, 100, 100, 0);
    assert_int_equal(flow_rx_reach(&f, 101), -EDQUOT);
    assert_int_equal(flow_rx_reach(&f, 60), 0);
    assert_int_equal(flow_rx_reach(&f, 7), 0);
    assert_int_equal(f.counted, 60);
    flow_rx_consume(&f, 49);
    assert_int_equal(flow_rx_update(&f, RTT, 10), 0);
    flow_rx_consume(&f, 1);
    assert_int_equal(flow_rx_update(&f, RTT, 10), 150); /* fixed: it does not grow */
    assert_int_equal(flow_rx_update(&f, RTT, 10), 0);
    assert_int_equal(flow_rx_reach(&f, 150), 0);
}

static void windows_grow_for_fast_readers(void **state)
{
    struct flow_rx f, session;
    uint64_t now = 1000, limit = 1000;

    (void)state;
    flow_rx_init(&session, 1 << 30, 1 << 30, now);
    flow_rx_init(&f, 1000, 5000, now);
    for (unsigned window = 2000; window <= 8000; window *= 2) {
        assert_int_equal(flow_rx_count(&f, &session, limit - f.counted), 0);
        flow_rx_consume(&f, f.counted - f.consumed);
        now += 2 * RTT - 1;
        limit = flow_rx_update(&f, RTT, now);
        assert_int_equal(limit, f.counted + (window < 5000 ? window : 5000));
        assert_true(flow_rx_lost(&f, limit));
    }
    flow_rx_init(&f, 1000, 5000, now); /* a slow one keeps what it has */
    assert_int_equal(flow_rx_count(&f, &session, 1000), 0);
    flow_rx_consume(&f, 1000);
    assert_int_equal(flow_rx_update(&f, RTT, now + 2 * RTT), 2000);
    assert_false(flow_rx_lost(&f, 1000));
}

static void windows_grow_on_request(void **state)
{
    struct flow_rx f, session;

    (void)state;
    flow_rx_init(&session, 1 << 30, 1 << 30, 0);
    flow_rx_init(&f, 1000, 5000, 0);
    flow_rx_want(&f, 900); /* it has that */
    assert_int_equal(flow_rx_update(&f, RTT, RTT * 9), 0);
    flow_rx_want(&f, 3000);
    assert_int_equal(flow_rx_update(&f, RTT, RTT * 9), 3000);
    assert_int_equal(flow_rx_update(&f, RTT, RTT * 9), 0);
    assert_int_equal(flow_rx_count(&f, &session, 400), 0);
    flow_rx_want(&f, UINT64_MAX); /* as far as it may */
    assert_int_equal(flow_rx_update(&f, RTT, RTT * 9), 5000);
    flow_rx_consume(&f, 300); /* still wanted: told at once */
    assert_int_equal(flow_rx_update(&f, RTT, RTT * 9), 5300);
}

/* ---- many streams with messages of all lengths over one session ---- */

enum { STREAMS = 40, WINDOW = 20000, SESSION_MAX = 1000000, MESSAGE_MAX = 400000 };

struct lane {
    struct flow_tx tx;
    struct flow_rx rx;
    uint32_t len, sent; /* of the message being sent; 0: none */
    bool started;
    unsigned done;
};

struct model {
    struct lane lanes[STREAMS];
    struct flow_tx tx;
    struct flow_rx rx;
    struct lane *first; /* of the long messages that wait for credit of the session */
    uint64_t now;
};

/* One stream sends a bit if it may. False when it is blocked. */
static bool lane_send(struct model *m, struct lane *l, struct rng *rng)
{
    uint64_t want;

    if (l->len == 0)
        l->len =
            1 + (uint32_t)(rng_below(rng, 4) ? rng_below(rng, 3000) : rng_below(rng, MESSAGE_MAX));
    if (!l->started) {
        if (m->first && m->first != l && l->len > FLOW_LONG)
            return false;
        const struct flow_tx *lacks = flow_tx_take(&l->tx, &m->tx, l->len, &want);

        if (lacks) {
            if (lacks == &m->tx && l->len > FLOW_LONG)
                m->first = l;
            flow_rx_want(lacks == &m->tx ? &m->rx : &l->rx, want);
            return false;
        }
        m->first = m->first == l ? NULL : m->first;
        l->started = true;
        assert_int_equal(flow_rx_count(&l->rx, &m->rx, FLOW_MESSAGE_COST), 0);
    }
    uint32_t n = 1 + (uint32_t)rng_below(rng, 20000);

    n = n < l->len - l->sent ? n : l->len - l->sent;
    assert_int_equal(flow_rx_count(&l->rx, &m->rx, n), 0);
    l->sent += n;
    if (l->sent == l->len) { /* whole: read at once */
        flow_rx_consume(&l->rx, flow_cost(l->len));
        flow_rx_consume(&m->rx, flow_cost(l->len));
        l->len = l->sent = 0;
        l->started = false;
        l->done++;
    }
    return true;
}

static void beginnings_never_block(void **state)
{
    struct rng rng = rng_new(81);
    static struct model m;
    unsigned blocked = 0, idle = 0;

    (void)state;
    memset(&m, 0, sizeof(m));
    flow_rx_init(&m.rx, 100000, SESSION_MAX, 0);
    flow_tx_raise(&m.tx, 100000);
    for (struct lane *l = m.lanes; l < m.lanes + STREAMS; l++) {
        flow_rx_init(&l->rx, WINDOW, MESSAGE_MAX + FLOW_MESSAGE_COST, 0);
        flow_tx_raise(&l->tx, WINDOW);
    }
    for (unsigned i = 0; i < 60000; i++) {
        struct lane *l = &m.lanes[rng_below(&rng, STREAMS)];

        m.now += 100;
        if (lane_send(&m, l, &rng))
            idle = 0;
        else
            blocked++, idle++;
        assert_true(idle < 2000); /* every stream was tried many times over */
        assert_true(m.rx.counted - m.rx.consumed <= SESSION_MAX);
        assert_true(m.rx.limit - m.rx.consumed <= SESSION_MAX);
        flow_tx_raise(&l->tx, flow_rx_update(&l->rx, RTT, m.now));
        flow_tx_raise(&m.tx, flow_rx_update(&m.rx, RTT, m.now));
    }
    assert_true(blocked > 1000); /* it was tight */
    for (const struct lane *l = m.lanes; l < m.lanes + STREAMS; l++)
        assert_true(l->done > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_only_rise),
        cmocka_unit_test(whole_messages_are_taken),
        cmocka_unit_test(long_ones_leave_a_reserve),
        cmocka_unit_test(violations),
        cmocka_unit_test(streams_are_limited_by_number),
        cmocka_unit_test(windows_grow_for_fast_readers),
        cmocka_unit_test(windows_grow_on_request),
        cmocka_unit_test(beginnings_never_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
