/* The program decides which servers to believe. */
#include "sessions.h"

struct decision {
    int answer;
    unsigned asked;
    char name[JP_ADDRESS_TEXT];
    jp_key key;
};

static int decide(void *argument, const char *name, const jp_key *key)
{
    struct decision *d = argument;

    d->asked++;
    snprintf(d->name, sizeof(d->name), "%s", name);
    d->key = *key;
    return d->answer;
}

static void world_decide(struct world *w, struct decision *d)
{
    jp_trust *trust;

    world_init(w, "127.0.0.1:0", NULL);
    assert_int_equal(jp_trust_callback(&trust, decide, d), 0);
    world_believe(w, trust);
}

/* The program was asked about the server that was meant, and the key it has. */
static void expect_asked(const struct world *w, const struct decision *d)
{
    jp_key key = jp_identity_key(w->identity);
    char name[JP_ADDRESS_TEXT];

    jp_address_format(&w->address, name, sizeof(name));
    assert_true(d->asked > 0);
    assert_string_equal(d->name, name);
    assert_memory_equal(d->key.bytes, key.bytes, JP_KEY_BYTES);
}

static void believes_whom_the_program_believes(void **state)
{
    struct decision d = {.answer = 256}; /* whatever is not 0 */
    struct world w;

    (void)state;
    world_decide(&w, &d);
    world_connect(&w);
    expect_asked(&w, &d);
    world_free(&w);
}

static void says_whom_the_program_refused(void **state)
{
    struct decision d = {.answer = 0};
    char key[JP_KEY_TEXT], why[256];
    struct world w;

    (void)state;
    world_decide(&w, &d);
    world_ask(&w, NULL, 10000000);
    run_until(&w, &w.client.failed, 1);
    expect_asked(&w, &d);
    assert_int_equal(w.client.error, JP_CONNECT_IDENTITY);
    jp_key_format(&d.key, key);
    snprintf(why, sizeof(why), "jp_connect: %s: its key is %s: refused", d.name, key);
    assert_string_equal(w.client.detail, why);
    assert_int_equal(w.client.opened, 0);
    assert_int_equal(w.server.opened, 0);
    world_free(&w);
}

/* Every session is decided on anew. */
static void may_change_its_mind(void **state)
{
    struct decision d = {.answer = 1};
    struct world w;

    (void)state;
    world_decide(&w, &d);
    world_connect(&w);
    assert_int_equal(jp_session_close(w.client.session, 0, NULL), 0);
    run_until(&w, &w.client.closed, 1);
    d.answer = 0;
    world_ask(&w, NULL, 10000000);
    run_until(&w, &w.client.failed, 1);
    assert_int_equal(w.client.error, JP_CONNECT_IDENTITY);
    assert_int_equal(w.client.opened, 1);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(believes_whom_the_program_believes),
        cmocka_unit_test(says_whom_the_program_refused),
        cmocka_unit_test(may_change_its_mind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
