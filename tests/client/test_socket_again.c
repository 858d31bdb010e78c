/* Blocking sockets that come again, with messages in the first packet; and that go by TCP. */
#include "fixture.h"

#include "blocking.h"
#include "deaf.h"
#include "sockets.h"

static size_t take_resumption(jp_socket *s, uint8_t bytes[JP_RESUMPTION_MAX])
{
    int n = jp_socket_resumption(s, bytes, JP_RESUMPTION_MAX, 10 * SECOND);

    assert_in_range(n, 1, JP_RESUMPTION_MAX);
    return (size_t)n;
}

/* The session so far is over, and there is a socket for the next. */
static void leave(struct world *w)
{
    jp_settings settings = client_settings(w);

    jp_socket_free(w->client);
    jp_socket_free(w->accepted);
    w->client = w->accepted = NULL;
    assert_int_equal(jp_socket_create(&w->client, &settings), 0);
}

static void accept_client(struct world *w)
{
    assert_int_equal(jp_server_accept(w->server, &w->accepted, 10 * SECOND), 0);
}

static void echoes(struct world *w, unsigned stream, const char *text)
{
    size_t size = strlen(text);

    assert_int_equal(jp_socket_write(w->client, stream, text, size, SECOND), 0);
    expect_message(w->accepted, (int)stream, text, size);
    assert_int_equal(jp_socket_write(w->accepted, stream, text, size, SECOND), 0);
    expect_message(w->client, (int)stream, text, size);
}

static void comes_again(void **state)
{
    uint8_t bytes[JP_RESUMPTION_MAX];
    jp_early early[] = {
        {.data = "one", .size = 3, .stream = JP_STREAM_ANY},
        {.data = "two", .size = 3, .stream = 7},
        {.data = "three", .size = 5, .stream = 7},
    };
    struct world w;
    size_t size;

    (void)state;
    world_connect(&w);
    size = take_resumption(w.client, bytes);
    assert_int_equal(jp_socket_is_resumed(w.client), 0);
    assert_int_equal(jp_socket_resumption(w.client, bytes, sizeof(bytes) - 1, 0), JP_INVALID);
    assert_int_equal(
        jp_socket_resumption(w.client, &(uint8_t[JP_RESUMPTION_MAX]){0}, JP_RESUMPTION_MAX, 0),
        JP_RECEIVE_WOULD_BLOCK);
    leave(&w);
    assert_int_equal(jp_socket_resume(w.client, w.name, bytes, size, early, 3, 10 * SECOND), 0);
    assert_int_equal(jp_socket_is_resumed(w.client), 1);
    assert_true(early[0].stream > 0);
    accept_client(&w);
    assert_int_equal(jp_socket_is_resumed(w.accepted), 1);
    expect_message(w.accepted, early[0].stream, "one", 3);
    expect_message(w.accepted, 7, "two", 3);
    expect_message(w.accepted, 7, "three", 5);
    echoes(&w, 7, "and on");

    /* the same once more is a full handshake, and nothing is lost by that */
    leave(&w);
    assert_int_equal(jp_socket_resume(w.client, w.name, bytes, size, early, 1, 10 * SECOND), 0);
    assert_int_equal(jp_socket_is_resumed(w.client), 0);
    accept_client(&w);
    expect_message(w.accepted, early[0].stream, "one", 3);
    world_free(&w);
}

/* A message that is refused leaves the socket as it was. */
static void refuses_before_connecting(void **state)
{
    uint8_t bytes[JP_RESUMPTION_MAX];
    jp_early early = {.data = "x", .size = 1, .stream = 1001};
    struct world w;
    size_t size;

    (void)state;
    world_connect(&w);
    size = take_resumption(w.client, bytes);
    leave(&w);
    assert_int_equal(jp_socket_resume(w.client, w.name, bytes, size, &early, 1, SECOND),
                     JP_SEND_STREAMS);
    early = (jp_early){.size = 1, .stream = 1};
    assert_int_equal(jp_socket_resume(w.client, w.name, bytes, size, &early, 1, SECOND),
                     JP_INVALID);
    early.data = "y";
    assert_int_equal(jp_socket_resume(w.client, w.name, bytes, size, &early, 1, SECOND), 0);
    assert_int_equal(jp_socket_is_resumed(w.client), 1);
    accept_client(&w);
    expect_message(w.accepted, 1, "y", 1);
    world_free(&w);
}

/* ---- TCP ---- */

static int block_udp(void *argument)
{
    jp_loop *loop = argument;

    deafen_all(loop->endpoint, true);
    return 0;
}

static bool is_by_tcp(jp_socket *s)
{
    jp_figures f;

    assert_int_equal(jp_socket_figures(s, &f, sizeof(f)), 0);
    return f.path[0].tcp;
}

static void goes_by_tcp(void **state)
{
    uint8_t bytes[JP_RESUMPTION_MAX];
    jp_early early = {.data = "early", .size = 5, .stream = 3};
    static uint8_t data[3 << 20];
    jp_settings settings;
    struct world w;
    size_t size;

    (void)state;
    world_listen(&w);
    settings = client_settings(&w);
    assert_int_equal(jp_socket_create(&w.client, &settings), 0);
    assert_int_equal(background_call(w.client->loop, block_udp, w.client->loop, __func__), 0);
    assert_int_equal(jp_socket_connect(w.client, w.name, 10 * SECOND), 0);
    accept_client(&w);
    assert_true(is_by_tcp(w.client));
    assert_true(is_by_tcp(w.accepted));
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 2654435761u >> 11);
    assert_int_equal(jp_socket_open(w.client, 1, NULL), 1);
    assert_int_equal(jp_socket_write(w.client, 1, data, sizeof(data), -1), 0);
    expect_message(w.accepted, 1, data, sizeof(data));
    assert_int_equal(jp_socket_write(w.accepted, 1, data, sizeof(data), -1), 0);
    expect_message(w.client, 1, data, sizeof(data));
    assert_int_equal(jp_socket_finish(w.client, 10 * SECOND), 0);
    size = take_resumption(w.client, bytes);

    /* resuming is for UDP: without it there is a full handshake, and the message follows */
    leave(&w);
    assert_int_equal(background_call(w.client->loop, block_udp, w.client->loop, __func__), 0);
    assert_int_equal(jp_socket_resume(w.client, w.name, bytes, size, &early, 1, 10 * SECOND), 0);
    assert_int_equal(jp_socket_is_resumed(w.client), 0);
    accept_client(&w);
    assert_true(is_by_tcp(w.client));
    expect_message(w.accepted, 3, "early", 5);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_again),
        cmocka_unit_test(refuses_before_connecting),
        cmocka_unit_test(goes_by_tcp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
