/* Blocking sockets and servers: what waits, for how long, what wakes it, and who is held back. */
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pthread.h>

#include "sockets.h"

enum { STREAMS = 8, MESSAGES = 200 };

static int is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0);
}

static void says_and_answers(void **state)
{
    struct world w;
    jp_received *received;
    jp_figures figures;
    jp_key key, ours;
    int stream;

    (void)state;
    world_connect(&w);
    stream = jp_socket_open(w.client, JP_STREAM_ANY, NULL);
    assert_true(stream > 0);
    assert_int_equal(jp_socket_write(w.client, (unsigned)stream, "hello", 5, SECOND), 0);
    assert_int_equal(jp_socket_write(w.client, (unsigned)stream, "", 0, SECOND), 0);
    expect_message(w.accepted, stream, "hello", 5);
    assert_int_equal(jp_socket_read(w.accepted, JP_STREAM_ANY, &received, SECOND), 0);
    assert_int_equal(received->size, 0);
    assert_int_equal(received->stream, stream);
    assert_int_equal(received->sequence, 1);
    assert_int_equal(received->in_order, 1);
    jp_received_free(received);
    assert_int_equal(jp_socket_write(w.accepted, (unsigned)stream, "back", 4, SECOND), 0);
    expect_message(w.client, JP_STREAM_ANY, "back", 4);
    assert_int_equal(jp_socket_figures(w.client, &figures, sizeof(figures)), 0);
    assert_int_equal(figures.stream_bytes_received, 4);
    key = jp_socket_key(w.client);
    ours = jp_identity_key(w.identity);
    assert_memory_equal(&key, &ours, sizeof(key));
    world_free(&w);
}

static void tells_ends(void **state)
{
    struct world w;
    jp_received *received;
    int stream;

    (void)state;
    world_connect(&w);
    stream = jp_socket_open(w.client, JP_STREAM_ANY, NULL);
    assert_int_equal(jp_socket_write(w.client, (unsigned)stream, "x", 1, SECOND), 0);
    assert_int_equal(jp_socket_finish_stream(w.client, (unsigned)stream), 0);
    assert_int_equal(jp_socket_write(w.client, (unsigned)stream, "y", 1, 0), JP_SEND_CLOSED);
    expect_message(w.accepted, stream, "x", 1);
    assert_int_equal(jp_socket_read(w.accepted, stream, &received, 10 * SECOND), 0);
    assert_int_equal(received->end, JP_STREAM_FINISHED);
    jp_received_free(received);
    assert_int_equal(jp_socket_read(w.accepted, stream, &received, -1), JP_RECEIVE_CLOSED);
    assert_int_equal(jp_socket_write(w.accepted, (unsigned)stream, "z", 1, SECOND), 0);
    expect_message(w.client, stream, "z", 1);
    assert_int_equal(jp_socket_finish(w.accepted, 10 * SECOND), 0);
    assert_int_equal(jp_socket_read(w.client, JP_STREAM_ANY, &received, -1), JP_RECEIVE_CLOSED);
    assert_int_equal(jp_socket_closed(w.client).by, JP_CLOSED_BY_PEER);
    world_free(&w);
}

static void waits_no_longer_than_asked(void **state)
{
    struct world w;
    jp_settings settings;
    jp_received *received;
    jp_socket *other;

    (void)state;
    world_connect(&w);
    assert_int_equal(jp_server_accept(w.server, &other, 20000), JP_ACCEPT_WOULD_BLOCK);
    assert_int_equal(jp_socket_read(w.client, JP_STREAM_ANY, &received, 0), JP_RECEIVE_WOULD_BLOCK);
    assert_int_equal(jp_socket_read(w.client, 5, &received, 20000), JP_RECEIVE_WOULD_BLOCK);
    settings = client_settings(&w);
    assert_int_equal(jp_socket_create(&other, &settings), 0);
    assert_int_equal(jp_socket_connect(other, "127.0.0.1:9", 50000), JP_CONNECT_TIMEOUT);
    assert_int_equal(jp_socket_connect(other, w.name, SECOND), JP_CONNECT_ABORTED);
    jp_socket_free(other);
    world_free(&w);
}

/* A stream nobody reads fills up, its sender is held back, and the others go on. */
static void holds_back_what_is_not_read(void **state)
{
    static char block[1 << 16];
    struct world w;
    int slow, fast, error, sent = 0;

    (void)state;
    world_connect(&w);
    slow = jp_socket_open(w.client, JP_STREAM_ANY, NULL);
    fast = jp_socket_open(w.client, JP_STREAM_ANY, NULL);
    while ((error = jp_socket_write(w.client, (unsigned)slow, block, sizeof(block), 300000)) == 0)
        assert_true(++sent < 4096); /* 256 MiB: more than all windows and buffers */
    assert_int_equal(error, JP_SEND_WOULD_BLOCK);
    assert_int_equal(jp_socket_write(w.client, (unsigned)fast, "first", 5, SECOND), 0);
    expect_message(w.accepted, fast, "first", 5);
    for (; sent; sent--)
        expect_message(w.accepted, slow, block, sizeof(block));
    assert_int_equal(jp_socket_write(w.client, (unsigned)slow, "last", 4, 10 * SECOND), 0);
    expect_message(w.accepted, slow, "last", 4);
    world_free(&w);
}

static void *read_until_closed(void *argument)
{
    jp_received *received;

    assert_int_equal(jp_socket_read(argument, JP_STREAM_ANY, &received, -1), JP_RECEIVE_CLOSED);
    return NULL;
}

static void close_wakes_and_is_idempotent(void **state)
{
    struct timespec moment = {.tv_nsec = 20000000};
    struct world w;
    jp_socket *other;
    pthread_t reader;

    (void)state;
    world_connect(&w);
    pthread_create(&reader, NULL, read_until_closed, w.client);
    nanosleep(&moment, NULL);
    assert_int_equal(jp_socket_close(w.client, 300, "done"), 0);
    pthread_join(reader, NULL);
    assert_int_equal(jp_socket_close(w.client, 301, "again"), 0);
    assert_int_equal(jp_socket_closed(w.client).code, 300);
    read_until_closed(w.accepted);
    assert_int_equal(jp_socket_closed(w.accepted).code, 300);
    assert_string_equal(jp_socket_closed(w.accepted).reason, "done");
    assert_int_equal(jp_socket_open(w.accepted, JP_STREAM_ANY, NULL), JP_SEND_CLOSED);
    assert_int_equal(jp_server_close(w.server), 0);
    assert_int_equal(jp_server_close(w.server), 0);
    assert_int_equal(jp_server_accept(w.server, &other, -1), JP_ACCEPT_FAILED);
    world_free(&w);
}

static void descriptors_say_when(void **state)
{
    struct world w;
    int stream;

    (void)state;
    world_connect(&w);
    assert_int_equal(is_readable(jp_server_fd(w.server)), 0);
    assert_int_equal(is_readable(jp_socket_fd(w.accepted)), 0);
    stream = jp_socket_open(w.client, JP_STREAM_ANY, NULL);
    assert_int_equal(jp_socket_write(w.client, (unsigned)stream, "x", 1, SECOND), 0);
    poll(&(struct pollfd){.fd = jp_socket_fd(w.accepted), .events = POLLIN}, 1, 10000);
    assert_int_equal(is_readable(jp_socket_fd(w.accepted)), 1);
    expect_message(w.accepted, stream, "x", 1);
    assert_int_equal(is_readable(jp_socket_fd(w.accepted)), 0);
    assert_int_equal(jp_socket_close(w.accepted, 0, NULL), 0);
    poll(&(struct pollfd){.fd = jp_socket_fd(w.accepted), .events = POLLIN}, 1, 10000);
    assert_int_equal(is_readable(jp_socket_fd(w.accepted)), 1);
    assert_int_equal(jp_server_close(w.server), 0);
    assert_int_equal(is_readable(jp_server_fd(w.server)), 1);
    world_free(&w);
}

/* ---- many threads ---- */

struct talker {
    jp_socket *socket;
    pthread_t thread;
    int stream;
};

static void *talk(void *argument)
{
    struct talker *t = argument;

    for (int i = 0; i < MESSAGES; i++) {
        assert_int_equal(
            jp_socket_write(t->socket, (unsigned)t->stream, &i, sizeof(i), 10 * SECOND), 0);
        expect_message(t->socket, t->stream, &i, sizeof(i));
    }
    return NULL;
}

static void *echo(void *argument)
{
    jp_socket *s = argument;
    jp_received *received;

    while (jp_socket_read(s, JP_STREAM_ANY, &received, -1) == 0) {
        if (!received->end)
            assert_int_equal(
                jp_socket_write(s, received->stream, received->data, received->size, 10 * SECOND),
                0);
        jp_received_free(received);
    }
    return NULL;
}

static void threads_share_a_socket(void **state)
{
    struct talker talkers[STREAMS];
    pthread_t echoers[2];
    struct world w;

    (void)state;
    world_connect(&w);
    for (int i = 0; i < 2; i++)
        pthread_create(&echoers[i], NULL, echo, w.accepted);
    for (int i = 0; i < STREAMS; i++) {
        talkers[i] = (struct talker){.socket = w.client};
        talkers[i].stream = jp_socket_open(w.client, JP_STREAM_ANY, NULL);
        assert_true(talkers[i].stream > 0);
        pthread_create(&talkers[i].thread, NULL, talk, &talkers[i]);
    }
    for (int i = 0; i < STREAMS; i++)
        pthread_join(talkers[i].thread, NULL);
    assert_int_equal(jp_socket_close(w.client, 0, NULL), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(echoers[i], NULL);
    world_free(&w);
}

static void frees_in_any_order(void **state)
{
    struct world w;
    jp_settings settings;
    jp_socket *never;

    (void)state;
    world_connect(&w);
    settings = client_settings(&w);
    assert_int_equal(jp_socket_create(&never, &settings), 0);
    assert_int_equal(jp_finish(), JP_BUSY);
    jp_socket_free(never);
    jp_server_free(w.server); /* its session goes on */
    w.server = NULL;
    assert_true(jp_socket_open(w.accepted, JP_STREAM_ANY, NULL) > 0);
    world_free(&w);
    world_connect(&w);
    jp_socket_free(w.accepted);
    w.accepted = NULL;
    world_free(&w);
}

/* The first address is where it begins, the others become paths beside it. */
static void sends_from_several_addresses(void **state)
{
    struct timespec moment = {.tv_nsec = 10000000};
    struct world w;
    jp_settings settings;
    jp_address local[2], peer;
    jp_figures figures = {.paths = 0};

    (void)state;
    world_listen(&w);
    settings = client_settings(&w);
    assert_int_equal(jp_address_parse(&local[0], "127.0.0.2", 0), 0);
    assert_int_equal(jp_address_parse(&local[1], "127.0.0.3", 0), 0);
    assert_int_equal(jp_socket_create(&w.client, &settings), 0);
    assert_int_equal(jp_socket_bind(w.client, local, JP_PATHS_MAX + 1), JP_INVALID);
    assert_int_equal(jp_socket_bind(w.client, local, 2), 0);
    assert_int_equal(jp_socket_connect(w.client, w.name, 10 * SECOND), 0);
    assert_int_equal(jp_socket_bind(w.client, local, 2), JP_INVALID);
    assert_int_equal(jp_server_accept(w.server, &w.accepted, 10 * SECOND), 0);
    peer = jp_socket_peer(w.accepted);
    peer.port = 0;
    assert_int_equal(jp_address_compare(&peer, &local[0]), 0);
    for (int i = 0; i < 1000 && !(figures.paths == 2 && figures.path[1].validated); i++) {
        nanosleep(&moment, NULL);
        assert_int_equal(jp_socket_figures(w.client, &figures, sizeof(figures)), 0);
    }
    assert_int_equal(figures.paths, 2);
    assert_true(figures.path[1].validated);
    assert_int_equal(figures.path[1].use, JP_PATH_STANDBY);
    figures.path[1].local.port = 0;
    assert_int_equal(jp_address_compare(&figures.path[1].local, &local[1]), 0);
    world_free(&w);
}

/* A socket that fails says why, not where in the library. */
static void says_what_was_wrong(void **state)
{
    jp_settings settings = {.size = 1};
    jp_address elsewhere;
    jp_socket *socket;
    struct world w;

    (void)state;
    world_connect(&w);
    assert_int_equal(jp_socket_bind(w.client, &elsewhere, 1), JP_INVALID);
    assert_string_equal(jp_error_detail(),
                        "jp_socket_bind: addresses are bound before connecting, not after");
    assert_int_equal(jp_socket_create(&socket, &settings), JP_INVALID);
    assert_string_equal(jp_error_detail(), "settings, or their `size`, are wrong");
    settings = client_settings(&w);
    assert_int_equal(jp_socket_create(&socket, &settings), 0);
    assert_int_equal(jp_socket_finish(socket, -1), JP_INVALID);
    assert_string_equal(jp_error_detail(), "jp_socket_finish: it was never connected");
    assert_int_equal(jp_address_parse(&elsewhere, "198.18.255.1:5", 0), 0);
    assert_int_equal(jp_socket_bind(socket, &elsewhere, 1), 0);
    assert_int_equal(jp_socket_connect(socket, w.name, 10 * SECOND), JP_BIND_UNAVAILABLE);
    assert_string_equal(jp_error_detail(),
                        "jp_socket_connect: 198.18.255.1:5: Cannot assign requested address");
    jp_socket_free(socket);
    assert_int_equal(jp_address_parse(&elsewhere, "[::1]:0", 0), 0);
    assert_int_equal(jp_socket_create(&socket, &settings), 0);
    assert_int_equal(jp_socket_bind(socket, &elsewhere, 1), 0);
    assert_int_equal(jp_socket_connect(socket, w.name, 10 * SECOND), JP_CONNECT_UNREACHABLE);
    assert_string_equal(jp_error_detail(), "jp_socket_connect: addresses of two families");
    jp_socket_free(socket);
    world_free(&w);
}

/* The peer gets the code and the reason that were given, or there was an error. */
static void closes_as_it_was_told(void **state)
{
    const uint64_t most = (1ULL << 62) - 1;
    char reason[300] = "";
    struct world w;

    (void)state;
    world_connect(&w);
    memset(reason, 'x', 253);
    memcpy(reason + 253, "\xe2\x82\xac", 3); /* bytes 253 to 255: only 255 fit */
    assert_int_equal(jp_socket_close(w.client, most + 1, reason), JP_INVALID);
    assert_int_equal(jp_socket_closed(w.client).by, 0);
    assert_int_equal(jp_socket_close(w.client, most, reason), 0);
    read_until_closed(w.accepted);
    assert_true(jp_socket_closed(w.accepted).code == most);
    reason[253] = '\0';
    assert_string_equal(jp_socket_closed(w.accepted).reason, reason);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_from_several_addresses),
        cmocka_unit_test(says_and_answers),
        cmocka_unit_test(tells_ends),
        cmocka_unit_test(waits_no_longer_than_asked),
        cmocka_unit_test(holds_back_what_is_not_read),
        cmocka_unit_test(close_wakes_and_is_idempotent),
        cmocka_unit_test(descriptors_say_when),
        cmocka_unit_test(threads_share_a_socket),
        cmocka_unit_test(frees_in_any_order),
        cmocka_unit_test(says_what_was_wrong),
        cmocka_unit_test(closes_as_it_was_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
