/* The simulator itself: time, order, and each thing a link does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "link.h"

enum { MS = 1000, S = 1000000 };

/* What arrived, and when. */
struct log {
    struct sim *sim;
    unsigned n;
    uint64_t hash; /* of times and bytes */
    struct arrival {
        uint64_t at;
        uint32_t number, len, from, to;
        uint8_t ecn;
        bool corrupt;
    } arrivals[30000];
};

static struct sim sim;
static struct link link_;
static struct log log_;

static void on_packet(void *arg, const struct link_packet *p)
{
    struct log *log = arg;
    struct arrival *a = &log->arrivals[log->n++];

    *a = (struct arrival){.at = log->sim->now,
                          .len = p->len,
                          .from = p->from,
                          .to = p->to,
                          .ecn = p->ecn,
                          .corrupt = p->corrupt};
    memcpy(&a->number, p->bytes, sizeof(a->number));
    log->hash = (log->hash ^ a->at) * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = 0; i < p->len; i++)
        log->hash = (log->hash ^ p->bytes[i]) * UINT64_C(0x100000001b3);
}

static void begin(uint64_t seed, const struct link_config *config)
{
    sim_init(&sim, seed);
    link_init(&link_, &sim, config, on_packet, &log_);
    log_.n = 0;
    log_.hash = 0;
    log_.sim = &sim;
}

static void end(void)
{
    link_fini(&link_);
    sim_fini(&sim);
}

static void send(uint32_t number, uint32_t len)
{
    uint8_t bytes[9000] = {0};

    memcpy(bytes, &number, sizeof(number));
    link_send(&link_, &(struct link_packet){
                          .bytes = bytes, .len = len, .from = 1, .to = 2, .ecn = LINK_ECT0});
}

/* n packets of 100 bytes, 10 us apart, and whatever becomes of them. */
static void send_many(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        send(i, 100);
        sim_run(&sim, sim.now + 10);
    }
    sim_run(&sim, sim.now + 10 * S);
}

/* Chances of p: within 5 standard deviations. */
static void assert_share(uint64_t count, uint64_t of, double p)
{
    double mean = (double)of * p, off = (double)count - mean;

    assert_true(off * off <= 25 * mean * (1 - p));
}

/* ---- time ---- */

static char trace[64];

static void mark(void *arg)
{
    strcat(trace, arg);
}

static void set_another(void *arg)
{
    mark(arg);
    sim_at(&sim, 0, mark, "x"); /* the past is now */
}

static void events_in_order(void **state)
{
    (void)state;
    trace[0] = 0;
    sim_init(&sim, 1);
    sim_at(&sim, 30, mark, "d");
    sim_at(&sim, 10, mark, "a");
    sim_at(&sim, 20, set_another, "b");
    sim_at(&sim, 20, mark, "c");
    sim_run(&sim, 9);
    assert_string_equal(trace, "");
    sim_run(&sim, 20);
    assert_string_equal(trace, "abcx");
    assert_int_equal(sim.now, 20);
    sim_run(&sim, 1000);
    assert_string_equal(trace, "abcxd");
    assert_int_equal(sim.now, 1000);
    sim_fini(&sim);
}

static uint64_t last_seen;
static unsigned events_seen;

static void in_order(void *arg)
{
    (void)arg;
    assert_true(sim.now >= last_seen);
    last_seen = sim.now;
    events_seen++;
}

static void many_events(void **state)
{
    (void)state;
    sim_init(&sim, 2);
    last_seen = events_seen = 0;
    for (int i = 0; i < 20000; i++)
        sim_at(&sim, rng_below(&sim.rng, 5000), in_order, NULL);
    sim_run(&sim, 5000);
    assert_int_equal(events_seen, 20000);
    sim_fini(&sim);
}

static void timers_move(void **state)
{
    struct sim_timer t;

    (void)state;
    trace[0] = 0;
    sim_init(&sim, 3);
    sim_timer_init(&t, &sim, mark, "t");
    sim_timer_set(&t, 100);
    sim_timer_set(&t, 50); /* earlier */
    sim_run(&sim, 49);
    assert_string_equal(trace, "");
    sim_timer_set(&t, 70); /* later */
    sim_run(&sim, 69);
    assert_string_equal(trace, "");
    sim_run(&sim, 70);
    assert_string_equal(trace, "t");
    sim_run(&sim, 200); /* once */
    assert_string_equal(trace, "t");
    sim_timer_set(&t, 300);
    sim_timer_set(&t, UINT64_MAX);
    sim_run(&sim, 400);
    assert_string_equal(trace, "t");
    sim_timer_set(&t, 0); /* now */
    sim_run(&sim, 400);
    assert_string_equal(trace, "tt");
    sim_fini(&sim);
}

/* ---- the link ---- */

static void delay_and_rate(void **state)
{
    struct link_config c = {.rate = 8000000, .delay_us = 20 * MS}; /* a byte per us */

    (void)state;
    begin(1, &c);
    send(0, 1000);
    send(1, 500); /* behind it */
    sim_run(&sim, 100 * MS);
    send(2, 100); /* the link is idle */
    sim_run(&sim, S);
    assert_int_equal(log_.n, 3);
    assert_int_equal(log_.arrivals[0].at, 21 * MS);
    assert_int_equal(log_.arrivals[1].at, 21 * MS + 500);
    assert_int_equal(log_.arrivals[2].at, 120 * MS + 100);
    assert_int_equal(log_.arrivals[1].len, 500);
    assert_int_equal(log_.arrivals[1].from, 1);
    assert_int_equal(log_.arrivals[1].to, 2);
    assert_int_equal(link_.stats.bytes, 1600);
    end();
}

static void any_rate_without_limit(void **state)
{
    (void)state;
    begin(1, &(struct link_config){.delay_us = 5});
    for (uint32_t i = 0; i < 1000; i++)
        send(i, 9000);
    sim_run(&sim, 5);
    assert_int_equal(log_.n, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(log_.arrivals[i].number, i);
    end();
}

static void queue_drops_its_tail(void **state)
{
    struct link_config c = {.rate = 8000000, .queue = 5000};

    (void)state;
    begin(1, &c);
    for (uint32_t i = 0; i < 8; i++)
        send(i, 1000);
    assert_int_equal(link_.stats.tail_drops, 3);
    sim_run(&sim, 1500); /* one and a half are out */
    send(8, 1000);
    send(9, 1000);
    assert_int_equal(link_.stats.tail_drops, 4);
    sim_run(&sim, S);
    assert_int_equal(log_.n, 6);
    assert_int_equal(log_.arrivals[5].number, 8);
    assert_int_equal(link_.stats.longest_queue, 5000);
    end();
}

static void queue_marks(void **state)
{
    struct link_config c = {.rate = 8000000, .mark = 2500};

    (void)state;
    begin(1, &c);
    for (uint32_t i = 0; i < 5; i++)
        send(i, 1000);
    sim_run(&sim, S);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(log_.arrivals[i].ecn, i < 3 ? LINK_ECT0 : LINK_CE);
    end();
}

static void random_loss(void **state)
{
    (void)state;
    begin(4, &(struct link_config){.loss = 20000});
    send_many(20000);
    assert_share(link_.stats.losses, 20000, 0.02);
    assert_int_equal(log_.n, 20000 - link_.stats.losses);
    end();
}

static void burst_loss(void **state)
{
    struct link_config c = {.burst_begin = 10000, .burst_end = 333333, .burst_loss = 1000000};
    unsigned bursts = 0, lost = 0;
    uint32_t next = 0;

    (void)state;
    begin(5, &c);
    send_many(20000);
    for (unsigned i = 0; i < log_.n; i++) { /* one burst a gap: mean 3, one in 100 packets */
        bursts += log_.arrivals[i].number > next;
        lost += log_.arrivals[i].number - next;
        next = log_.arrivals[i].number + 1;
    }
    assert_in_range(bursts, 140, 250);
    assert_in_range(lost, bursts * 2.5, bursts * 3.5);
    end();
}

static void reordering(void **state)
{
    struct link_config c = {.delay_us = MS, .reorder = 50000, .reorder_us = 500};
    unsigned late = 0;
    uint32_t highest = 0;

    (void)state;
    begin(6, &c);
    send_many(20000);
    assert_int_equal(log_.n, 20000);
    for (unsigned i = 0; i < log_.n; i++) {
        uint64_t sent = log_.arrivals[i].number * 10;

        late += log_.arrivals[i].number < highest;
        highest = log_.arrivals[i].number > highest ? log_.arrivals[i].number : highest;
        assert_in_range(log_.arrivals[i].at, sent + MS, sent + MS + 500);
    }
    assert_share(link_.stats.reordered, 20000, 0.05);
    assert_true(late > 500);
    end();
}

static void duplication(void **state)
{
    (void)state;
    begin(7, &(struct link_config){.duplicate = 30000});
    send_many(20000);
    assert_share(link_.stats.duplicates, 20000, 0.03);
    assert_int_equal(log_.n, 20000 + link_.stats.duplicates);
    end();
}

static void corruption(void **state)
{
    unsigned corrupt = 0;

    (void)state;
    begin(8, &(struct link_config){.corrupt = 30000});
    send_many(20000);
    for (unsigned i = 0; i < log_.n; i++) {
        corrupt += log_.arrivals[i].corrupt;
        if (!log_.arrivals[i].corrupt)
            assert_int_equal(log_.arrivals[i].number, i);
    }
    assert_int_equal(corrupt, link_.stats.corrupted);
    assert_share(corrupt, 20000, 0.03);
    end();
}

static void blackhole(void **state)
{
    (void)state;
    begin(9, &(struct link_config){.delay_us = MS});
    send(0, 100);
    link_.config.blackhole = true;
    send(1, 100);
    sim_run(&sim, S);
    link_.config.blackhole = false;
    send(2, 100);
    sim_run(&sim, 2 * S);
    assert_int_equal(log_.n, 2); /* what was on its way arrives */
    assert_int_equal(log_.arrivals[1].number, 2);
    assert_int_equal(link_.stats.blackholed, 1);
    end();
}

static void rebinding(void **state)
{
    struct link_nat nat = {.inside = 1, .outside = 77};

    (void)state;
    begin(10, &(struct link_config){.delay_us = MS});
    link_.nat_out = &nat;
    send(0, 100); /* from 1 */
    nat.outside = 78;
    send(1, 100);
    sim_run(&sim, S);
    assert_int_equal(log_.arrivals[0].from, 77);
    assert_int_equal(log_.arrivals[1].from, 78);

    link_.nat_out = NULL;
    link_.nat_in = &(struct link_nat){.inside = 1, .outside = 2};
    send(2, 100); /* to 2 */
    sim_run(&sim, 2 * S);
    assert_int_equal(log_.arrivals[2].to, 1);
    send(3, 100);
    link_.nat_in = &nat; /* rebound while it is on its way */
    sim_run(&sim, 3 * S);
    assert_int_equal(log_.n, 3);
    assert_int_equal(link_.stats.nat_drops, 1);
    end();
}

static uint64_t hash_of(uint64_t seed)
{
    struct link_config c = {.rate = 50000000,
                            .queue = 20000,
                            .loss = 10000,
                            .burst_begin = 1000,
                            .burst_end = 100000,
                            .burst_loss = 500000,
                            .reorder = 10000,
                            .reorder_us = MS,
                            .duplicate = 10000,
                            .corrupt = 10000};
    begin(seed, &c);
    send_many(5000);
    end();
    return log_.hash;
}

static void a_seed_replays(void **state)
{
    (void)state;
    if (getenv("TEST_SEED")) /* it overrides ours */
        skip();
    assert_true(hash_of(1) == hash_of(1));
    assert_true(hash_of(1) != hash_of(2));
}

static void what_is_under_way_is_freed(void **state)
{
    (void)state;
    begin(11, &(struct link_config){.delay_us = S});
    for (uint32_t i = 0; i < 10; i++)
        send(i, 100);
    sim_run(&sim, S / 2);
    assert_int_equal(log_.n, 0);
    end(); /* a sanitizer sees what is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_in_order),
        cmocka_unit_test(many_events),
        cmocka_unit_test(timers_move),
        cmocka_unit_test(delay_and_rate),
        cmocka_unit_test(any_rate_without_limit),
        cmocka_unit_test(queue_drops_its_tail),
        cmocka_unit_test(queue_marks),
        cmocka_unit_test(random_loss),
        cmocka_unit_test(burst_loss),
        cmocka_unit_test(reordering),
        cmocka_unit_test(duplication),
        cmocka_unit_test(corruption),
        cmocka_unit_test(blackhole),
        cmocka_unit_test(rebinding),
        cmocka_unit_test(a_seed_replays),
        cmocka_unit_test(what_is_under_way_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
