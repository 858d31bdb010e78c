/* What is received on blocking sockets and not read: how much of it is held, and that it is not
 * lost. */
#include <stdlib.h>
#include <time.h>

#include "blocking.h"
#include "sockets.h"

enum {
    STREAMS = 9,
    SIZE = 900000, /* no stream's queue is full, all together they are */
    LARGE = 5000000,
    LARGE_STREAMS = 7, /* more than the window, less than that and what a socket holds */
};

static uint8_t message[SIZE];

/* A message on each of the first n streams. */
static void write_all(jp_socket *s, int n)
{
    for (int stream = 1; stream <= n; stream++) {
        assert_int_equal(jp_socket_open(s, stream, NULL), stream);
        assert_int_equal(jp_socket_write(s, (unsigned)stream, message, SIZE, 10 * SECOND), 0);
    }
}

/* The last one's first: its reader gets it though the others' are not read. */
static void read_all(jp_socket *s, int n)
{
    for (int stream = n; stream; stream--)
        expect_message(s, stream, message, SIZE);
}

static size_t held(jp_socket *s)
{
    size_t bytes;

    gate_lock(&s->gate);
    bytes = s->inbox.bytes;
    gate_unlock(&s->gate);
    return bytes;
}

/* Until the session of `s` is over. */
static void await_end(jp_socket *s)
{
    struct timespec moment = {.tv_nsec = 10000000};

    for (int i = 0; i < 1000 && !jp_socket_closed(s).by; i++)
        nanosleep(&moment, NULL);
    assert_int_equal(jp_socket_closed(s).by, JP_CLOSED_BY_PEER);
}

static void connect_only(struct world *w)
{
    jp_settings settings;

    world_listen(w);
    settings = client_settings(w);
    settings.send_buffer = 2 * STREAMS * LARGE;
    assert_int_equal(jp_socket_create(&w->client, &settings), 0);
    assert_int_equal(jp_socket_connect(w->client, w->name, 10 * SECOND), 0);
}

static void accept_client(struct world *w)
{
    assert_int_equal(jp_server_accept(w->server, &w->accepted, 10 * SECOND), 0);
}

/* The window, 32 MiB, is all that a session may bring before it is accepted. */
static void reads_nothing_before_accepting(void **state)
{
    static const uint8_t big[LARGE];
    struct world w;

    (void)state;
    connect_only(&w);
    for (int stream = 1; stream <= LARGE_STREAMS; stream++) {
        assert_int_equal(jp_socket_open(w.client, stream, NULL), stream);
        assert_int_equal(jp_socket_write(w.client, (unsigned)stream, big, LARGE, SECOND), 0);
    }
    assert_int_equal(jp_socket_finish(w.client, 2 * SECOND), JP_SEND_WOULD_BLOCK);
    accept_client(&w);
    for (int stream = 1; stream <= LARGE_STREAMS; stream++)
        expect_message(w.accepted, stream, big, LARGE);
    assert_int_equal(jp_socket_finish(w.client, 10 * SECOND), 0);
    world_free(&w);
}

static void bounds_all_streams_together(void **state)
{
    struct world w;

    (void)state;
    connect_only(&w);
    accept_client(&w);
    write_all(w.client, STREAMS);
    assert_int_equal(jp_socket_finish(w.client, 10 * SECOND), 0);
    await_end(w.accepted);
    assert_in_range(held(w.accepted), JP_SOCKET_QUEUE_ALL, JP_SOCKET_QUEUE_ALL + SIZE + 4096);
    for (int i = 0; i < STREAMS; i++)
        expect_message(w.accepted, JP_STREAM_ANY, message, SIZE);
    world_free(&w);
}

static void *read_last(void *argument)
{
    expect_message(argument, STREAMS, "here", 4);
    return NULL;
}

/* Somebody waits on a stream that is not there yet, when the others have filled the socket. */
static void readers_get_what_they_wait_for(void **state)
{
    struct timespec moment = {.tv_nsec = 50000000};
    pthread_t reader;
    struct world w;

    (void)state;
    connect_only(&w);
    accept_client(&w);
    write_all(w.client, 5);
    while (held(w.accepted) < JP_SOCKET_QUEUE_ALL)
        nanosleep(&moment, NULL);
    pthread_create(&reader, NULL, read_last, w.accepted);
    nanosleep(&moment, NULL);
    assert_int_equal(jp_socket_open(w.client, STREAMS, NULL), STREAMS);
    assert_int_equal(jp_socket_write(w.client, STREAMS, "here", 4, SECOND), 0);
    pthread_join(reader, NULL);
    read_all(w.accepted, 5);
    world_free(&w);
}

/* The client was told that all arrived, and left. */
static void keeps_what_was_acknowledged(void **state)
{
    jp_received *received;
    struct world w;

    (void)state;
    connect_only(&w);
    write_all(w.client, 1);
    assert_int_equal(jp_socket_finish(w.client, 10 * SECOND), 0);
    accept_client(&w);
    read_all(w.accepted, 1);
    assert_int_equal(jp_socket_read(w.accepted, 1, &received, -1), JP_RECEIVE_CLOSED);
    assert_int_equal(jp_socket_read(w.accepted, 2, &received, -1), JP_RECEIVE_CLOSED);
    world_free(&w);

    connect_only(&w);
    accept_client(&w);
    write_all(w.client, 5);
    assert_int_equal(jp_socket_finish(w.client, 10 * SECOND), 0);
    await_end(w.accepted);
    assert_in_range(held(w.accepted), JP_SOCKET_QUEUE_ALL, 5 * SIZE + 4096);
    assert_int_equal(jp_socket_write(w.accepted, 1, "x", 1, -1), JP_SEND_CLOSED);
    assert_int_equal(jp_socket_finish(w.accepted, -1), JP_SEND_CLOSED);
    read_all(w.accepted, 5);
    assert_int_equal(jp_socket_read(w.accepted, JP_STREAM_ANY, &received, -1), JP_RECEIVE_CLOSED);
    world_free(&w);
}

/* One stream that was held back alone is not lost either; nor is a socket that is freed unread. */
static void keeps_what_was_held_back(void **state)
{
    jp_received *received;
    struct world w;

    (void)state;
    for (int reads = 0; reads < 2; reads++) {
        connect_only(&w);
        accept_client(&w);
        write_all(w.client, 1);
        for (int i = 0; i < 2; i++)
            assert_int_equal(jp_socket_write(w.client, 1, message, SIZE / 2, SECOND), 0);
        assert_int_equal(jp_socket_finish(w.client, 10 * SECOND), 0);
        await_end(w.accepted);
        assert_in_range(held(w.accepted), JP_SOCKET_QUEUE, JP_SOCKET_QUEUE + SIZE);
        if (reads) {
            read_all(w.accepted, 1);
            for (int i = 0; i < 2; i++)
                expect_message(w.accepted, 1, message, SIZE / 2);
            assert_int_equal(jp_socket_read(w.accepted, 1, &received, -1), JP_RECEIVE_CLOSED);
        }
        world_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_nothing_before_accepting),
        cmocka_unit_test(bounds_all_streams_together),
        cmocka_unit_test(readers_get_what_they_wait_for),
        cmocka_unit_test(keeps_what_was_acknowledged),
        cmocka_unit_test(keeps_what_was_held_back),
    };

    for (size_t i = 0; i < SIZE; i++)
        message[i] = (uint8_t)(i * 2654435761u >> 11);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
