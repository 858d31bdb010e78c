#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "rng.h"
#include "session.h"

enum { SESSIONS = 1000, SPI_BASE = 0x40000000 };

/* A table with an index of 2048 entries: probe sequences collide and wrap around its end all
 * the time. */
static int setup(void **state)
{
    return (*state = session_table_new(SESSIONS)) ? 0 : -1;
}

static int teardown(void **state)
{
    session_table_free(*state);
    return 0;
}

static void finds_what_was_added(void **state)
{
    struct session_table *t = *state;
    struct session *s = session_table_add(t, 300);

    assert_non_null(s);
    assert_int_equal(s->server_spi, 300);
    assert_int_equal(s->client_spi, 0);
    assert_ptr_equal(session_find(t, 300), s);
    assert_null(session_find(t, 301));
    assert_null(session_find(t, 0));
    assert_int_equal(session_table_count(t), 1);
}

static void full_is_full(void **state)
{
    struct session_table *t = *state;

    for (uint32_t i = 0; i < SESSIONS; i++)
        assert_non_null(session_table_add(t, SPI_BASE + i));
    assert_null(session_table_add(t, SPI_BASE + SESSIONS));
    assert_null(session_find(t, SPI_BASE + SESSIONS));
    session_table_remove(t, session_find(t, SPI_BASE + 77));
    assert_null(session_find(t, SPI_BASE + 77));
    assert_non_null(session_table_add(t, SPI_BASE + SESSIONS));
    assert_int_equal(session_table_slots(t), SESSIONS);
}

static void removal_wipes(void **state)
{
    struct session_table *t = *state;
    struct session *s = session_table_add(t, 300);
    const uint8_t *bytes = (const uint8_t *)s;

    memset(s->tx.next_secret, 0xaa, sizeof(s->tx.next_secret));
    s->client_spi = 0xaaaaaaaa;
    session_table_remove(t, s);
    for (size_t i = 0; i < sizeof(*s); i++)
        assert_int_not_equal(bytes[i], 0xaa);
    assert_null(session_at(t, 0));
    s = session_table_add(t, 301);
    assert_int_equal(s->client_spi, 0);
}

/* The model: which of SPIs SPI_BASE + 0 ... 4 * SESSIONS are there, and where. */
static struct session *model[4 * SESSIONS];

static void check_model(const struct session_table *t)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < RTE_DIM(model); i++) {
        assert_ptr_equal(session_find(t, SPI_BASE + i), model[i]);
        count += model[i] != NULL;
    }
    assert_int_equal(session_table_count(t), count);
}

static void agrees_with_a_model(void **state)
{
    struct session_table *t = *state;
    struct rng rng = rng_new(2);
    uint32_t count = 0;

    memset(model, 0, sizeof(model));
    for (unsigned round = 0; round < 200000; round++) {
        uint32_t i = (uint32_t)rng_below(&rng, RTE_DIM(model));

        if (model[i]) {
            session_table_remove(t, model[i]);
            model[i] = NULL;
            count--;
        } else if (count < SESSIONS) {
            model[i] = session_table_add(t, SPI_BASE + i);
            assert_non_null(model[i]);
            count++;
        }
        if (round % 1000 == 0)
            check_model(t);
    }
    check_model(t);
}

static void bulk_agrees_with_single(void **state)
{
    struct session_table *t = *state;
    struct rng rng = rng_new(3);
    struct session *out[BURST_MAX];
    uint32_t spi[BURST_MAX];

    for (uint32_t i = 0; i < SESSIONS; i += 2)
        session_table_add(t, SPI_BASE + i);
    for (unsigned round = 0; round < 100; round++) {
        unsigned n = (unsigned)rng_below(&rng, BURST_MAX + 1);

        for (unsigned i = 0; i < n; i++)
            spi[i] = SPI_BASE + (uint32_t)rng_below(&rng, SESSIONS);
        session_find_bulk(t, spi, out, n);
        for (unsigned i = 0; i < n; i++)
            assert_ptr_equal(out[i], session_find(t, spi[i]));
    }
}

static void paging_sees_every_session_once(void **state)
{
    struct session_table *t = *state;
    unsigned seen[SESSIONS] = {0};

    for (uint32_t i = 0; i < SESSIONS; i++)
        session_table_add(t, SPI_BASE + i);
    for (uint32_t i = 0; i < SESSIONS; i += 3)
        session_table_remove(t, session_find(t, SPI_BASE + i));
    for (uint32_t i = 0; i < session_table_slots(t); i++) {
        struct session *s = session_at(t, i);

        if (s)
            seen[s->server_spi - SPI_BASE]++;
    }
    for (uint32_t i = 0; i < SESSIONS; i++)
        assert_int_equal(seen[i], i % 3 != 0);
}

static size_t resident(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*s %zu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Room for a million costs next to nothing until they come. */
static void memory_comes_with_sessions(void **state)
{
    (void)state;
    size_t before = resident();
    struct session_table *t = session_table_new(1000000);

    assert_non_null(t);
    assert_true(session_table_footprint(1000000) < UINT64_C(4) << 30);
    for (uint32_t i = 0; i < 1000; i++)
        assert_non_null(session_table_add(t, SPI_BASE + i * 7919));
    assert_true(resident() - before < 64 << 20);
    session_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_what_was_added, setup, teardown),
        cmocka_unit_test_setup_teardown(full_is_full, setup, teardown),
        cmocka_unit_test_setup_teardown(removal_wipes, setup, teardown),
        cmocka_unit_test_setup_teardown(agrees_with_a_model, setup, teardown),
        cmocka_unit_test_setup_teardown(bulk_agrees_with_single, setup, teardown),
        cmocka_unit_test_setup_teardown(paging_sees_every_session_once, setup, teardown),
        cmocka_unit_test(memory_comes_with_sessions),
    };

    return cmocka_run_group_tests_name("session_table", tests, NULL, NULL);
}
