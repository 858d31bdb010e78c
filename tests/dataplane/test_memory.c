/* Full sessions that hold as much of a worker's memory as they may, and one that only wants to
 * work. */
#include "peer.h"

#include "transport/state.h"

enum { HOARDERS = 80, FRAGMENTS = 4, FRAGMENT = 1200, A_STREAM = 20, MESSAGES = 2000 };

/* A session that begins messages and never ends one. */
struct hoarder {
    struct client client;
    unsigned sent;
};
static struct hoarder hoarders[HOARDERS];
static unsigned numbers; /* of clients so far */

static void hoarder_begin(struct hoarder *h, struct plane *plane)
{
    *h = (struct hoarder){.client = client_new(plane, 100 + numbers++, 0)};
    h->client.credit = (struct jp_ipc_credit){1 << 20, 1 << 18, 1 << 16};
    assert_int_equal(client_install(&h->client), 0);
}

/* One fragment more, up to all its credit. Who was closed comes back. */
static void hoard(struct hoarder *h, struct plane *plane)
{
    if (!client_session(&h->client))
        hoarder_begin(h, plane);
    if (h->sent == 10 * A_STREAM)
        return;
    client_send_stream(&h->client, 1 + 2 * (h->sent / A_STREAM), h->sent % A_STREAM / 10,
                       h->sent % 10 * FRAGMENT, false, FRAGMENT, 0);
    h->sent++;
}

static bool echoed(struct peer *p)
{
    return p->stream[0].received == p->stream[0].to_write;
}

/* Virtual time until all messages came back, with so many hoarders at work. */
static uint64_t time_to_echo(struct plane *plane, unsigned n, unsigned hostile)
{
    struct peer *p = peer_start(plane, n, PLANE_ECHO);
    uint64_t start = plane->now, limit = start + 60000000;

    peer_open(p, MESSAGES, NULL);
    while (!echoed(p)) {
        for (unsigned i = 0; i < hostile; i++)
            for (unsigned j = 0; j < FRAGMENTS; j++)
                hoard(&hoarders[i], plane);
        peers_pass(plane, 1000);
        assert_false(p->closed);
        assert_true(plane->now < limit);
    }
    peer_free(p);
    return plane->now - start;
}

static int setup(void **state)
{
    peers_forget();
    return plane_setup(state);
}

static void hoarders_cost_others_little(void **state)
{
    struct plane *plane = *state;
    uint64_t alone = time_to_echo(plane, 1, 0), among;
    unsigned before = numbers;

    for (unsigned i = 0; i < HOARDERS; i++)
        hoarder_begin(&hoarders[i], plane);
    while (numbers == before + HOARDERS) /* until one had to go */
        for (unsigned i = 0; i < HOARDERS; i++) {
            hoard(&hoarders[i], plane);
            plane_turn(plane);
            plane_ignore_sent(plane);
        }
    assert_true(plane_count(plane, JP_sessions_evicted) > 0);
    assert_int_equal(plane_count(plane, JP_sessions_failed), 0);
    among = time_to_echo(plane, 2, HOARDERS);
    print_message("%u messages: %u ms alone, %u ms among %u hoarders, of whom %u came back\n",
                  MESSAGES, (unsigned)(alone / 1000), (unsigned)(among / 1000), HOARDERS,
                  numbers - before - HOARDERS);
    assert_true(among < alone + alone / 4);
}

enum { RESETS = 64, ROUNDS = 150 };

/* Streams with something to read, which there are no buffers for, and then without. */
static void open_and_reset(struct peer *p, struct plane *plane)
{
    static const uint8_t byte[1];
    int id[RESETS];

    for (unsigned i = 0; i < RESETS; i++) {
        id[i] = conn_open(p->conn, CONN_STREAM_ANY, &conn_stream_default, plane->now);
        assert_true(id[i] >= 0);
        assert_int_equal(conn_write(p->conn, (uint32_t)id[i], byte, 1, false, NULL, plane->now), 0);
    }
    peers_pass(plane, 50000);
    for (unsigned i = 0; i < RESETS; i++)
        assert_int_equal(conn_reset(p->conn, (uint32_t)id[i], plane->now), 0);
    peers_pass(plane, 100000);
}

/* What waits to be echoed is forgotten with its stream. */
static void streams_that_were_reset_wait_for_nothing(void **state)
{
    struct plane *plane = *state;
    struct transports *ts = plane->dp.lcore[0]->transports;
    struct pool *buffers = &ts->echo[ECHO_LARGE];
    struct peer *p = peer_start(plane, 1, PLANE_ECHO), *honest;
    struct echo_buffer *taken = NULL, *b;
    uint32_t most = 0;

    assert_true(ts->readers.capacity < RESETS * ROUNDS);
    p->stalled = true;
    peer_open(p, 100, NULL)->size =
        PEER_MESSAGE_MAX; /* and holds a buffer, so it is not asked again */
    peers_pass(plane, 1000000);
    assert_true(client_session(&p->client)->full->held[ECHO_LARGE] > 0);
    for (; (b = pool_get(buffers)); taken = b)
        memcpy(b->data, &taken, sizeof(taken));
    for (unsigned i = 0; i < ROUNDS; i++) {
        open_and_reset(p, plane);
        assert_false(p->closed);
        most = RTE_MAX(most, ts->readers.used);
    }
    assert_in_range(most, 1, 2 * RESETS + 2);
    for (; (b = taken); pool_put(buffers, b))
        memcpy(&taken, b->data, sizeof(taken));
    honest = peer_start(plane, 2, PLANE_ECHO);
    peer_open(honest, 10, NULL);
    peers_pass(plane, 1000000);
    assert_true(echoed(honest));
    peer_free(p);
    peer_free(honest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hoarders_cost_others_little, setup, plane_teardown),
        cmocka_unit_test_setup_teardown(streams_that_were_reset_wait_for_nothing, setup,
                                        plane_teardown),
    };

    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
