/* What sessions cost that do nothing: memory, and no work. */
#include "sessions.h"

enum { SESSIONS = 10000, SESSION_KIB = 10, UNDER_WAY = 50 };

static size_t resident_kib(void)
{
    unsigned long size, resident;
    FILE *f = fopen("/proc/self/statm", "r");

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &size, &resident), 2);
    fclose(f);
    return resident * 4;
}

static bool memory_is_our_own(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#elif defined(__has_feature)
    return !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
    return true;
#endif
}

static void connect_all(struct world *w, unsigned n)
{
    unsigned goal = w->client.opened + n;

    for (unsigned asked = 0; w->client.opened < goal;) {
        while (asked < n && asked + goal - n < w->client.opened + UNDER_WAY) {
            world_ask(w, NULL, 20000000);
            asked++;
        }
        jp_loop_run_once(w->loop, 1000000);
    }
    run_until(w, &w->server.opened, goal);
}

static void cost_little(void **state)
{
    size_t before, after;
    struct world w;

    (void)state;
    world_init(
        &w, "127.0.0.1:0",
        &(jp_settings){.accept_rate = 1000000, .heartbeat = 60000000, .idle_timeout = 600000000});
    connect_all(&w, 100);
    run_for(&w, 200000);
    before = resident_kib();
    connect_all(&w, SESSIONS);
    run_for(&w, 2000000);
    after = resident_kib();
    print_message("%zu bytes a session and end, of which struct conn %zu, struct jp_session %zu\n",
                  (after - before) * 1024 / SESSIONS / 2, conn_size(), sizeof(jp_session));
    if (memory_is_our_own())
        assert_in_range(after - before, 1, 2 * SESSIONS * SESSION_KIB);
    w.client.session = w.server.session = NULL;
    for (unsigned i = 0; i < ENDPOINT_HEADS; i++)
        for (jp_session *s = w.loop->endpoint->sessions[i]; s; s = s->next_by_spi)
            jp_session_close(s, 0, NULL);
    run_until(&w, &w.client.closed, SESSIONS + 100);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cost_little)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
