/* Servers: a listener on the background loop, and the sessions that wait to be accepted. */
#include <stdlib.h>

#include "blocking.h"

struct jp_server {
    jp_loop *loop;
    jp_context *context;
    jp_listener *listener; /* the loop's thread only */

    struct gate gate; /* for what follows */
    TAILQ_HEAD(, jp_socket) waiting;
    unsigned n_waiting;
    bool listens, closed;
};

static struct owner *owner_of(const jp_server *server)
{
    return jp_context_extension(server->context);
}

static bool is_full(jp_server *server)
{
    bool full;

    gate_lock(&server->gate);
    full = server->n_waiting >= JP_SERVER_QUEUE;
    gate_unlock(&server->gate);
    return full;
}

/* A socket as if jp_socket_create had made it. */
static int make_socket(jp_socket **s, const jp_server *server)
{
    jp_loop *loop;
    int error = background_hold(&loop); /* runs, since we are in it */

    if (error)
        return error;
    error = blocking_new(s, loop, server->context, __func__);
    if (error)
        background_release();
    else
        owner_hold(server->context);
    return error;
}

void server_accepted(jp_server *server, jp_session *session)
{
    jp_socket *s;

    if (is_full(server) || make_socket(&s, server)) {
        jp_session_close(session, JP_CODE_LIMIT, "too many wait to be accepted");
        return;
    }
    blocking_opened(s, session);
    session_pause(session); /* until it is accepted */
    gate_lock(&server->gate);
    TAILQ_INSERT_TAIL(&server->waiting, s, waiting);
    server->n_waiting++;
    gate_changed(&server->gate, true);
    gate_unlock(&server->gate);
}

/* ---- the program's calls ---- */

static int server_new(jp_server **server, jp_loop *loop, const jp_settings *settings)
{
    jp_server *s = calloc(1, sizeof(*s));
    int error = s ? 0 : failure(JP_NO_MEMORY, NULL, "no memory for a server");

    if (!error)
        error = gate_init(&s->gate, __func__);
    if (error) {
        free(s);
        return error;
    }
    error = owner_new(&s->context, settings);
    if (error) {
        gate_fini(&s->gate);
        free(s);
        return error;
    }
    TAILQ_INIT(&s->waiting);
    s->loop = loop;
    *server = s;
    return 0;
}

int jp_server_create(jp_server **server, const jp_settings *settings)
{
    jp_loop *loop;
    int error;

    if (!server)
        return failure(JP_INVALID, __func__, "NULL argument");
    *server = NULL;
    error = background_hold(&loop);
    if (error)
        return error;
    error = server_new(server, loop, settings);
    if (error)
        background_release();
    return error;
}

struct listen {
    jp_server *server;
    const jp_address *addresses;
    size_t n;
};

static int start_listening(void *argument)
{
    struct listen *l = argument;
    jp_server *s = l->server;
    int error;

    if (s->listener || s->closed) /* only we change them */
        return failure(JP_INVALID, NULL, "a server listens once");
    error = jp_listener_create(&s->listener, s->loop, s->context, l->addresses, l->n, 0);
    if (error)
        return error;
    owner_of(s)->server = s;
    gate_lock(&s->gate);
    s->listens = true;
    gate_unlock(&s->gate);
    return 0;
}

int jp_server_listen(jp_server *server, const jp_address *addresses, size_t n)
{
    struct listen l = {server, addresses, n};

    if (!server)
        return failure(JP_INVALID, __func__, "no server");
    return background_call(server->loop, start_listening, &l, __func__);
}

struct place {
    jp_server *server;
    size_t index;
    jp_address address;
};

static int get_address(void *argument)
{
    struct place *place = argument;

    if (place->server->listener)
        place->address = jp_listener_address(place->server->listener, place->index);
    return 0;
}

jp_address jp_server_address(jp_server *server, size_t index)
{
    struct place place = {.server = server, .index = index};

    if (server)
        background_call(server->loop, get_address, &place, __func__);
    return place.address;
}

/* It is accepted: what it was sent may come. */
static int begin(void *argument)
{
    jp_socket *s = argument;

    if (s->session)
        session_resume(s->session);
    blocking_take_rest(s);
    return 0;
}

int jp_server_accept(jp_server *server, jp_socket **socket, int64_t timeout)
{
    uint64_t until = gate_until(timeout);
    jp_socket *s = NULL;
    bool over, in_time = true;

    if (!server || !socket)
        return failure(JP_INVALID, __func__, "NULL argument");
    gate_lock(&server->gate);
    while (!(over = server->closed || !server->listens) && !(s = TAILQ_FIRST(&server->waiting)) &&
           in_time)
        in_time = gate_wait(&server->gate, until);
    if (s && !over) {
        TAILQ_REMOVE(&server->waiting, s, waiting);
        server->n_waiting--;
        gate_changed(&server->gate, server->n_waiting > 0);
    }
    gate_unlock(&server->gate);
    *socket = s;
    if (over)
        return failure(JP_ACCEPT_FAILED, __func__, "the server does not listen");
    return s ? background_call(server->loop, begin, s, __func__)
             : failure(JP_ACCEPT_WOULD_BLOCK, __func__, "nobody came in time");
}

int jp_server_fd(const jp_server *server)
{
    return server ? server->gate.fd : failure(JP_INVALID, __func__, "no server");
}

static int stop_listening(void *argument)
{
    jp_server *s = argument;

    gate_lock(&s->gate);
    s->closed = true;
    gate_changed(&s->gate, true);
    gate_unlock(&s->gate);
    owner_of(s)->server = NULL;
    jp_listener_free(s->listener);
    s->listener = NULL;
    return 0;
}

/* One of those that wait, or NULL. */
static jp_socket *take_waiting(jp_server *server)
{
    jp_socket *s;

    gate_lock(&server->gate);
    s = TAILQ_FIRST(&server->waiting);
    if (s)
        TAILQ_REMOVE(&server->waiting, s, waiting);
    gate_unlock(&server->gate);
    return s;
}

int jp_server_close(jp_server *server)
{
    jp_socket *s;
    int error;

    if (!server)
        return failure(JP_INVALID, __func__, "no server");
    error = background_call(server->loop, stop_listening, server, __func__);
    while (!error && (s = take_waiting(server)))
        jp_socket_free(s);
    return error;
}

void jp_server_free(jp_server *server)
{
    if (!server)
        return;
    jp_server_close(server);
    owner_release(server->context, server->loop);
    gate_fini(&server->gate);
    free(server);
    background_release();
}
