/* Sockets: connecting, ending, and what their sessions say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocking.h"

/* ---- what the session says, in the loop's thread ---- */

static void remember(jp_socket *s)
{
    jp_figures figures;

    if (jp_session_figures(s->session, &figures, sizeof(figures)) == 0)
        s->figures = figures;
    s->peer = jp_session_peer(s->session);
    s->key = jp_session_key(s->session);
}

void blocking_opened(jp_socket *s, jp_session *session)
{
    s->session = session;
    *(jp_socket **)jp_session_extension(session) = s;
    gate_lock(&s->gate);
    s->state = SOCKET_OPEN;
    remember(s);
    gate_changed(&s->gate, false);
    gate_unlock(&s->gate);
    for (size_t i = 1; i < s->n_local; i++) /* those that do not work stay out */
        jp_session_add_path(session, &s->local[i], NULL, JP_PATH_STANDBY);
}

static void on_open(jp_session *session)
{
    jp_socket *s = blocking_of(session);
    struct owner *owner = jp_context_extension(jp_session_context(session));

    if (s)
        blocking_opened(s, session);
    else if (owner->server)
        server_accepted(owner->server, session);
    else
        jp_session_close(session, JP_CODE_SHUTDOWN, "the server is closed");
}

/* With the gate locked. */
static void end(jp_socket *s)
{
    s->state = SOCKET_OVER;
    s->session = NULL;
    s->inbox.ended = true;
    gate_changed(&s->gate, true);
}

static void on_connect_error(jp_session *session, int error)
{
    jp_socket *s = blocking_of(session);
    const char *text = strstr(jp_error_detail(), ": ");

    gate_lock(&s->gate);
    s->error = error;
    snprintf(s->detail, sizeof(s->detail), "%s", text ? text + 2 : jp_error_detail());
    s->closed.by = JP_CLOSED_HERE;
    end(s);
    gate_unlock(&s->gate);
}

static void on_close(jp_session *session, const jp_close *close)
{
    jp_socket *s = blocking_of(session);

    if (!s)
        return;
    gate_lock(&s->gate);
    remember(s);
    snprintf(s->reason, sizeof(s->reason), "%s", close->reason);
    s->closed.code = close->code;
    s->closed.by = close->by;
    end(s);
    gate_unlock(&s->gate);
}

static void on_path(jp_session *session, unsigned path, enum jp_path_event event)
{
    jp_socket *s = blocking_of(session);

    (void)path, (void)event;
    if (!s)
        return;
    gate_lock(&s->gate);
    s->peer = jp_session_peer(session);
    gate_unlock(&s->gate);
}

/* ---- contexts ---- */

int owner_new(jp_context **context, const jp_settings *settings)
{
    static const jp_callbacks callbacks = {
        .size = sizeof(callbacks),
        .open = on_open,
        .connect_error = on_connect_error,
        .close = on_close,
        .stream_open = blocking_stream_open,
        .message = blocking_message,
        .writable = blocking_writable,
        .stream_close = blocking_stream_close,
        .path = on_path,
    };
    jp_settings own = {0};
    int error;

    if (!settings || settings->size < sizeof(size_t) || settings->size > sizeof(own))
        return failure(JP_INVALID, __func__, "settings, or their `size`, are wrong");
    memcpy(&own, settings, settings->size);
    own.size = sizeof(own);
    own.session_extension = own.stream_extension = sizeof(void *);
    error = jp_context_create(context, &callbacks, &own, sizeof(struct owner));
    if (!error)
        owner_hold(*context);
    return error;
}

void owner_hold(jp_context *context)
{
    atomic_fetch_add(&((struct owner *)jp_context_extension(context))->users, 1);
}

static int free_context(void *context)
{
    return jp_context_free(context);
}

void owner_release(jp_context *context, jp_loop *loop)
{
    struct owner *owner = jp_context_extension(context);

    if (atomic_fetch_sub(&owner->users, 1) > 1)
        return;
    while (background_call(loop, free_context, context, __func__) == JP_BUSY)
        usleep(1000);
}

/* ---- life ---- */

int blocking_new(jp_socket **socket, jp_loop *loop, jp_context *context, const char *what)
{
    jp_socket *s = calloc(1, sizeof(*s));
    int error;

    if (!s)
        return failure(JP_NO_MEMORY, what, "no memory for a socket");
    error = gate_init(&s->gate, what);
    if (error) {
        free(s);
        return error;
    }
    inbox_init(&s->inbox);
    s->loop = loop;
    s->context = context;
    s->closed.reason = s->reason;
    *socket = s;
    return 0;
}

int jp_socket_create(jp_socket **socket, const jp_settings *settings)
{
    jp_context *context;
    jp_loop *loop;
    int error;

    if (!socket)
        return failure(JP_INVALID, __func__, "NULL argument");
    *socket = NULL;
    error = background_hold(&loop);
    if (error)
        return error;
    error = owner_new(&context, settings);
    if (!error) {
        error = blocking_new(socket, loop, context, __func__);
        if (error)
            owner_release(context, loop);
    }
    if (error)
        background_release();
    return error;
}

void jp_socket_free(jp_socket *s)
{
    if (!s)
        return;
    jp_socket_close(s, JP_CODE_NONE, NULL);
    gate_lock(&s->gate);
    while (s->state != SOCKET_OVER)
        gate_wait(&s->gate, UINT64_MAX);
    gate_unlock(&s->gate);
    owner_release(s->context, s->loop);
    inbox_fini(&s->inbox);
    gate_fini(&s->gate);
    free(s);
    background_release();
}

/* ---- connecting ---- */

int jp_socket_bind(jp_socket *s, const jp_address *addresses, size_t n)
{
    int error = 0;

    if (!addresses || !n || n > JP_PATHS_MAX)
        return failure(JP_INVALID, __func__, "%zu addresses, want 1 to %d", n, JP_PATHS_MAX);
    gate_lock(&s->gate);
    if (s->state == SOCKET_NEW) {
        memcpy(s->local, addresses, n * sizeof(*addresses));
        s->n_local = n;
    } else {
        error = failure(JP_INVALID, __func__, "not before connecting");
    }
    gate_unlock(&s->gate);
    return error;
}

struct connect {
    jp_socket *socket;
    const char *server;
    uint64_t timeout;
};

static int start_connecting(void *argument)
{
    struct connect *c = argument;
    jp_socket *s = c->socket;
    jp_address *local = s->n_local ? s->local : NULL;
    int error = jp_connect(&s->session, s->loop, s->context, c->server, local, c->timeout);

    if (!error)
        *(jp_socket **)jp_session_extension(s->session) = s;
    return error;
}

/* Whether we are the first to connect it. */
static int claim(jp_socket *s)
{
    int error = 0;

    gate_lock(&s->gate);
    if (s->state == SOCKET_NEW)
        s->state = SOCKET_CONNECTING;
    else if (s->state == SOCKET_OVER)
        error = failure(JP_CONNECT_ABORTED, "jp_socket_connect", "the socket is closed");
    else
        error = failure(JP_INVALID, "jp_socket_connect", "a socket connects once");
    gate_unlock(&s->gate);
    return error;
}

int jp_socket_connect(jp_socket *s, const char *server, int64_t timeout)
{
    static const uint64_t for_ever = 86400000000ULL; /* as far as connecting goes */
    struct connect c = {s, server, timeout < 0 ? for_ever : timeout ? (uint64_t)timeout : 1};
    int error = server ? claim(s) : failure(JP_INVALID, __func__, "no server");

    if (error)
        return error;
    error = background_call(s->loop, start_connecting, &c, __func__);
    gate_lock(&s->gate);
    if (error)
        s->state = SOCKET_NEW;
    else
        while (s->state == SOCKET_CONNECTING)
            gate_wait(&s->gate, UINT64_MAX);
    if (!error && s->error)
        error = failure(s->error, __func__, "%s", s->detail);
    gate_unlock(&s->gate);
    return error;
}

/* ---- ending ---- */

struct ending {
    jp_socket *socket;
    uint64_t code;
    const char *reason;
};

static int close_session(void *argument)
{
    struct ending *e = argument;
    jp_socket *s = e->socket;

    if (s->session)
        return jp_session_close(s->session, e->code, e->reason);
    gate_lock(&s->gate);
    if (s->state == SOCKET_NEW) {
        s->closed.by = JP_CLOSED_HERE;
        end(s);
    }
    gate_unlock(&s->gate);
    return 0;
}

int jp_socket_close(jp_socket *s, uint64_t code, const char *reason)
{
    struct ending e = {s, code, reason};

    return background_call(s->loop, close_session, &e, __func__);
}

static int finish_session(void *argument)
{
    jp_socket *s = argument;

    return s->session ? jp_session_finish(s->session) : 0;
}

int jp_socket_finish(jp_socket *s, int64_t timeout)
{
    uint64_t until = gate_until(timeout);
    int error = background_call(s->loop, finish_session, s, __func__);

    gate_lock(&s->gate);
    while (!error && s->state != SOCKET_OVER)
        if (!gate_wait(&s->gate, until))
            error = failure(JP_SEND_WOULD_BLOCK, __func__, "not everything is acknowledged yet");
    if (!error && s->closed.by != JP_CLOSED_HERE)
        error = failure(JP_SEND_CLOSED, __func__, "the session ended before: %s", s->reason);
    gate_unlock(&s->gate);
    return error;
}

/* ---- what it is ---- */

static int refresh(void *argument)
{
    jp_socket *s = argument;

    gate_lock(&s->gate);
    if (s->session)
        remember(s);
    gate_unlock(&s->gate);
    return 0;
}

int jp_socket_figures(jp_socket *s, jp_figures *figures, size_t size)
{
    int error;

    if (!figures || size > sizeof(*figures))
        return failure(JP_INVALID, __func__, "figures, or their size, are wrong");
    error = background_call(s->loop, refresh, s, __func__);
    gate_lock(&s->gate);
    memcpy(figures, &s->figures, size);
    if (!error && (s->state < SOCKET_OPEN || s->error))
        error = failure(JP_INVALID, __func__, "it was never connected");
    gate_unlock(&s->gate);
    return error;
}

jp_address jp_socket_peer(jp_socket *s)
{
    jp_address peer;

    gate_lock(&s->gate);
    peer = s->peer;
    gate_unlock(&s->gate);
    return peer;
}

jp_key jp_socket_key(jp_socket *s)
{
    jp_key key;

    gate_lock(&s->gate);
    key = s->key;
    gate_unlock(&s->gate);
    return key;
}

jp_close jp_socket_closed(jp_socket *s)
{
    jp_close closed;

    gate_lock(&s->gate);
    closed = s->closed;
    gate_unlock(&s->gate);
    return closed;
}

int jp_socket_fd(const jp_socket *s)
{
    return s->gate.fd;
}
