/* Every function of the library, called with nothing where an object or a buffer belongs, and on
 * objects that are over: an answer that says so, and no crash. The list is compared with what the
 * library exports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sessions.h"

static int zeros(const void *data, size_t size)
{
    const uint8_t *bytes = data;

    while (size && !bytes[size - 1])
        size--;
    return size == 0;
}

static int no_address(jp_address address)
{
    return zeros(&address, sizeof(address));
}

static int no_key(jp_key key)
{
    return zeros(&key, sizeof(key));
}

static int nothing_closed(jp_close close)
{
    return close.code == 0 && close.by == 0 && !strcmp(close.reason, "");
}

/* Functions without an answer: it is enough to come back. */
#define RETURNS(call) ((void)(call), 1)
#define REFUSED(call) ((call) == JP_INVALID)

static jp_address one_address(void)
{
    jp_address address = {.family = JP_IPV4, .bytes = {198, 18, 0, 1}, .port = 1};

    return address;
}

/* X(function, what must be true of it) */
#define CALLS(X)                                                                                   \
    X(jp_address_compare, jp_address_compare(NULL, NULL) == 0)                                     \
    X(jp_address_format, REFUSED(jp_address_format(NULL, NULL, 0)))                                \
    X(jp_address_is_link_local, !jp_address_is_link_local(NULL))                                   \
    X(jp_address_is_loopback, !jp_address_is_loopback(NULL))                                       \
    X(jp_address_is_v4_mapped, !jp_address_is_v4_mapped(NULL))                                     \
    X(jp_address_is_wildcard, !jp_address_is_wildcard(NULL))                                       \
    X(jp_address_lookup, REFUSED(jp_address_lookup(NULL, 0, JP_NO_FAMILY, NULL, 0)))               \
    X(jp_address_map, no_address(jp_address_map((jp_address){0})))                                 \
    X(jp_address_parse, REFUSED(jp_address_parse(NULL, NULL, 0)))                                  \
    X(jp_address_unmap, no_address(jp_address_unmap((jp_address){0})))                             \
    X(jp_connect, REFUSED(jp_connect(NULL, NULL, NULL, NULL, NULL, 0)))                            \
    X(jp_connect_resume, REFUSED(jp_connect_resume(NULL, NULL, NULL, NULL, NULL, 0, NULL, 0)))     \
    X(jp_context_create, REFUSED(jp_context_create(NULL, NULL, NULL, 0)))                          \
    X(jp_context_extension, !jp_context_extension(NULL))                                           \
    X(jp_context_free, jp_context_free(NULL) == 0)                                                 \
    X(jp_defer, REFUSED(jp_defer(NULL, NULL, NULL, NULL)))                                         \
    X(jp_error_detail, jp_error_detail() != NULL)                                                  \
    X(jp_error_name, !strcmp(jp_error_name(12345), "unknown"))                                     \
    X(jp_error_operation, !strcmp(jp_error_operation(12345), ""))                                  \
    X(jp_error_text, !strcmp(jp_error_text(12345), "unknown error"))                               \
    X(jp_finish, jp_finish() == JP_NOT_INITIALISED)                                                \
    X(jp_identity_free, RETURNS(jp_identity_free(NULL)))                                           \
    X(jp_identity_key, no_key(jp_identity_key(NULL)))                                              \
    X(jp_identity_open, REFUSED(jp_identity_open(NULL, NULL, 0)))                                  \
    X(jp_init, jp_init() == 0 && jp_finish() == 0)                                                 \
    X(jp_key_format, RETURNS(jp_key_format(NULL, NULL)))                                           \
    X(jp_key_parse, REFUSED(jp_key_parse(NULL, NULL)))                                             \
    X(jp_listener_address, no_address(jp_listener_address(NULL, 0)))                               \
    X(jp_listener_context, !jp_listener_context(NULL))                                             \
    X(jp_listener_create, REFUSED(jp_listener_create(NULL, NULL, NULL, NULL, 0, 0)))               \
    X(jp_listener_extension, !jp_listener_extension(NULL))                                         \
    X(jp_listener_free, jp_listener_free(NULL) == 0)                                               \
    X(jp_listener_group_address, no_address(jp_listener_group_address(NULL, 0)))                   \
    X(jp_listener_group_create, REFUSED(jp_listener_group_create(NULL, 0, NULL, NULL, 0)))         \
    X(jp_listener_group_free, jp_listener_group_free(NULL) == 0)                                   \
    X(jp_listener_join, REFUSED(jp_listener_join(NULL, NULL, 0, NULL, 0)))                         \
    X(jp_listener_loop, !jp_listener_loop(NULL))                                                   \
    X(jp_loop_adopt, REFUSED(jp_loop_adopt(NULL)))                                                 \
    X(jp_loop_create, REFUSED(jp_loop_create(NULL, 0)))                                            \
    X(jp_loop_extension, !jp_loop_extension(NULL))                                                 \
    X(jp_loop_fd, jp_loop_fd(NULL) < 0)                                                            \
    X(jp_loop_free, jp_loop_free(NULL) == 0)                                                       \
    X(jp_loop_is_mine, !jp_loop_is_mine(NULL))                                                     \
    X(jp_loop_now, jp_loop_now(NULL) == 0)                                                         \
    X(jp_loop_refresh, REFUSED(jp_loop_refresh(NULL)))                                             \
    X(jp_loop_run, REFUSED(jp_loop_run(NULL)))                                                     \
    X(jp_loop_run_once, REFUSED(jp_loop_run_once(NULL, 0)))                                        \
    X(jp_loop_set_hooks, REFUSED(jp_loop_set_hooks(NULL, NULL, NULL)))                             \
    X(jp_loop_stop, RETURNS(jp_loop_stop(NULL)))                                                   \
    X(jp_received_free, RETURNS(jp_received_free(NULL)))                                           \
    X(jp_resolve_cancel, jp_resolve_cancel(NULL) == 0)                                             \
    X(jp_resolve_extension, !jp_resolve_extension(NULL))                                           \
    X(jp_resolve_loop, !jp_resolve_loop(NULL))                                                     \
    X(jp_resolve_start, REFUSED(jp_resolve_start(NULL, NULL, NULL, 0, JP_NO_FAMILY, NULL, 0)))     \
    X(jp_run_on, REFUSED(jp_run_on(NULL, NULL, NULL, NULL)))                                       \
    X(jp_server_accept, REFUSED(jp_server_accept(NULL, NULL, 0)))                                  \
    X(jp_server_address, no_address(jp_server_address(NULL, 0)))                                   \
    X(jp_server_close, REFUSED(jp_server_close(NULL)))                                             \
    X(jp_server_create, REFUSED(jp_server_create(NULL, NULL)))                                     \
    X(jp_server_fd, jp_server_fd(NULL) < 0)                                                        \
    X(jp_server_free, RETURNS(jp_server_free(NULL)))                                               \
    X(jp_server_listen, REFUSED(jp_server_listen(NULL, NULL, 0)))                                  \
    X(jp_session_add_path, REFUSED(jp_session_add_path(NULL, NULL, NULL, JP_PATH_STANDBY)))        \
    X(jp_session_close, REFUSED(jp_session_close(NULL, 0, NULL)))                                  \
    X(jp_session_context, !jp_session_context(NULL))                                               \
    X(jp_session_datagram_max, jp_session_datagram_max(NULL) == 0)                                 \
    X(jp_session_extension, !jp_session_extension(NULL))                                           \
    X(jp_session_figures, REFUSED(jp_session_figures(NULL, NULL, 0)))                              \
    X(jp_session_finish, REFUSED(jp_session_finish(NULL)))                                         \
    X(jp_session_is_open, !jp_session_is_open(NULL))                                               \
    X(jp_session_is_resumed, !jp_session_is_resumed(NULL))                                         \
    X(jp_session_key, no_key(jp_session_key(NULL)))                                                \
    X(jp_session_listener, !jp_session_listener(NULL))                                             \
    X(jp_session_local, no_address(jp_session_local(NULL)))                                        \
    X(jp_session_loop, !jp_session_loop(NULL))                                                     \
    X(jp_session_migrate, REFUSED(jp_session_migrate(NULL, NULL)))                                 \
    X(jp_session_peer, no_address(jp_session_peer(NULL)))                                          \
    X(jp_session_send_datagram,                                                                    \
      REFUSED(jp_session_send_datagram(NULL, NULL, 0, JP_PRIORITY_CHAT)))                          \
    X(jp_session_set_heartbeat, REFUSED(jp_session_set_heartbeat(NULL, 0)))                        \
    X(jp_session_set_timeout, REFUSED(jp_session_set_timeout(NULL, 0)))                            \
    X(jp_session_use_path, REFUSED(jp_session_use_path(NULL, 0, JP_PATH_STANDBY)))                 \
    X(jp_socket_bind, REFUSED(jp_socket_bind(NULL, NULL, 0)))                                      \
    X(jp_socket_close, REFUSED(jp_socket_close(NULL, 0, NULL)))                                    \
    X(jp_socket_closed, nothing_closed(jp_socket_closed(NULL)))                                    \
    X(jp_socket_configure, REFUSED(jp_socket_configure(NULL, 0, NULL)))                            \
    X(jp_socket_connect, REFUSED(jp_socket_connect(NULL, NULL, 0)))                                \
    X(jp_socket_create, REFUSED(jp_socket_create(NULL, NULL)))                                     \
    X(jp_socket_fd, jp_socket_fd(NULL) < 0)                                                        \
    X(jp_socket_figures, REFUSED(jp_socket_figures(NULL, NULL, 0)))                                \
    X(jp_socket_finish, REFUSED(jp_socket_finish(NULL, 0)))                                        \
    X(jp_socket_finish_stream, REFUSED(jp_socket_finish_stream(NULL, 0)))                          \
    X(jp_socket_free, RETURNS(jp_socket_free(NULL)))                                               \
    X(jp_socket_is_resumed, !jp_socket_is_resumed(NULL))                                           \
    X(jp_socket_key, no_key(jp_socket_key(NULL)))                                                  \
    X(jp_socket_open, REFUSED(jp_socket_open(NULL, 0, NULL)))                                      \
    X(jp_socket_peer, no_address(jp_socket_peer(NULL)))                                            \
    X(jp_socket_read, REFUSED(jp_socket_read(NULL, 0, NULL, 0)))                                   \
    X(jp_socket_reset_stream, REFUSED(jp_socket_reset_stream(NULL, 0)))                            \
    X(jp_socket_resume, REFUSED(jp_socket_resume(NULL, NULL, NULL, 0, NULL, 0, 0)))                \
    X(jp_socket_resumption, REFUSED(jp_socket_resumption(NULL, NULL, 0, 0)))                       \
    X(jp_socket_write, REFUSED(jp_socket_write(NULL, 0, NULL, 0, 0)))                              \
    X(jp_stream_configure, REFUSED(jp_stream_configure(NULL, NULL)))                               \
    X(jp_stream_extension, !jp_stream_extension(NULL))                                             \
    X(jp_stream_find, !jp_stream_find(NULL, 0))                                                    \
    X(jp_stream_finish, REFUSED(jp_stream_finish(NULL)))                                           \
    X(jp_stream_id, jp_stream_id(NULL) == 0)                                                       \
    X(jp_stream_open, REFUSED(jp_stream_open(NULL, NULL, 0, NULL)))                                \
    X(jp_stream_pause, REFUSED(jp_stream_pause(NULL)))                                             \
    X(jp_stream_pending, jp_stream_pending(NULL) == 0)                                             \
    X(jp_stream_reset, REFUSED(jp_stream_reset(NULL)))                                             \
    X(jp_stream_resume, REFUSED(jp_stream_resume(NULL)))                                           \
    X(jp_stream_send, REFUSED(jp_stream_send(NULL, NULL, 0)))                                      \
    X(jp_stream_send_reference, REFUSED(jp_stream_send_reference(NULL, NULL, 0, NULL, NULL)))      \
    X(jp_stream_session, !jp_stream_session(NULL))                                                 \
    X(jp_timer_create, REFUSED(jp_timer_create(NULL, NULL, NULL, 0)))                              \
    X(jp_timer_extension, !jp_timer_extension(NULL))                                               \
    X(jp_timer_free, jp_timer_free(NULL) == 0)                                                     \
    X(jp_timer_is_running, REFUSED(jp_timer_is_running(NULL)))                                     \
    X(jp_timer_loop, !jp_timer_loop(NULL))                                                         \
    X(jp_timer_start, REFUSED(jp_timer_start(NULL, 0, 0)))                                         \
    X(jp_timer_start_at, REFUSED(jp_timer_start_at(NULL, 0, 0)))                                   \
    X(jp_timer_stop, REFUSED(jp_timer_stop(NULL)))                                                 \
    X(jp_trust_callback, REFUSED(jp_trust_callback(NULL, NULL, NULL)))                             \
    X(jp_trust_file, REFUSED(jp_trust_file(NULL, NULL, 0)))                                        \
    X(jp_trust_free, RETURNS(jp_trust_free(NULL)))                                                 \
    X(jp_trust_pin, REFUSED(jp_trust_pin(NULL, NULL)))                                             \
    X(jp_version, *jp_version() != '\0')                                                           \
    X(jp_watch_create, REFUSED(jp_watch_create(NULL, NULL, -1, 0, NULL, 0)))                       \
    X(jp_watch_extension, !jp_watch_extension(NULL))                                               \
    X(jp_watch_fd, jp_watch_fd(NULL) < 0)                                                          \
    X(jp_watch_free, jp_watch_free(NULL) == 0)                                                     \
    X(jp_watch_loop, !jp_watch_loop(NULL))                                                         \
    X(jp_watch_set, REFUSED(jp_watch_set(NULL, 0)))

static void nothing_is_refused(void **state)
{
    (void)state;
#define X(function, holds)                                                                         \
    if (!(holds))                                                                                  \
        fail_msg("%s(NULL)", #function);
    CALLS(X)
#undef X
}

static int is_listed(const char *name)
{
#define X(function, holds)                                                                         \
    if (!strcmp(name, #function))                                                                  \
        return 1;
    CALLS(X)
#undef X
    return 0;
}

static void list_is_whole(void **state)
{
    FILE *map = fopen(MAP, "r");
    char line[256], name[128];
    unsigned n = 0;

    (void)state;
    assert_non_null(map);
    while (fgets(line, sizeof(line), map)) {
        if (sscanf(line, " %100[a-z0-9_];", name) != 1 || strncmp(name, "jp_", 3) != 0)
            continue;
        if (!is_listed(name))
            fail_msg("%s is in the map, and not in this test", name);
        n++;
    }
    fclose(map);
    assert_true(n > 100);
}

/* The first object is there, something else is not. */
static void half_is_refused(void **state)
{
    jp_address address = one_address();
    jp_session *session;
    jp_listener *listener;
    struct world w;
    char text[8];

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    world_connect(&w);
    assert_int_equal(jp_connect(&session, w.loop, w.client.context, NULL, NULL, 0), JP_INVALID);
    assert_int_equal(jp_connect(&session, w.loop, NULL, "127.0.0.1", NULL, 0), JP_INVALID);
    assert_int_equal(jp_listener_create(&listener, w.loop, NULL, &address, 1, 0), JP_INVALID);
    assert_int_equal(jp_listener_create(&listener, w.loop, w.client.context, &address, 1, 0),
                     JP_INVALID);
    assert_int_equal(jp_session_figures(w.client.session, NULL, 0), JP_INVALID);
    assert_int_equal(jp_session_send_datagram(w.client.session, NULL, 1, JP_PRIORITY_CHAT),
                     JP_INVALID);
    assert_int_equal(jp_stream_open(NULL, w.client.session, 1, NULL), JP_INVALID);
    assert_int_equal(jp_stream_open(&w.client.stream, w.client.session, 1, NULL), 0);
    assert_int_equal(jp_stream_configure(w.client.stream, NULL), JP_INVALID);
    assert_int_equal(jp_stream_send(w.client.stream, NULL, 1), JP_INVALID);
    assert_int_equal(jp_stream_send_reference(w.client.stream, "x", 1, NULL, NULL), JP_INVALID);
    assert_int_equal(jp_address_format(&address, NULL, 100), JP_INVALID);
    assert_int_equal(jp_address_format(&address, text, 0), JP_INVALID);
    assert_int_equal(jp_address_compare(&address, NULL), 1);
    assert_int_equal(jp_address_compare(NULL, &address), -1);
    world_free(&w);
}

/* ---- sessions that are over ---- */

static unsigned ends;

/* A close callback: what may still be asked, and what may be no more. */
static void use_closed(jp_session *session, jp_stream *stream)
{
    jp_stream *another;
    jp_figures figures;

    assert_int_equal(jp_session_is_open(session), 0);
    assert_int_equal(jp_stream_open(&another, session, JP_STREAM_ANY, NULL), JP_SEND_CLOSED);
    assert_int_equal(jp_stream_send(stream, "x", 1), JP_SEND_CLOSED);
    assert_int_equal(jp_stream_configure(stream, &(jp_stream_options){0}), JP_SEND_CLOSED);
    assert_int_equal(jp_stream_finish(stream), 0);
    assert_int_equal(jp_stream_reset(stream), 0);
    assert_int_equal(jp_stream_pause(stream), 0);
    assert_int_equal(jp_stream_resume(stream), 0);
    assert_ptr_equal(jp_stream_find(session, jp_stream_id(stream)), stream);
    assert_int_equal(jp_session_send_datagram(session, "x", 1, JP_PRIORITY_CHAT), JP_SEND_CLOSED);
    assert_int_equal(jp_session_datagram_max(session), 0);
    assert_int_equal(jp_session_migrate(session, NULL), JP_INVALID);
    assert_int_equal(jp_session_add_path(session, NULL, NULL, JP_PATH_STANDBY), JP_INVALID);
    assert_int_equal(jp_session_use_path(session, 0, JP_PATH_STANDBY), JP_INVALID);
    assert_int_equal(jp_session_set_heartbeat(session, 1000000), JP_INVALID);
    assert_int_equal(jp_session_set_timeout(session, 1), 0);
    assert_int_equal(jp_session_finish(session), 0);
    assert_int_equal(jp_session_close(session, 1, "again"), 0);
    assert_int_equal(jp_session_figures(session, &figures, sizeof(figures)), 0);
    assert_int_equal(jp_session_peer(session).family, JP_IPV4);
    assert_non_null(jp_session_extension(session));
    ends++;
}

static void closing(jp_session *session, const jp_close *close)
{
    struct world *w = *(struct world **)jp_context_extension(jp_session_context(session));

    assert_int_equal(close->code, 7);
    use_closed(session, w->client.stream);
    w->client.session = NULL;
}

static void opening(jp_session *session)
{
    struct world *w = *(struct world **)jp_context_extension(jp_session_context(session));

    assert_int_equal(jp_stream_open(&w->client.stream, session, JP_STREAM_ANY, NULL), 0);
    assert_int_equal(jp_stream_send(w->client.stream, "hello", 5), 0);
    assert_int_equal(jp_session_close(session, 7, NULL), 0);
    assert_int_equal(jp_stream_send(w->client.stream, "x", 1), JP_SEND_CLOSED);
}

static void sessions_that_are_over(void **state)
{
    static const jp_callbacks callbacks = {
        .size = sizeof(callbacks), .open = opening, .close = closing};
    char text[JP_ADDRESS_TEXT];
    jp_settings settings;
    jp_context *context;
    jp_trust *trust;
    struct world w;
    jp_key key;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    key = jp_identity_key(w.identity);
    assert_int_equal(jp_trust_pin(&trust, &key), 0);
    settings = (jp_settings){.size = sizeof(settings), .trust = trust};
    assert_int_equal(jp_context_create(&context, &callbacks, &settings, sizeof(&w)), 0);
    *(struct world **)jp_context_extension(context) = &w;
    jp_trust_free(trust);
    jp_address_format(&w.address, text, sizeof(text));
    ends = 0;
    assert_int_equal(jp_connect(&w.client.session, w.loop, context, text, NULL, 0), 0);
    run_until(&w, &ends, 1);
    while (jp_context_free(context))
        jp_loop_run_once(w.loop, 1000000);
    world_free(&w);
}

/* ---- blocking sockets that are closed, or were never connected ---- */

static void use_closed_socket(jp_socket *s)
{
    uint8_t bytes[JP_RESUMPTION_MAX];
    jp_address address = one_address();
    jp_received *received;
    jp_figures figures;

    assert_int_equal(jp_socket_close(s, 1, "again"), 0);
    assert_int_equal(jp_socket_bind(s, &address, 1), JP_INVALID);
    assert_int_equal(jp_socket_connect(s, "127.0.0.1", 1), JP_CONNECT_ABORTED);
    assert_int_equal(jp_socket_resume(s, "127.0.0.1", "x", 1, NULL, 0, 1), JP_CONNECT_ABORTED);
    assert_int_equal(jp_socket_open(s, JP_STREAM_ANY, NULL), JP_SEND_CLOSED);
    assert_int_equal(jp_socket_write(s, 1, "x", 1, -1), JP_SEND_CLOSED);
    assert_int_equal(jp_socket_configure(s, 1, &(jp_stream_options){0}), JP_SEND_CLOSED);
    assert_int_equal(jp_socket_finish_stream(s, 1), JP_SEND_CLOSED);
    assert_int_equal(jp_socket_reset_stream(s, 1), JP_SEND_CLOSED);
    assert_int_equal(jp_socket_read(s, JP_STREAM_ANY, &received, -1), JP_RECEIVE_CLOSED);
    assert_int_equal(jp_socket_resumption(s, bytes, sizeof(bytes), -1), JP_RECEIVE_CLOSED);
    assert_int_equal(jp_socket_figures(s, &figures, sizeof(figures)), JP_INVALID);
    assert_int_equal(jp_socket_finish(s, -1), 0);
    assert_int_equal(jp_socket_closed(s).by, JP_CLOSED_HERE);
    jp_socket_free(s);
}

static void sockets_that_are_closed(void **state)
{
    jp_settings settings = {.size = sizeof(settings)};
    jp_address address = one_address();
    jp_socket *s, *accepted;
    jp_server *server;
    jp_trust *trust;

    (void)state;
    assert_int_equal(jp_init(), 0);
    assert_int_equal(jp_trust_pin(&trust, &(jp_key){0}), 0);
    settings.trust = trust;
    assert_int_equal(jp_socket_create(&s, &settings), 0);
    assert_int_equal(jp_socket_connect(s, NULL, 0), JP_INVALID);
    assert_int_equal(jp_socket_resume(s, "127.0.0.1", NULL, 0, NULL, 0, 0), JP_INVALID);
    assert_int_equal(jp_socket_resume(s, "127.0.0.1", "bad", 3, NULL, 0, 0), JP_INVALID);
    assert_int_equal(jp_socket_open(s, 1, NULL), JP_SEND_CLOSED);
    assert_int_equal(jp_socket_close(s, 0, NULL), 0);
    use_closed_socket(s);
    jp_trust_free(trust);

    settings.trust = NULL;
    assert_int_equal(jp_identity_open(&settings.identity, NULL, 0), 0);
    assert_int_equal(jp_server_create(&server, &settings), 0);
    assert_int_equal(jp_server_listen(server, NULL, 1), JP_INVALID);
    assert_int_equal(jp_server_accept(server, &accepted, -1), JP_ACCEPT_FAILED);
    assert_int_equal(jp_server_close(server), 0);
    assert_int_equal(jp_server_close(server), 0);
    assert_int_equal(jp_server_listen(server, &address, 1), JP_INVALID);
    assert_int_equal(jp_server_accept(server, &accepted, -1), JP_ACCEPT_FAILED);
    assert_int_equal(jp_server_address(server, 0).family, JP_NO_FAMILY);
    jp_server_free(server);
    jp_identity_free(settings.identity);
    assert_int_equal(jp_finish(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_refused),      cmocka_unit_test(list_is_whole),
        cmocka_unit_test(half_is_refused),         cmocka_unit_test(sessions_that_are_over),
        cmocka_unit_test(sockets_that_are_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
