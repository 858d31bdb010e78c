/* Sessions over real sockets, client and server on one loop: connecting and being refused,
 * messages, datagrams, ends of streams and sessions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sessions.h"

/* A session of the standard settings; returns a stream of the client's. */
static jp_stream *begin(struct world *w)
{
    jp_stream *stream;

    world_init(w, "127.0.0.1:0", NULL);
    world_connect(w);
    assert_int_equal(jp_stream_open(&stream, w->client.session, JP_STREAM_ANY, NULL), 0);
    return stream;
}

/* ---- connecting ---- */

static void connects_to(const char *address)
{
    struct world w;
    jp_address at;
    jp_key key;

    world_init(&w, address, NULL);
    world_connect(&w);
    key = jp_identity_key(w.identity);
    assert_int_equal(w.client.opened, 1);
    run_until(&w, &w.server.opened, 1);
    assert_memory_equal(jp_session_key(w.client.session).bytes, key.bytes, JP_KEY_BYTES);
    assert_memory_equal(jp_session_key(w.server.session).bytes, key.bytes, JP_KEY_BYTES);
    at = jp_session_peer(w.client.session);
    assert_int_equal(jp_address_compare(&at, &w.address), 0);
    assert_true(jp_session_is_open(w.server.session));
    assert_ptr_equal(jp_session_listener(w.server.session), w.listener);
    assert_null(jp_session_listener(w.client.session));
    world_free(&w);
}

static void connects(void **state)
{
    (void)state;
    connects_to("127.0.0.1:0");
    connects_to("[::1]:0");
    connects_to("0.0.0.0:0");
    connects_to("[::]:0");
}

static void connects_by_name(void **state)
{
    struct world w;
    char server[64];

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    snprintf(server, sizeof(server), "localhost:%u", w.address.port);
    world_ask(&w, server, 10000000);
    run_until(&w, &w.client.opened, 1);
    world_free(&w);
}

/* Of a name's addresses one answers: that is enough, whichever comes first. */
static void tries_all_addresses(void **state)
{
    jp_address addresses[2];
    char server[64];
    struct world w;
    int n = jp_address_lookup("localhost", 0, JP_NO_FAMILY, addresses, 2);

    (void)state;
    if (n < 2)
        skip();
    for (int i = 0; i < n; i++) {
        char text[JP_ADDRESS_TEXT];

        jp_address_format(&addresses[i], text, sizeof(text));
        world_init(&w, text, NULL);
        snprintf(server, sizeof(server), "localhost:%u", w.address.port);
        world_ask(&w, server, 10000000);
        run_until(&w, &w.client.opened, 1);
        world_free(&w);
    }
}

/* Whoever has another key is not believed, and says why. */
static void refuses_wrong_key(void **state)
{
    struct world w;
    jp_identity *other;
    jp_key key;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    assert_int_equal(jp_identity_open(&other, NULL, 0), 0);
    key = jp_identity_key(other);
    world_trust(&w, &key);
    world_ask(&w, NULL, 10000000);
    run_until(&w, &w.client.failed, 1);
    assert_int_equal(w.client.error, JP_CONNECT_IDENTITY);
    assert_non_null(strstr(w.client.detail, "not the one expected"));
    assert_int_equal(w.client.opened, 0);
    assert_int_equal(w.server.opened, 0);
    jp_identity_free(other);
    world_free(&w);
}

static void gives_up_on_silence(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    assert_int_equal(jp_listener_free(w.listener), 0);
    w.listener = NULL;
    world_ask(&w, NULL, 400000);
    run_until(&w, &w.client.failed, 1);
    assert_int_equal(w.client.error, JP_CONNECT_TIMEOUT);
    world_ask(&w, NULL, 0);
    jp_session_close(w.client.session, 300, "changed my mind");
    run_until(&w, &w.client.failed, 2);
    assert_int_equal(w.client.error, JP_CONNECT_ABORTED);
    world_free(&w);
}

static void refuses_nonsense(void **state)
{
    struct world w;
    jp_settings settings = {.size = sizeof(settings), .max_packet = 100};
    jp_callbacks callbacks = {.size = sizeof(callbacks)};
    jp_context *context;
    jp_listener *listener;
    jp_session *s;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    assert_int_equal(jp_context_create(&context, &callbacks, &settings, 0), JP_INVALID);
    assert_non_null(strstr(jp_error_detail(), "max_packet is 100, want 1280 to 9000"));
    settings = (jp_settings){.size = sizeof(settings), .congestion = "hope"};
    assert_int_equal(jp_context_create(&context, &callbacks, &settings, 0), JP_INVALID);
    settings.congestion = "bbr";
    assert_int_equal(jp_context_create(&context, &callbacks, &settings, 0), 0);
    assert_int_equal(jp_connect(&s, w.loop, context, "127.0.0.1:9", NULL, 0), JP_INVALID);
    assert_int_equal(jp_listener_create(&listener, w.loop, context, &w.address, 1, 0), JP_INVALID);
    assert_int_equal(jp_context_free(context), 0);
    assert_int_equal(jp_connect(&s, w.loop, w.client.context, "[::1", NULL, 0), JP_ADDRESS_SYNTAX);
    assert_int_equal(jp_listener_create(&listener, w.loop, w.server.context, &w.address, 1, 0),
                     JP_BIND_IN_USE);
    assert_int_equal(jp_context_free(w.server.context), JP_BUSY);
    world_free(&w);
}

/* ---- messages ---- */

/* The server's callbacks send everything back as it came. */
static void echo(struct end *end, jp_stream *stream, const void *data, size_t size)
{
    (void)end;
    assert_int_equal(jp_stream_send(stream, data, size), 0);
}

static void sends_on_100_streams(void **state)
{
    jp_stream *streams[100];
    struct world w;
    uint8_t message[3000];

    (void)state;
    world_init(&w, "127.0.0.1:0", &(jp_settings){.streams = 200});
    w.server.on_message = echo;
    world_connect(&w);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(jp_stream_open(&streams[i], w.client.session, JP_STREAM_ANY, NULL), 0);
        fill(message, 100 + i * 29, i);
        for (int n = 0; n < 5; n++)
            assert_int_equal(jp_stream_send(streams[i], message, 100 + i * 29), 0);
    }
    run_until(&w, &w.client.messages, 500);
    assert_int_equal(w.server.messages, 500);
    assert_int_equal(w.server.streams_opened, 100);
    assert_int_equal(w.client.bytes, 5 * (100 * 100 + 29 * 4950));
    assert_int_equal(w.client.sum, w.server.sum);
    world_free(&w);
}

static void sends_16_mebibytes(void **state)
{
    struct world w;
    uint8_t *message = malloc(JP_MESSAGE_MAX);
    jp_stream *stream;

    (void)state;
    world_init(&w, "[::1]:0", &(jp_settings){.max_packet = 9000});
    w.server.on_message = echo;
    world_connect(&w);
    fill(message, JP_MESSAGE_MAX, 7);
    assert_int_equal(jp_stream_open(&stream, w.client.session, 5, NULL), 0);
    assert_int_equal(jp_stream_id(stream), 5);
    assert_int_equal(jp_stream_send(stream, message, (size_t)JP_MESSAGE_MAX + 1), JP_SEND_TOO_BIG);
    assert_int_equal(jp_stream_send(stream, message, JP_MESSAGE_MAX), 0);
    run_until(&w, &w.client.messages, 1);
    assert_int_equal(w.client.bytes, JP_MESSAGE_MAX);
    assert_int_equal(w.client.sum, sum_of(message, JP_MESSAGE_MAX));
    free(message);
    world_free(&w);
}

static void compresses(void **state)
{
    jp_stream_options options = {.compress = 1};
    struct world w;
    jp_stream *stream;
    char text[8000];

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    world_connect(&w);
    memset(text, 'x', sizeof(text));
    assert_int_equal(jp_stream_open(&stream, w.client.session, JP_STREAM_ANY, &options), 0);
    assert_int_equal(jp_stream_send(stream, text, sizeof(text)), 0);
    assert_int_equal(jp_stream_send(stream, text, 100), 0);
    run_until(&w, &w.server.messages, 2);
    assert_int_equal(w.server.compressed, 1);
    assert_int_equal(w.server.bytes, 8100);
    assert_int_equal(w.server.sum, 8100 * 'x');
    world_free(&w);
}

struct lent {
    unsigned released;
    enum jp_fate fate;
};

static void give_back(void *argument, enum jp_fate fate)
{
    struct lent *lent = argument;

    lent->released++;
    lent->fate = fate;
}

static void sends_by_reference(void **state)
{
    static const char text[] = "not copied";
    struct lent lent = {0, JP_GIVEN_UP}, lost = {0, JP_DELIVERED};
    struct world w;
    jp_stream *stream;

    (void)state;
    stream = begin(&w);
    assert_int_equal(jp_stream_send_reference(stream, text, sizeof(text), give_back, &lent), 0);
    assert_int_equal(jp_stream_pending(stream), sizeof(text));
    run_until(&w, &lent.released, 1);
    assert_int_equal(lent.fate, JP_DELIVERED);
    assert_int_equal(w.server.messages, 1);
    assert_int_equal(jp_stream_pending(stream), 0);
    assert_int_equal(jp_stream_send_reference(stream, text, sizeof(text), give_back, &lost), 0);
    assert_int_equal(jp_stream_reset(stream), 0);
    run_until(&w, &lost.released, 1);
    assert_int_equal(lost.fate, JP_GIVEN_UP);
    world_free(&w);
}

/* A reader that pauses stops the writer, who is told when there is room again. */
static void holds_back_writers(void **state)
{
    static uint8_t message[60000];
    struct world w;
    jp_stream *stream;
    unsigned sent = 0;
    int error;

    (void)state;
    world_init(&w, "127.0.0.1:0",
               &(jp_settings){
                   .stream_window = 100000, .stream_window_max = 100000, .send_buffer = 300000});
    w.server.pauses = true;
    world_connect(&w);
    jp_stream_open(&stream, w.client.session, JP_STREAM_ANY, NULL);
    while (!(error = jp_stream_send(stream, message, sizeof(message))))
        sent++;
    assert_int_equal(error, JP_SEND_WOULD_BLOCK);
    assert_int_equal(sent, 5);
    run_for(&w, 300000);
    assert_int_equal(w.server.messages, 0);
    assert_int_equal(w.client.writable, 0);
    assert_int_equal(jp_stream_resume(w.server.stream), 0);
    run_until(&w, &w.client.writable, 1);
    assert_int_equal(jp_stream_send(stream, message, sizeof(message)), 0);
    run_until(&w, &w.server.messages, 6);
    world_free(&w);
}

static void sends_datagrams(void **state)
{
    struct world w;
    uint8_t big[20000] = {0};
    size_t max;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    world_connect(&w);
    max = jp_session_datagram_max(w.client.session);
    assert_in_range(max, 1100, 9000);
    fill(big, max, 3);
    assert_int_equal(
        jp_session_send_datagram(w.client.session, big, sizeof(big), JP_PRIORITY_MEDIA),
        JP_SEND_TOO_BIG);
    assert_int_equal(jp_session_send_datagram(w.client.session, "", 0, 0), 0);
    assert_int_equal(jp_session_send_datagram(w.client.session, big, max, JP_PRIORITY_MEDIA), 0);
    run_until(&w, &w.server.datagrams, 2);
    assert_int_equal(w.server.bytes, max);
    assert_int_equal(w.server.sum, sum_of(big, max));
    world_free(&w);
}

/* Either side opens streams; each knows them by the same ids. */
static void opens_from_both_sides(void **state)
{
    struct world w;
    jp_stream *ours, *theirs, *third;

    (void)state;
    world_init(&w, "127.0.0.1:0", &(jp_settings){.streams = 4});
    world_connect(&w);
    run_until(&w, &w.server.opened, 1);
    assert_int_equal(jp_stream_open(&ours, w.client.session, JP_STREAM_ANY, NULL), 0);
    assert_int_equal(jp_stream_open(&theirs, w.server.session, JP_STREAM_ANY, NULL), 0);
    jp_stream_send(ours, "up", 2);
    jp_stream_send(theirs, "down", 4);
    run_until(&w, &w.server.messages, 1);
    run_until(&w, &w.client.messages, 1);
    assert_int_equal(jp_stream_id(w.server.stream), jp_stream_id(ours));
    assert_int_equal(jp_stream_id(w.client.stream), jp_stream_id(theirs));
    assert_ptr_equal(jp_stream_find(w.client.session, jp_stream_id(theirs)), w.client.stream);
    assert_int_equal(jp_stream_open(&third, w.client.session, (int)jp_stream_id(ours), NULL),
                     JP_INVALID);
    assert_int_equal(jp_stream_open(&third, w.client.session, 6, NULL), JP_INVALID);
    assert_int_equal(jp_stream_open(&third, w.client.session, 9, NULL), JP_SEND_STREAMS);
    assert_int_equal(jp_stream_open(&third, w.client.session, 5, NULL), 0);
    world_free(&w);
}

/* Each side may open as many as the settings say without asking which, at once. */
static void opens_as_many_as_allowed(void **state)
{
    enum { STREAMS = 100 };
    struct world w;
    jp_stream *stream;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    world_connect(&w);
    run_until(&w, &w.server.opened, 1);
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_int_equal(jp_stream_open(&stream, w.client.session, JP_STREAM_ANY, NULL), 0);
        assert_int_equal(jp_stream_send(stream, "up", 2), 0);
        /* the server has 0 for control */
        assert_int_equal(jp_stream_open(&stream, w.server.session, i ? JP_STREAM_ANY : 0, NULL), 0);
        assert_int_equal(jp_stream_send(stream, "down", 4), 0);
    }
    assert_int_equal(jp_stream_open(&stream, w.client.session, JP_STREAM_ANY, NULL),
                     JP_SEND_STREAMS);
    assert_int_equal(jp_stream_open(&stream, w.server.session, JP_STREAM_ANY, NULL),
                     JP_SEND_STREAMS);
    run_until(&w, &w.server.messages, STREAMS);
    run_until(&w, &w.client.messages, STREAMS);
    assert_int_equal(w.server.streams_opened, STREAMS);
    assert_int_equal(w.client.streams_opened, STREAMS);
    world_free(&w);
}

/* ---- ends ---- */

static void half_closes(void **state)
{
    struct world w;
    jp_stream *stream;

    (void)state;
    stream = begin(&w);
    jp_stream_send(stream, "question", 8);
    assert_int_equal(jp_stream_finish(stream), 0);
    assert_int_equal(jp_stream_send(stream, "more", 4), JP_SEND_CLOSED);
    run_until(&w, &w.server.finished, 1);
    assert_int_equal(w.server.messages, 1);
    assert_int_equal(w.client.closed_streams, 0);
    assert_int_equal(jp_stream_send(w.server.stream, "answer", 6), 0);
    assert_int_equal(jp_stream_finish(w.server.stream), 0);
    run_until(&w, &w.client.closed_streams, 1);
    run_until(&w, &w.server.closed_streams, 1);
    assert_int_equal(w.client.messages, 1);
    assert_int_equal(w.client.finished, 1);
    assert_null(jp_stream_find(w.client.session, 1));
    world_free(&w);
}

static void resets(void **state)
{
    struct world w;
    jp_stream *stream;

    (void)state;
    stream = begin(&w);
    jp_stream_send(stream, "hello", 5);
    run_until(&w, &w.server.messages, 1);
    assert_int_equal(jp_stream_reset(stream), 0);
    run_until(&w, &w.server.reset, 1);
    assert_int_equal(jp_stream_finish(w.server.stream), 0);
    run_until(&w, &w.client.closed_streams, 1);
    world_free(&w);
}

static void closes_with_reason(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    world_connect(&w);
    run_until(&w, &w.server.opened, 1);
    assert_int_equal(jp_session_close(w.client.session, 1234, "done here"), 0);
    assert_int_equal(jp_session_close(w.client.session, 1, "again"), 0);
    assert_int_equal(w.client.closed, 0); /* never from inside */
    run_until(&w, &w.server.closed, 1);
    run_until(&w, &w.client.closed, 1);
    assert_int_equal(w.server.code, 1234);
    assert_string_equal(w.server.reason, "done here");
    assert_int_equal(w.server.by, JP_CLOSED_BY_PEER);
    assert_int_equal(w.client.code, 1234);
    assert_int_equal(w.client.by, JP_CLOSED_HERE);
    world_free(&w);
}

static void finishes_what_was_sent(void **state)
{
    struct world w;
    jp_stream *stream;

    (void)state;
    stream = begin(&w);
    for (int i = 0; i < 500; i++)
        assert_int_equal(jp_stream_send(stream, "0123456789", 10), 0);
    assert_int_equal(jp_session_finish(w.client.session), 0);
    assert_int_equal(jp_stream_send(stream, "x", 1), JP_SEND_CLOSED);
    run_until(&w, &w.server.closed, 1);
    assert_int_equal(w.server.messages, 500);
    world_free(&w);
}

/* The server forgets everything, and comes back with its key on the same port: the client learns it
 * from the first packet, and connects anew. */
static void survives_restarts(void **state)
{
    struct world w;
    jp_stream *stream;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    world_connect(&w);
    run_until(&w, &w.server.opened, 1);
    world_restart(&w);
    jp_stream_open(&stream, w.client.session, JP_STREAM_ANY, NULL);
    jp_stream_send(stream, "still there?", 12);
    run_until(&w, &w.client.closed, 1);
    assert_int_equal(w.client.by, JP_CLOSED_RESET);
    world_ask(&w, NULL, 0);
    run_until(&w, &w.client.opened, 2);
    run_until(&w, &w.server.opened, 2);
    world_free(&w);
}

static void calls_timeouts(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    world_connect(&w);
    assert_int_equal(jp_session_set_timeout(w.client.session, 20000), 0);
    run_until(&w, &w.client.timeouts, 1);
    run_for(&w, 50000);
    assert_int_equal(w.client.timeouts, 1);
    world_free(&w);
}

/* A dead peer: its socket is there, but nobody reads it. */
static void notices_silence(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", &(jp_settings){.heartbeat = 100000});
    world_connect(&w);
    run_until(&w, &w.server.opened, 1);
    world_forget(&w);
    run_until(&w, &w.client.closed, 1);
    assert_int_equal(w.client.by, JP_CLOSED_SILENT);
    world_free(&w);
}

static void migrates(void **state)
{
    static uint8_t message[100000];
    struct world w;
    jp_stream *stream;
    jp_address before, after;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    w.server.on_message = echo;
    world_connect(&w);
    run_until(&w, &w.server.opened, 1);
    before = jp_session_peer(w.server.session);
    jp_stream_open(&stream, w.client.session, JP_STREAM_ANY, NULL);
    for (int i = 0; i < 20; i++) {
        fill(message, sizeof(message), (unsigned)i);
        assert_int_equal(jp_stream_send(stream, message, sizeof(message)), 0);
        if (i % 2)
            assert_int_equal(jp_session_migrate(w.client.session, NULL), 0);
        run_until(&w, &w.client.messages, (unsigned)i + 1);
    }
    after = jp_session_peer(w.server.session);
    assert_int_not_equal(before.port, after.port);
    assert_int_equal(w.client.sum, w.server.sum);
    world_free(&w);
}

/* Whoever was accepted stays, also on a wildcard address, when nobody else is any more. */
static void outlives_its_listener(void **state)
{
    struct world w;
    jp_address before, after;
    jp_stream *stream;

    (void)state;
    world_init(&w, "0.0.0.0:0", NULL);
    w.server.on_message = echo;
    world_connect(&w);
    run_until(&w, &w.server.opened, 1);
    before = jp_session_local(w.server.session);
    assert_false(jp_address_is_wildcard(&before));
    assert_int_equal(jp_listener_free(w.listener), 0);
    w.listener = NULL;
    assert_null(jp_session_listener(w.server.session));
    jp_stream_open(&stream, w.client.session, JP_STREAM_ANY, NULL);
    jp_stream_send(stream, "and now?", 8);
    run_until(&w, &w.client.messages, 1);
    after = jp_session_local(w.server.session);
    assert_int_equal(jp_address_compare(&before, &after), 0);
    assert_int_equal(w.server.paths[JP_PATH_CHANGED], 0);
    assert_int_equal(jp_session_set_heartbeat(w.client.session, 10), JP_INVALID);
    assert_int_equal(jp_session_set_heartbeat(w.client.session, 100000), 0);
    run_for(&w, 500000);
    assert_true(jp_session_is_open(w.client.session));
    world_free(&w);
}

/* One session over both families at once. */
static void uses_two_paths(void **state)
{
    static uint8_t message[1 << 20];
    jp_address both[2], v6;
    jp_figures figures;
    jp_stream *stream;
    struct world w;
    int path;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    jp_address_parse(&both[0], "127.0.0.1", 0);
    jp_address_parse(&both[1], "::1", 0);
    assert_int_equal(jp_listener_free(w.listener), 0);
    assert_int_equal(jp_listener_create(&w.listener, w.loop, w.server.context, both, 2, 0), 0);
    w.address = jp_listener_address(w.listener, 0);
    v6 = jp_listener_address(w.listener, 1);
    assert_int_equal(jp_listener_address(w.listener, 2).family, JP_NO_FAMILY);
    world_connect(&w);
    path = jp_session_add_path(w.client.session, NULL, &v6, JP_PATH_SHARE);
    assert_int_equal(path, 1);
    run_until(&w, &w.client.paths[JP_PATH_VALIDATED], 1);
    fill(message, sizeof(message), 5);
    jp_stream_open(&stream, w.client.session, JP_STREAM_ANY, NULL);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(jp_stream_send(stream, message, sizeof(message)), 0);
    run_until(&w, &w.server.messages, 4);
    assert_int_equal(w.server.sum, 4 * sum_of(message, sizeof(message)));
    assert_int_equal(jp_session_figures(w.client.session, &figures, sizeof(figures)), 0);
    assert_int_equal(figures.path[path].peer.family, JP_IPV6);
    assert_true(figures.path[0].sent > 50);
    assert_true(figures.path[path].sent > 50);
    assert_int_equal(jp_session_use_path(w.client.session, 1, JP_PATH_ABANDONED), 0);
    assert_int_equal(jp_session_use_path(w.server.session, 3, JP_PATH_SHARE), JP_INVALID);
    world_free(&w);
}

/* More than four are refused until one is given up. */
static void has_room_for_four_paths(void **state)
{
    struct world w;
    int error;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    world_connect(&w);
    for (int i = 1; i < 4; i++)
        assert_int_equal(jp_session_add_path(w.client.session, NULL, NULL, JP_PATH_STANDBY), i);
    run_until(&w, &w.client.paths[JP_PATH_VALIDATED], 3);
    error = jp_session_add_path(w.client.session, NULL, NULL, JP_PATH_STANDBY);
    assert_int_equal(error, JP_NO_DESCRIPTORS);
    assert_int_equal(jp_session_migrate(w.client.session, NULL), JP_NO_DESCRIPTORS);
    assert_int_equal(jp_session_use_path(w.client.session, 3, JP_PATH_ABANDONED), 0);
    run_for(&w, 500000);
    assert_int_equal(jp_session_migrate(w.client.session, NULL), 0);
    world_free(&w);
}

/* ---- keys ---- */

static void keeps_keys(void **state)
{
    char directory[] = "/tmp/jetplane-test-XXXXXX", path[64], known[64];
    jp_identity *a, *b;
    jp_key first, second;
    struct stat s;
    struct world w;
    jp_trust *trust;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/key", directory);
    snprintf(known, sizeof(known), "%s/known", directory);
    assert_int_equal(jp_identity_open(&a, path, 0), JP_IDENTITY_FILE);
    assert_int_equal(jp_identity_open(&a, path, 1), 0);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    assert_int_equal(jp_identity_open(&b, path, 0), 0);
    first = jp_identity_key(a);
    second = jp_identity_key(b);
    assert_memory_equal(first.bytes, second.bytes, JP_KEY_BYTES);
    jp_identity_free(a);
    jp_identity_free(b);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(jp_identity_open(&a, path, 1), JP_IDENTITY_FILE);
    assert_non_null(strstr(jp_error_detail(), "0644"));

    /* known_hosts: unknown, added, known, another key */
    world_init(&w, "127.0.0.1:0", NULL);
    assert_int_equal(jp_trust_file(&trust, known, 0), 0);
    world_believe(&w, trust);
    world_ask(&w, NULL, 3000000);
    run_until(&w, &w.client.failed, 1);
    assert_int_equal(jp_trust_file(&trust, known, 1), 0);
    world_believe(&w, trust);
    world_ask(&w, NULL, 0);
    run_until(&w, &w.client.opened, 1);
    assert_int_equal(jp_trust_file(&trust, known, 0), 0);
    world_believe(&w, trust);
    world_ask(&w, NULL, 0);
    run_until(&w, &w.client.opened, 2);
    world_change_key(&w);
    assert_int_equal(jp_trust_file(&trust, known, 1), 0);
    world_believe(&w, trust);
    world_ask(&w, NULL, 3000000);
    run_until(&w, &w.client.failed, 2);
    assert_int_equal(w.client.error, JP_CONNECT_IDENTITY);
    assert_non_null(strstr(w.client.detail, "another one is listed"));
    world_free(&w);
    unlink(path);
    unlink(known);
    rmdir(directory);
}

static void reads_keys(void **state)
{
    char text[JP_KEY_TEXT];
    jp_key key;

    (void)state;
    assert_int_equal(
        jp_key_parse(&key, " 8FA339de69e418271837a905a0e47ca931fab9bf455b231e6f10c5cd86b91eb5\n"),
        0);
    jp_key_format(&key, text);
    assert_string_equal(text, "8fa339de69e418271837a905a0e47ca931fab9bf455b231e6f10c5cd86b91eb5");
    assert_int_equal(jp_key_parse(&key, text + 2), JP_IDENTITY_SYNTAX);
    assert_int_equal(jp_key_parse(&key, ""), JP_IDENTITY_SYNTAX);
    assert_int_equal(
        jp_key_parse(&key, "8fa339de69e418271837a905a0e47ca931fab9bf455b231e6f10c5cd86b91eb5 x"),
        JP_IDENTITY_SYNTAX);
}

/* A session with nothing to do does nothing. */
static void rests(void **state)
{
    struct world w;
    jp_stream *stream;
    unsigned turns = 0;
    uint64_t until;

    (void)state;
    world_init(&w, "127.0.0.1:0", &(jp_settings){.heartbeat = UINT64_MAX});
    world_connect(&w);
    jp_stream_open(&stream, w.client.session, JP_STREAM_ANY, NULL);
    jp_stream_send(stream, "x", 1);
    run_for(&w, 500000);
    until = jp_loop_now(w.loop) + 1000000;
    while (jp_loop_now(w.loop) < until) {
        jp_loop_run_once(w.loop, (int64_t)(until - jp_loop_now(w.loop)));
        turns++;
    }
    assert_in_range(turns, 1, 10);
    world_free(&w);
}

/* A loop is not freed under its sessions. */
static void is_not_torn_down_early(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    world_connect(&w);
    run_until(&w, &w.server.opened, 1);
    assert_int_equal(jp_loop_free(w.loop), JP_BUSY);
    assert_non_null(strstr(jp_error_detail(), "still alive: 1 listener, 2 sessions"));
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_keys),
        cmocka_unit_test(connects),
        cmocka_unit_test(connects_by_name),
        cmocka_unit_test(tries_all_addresses),
        cmocka_unit_test(refuses_wrong_key),
        cmocka_unit_test(gives_up_on_silence),
        cmocka_unit_test(refuses_nonsense),
        cmocka_unit_test(sends_on_100_streams),
        cmocka_unit_test(sends_16_mebibytes),
        cmocka_unit_test(compresses),
        cmocka_unit_test(sends_by_reference),
        cmocka_unit_test(holds_back_writers),
        cmocka_unit_test(sends_datagrams),
        cmocka_unit_test(opens_from_both_sides),
        cmocka_unit_test(opens_as_many_as_allowed),
        cmocka_unit_test(half_closes),
        cmocka_unit_test(resets),
        cmocka_unit_test(closes_with_reason),
        cmocka_unit_test(finishes_what_was_sent),
        cmocka_unit_test(survives_restarts),
        cmocka_unit_test(calls_timeouts),
        cmocka_unit_test(notices_silence),
        cmocka_unit_test(migrates),
        cmocka_unit_test(outlives_its_listener),
        cmocka_unit_test(uses_two_paths),
        cmocka_unit_test(has_room_for_four_paths),
        cmocka_unit_test(keeps_keys),
        cmocka_unit_test(rests),
        cmocka_unit_test(is_not_torn_down_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
