/* A blocking server and a client of it, both on the background loop. */
#ifndef TESTS_CLIENT_SOCKETS_H
#define TESTS_CLIENT_SOCKETS_H

#include <string.h>

#include "fixture.h"

enum { SECOND = 1000000 };

struct world {
    jp_identity *identity;
    jp_trust *trust;
    jp_server *server;
    jp_socket *client, *accepted;
    char name[64];
};

static inline jp_settings client_settings(const struct world *w)
{
    return (jp_settings){.size = sizeof(jp_settings), .trust = w->trust};
}

static inline void world_listen(struct world *w)
{
    jp_settings settings = {.size = sizeof(settings)};
    jp_address address;
    jp_key key;

    memset(w, 0, sizeof(*w));
    assert_int_equal(jp_init(), 0);
    assert_int_equal(jp_identity_open(&w->identity, NULL, 0), 0);
    key = jp_identity_key(w->identity);
    assert_int_equal(jp_trust_pin(&w->trust, &key), 0);
    settings.identity = w->identity;
    assert_int_equal(jp_server_create(&w->server, &settings), 0);
    assert_int_equal(jp_address_parse(&address, "127.0.0.1:0", 0), 0);
    assert_int_equal(jp_server_listen(w->server, &address, 1), 0);
    address = jp_server_address(w->server, 0);
    jp_address_format(&address, w->name, sizeof(w->name));
}

static inline void world_connect(struct world *w)
{
    jp_settings settings = client_settings(w);

    world_listen(w);
    settings.trust = w->trust;
    assert_int_equal(jp_socket_create(&w->client, &settings), 0);
    assert_int_equal(jp_socket_connect(w->client, w->name, 10 * SECOND), 0);
    assert_int_equal(jp_server_accept(w->server, &w->accepted, 10 * SECOND), 0);
}

static inline void world_free(struct world *w)
{
    jp_socket_free(w->client);
    jp_socket_free(w->accepted);
    jp_server_free(w->server);
    jp_trust_free(w->trust);
    jp_identity_free(w->identity);
    assert_int_equal(jp_finish(), 0); /* the thread and its loop are gone */
}

static inline void expect_message(jp_socket *s, int stream, const void *data, size_t size)
{
    jp_received *received;

    assert_int_equal(jp_socket_read(s, stream, &received, 10 * SECOND), 0);
    assert_int_equal(received->end, 0);
    assert_int_equal(received->size, size);
    assert_memory_equal(received->data, data, size);
    jp_received_free(received);
}

#endif
