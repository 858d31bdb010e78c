/* A server and a client on one loop, and what happened to them. */
#ifndef TESTS_CLIENT_SESSIONS_H
#define TESTS_CLIENT_SESSIONS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "fixture.h"

struct world;
struct end {
    struct world *world;
    jp_context *context;
    jp_session *session; /* the newest */
    jp_stream *stream;   /* the newest that the peer opened */
    unsigned opened, failed, closed, timeouts, messages, compressed, datagrams, streams_opened,
        finished, reset, closed_streams, writable, paths[3];
    uint64_t bytes, sum; /* of messages and datagrams */
    unsigned resumptions;
    uint8_t resumption[JP_RESUMPTION_MAX]; /* the newest */
    size_t resumption_size;
    int error;
    char detail[256], reason[256];
    uint64_t code;
    uint8_t by;
    bool pauses; /* streams that the peer opens, at once */
    void (*on_message)(struct end *end, jp_stream *stream, const void *data, size_t size);
};

struct world {
    jp_loop *loop;
    jp_identity *identity;
    jp_listener *listener;
    jp_address address; /* of the listener, to connect to */
    jp_settings settings;
    struct end server, client;
};

static inline void fill(uint8_t *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)((i + seed) * 2654435761u >> 13);
}

static inline uint64_t sum_of(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    return sum;
}

static inline struct end *end_of(jp_session *session)
{
    return *(struct end **)jp_context_extension(jp_session_context(session));
}

static inline void on_open(jp_session *session)
{
    end_of(session)->opened++;
    end_of(session)->session = session;
}

static inline void on_connect_error(jp_session *session, int error)
{
    struct end *end = end_of(session);

    end->failed++;
    end->error = error;
    snprintf(end->detail, sizeof(end->detail), "%s", jp_error_detail());
    if (end->session == session)
        end->session = NULL;
}

static inline void on_close(jp_session *session, const jp_close *close)
{
    struct end *end = end_of(session);

    end->closed++;
    end->code = close->code;
    end->by = close->by;
    snprintf(end->reason, sizeof(end->reason), "%s", close->reason);
    if (end->session == session)
        end->session = NULL;
}

static inline void on_timeout(jp_session *session)
{
    end_of(session)->timeouts++;
}

static inline void on_stream_open(jp_stream *stream)
{
    struct end *end = end_of(jp_stream_session(stream));

    end->streams_opened++;
    end->stream = stream;
    if (end->pauses)
        assert_int_equal(jp_stream_pause(stream), 0);
}

static inline void on_message(jp_stream *stream, const void *data, size_t size,
                              const jp_message *message)
{
    struct end *end = end_of(jp_stream_session(stream));

    end->messages++;
    end->compressed += message->compressed;
    end->bytes += size;
    end->sum += sum_of(data, size);
    if (end->on_message)
        end->on_message(end, stream, data, size);
}

static inline void on_writable(jp_stream *stream)
{
    end_of(jp_stream_session(stream))->writable++;
}

static inline void on_stream_close(jp_stream *stream, enum jp_stream_end how)
{
    struct end *end = end_of(jp_stream_session(stream));

    end->finished += how == JP_STREAM_FINISHED;
    end->reset += how == JP_STREAM_RESET;
    end->closed_streams += how == JP_STREAM_CLOSED;
}

static inline void on_datagram(jp_session *session, const void *data, size_t size)
{
    struct end *end = end_of(session);

    end->datagrams++;
    end->bytes += size;
    end->sum += sum_of(data, size);
}

static inline void on_path(jp_session *session, unsigned path, enum jp_path_event event)
{
    (void)path;
    end_of(session)->paths[event]++;
}

static inline void on_resumption(jp_session *session, const void *data, size_t size)
{
    struct end *end = end_of(session);

    assert_in_range(size, 1, JP_RESUMPTION_MAX);
    memcpy(end->resumption, data, size);
    end->resumption_size = size;
    end->resumptions++;
}

static inline void end_init(struct end *end, const jp_settings *settings)
{
    static const jp_callbacks callbacks = {
        .size = sizeof(callbacks),
        .open = on_open,
        .connect_error = on_connect_error,
        .close = on_close,
        .timeout = on_timeout,
        .stream_open = on_stream_open,
        .message = on_message,
        .writable = on_writable,
        .stream_close = on_stream_close,
        .datagram = on_datagram,
        .path = on_path,
        .resumption = on_resumption,
    };

    assert_int_equal(jp_context_create(&end->context, &callbacks, settings, sizeof(end)), 0);
    *(struct end **)jp_context_extension(end->context) = end;
}

/* Turn until *count is `enough`. */
static inline void run_until(struct world *w, const unsigned *count, unsigned enough)
{
    uint64_t give_up = jp_loop_now(w->loop) + 20000000;

    while (*count < enough && jp_loop_now(w->loop) < give_up)
        assert_true(jp_loop_run_once(w->loop, 1000000) >= 0);
    assert_int_equal(*count, enough);
}

static inline void run_for(struct world *w, uint64_t us)
{
    uint64_t until = jp_loop_now(w->loop) + us;

    while (jp_loop_now(w->loop) < until)
        jp_loop_run_once(w->loop, (int64_t)(until - jp_loop_now(w->loop)));
}

/* From now on the client believes whom trust does, which passes to it. */
static inline void world_believe(struct world *w, jp_trust *trust)
{
    jp_settings settings = w->settings;

    if (w->client.session)
        jp_session_close(w->client.session, 0, NULL);
    while (w->client.context && jp_context_free(w->client.context))
        jp_loop_run_once(w->loop, 1000000);
    settings.identity = NULL;
    settings.trust = trust;
    end_init(&w->client, &settings);
    jp_trust_free(trust);
}

static inline void world_trust(struct world *w, const jp_key *key)
{
    jp_trust *trust;

    assert_int_equal(jp_trust_pin(&trust, key), 0);
    world_believe(w, trust);
}

static inline void world_listen(struct world *w, const jp_address *address)
{
    assert_int_equal(jp_listener_create(&w->listener, w->loop, w->server.context, address, 1, 0),
                     0);
}

/* Both ends have these settings, or the standard ones. */
static inline void world_init(struct world *w, const char *address, const jp_settings *settings)
{
    jp_address to;
    jp_key key;

    memset(w, 0, sizeof(*w));
    w->loop = new_loop();
    w->server.world = w->client.world = w;
    if (settings)
        w->settings = *settings;
    w->settings.size = sizeof(w->settings);
    assert_int_equal(jp_identity_open(&w->identity, NULL, 0), 0);
    w->settings.identity = w->identity;
    end_init(&w->server, &w->settings);
    key = jp_identity_key(w->identity);
    world_trust(w, &key);
    assert_int_equal(jp_address_parse(&to, address, 0), 0);
    world_listen(w, &to);
    w->address = jp_listener_address(w->listener, 0);
    if (jp_address_is_wildcard(&w->address)) {
        uint16_t port = w->address.port;

        jp_address_parse(&w->address, w->address.family == JP_IPV4 ? "127.0.0.1" : "::1", port);
    }
}

/* server NULL: the listener's address. */
static inline void world_ask(struct world *w, const char *server, uint64_t timeout)
{
    char text[JP_ADDRESS_TEXT];

    jp_address_format(&w->address, text, sizeof(text));
    assert_int_equal(jp_connect(&w->client.session, w->loop, w->client.context,
                                server ? server : text, NULL, timeout),
                     0);
}

static inline void world_connect(struct world *w)
{
    world_ask(w, NULL, 0);
    run_until(w, &w->client.opened, 1);
}

/* The server's session is gone without a word. */
static inline void world_forget(struct world *w)
{
    jp_session *s = w->server.session;

    s->mute = true;
    session_over(s, JP_CLOSED_HERE, 0, "");
    run_until(w, &w->server.closed, w->server.closed + 1);
    assert_int_equal(jp_listener_free(w->listener), 0);
    w->listener = NULL;
}

static inline void world_restart(struct world *w)
{
    world_forget(w);
    world_listen(w, &w->address);
}

/* The server lives on with another key. */
static inline void world_change_key(struct world *w)
{
    jp_settings settings = w->settings;

    if (w->client.session)
        jp_session_close(w->client.session, 0, NULL);
    assert_int_equal(jp_listener_free(w->listener), 0);
    while (jp_context_free(w->server.context))
        jp_loop_run_once(w->loop, 1000000);
    jp_identity_free(w->identity);
    assert_int_equal(jp_identity_open(&w->identity, NULL, 0), 0);
    settings.identity = w->settings.identity = w->identity;
    end_init(&w->server, &settings);
    world_listen(w, &w->address);
}

static inline void world_free(struct world *w)
{
    if (w->client.session)
        jp_session_close(w->client.session, 0, NULL);
    if (w->server.session)
        jp_session_close(w->server.session, 0, NULL);
    assert_int_equal(jp_listener_free(w->listener), 0);
    while (w->loop->endpoint)
        assert_true(jp_loop_run_once(w->loop, 10000000) > 0);
    assert_int_equal(jp_context_free(w->client.context), 0);
    assert_int_equal(jp_context_free(w->server.context), 0);
    jp_identity_free(w->identity);
    free_loop(w->loop);
}

#endif
