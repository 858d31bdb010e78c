/* What an input of the listener's harness finds: a server of two loops and a client, for many
 * inputs. */
#ifndef TESTS_FUZZ_LISTENER_WORLD_H
#define TESTS_FUZZ_LISTENER_WORLD_H

#include <string.h>

#include <jetplane/jetplane.h>

#include "endpoint.h"
#include "fuzz.h"
#include "fuzz_net.h"
#include "listen.h"

enum {
    MEMBERS = 2,
    LOOPS = MEMBERS + 1, /* the last is the client's */
    STRANGERS = 6,
    ADDRESSES = STRANGERS + 64, /* those of the client, too */
    CONNECTIONS = 8,
    SESSIONS_MAX = 6, /* of each listener */
    PORT = 4500,
};
#define SECOND UINT64_C(1000000)
#define HOUR   (3600 * SECOND)

struct account {
    jp_address address;
    uint64_t sent, got; /* bytes to the server and from it */
    bool heard;         /* it may have proven itself */
};

static struct {
    jp_loop *loop[LOOPS];
    jp_identity *identity;
    jp_trust *trust;
    jp_context *server, *client;
    jp_listener *listener[MEMBERS];
    jp_address address;
    struct endpoint *held; /* the client's, so that it need not be made for each session */
    jp_session *session;
    struct hs_client honest, simple; /* whose hellos are strangers' */
    uint8_t cookie[STRANGERS][HS_COOKIE_LEN];
    struct net_packet *to_server, *to_client, *to_stranger;
    uint8_t resumption[JP_RESUMPTION_MAX], ticket[HS_CLIENT_HELLO_LEN];
    size_t resumption_size;
    struct account account[ADDRESSES];
    unsigned accounts;
    int fd[CONNECTIONS];
    jp_address dialler[CONNECTIONS];
    unsigned echoes, descriptors;
} w;

/* ---- the programs on the library ---- */

/* Messages are bytes that all say their number. */
static void check_message(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        FUZZ_CHECK(data[i] == (uint8_t)size);
}

static void echo(jp_stream *stream, const void *data, size_t size, const jp_message *message)
{
    (void)message;
    check_message(data, size);
    jp_stream_send(stream, data, size);
}

static void take_echo(jp_stream *stream, const void *data, size_t size, const jp_message *message)
{
    (void)stream, (void)message;
    check_message(data, size);
    w.echoes++;
}

static void check_server(jp_session *session)
{
    jp_key is = jp_session_key(session), should = jp_identity_key(w.identity);

    FUZZ_CHECK(memcmp(&is, &should, sizeof(is)) == 0);
}

static void lose_session(jp_session *session)
{
    if (w.session == session)
        w.session = NULL;
}

static void on_error(jp_session *session, int error)
{
    (void)error;
    lose_session(session);
}

static void on_close(jp_session *session, const jp_close *close)
{
    (void)close;
    lose_session(session);
}

static void on_resumption(jp_session *session, const void *data, size_t size)
{
    (void)session;
    memcpy(w.resumption, data, size);
    w.resumption_size = size;
}

/* ---- the world, for many inputs ---- */

static struct jp_settings settings(void)
{
    return (struct jp_settings){.size = sizeof(struct jp_settings),
                                .idle_timeout = 5 * SECOND,
                                .sessions_max = SESSIONS_MAX};
}

static void make_contexts(void)
{
    static const jp_callbacks echoes = {.size = sizeof(echoes), .message = echo};
    static const jp_callbacks asks = {.size = sizeof(asks),
                                      .open = check_server,
                                      .connect_error = on_error,
                                      .close = on_close,
                                      .message = take_echo,
                                      .resumption = on_resumption};
    jp_settings s = settings();
    jp_key key;

    FUZZ_CHECK(jp_identity_open(&w.identity, NULL, 0) == 0);
    s.identity = w.identity;
    FUZZ_CHECK(jp_context_create(&w.server, &echoes, &s, 0) == 0);
    key = jp_identity_key(w.identity);
    s.identity = NULL;
    FUZZ_CHECK(jp_trust_pin(&s.trust, &key) == 0);
    FUZZ_CHECK(jp_context_create(&w.client, &asks, &s, 0) == 0);
    w.trust = s.trust; /* where leaks are looked for, unlike in contexts */
}

/* One address of its own, and any of IPv6. */
static void listen_all(void)
{
    jp_listener_group *group;
    jp_address addresses[2];

    jp_address_parse(&addresses[0], "198.51.100.1", PORT);
    jp_address_parse(&addresses[1], "::", PORT);
    w.address = addresses[0];
    FUZZ_CHECK(jp_listener_group_create(&group, MEMBERS, w.server, addresses, 2) == 0);
    for (unsigned i = 0; i < MEMBERS; i++)
        FUZZ_CHECK(jp_listener_join(&w.listener[i], group, i, w.loop[i], 0) == 0);
    jp_listener_group_free(group);
}

static void make_hellos(void)
{
    struct hs_client_config config = {
        .client_spi = 70000, .suites = {2, 1}, .params = hs_params_default};

    FUZZ_CHECK(hs_client_start(&w.simple, &config, &hs_random_system) == 0);
    config.params.max_data = config.params.max_stream_data = 1 << 20;
    FUZZ_CHECK(hs_client_start(&w.honest, &config, &hs_random_system) == 0);
}

static void world_end(void)
{
    if (!w.identity)
        return;
    endpoint_release(w.held);
    for (unsigned i = 0; i < MEMBERS; i++)
        FUZZ_CHECK(jp_listener_free(w.listener[i]) == 0);
    for (unsigned i = 0; i < LOOPS; i++)
        FUZZ_CHECK(jp_loop_free(w.loop[i]) == 0);
    FUZZ_CHECK(jp_context_free(w.server) == 0 && jp_context_free(w.client) == 0);
    jp_identity_free(w.identity);
    jp_trust_free(w.trust);
    FUZZ_CHECK(jp_finish() == 0 && net.open == 0);
    w.identity = NULL;
}

static void world_begin(void)
{
    static bool started;

    if (w.identity)
        return;
    if (!started) {
        net_start();
        atexit(world_end);
        started = true;
    }
    memset(&w, 0, sizeof(w));
    net_reseed();
    FUZZ_CHECK(jp_init() == 0);
    make_contexts();
    for (unsigned i = 0; i < LOOPS; i++)
        FUZZ_CHECK(jp_loop_create(&w.loop[i], 0) == 0);
    listen_all();
    FUZZ_CHECK(endpoint_hold(&w.held, w.loop[MEMBERS]) == 0);
    make_hellos();
    w.descriptors = net.open;
}

#endif
