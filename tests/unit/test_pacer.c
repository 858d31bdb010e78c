/* The pacer: its rate, exactly, and its bursts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pacer.h"
#include "rng.h"

/* Send packets of `bytes` from `from` on for `us`, each as soon as it may leave; how many bytes. */
static uint64_t send_for(struct pacer *p, uint64_t rate, uint32_t bytes, uint64_t from, uint64_t us)
{
    uint64_t sent = 0, now = from, at;

    while ((at = pacer_deadline(p, rate)) < from + us) {
        now = at > now ? at : now;
        pacer_on_sent(p, rate, bytes, now);
        sent += bytes;
    }
    return sent;
}

static void keeps_any_rate(void **state)
{
    struct rng rng = rng_new(1);

    (void)state;
    for (int i = 0; i < 200; i++) {
        uint64_t rate = 1000 + rng_below(&rng, UINT64_C(1) << (10 + rng_below(&rng, 20)));
        uint32_t bytes = 64 + (uint32_t)rng_below(&rng, 9000);
        struct pacer p = {0};
        uint64_t seconds = 1 + rng_below(&rng, 3);
        uint64_t sent = send_for(&p, rate, bytes, rng_below(&rng, 1 << 30), seconds * 1000000);
        uint64_t most = rate * seconds + PACER_BURST_MAX + bytes;

        /* a byte per packet is rounded away, or what a microsecond gives */
        assert_in_range(sent, rate * seconds - rate * seconds / bytes - rate / 1000000, most);
    }
}

static void burst_is_a_millisecond(void **state)
{
    struct pacer p = {0};
    uint64_t rate = 10000000; /* 10 KB a millisecond */
    int packets = 0;

    (void)state;
    while (pacer_deadline(&p, rate) <= 5000000) {
        pacer_on_sent(&p, rate, 1000, 5000000);
        packets++;
    }
    assert_int_equal(packets, 10);
    assert_int_equal(pacer_deadline(&p, rate), 5000000 + 1);
    pacer_on_sent(&p, rate, 1000, 5000001);
    assert_int_equal(pacer_deadline(&p, rate), 5000000 + 101);
}

static unsigned burst_bytes(uint64_t rate)
{
    struct pacer p = {0};
    unsigned bytes = 0;

    for (; pacer_deadline(&p, rate) <= 1000000; bytes += 16)
        pacer_on_sent(&p, rate, 16, 1000000);
    return bytes;
}

static void burst_is_capped(void **state)
{
    (void)state;
    assert_in_range(burst_bytes(1000), PACER_BURST_MIN, PACER_BURST_MIN + 16);
    assert_in_range(burst_bytes(20000000), 20000, 20016 + 20);
    assert_in_range(burst_bytes(UINT64_C(1000000000)), PACER_BURST_MAX, PACER_BURST_MAX + 1100);
}

static void idling_saves_no_more_than_a_burst(void **state)
{
    struct pacer p = {0};
    uint64_t rate = 1000000;

    (void)state;
    pacer_on_sent(&p, rate, 1000, 0);
    assert_in_range(send_for(&p, rate, 1000, 1000000000, 1000), 5000, 6000);
}

static void a_new_rate_applies_at_once(void **state)
{
    struct pacer p = {0};

    (void)state;
    send_for(&p, 1000, 1000, 0, 1000000); /* owes four seconds' worth */
    uint64_t sent = send_for(&p, 4000000, 1000, 1000000, 1000000);

    assert_in_range(sent, 4000000 - 5000, 4000000 + 5000);
}

static void no_rate_no_limit(void **state)
{
    struct pacer p = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_true(pacer_deadline(&p, 0) <= 77);
        pacer_on_sent(&p, 0, 9000, 77);
    }
    assert_true(pacer_deadline(&p, 1000) <= 77); /* and it costs nothing later */
}

static void never_goes_before_time(void **state)
{
    struct pacer p = {0};
    uint64_t rate = 123457, now = 0, sent = 0;

    (void)state;
    for (int i = 0; i < 2000; i++) { /* at no time more than rate * time + burst is out */
        uint64_t at = pacer_deadline(&p, rate);

        now = at > now ? at : now;
        pacer_on_sent(&p, rate, 1472, now);
        sent += 1472;
        assert_true(sent <= rate * now / 1000000 + PACER_BURST_MIN + 1472 + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_any_rate),
        cmocka_unit_test(burst_is_a_millisecond),
        cmocka_unit_test(burst_is_capped),
        cmocka_unit_test(idling_saves_no_more_than_a_burst),
        cmocka_unit_test(a_new_rate_applies_at_once),
        cmocka_unit_test(no_rate_no_limit),
        cmocka_unit_test(never_goes_before_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
