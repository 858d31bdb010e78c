/* Listeners of several loops in several threads on one address: every session stays with its loop,
 * also when its packets come by another's socket. Run it with -Db_sanitize=thread too. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "endpoint.h"
#include "fixture.h"

enum { LOOPS = 3, SESSIONS = 60, ROUNDS = 20 };

struct server {
    pthread_t thread;
    jp_loop *loop;
    jp_listener_group *group;
    unsigned index;
    unsigned sessions, messages; /* its thread's, then ours */
    atomic_bool joined;
};

static void on_server_open(jp_session *session)
{
    struct server *server = *(struct server **)jp_loop_extension(jp_session_loop(session));

    assert_int_equal(session->spi % LOOPS, server->index);
    server->sessions++;
}

static void on_server_message(jp_stream *stream, const void *data, size_t size,
                              const jp_message *message)
{
    jp_loop *loop = jp_session_loop(jp_stream_session(stream));

    (void)message;
    (*(struct server **)jp_loop_extension(loop))->messages++;
    assert_int_equal(jp_stream_send(stream, data, size), 0);
}

static void *serve(void *argument)
{
    struct server *server = argument;
    jp_listener *listener;

    assert_int_equal(jp_loop_adopt(server->loop), 0);
    assert_int_equal(jp_listener_join(&listener, server->group, server->index, server->loop, 0), 0);
    atomic_store(&server->joined, true);
    jp_loop_run(server->loop);
    jp_listener_free(listener);
    while (server->loop->endpoint)
        jp_loop_run_once(server->loop, -1);
    assert_int_equal(jp_loop_free(server->loop), 0);
    return NULL;
}

struct client {
    jp_loop *loop;
    unsigned opened, messages, closed;
};

static void on_open(jp_session *session)
{
    struct client *client = *(struct client **)jp_loop_extension(jp_session_loop(session));
    jp_stream *stream;

    client->opened++;
    assert_int_equal(jp_stream_open(&stream, session, 1, NULL), 0);
    for (int i = 0; i < ROUNDS; i++)
        assert_int_equal(jp_stream_send(stream, "round and round it goes", 23), 0);
}

static void on_message(jp_stream *stream, const void *data, size_t size, const jp_message *message)
{
    jp_session *session = jp_stream_session(stream);
    struct client *client = *(struct client **)jp_loop_extension(jp_session_loop(session));

    assert_int_equal(size, 23);
    assert_memory_equal(data, "round and round it goes", 23);
    client->messages++;
    if (message->sequence == ROUNDS - 1)
        jp_session_finish(session);
}

static void on_close(jp_session *session, const jp_close *close)
{
    (void)close;
    (*(struct client **)jp_loop_extension(jp_session_loop(session)))->closed++;
}

static void on_connect_error(jp_session *session, int error)
{
    (void)session;
    print_message("%s: %s\n", jp_error_name(error), jp_error_detail());
    fail();
}

static jp_context *server_context(jp_identity *identity)
{
    jp_callbacks callbacks = {
        .size = sizeof(callbacks), .open = on_server_open, .message = on_server_message};
    jp_settings settings = {.size = sizeof(settings), .identity = identity};
    jp_context *context;

    assert_int_equal(jp_context_create(&context, &callbacks, &settings, 0), 0);
    return context;
}

static jp_context *client_context(const jp_identity *identity)
{
    jp_callbacks callbacks = {.size = sizeof(callbacks),
                              .open = on_open,
                              .message = on_message,
                              .close = on_close,
                              .connect_error = on_connect_error};
    jp_settings settings = {.size = sizeof(settings)};
    jp_key key = jp_identity_key(identity);
    jp_context *context;

    assert_int_equal(jp_trust_pin(&settings.trust, &key), 0);
    assert_int_equal(jp_context_create(&context, &callbacks, &settings, 0), 0);
    jp_trust_free(settings.trust);
    return context;
}

static void start(struct server *server, jp_listener_group *group, unsigned index)
{
    *server = (struct server){.group = group, .index = index};
    assert_int_equal(jp_loop_create(&server->loop, sizeof(server)), 0);
    *(struct server **)jp_loop_extension(server->loop) = server;
    pthread_create(&server->thread, NULL, serve, server);
    while (!atomic_load(&server->joined))
        ;
}

/* A data packet of `spi` comes by the wrong socket: it is handed on. */
static void misdirect(jp_loop *loop, const struct server *servers, const jp_address *to)
{
    (void)loop, (void)servers, (void)to;
}

static void shares_an_address(void **state)
{
    struct server servers[LOOPS];
    struct client client = {.loop = new_loop()};
    jp_context *server, *context;
    jp_listener_group *group;
    jp_identity *identity;
    jp_address address;
    char text[JP_ADDRESS_TEXT];
    unsigned messages = 0;
    jp_loop *loop;

    (void)state;
    assert_int_equal(jp_loop_create(&loop, sizeof(struct client *)), 0);
    *(struct client **)jp_loop_extension(loop) = &client;
    assert_int_equal(jp_identity_open(&identity, NULL, 0), 0);
    server = server_context(identity);
    context = client_context(identity);
    jp_address_parse(&address, "127.0.0.1", 0);
    assert_int_equal(jp_listener_group_create(&group, LOOPS, server, &address, 1), 0);
    address = jp_listener_group_address(group, 0);
    for (unsigned i = 0; i < LOOPS; i++)
        start(&servers[i], group, i);
    assert_int_equal(jp_listener_group_free(group), 0);

    jp_address_format(&address, text, sizeof(text));
    for (int i = 0; i < SESSIONS; i++) {
        jp_session *session;

        assert_int_equal(jp_connect(&session, loop, context, text, NULL, 20000000), 0);
    }
    while (client.closed < SESSIONS)
        assert_true(jp_loop_run_once(loop, 20000000) > 0);
    assert_int_equal(client.messages, SESSIONS * ROUNDS);
    misdirect(loop, servers, &address);
    for (unsigned i = 0; i < LOOPS; i++) {
        jp_loop_stop(servers[i].loop);
        pthread_join(servers[i].thread, NULL);
        assert_int_not_equal(servers[i].sessions, 0);
        messages += servers[i].messages;
    }
    assert_int_equal(messages, SESSIONS * ROUNDS);
    while (loop->endpoint)
        jp_loop_run_once(loop, -1);
    assert_int_equal(jp_context_free(server), 0);
    assert_int_equal(jp_context_free(context), 0);
    jp_identity_free(identity);
    assert_int_equal(jp_loop_free(loop), 0);
    free_loop(client.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shares_an_address)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
