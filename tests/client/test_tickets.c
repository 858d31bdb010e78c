/* The tickets that the loops of a server share: whichever threads are asked at once, each is good
 * once. Run it with -Db_sanitize=thread too. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "context.h"
#include "fixture.h"

enum { THREADS = 4, TICKETS = 100 };

static jp_context *context;
static uint8_t hellos[TICKETS][RESUME_HELLO_LEN];
static atomic_uint accepted[TICKETS];
static pthread_barrier_t barrier;

static void make_hello(struct aead *aead, uint8_t hello[RESUME_HELLO_LEN])
{
    struct resumption r = {.server = context->params, .alg = AEAD_CHACHA20_POLY1305};
    struct hs_client_config config = {
        .client_spi = 0x1000,
        .suites = {AEAD_CHACHA20_POLY1305},
        .params = context->params,
    };
    uint8_t ticket[RESUME_TICKET_LEN];
    struct resume_client client;

    memset(r.secret, 7, sizeof(r.secret));
    memcpy(r.identity, context->server.identity, sizeof(r.identity));
    tickets_make(context->tickets, &context->server, r.secret, 1000000, ticket);
    resumption_ticket(&r, ticket, sizeof(ticket));
    assert_int_equal(resume_client_start(&client, aead, &config, &r, (const uint8_t *)"\1", 1,
                                         &hs_random_system),
                     0);
    memcpy(hello, client.hello, RESUME_HELLO_LEN);
}

/* All hellos, in an order of its own, with a clock of its own; between them it makes tickets. */
static void *open_all(void *argument)
{
    unsigned thread = *(unsigned *)argument;
    struct aead *aead = aead_new(aead_best());
    uint8_t secret[KDF_HASH_LEN] = {0}, ticket[RESUME_TICKET_LEN];
    struct resume_early early;

    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < TICKETS; i++) {
        unsigned at = thread % 2 ? TICKETS - 1 - i : i;
        uint64_t now = 2000000 + (thread * TICKETS + i) * UINT64_C(100000);

        if (tickets_open(context->tickets, &context->server, aead, hellos[at], now, &early) ==
            HS_OK) {
            assert_int_equal(early.len, 1);
            atomic_fetch_add(&accepted[at], 1);
        }
        tickets_make(context->tickets, &context->server, secret, now, ticket);
    }
    aead_free(aead);
    return NULL;
}

static void each_is_good_once(void **state)
{
    struct aead *aead = aead_new(aead_best());
    jp_callbacks callbacks = {.size = sizeof(callbacks)};
    jp_settings settings = {.size = sizeof(settings)};
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];

    (void)state;
    assert_int_equal(jp_identity_open(&settings.identity, NULL, 0), 0);
    assert_int_equal(jp_context_create(&context, &callbacks, &settings, 0), 0);
    for (unsigned i = 0; i < TICKETS; i++)
        make_hello(aead, hellos[i]);
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, open_all, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < TICKETS; i++)
        assert_int_equal(atomic_load(&accepted[i]), 1);
    pthread_barrier_destroy(&barrier);
    jp_identity_free(settings.identity);
    assert_int_equal(jp_context_free(context), 0);
    aead_free(aead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_good_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
