/* The client's side of the handshake: names, addresses in turn, repetition, trust. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "endpoint.h"
#include "keylog.h"
#include "resuming.h"
#include "route.h"
#include "tcp.h"
#include "trust.h"

enum {
    TIMEOUT_US = 5000000,
    REPEAT_US = 250000,
    ADDRESS_US = 500000,  /* without an answer: then it is another address's turn */
    RESUME_US = 1000000,  /* without an answer: then the handshake is a full one */
    TCP_US = 1000000,     /* without an answer: then TCP is tried too, each address as long */
    REFUSED_US = 1000000, /* a server that was not believed may have been an impostor: the right one
                             has so long to answer */
    NAME_BYTES = HOST_TEXT + 8,
};

struct connecting {
    struct hs_client handshake;
    struct resuming *resuming; /* NULL: not tried, or in vain */
    jp_resolve *resolve;       /* NULL: the addresses are known */
    jp_address addresses[JP_ADDRESSES_MAX];
    unsigned count, at; /* the one that is tried */
    jp_address local;   /* no family: any */
    uint64_t timeout, deadline;
    uint64_t next_at;   /* then the next address is tried, or a full handshake */
    uint64_t repeat_at; /* then the hello is sent again, and after `interval` more */
    uint64_t interval;  /* 0: nothing was tried yet */
    uint64_t tcp_at;    /* then TCP is tried, or its next address */
    unsigned tcp;       /* addresses tried by TCP */
    bool refused;
    char why[256];
    char name[NAME_BYTES];
};

void connect_end(jp_session *s)
{
    struct connecting *c = s->connecting;

    if (c->resolve)
        jp_resolve_cancel(c->resolve);
    hs_client_wipe(&c->handshake);
    resuming_free(c->resuming);
    free(c);
    s->connecting = NULL;
}

/* ---- asking ---- */

static int connect_error_of(int send_error)
{
    switch (send_error) {
    case JP_SEND_PROHIBITED:
        return JP_CONNECT_PROHIBITED;
    case JP_SEND_UNREACHABLE:
    case JP_BIND_UNSUPPORTED:
        return JP_CONNECT_UNREACHABLE;
    case JP_BIND_IN_USE:
    case JP_BIND_UNAVAILABLE:
    case JP_BIND_PROHIBITED:
    case JP_BIND_FAILED:
    case JP_NO_DESCRIPTORS:
    case JP_NO_MEMORY:
        return send_error;
    default:
        return JP_CONNECT_FAILED;
    }
}

/* The socket for the address that is tried: one for each family. */
static struct socket **socket_for(jp_session *s)
{
    return &s->sockets[s->connecting->addresses[s->connecting->at].family == JP_IPV6];
}

static int open_socket(jp_session *s)
{
    const jp_address *local = &s->connecting->local;
    enum jp_family family = (enum jp_family)s->connecting->addresses[s->connecting->at].family;
    struct socket **socket = socket_for(s);
    int error;

    if (*socket)
        return 0;
    if (!local->family)
        error = socket_of_clients(socket, s->endpoint, family);
    else if (local->family == family)
        error = socket_open(socket, s->endpoint, local, NULL);
    else
        error = failure(JP_SEND_UNREACHABLE, NULL, "addresses of two families");
    if (error)
        *socket = NULL;
    return error;
}

static void stop_resuming(struct connecting *c)
{
    resuming_free(c->resuming);
    c->resuming = NULL;
}

/* Both kinds are of the same length. */
static uint8_t *hello_of(struct connecting *c)
{
    return c->resuming ? c->resuming->client.hello : c->handshake.hello;
}

static int send_hello(jp_session *s, uint64_t now)
{
    struct connecting *c = s->connecting;
    struct socket *socket = *socket_for(s);
    struct jp_path path = route_make(&socket->udp.local, &c->addresses[c->at], socket->place);
    int error = endpoint_send_one(socket, &path, hello_of(c), HS_CLIENT_HELLO_LEN);

    c->repeat_at = now + c->interval;
    c->interval *= 2;
    return error == JP_SEND_WOULD_BLOCK ? 0 : error;
}

/* UDP may not get through. */
static int try_tcp(jp_session *s, uint64_t now)
{
    struct connecting *c = s->connecting;
    const jp_address *to = &c->addresses[c->tcp % c->count];
    bool trying = s->sockets[SESSION_TCP] && (c->count == 1 || now < c->tcp_at);
    struct jp_path path = {.tcp = 1};
    int error;

    c->tcp_at = s->context->settings.without_tcp ? UINT64_MAX : now + TCP_US;
    if (trying || c->tcp_at == UINT64_MAX)
        return trying ? 0 : JP_CONNECT_FAILED;
    c->tcp++;
    stop_resuming(c);
    error = fallback_connect(s, c->local.family ? &c->local : NULL, to);
    if (!error) /* it waits until there is a connection */
        endpoint_send_one(s->sockets[SESSION_TCP], &path, c->handshake.hello, HS_CLIENT_HELLO_LEN);
    return error;
}

/* The first hello may be one that resumes; a ticket is good for one address. */
static int say_hello(jp_session *s, bool first, uint64_t now)
{
    struct connecting *c = s->connecting;
    struct socket *socket = *socket_for(s);
    struct jp_path path = route_make(&socket->udp.local, &c->addresses[c->at], socket->place);

    if (c->resuming && !(first && resuming_start(c->resuming, s, c->name, &path, now)))
        stop_resuming(c);
    return send_hello(s, now);
}

/* Against who forbids UDP, or an MTU that is too small for hellos. */
static bool tcp_may_help(int error)
{
    return error == JP_SEND_PROHIBITED || error == JP_SEND_TOO_BIG;
}

/* Try this address, or, if that fails at once, those after it. */
static void try_from(jp_session *s, unsigned at, uint64_t now)
{
    struct connecting *c = s->connecting;
    int error = JP_CONNECT_FAILED;

    for (unsigned i = 0; i < c->count; i++) {
        bool first = !c->interval;

        c->at = (at + i) % c->count;
        c->interval = REPEAT_US;
        c->next_at = now + (c->count > 1 ? ADDRESS_US : RESUME_US);
        error = open_socket(s);
        if (!error)
            error = say_hello(s, first, now);
        if (!error)
            return;
    }
    if (!tcp_may_help(error) || try_tcp(s, now))
        session_fail(s, connect_error_of(error));
}

static void first_try(jp_session *s, uint64_t now)
{
    struct connecting *c = s->connecting;
    uint64_t half = (c->deadline - now) / 2;

    c->tcp_at = now + (half < TCP_US ? half : TCP_US);
    try_from(s, 0, now);
}

static void time_out(jp_session *s)
{
    struct connecting *c = s->connecting;

    if (c->refused) {
        failure_detail(NULL, "%s", c->why); /* it has the name */
        session_fail(s, JP_CONNECT_IDENTITY);
    } else {
        failure_detail(c->name, "%s", c->resolve ? "unknown yet" : "no answer");
        session_fail(s, JP_CONNECT_TIMEOUT);
    }
}

void connect_expire(jp_session *s, uint64_t now)
{
    struct connecting *c = s->connecting;

    if (now >= c->deadline)
        time_out(s);
    else if (c->resolve)
        return;
    else if (!c->interval)
        first_try(s, now);
    else if (c->resuming && now >= c->next_at)
        try_from(s, c->at + 1, now);
    else if (now >= c->tcp_at)
        try_tcp(s, now);
    else if (c->count > 1 && now >= c->next_at)
        try_from(s, c->at + 1, now);
    else if (now >= c->repeat_at)
        send_hello(s, now); /* what is wrong now may be right the next time */
}

uint64_t connect_deadline(const jp_session *s)
{
    const struct connecting *c = s->connecting;
    uint64_t at = c->deadline;

    if (c->resolve)
        return at;
    if (c->repeat_at < at)
        at = c->repeat_at;
    if (c->interval && c->tcp_at < at)
        at = c->tcp_at;
    return (c->count > 1 || c->resuming) && c->next_at < at ? c->next_at : at;
}

static void resolved(jp_resolve *resolve, int error, const jp_address *addresses, size_t count)
{
    jp_session *s = *(jp_session **)jp_resolve_extension(resolve);
    struct connecting *c = s->connecting;

    c->resolve = NULL;
    if (s->state != SESSION_CONNECTING)
        return;
    if (error) {
        session_fail(s, error);
        return;
    }
    memcpy(c->addresses, addresses, count * sizeof(*addresses));
    c->count = (unsigned)count;
    session_touch(s);
}

/* ---- answered ---- */

/* It has this key: is that the server we mean? */
static bool believe(jp_session *s, const struct hs_result *keys, uint64_t now)
{
    struct connecting *c = s->connecting;
    jp_key key;

    memcpy(key.bytes, keys->server_identity, sizeof(key.bytes));
    if (trust_decide(s->context->settings.trust, c->name, &key))
        return true;
    c->refused = true;
    snprintf(c->why, sizeof(c->why), "%s", jp_error_detail());
    if (now + REFUSED_US < c->deadline)
        c->deadline = now + REFUSED_US;
    session_touch(s);
    return false;
}

static void finish(jp_session *s, const struct hs_result *keys, const struct jp_path *path,
                   uint64_t now)
{
    if (!s->resumed && !believe(s, keys, now)) /* else it was, before early data left */
        return;
    if (!hs_params_full(&s->context->params, &keys->peer)) {
        failure_detail(s->connecting->name,
                       "it speaks the simple transport only, without streams' flow control");
        session_fail(s, JP_CONNECT_TRANSPORT);
        return;
    }
    session_install(s, keys, path);
    keylog_write(s->context->keylog, hello_of(s->connecting), keys);
    connect_end(s);
    if (session_begin(s, now))
        s->error = JP_NO_MEMORY;
    else
        fallback_begin(s, now);
}

/* ... to a hello that resumes. */
static void resume_answer(jp_session *s, const struct udp_packet *p, const struct jp_path *path,
                          uint64_t now)
{
    struct connecting *c = s->connecting;
    struct hs_result keys;

    switch (
        resume_client_input(&c->resuming->client, s->endpoint->aead, p->data, p->length, &keys)) {
    case RESUME_DONE:
        s->resumed = true;
        finish(s, &keys, path, now);
        sodium_memzero(&keys, sizeof(keys));
        break;
    case RESUME_REFUSED:
        stop_resuming(c);
        c->interval = REPEAT_US;
        send_hello(s, now);
        session_touch(s);
        break;
    case RESUME_SEND:
        send_hello(s, now);
        break;
    case RESUME_IGNORE:
        break;
    }
}

/* A Retry changed the hello: what TCP carries of it already is answered in vain. */
static void say_again(jp_session *s, struct socket *socket, const struct jp_path *path)
{
    uint8_t *hello = s->connecting->handshake.hello;
    struct socket *tcp = s->sockets[SESSION_TCP];

    endpoint_send_one(socket, path, hello, HS_CLIENT_HELLO_LEN);
    if (tcp && tcp != socket)
        endpoint_send_one(tcp, &(struct jp_path){.tcp = 1}, hello, HS_CLIENT_HELLO_LEN);
}

/* It may come late, from an address tried before. */
static bool was_asked(const struct connecting *c, const jp_address *peer)
{
    for (unsigned i = 0; i < c->count; i++)
        if (jp_address_compare(&c->addresses[i], peer) == 0)
            return true;
    return false;
}

void connect_answer(struct socket *socket, const struct udp_packet *p)
{
    struct endpoint *e = socket->endpoint;
    jp_session *s = endpoint_find(e, hs_client_spi_of(p->data, p->length));
    uint64_t now = loop_clock(e->loop);
    struct hs_result keys;
    struct jp_path path;

    if (!s || s->state != SESSION_CONNECTING || !was_asked(s->connecting, &p->peer) ||
        s->sockets[socket->tcp ? SESSION_TCP : p->peer.family == JP_IPV6] != socket)
        return;
    path = socket_path(socket, p);
    if (s->connecting->resuming) {
        resume_answer(s, p, &path, now);
        return;
    }
    switch (hs_client_input(&s->connecting->handshake, e->aead, p->data, p->length, &keys)) {
    case HS_DONE:
        finish(s, &keys, &path, now);
        sodium_memzero(&keys, sizeof(keys));
        break;
    case HS_SEND:
        say_again(s, socket, &path);
        break;
    default:
        break;
    }
}

/* ---- beginning ---- */

static int start_handshake(jp_session *s)
{
    const jp_context *context = s->context;
    struct hs_client_config config = {
        .client_spi = s->spi,
        .suites = {context->settings.ciphers[0], context->settings.ciphers[1]},
        .params = context->params,
    };

    return hs_client_start(&s->connecting->handshake, &config, &hs_random_system) < 0
               ? failure(JP_NO_MEMORY, "jp_connect", "no handshake")
               : 0;
}

/* Numbers need no resolver. */
static int start_lookup(jp_session *s, const char *server)
{
    struct connecting *c = s->connecting;
    int error = jp_address_parse(&c->addresses[0], server, JP_PORT);

    c->count = 1;
    if (error != JP_ADDRESS_SYNTAX)
        return error;
    c->count = 0;
    error = jp_resolve_start(&c->resolve, s->endpoint->loop, server, JP_PORT,
                             (enum jp_family)c->local.family, resolved, sizeof(s));
    if (!error)
        *(jp_session **)jp_resolve_extension(c->resolve) = s;
    return error;
}

static int start_name(struct connecting *c, const char *server)
{
    char host[HOST_TEXT];
    uint16_t port;
    int error = address_split(server, JP_PORT, host, &port, "jp_connect");

    if (!error)
        snprintf(c->name, sizeof(c->name), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
    return error;
}

static int start(jp_session *s, const char *server, const jp_address *local, uint64_t timeout,
                 const void *resumption, size_t size)
{
    struct connecting *c = calloc(1, sizeof(*c));
    uint64_t now = session_now(s);
    int error = 0;

    if (!c)
        return failure(JP_NO_MEMORY, "jp_connect", "no memory for a handshake");
    s->connecting = c;
    if (resumption)
        error = resuming_new(&c->resuming, s, resumption, size);
    if (local)
        c->local = *local;
    if (timeout == 0)
        timeout = TIMEOUT_US;
    c->deadline = timeout < UINT64_MAX - now ? now + timeout : UINT64_MAX;
    if (!error)
        error = start_name(c, server);
    if (!error)
        error = start_handshake(s);
    if (!error)
        error = start_lookup(s, server);
    return error;
}

int jp_connect(jp_session **session, jp_loop *loop, jp_context *context, const char *server,
               const jp_address *local, uint64_t timeout)
{
    return jp_connect_resume(session, loop, context, server, local, timeout, NULL, 0);
}

int jp_connect_resume(jp_session **session, jp_loop *loop, jp_context *context, const char *server,
                      const jp_address *local, uint64_t timeout, const void *resumption,
                      size_t size)
{
    jp_session *s;
    int error;

    if (!session || !loop || !context || !server)
        return failure(JP_INVALID, "jp_connect", "NULL argument");
    *session = NULL;
    if (!context->settings.trust)
        return failure(JP_INVALID, "jp_connect", "a client's context needs trust");
    error = loop_check(loop, "jp_connect");
    if (!error)
        error = session_new(&s, loop, context, 0, "jp_connect");
    if (error)
        return error;
    error = start(s, server, local, timeout, resumption, size);
    if (error) {
        struct endpoint *e = s->endpoint;

        endpoint_enter(e);
        session_end(s);
        endpoint_leave(e);
        return error;
    }
    session_touch(s);
    *session = s;
    return 0;
}
