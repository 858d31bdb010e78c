/* Sockets: connecting, ending, and what their sessions say. */
#include <sodium.h>
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
    s->resumed = jp_session_is_resumed(s->session);
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

int blocking_let_go(void *socket)
{
    jp_socket *s = socket;
    jp_session *session = s->session;

    if (!session || !session->lingers)
        return 0;
    *(jp_socket **)jp_session_extension(session) = NULL;
    session->lingers = false;
    session_touch(session);
    gate_lock(&s->gate);
    end(s);
    gate_unlock(&s->gate);
    return 0;
}

void blocking_take_rest(jp_socket *s)
{
    if (!s->session || !s->session->lingers)
        return;
    session_deliver(s->session);
    if (!session_holds_back(s->session))
        blocking_let_go(s);
}

static void on_connect_error(jp_session *session, int error)
{
    jp_socket *s = blocking_of(session);

    if (!s) /* what it was to say first was refused */
        return;
    gate_lock(&s->gate);
    s->error = error;
    snprintf(s->detail, sizeof(s->detail), "%s", failure_text(jp_error_detail()));
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
    session->lingers = close->by == JP_CLOSED_BY_PEER && session_holds_back(session);
    if (session->lingers) { /* its messages were acknowledged: they are not lost */
        s->state = SOCKET_OVER;
        gate_changed(&s->gate, s->gate.ready);
    } else {
        end(s);
    }
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

static void on_resumption(jp_session *session, const void *data, size_t size)
{
    jp_socket *s = blocking_of(session);

    gate_lock(&s->gate);
    memcpy(s->resumption, data, size);
    s->resumption_size = size;
    gate_changed(&s->gate, s->gate.ready);
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
        .resumption = on_resumption,
    };
    jp_settings own = {0};
    int error;

    if (!settings || settings->size < sizeof(size_t) || settings->size > sizeof(own))
        return failure(JP_INVALID, NULL, "settings, or their `size`, are wrong");
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

int blocking_call(jp_socket *s, background_run *run, void *argument, const char *what)
{
    return s ? background_call(s->loop, run, argument, what)
             : failure(JP_INVALID, what, "no socket");
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
    background_call(s->loop, blocking_let_go, s, __func__);
    owner_release(s->context, s->loop);
    inbox_fini(&s->inbox);
    gate_fini(&s->gate);
    sodium_memzero(s->resumption, sizeof(s->resumption));
    free(s);
    background_release();
}

/* ---- connecting ---- */

int jp_socket_bind(jp_socket *s, const jp_address *addresses, size_t n)
{
    int error = 0;

    if (!s || !addresses || !n || n > JP_PATHS_MAX)
        return failure(JP_INVALID, __func__, "no socket, or %zu addresses, want 1 to %d", n,
                       JP_PATHS_MAX);
    gate_lock(&s->gate);
    if (s->state == SOCKET_NEW) {
        memcpy(s->local, addresses, n * sizeof(*addresses));
        s->n_local = n;
    } else {
        error = failure(JP_INVALID, __func__, "addresses are bound before connecting, not after");
    }
    gate_unlock(&s->gate);
    return error;
}

struct connect {
    jp_socket *socket;
    const char *server;
    uint64_t timeout;
    const void *resumption;
    size_t size;
    jp_early *early;
    size_t n;
};

/* Send it on its stream, opened by the first. */
static int send_early(jp_session *session, jp_early *early)
{
    jp_stream_options options = early->options ? *early->options : (jp_stream_options){0};
    jp_stream *stream =
        early->stream >= 0 ? jp_stream_find(session, (unsigned)early->stream) : NULL;
    int error = 0;

    options.early = 1;
    if (!stream)
        error = jp_stream_open(&stream, session, early->stream, &options);
    if (!error)
        error = jp_stream_send(stream, early->data, early->size);
    if (!error)
        early->stream = (int)jp_stream_id(stream);
    return error;
}

static int start_connecting(void *argument)
{
    struct connect *c = argument;
    jp_socket *s = c->socket;
    jp_address *local = s->n_local ? s->local : NULL;
    jp_session *session;
    int error = jp_connect_resume(&session, s->loop, s->context, c->server, local, c->timeout,
                                  c->resumption, c->size);

    if (error)
        return error;
    for (size_t i = 0; i < c->n && !error; i++)
        error = send_early(session, &c->early[i]);
    if (error) {
        jp_session_close(session, JP_CODE_NONE, jp_error_detail());
    } else {
        *(jp_socket **)jp_session_extension(session) = s;
        s->session = session;
    }
    return error;
}

/* Whether we are the first to connect it. */
static int claim(jp_socket *s, const char *what)
{
    int error = 0;

    gate_lock(&s->gate);
    if (s->state == SOCKET_NEW)
        s->state = SOCKET_CONNECTING;
    else if (s->state == SOCKET_OVER)
        error = failure(JP_CONNECT_ABORTED, what, "the socket is closed");
    else
        error = failure(JP_INVALID, what, "a socket connects once");
    gate_unlock(&s->gate);
    return error;
}

static int connect_and_wait(struct connect *c, int64_t timeout, const char *what)
{
    static const uint64_t for_ever = 86400000000ULL; /* as far as connecting goes */
    jp_socket *s = c->socket;
    int error = s && c->server ? claim(s, what) : failure(JP_INVALID, what, "no socket or server");

    if (error)
        return error;
    c->timeout = timeout < 0 ? for_ever : timeout ? (uint64_t)timeout : 1;
    error = background_call(s->loop, start_connecting, c, what);
    gate_lock(&s->gate);
    if (error) {
        s->state = SOCKET_NEW;
        gate_changed(&s->gate, s->gate.ready);
    } else {
        while (s->state == SOCKET_CONNECTING)
            gate_wait(&s->gate, UINT64_MAX);
    }
    if (!error && s->error)
        error = failure(s->error, what, "%s", s->detail);
    gate_unlock(&s->gate);
    return error;
}

int jp_socket_connect(jp_socket *s, const char *server, int64_t timeout)
{
    struct connect c = {.socket = s, .server = server};

    return connect_and_wait(&c, timeout, __func__);
}

int jp_socket_resume(jp_socket *s, const char *server, const void *resumption, size_t size,
                     jp_early *early, size_t n, int64_t timeout)
{
    struct connect c = {
        .socket = s,
        .server = server,
        .resumption = resumption,
        .size = size,
        .early = early,
        .n = n,
    };

    if (!resumption || (n && !early))
        return failure(JP_INVALID, __func__, "no resumption, or no messages");
    return connect_and_wait(&c, timeout, __func__);
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

    return blocking_call(s, close_session, &e, __func__);
}

static int finish_session(void *argument)
{
    jp_socket *s = argument;

    return s->session ? jp_session_finish(s->session) : 0;
}

int jp_socket_finish(jp_socket *s, int64_t timeout)
{
    uint64_t until = gate_until(timeout);
    int error = blocking_call(s, finish_session, s, __func__);

    if (!s)
        return error;
    gate_lock(&s->gate);
    while (!error && s->state != SOCKET_OVER)
        if (s->state == SOCKET_NEW)
            error = failure(JP_INVALID, __func__, "it was never connected");
        else if (!gate_wait(&s->gate, until))
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

    if (!s || !figures || size > sizeof(*figures))
        return failure(JP_INVALID, __func__, "no socket; or figures, or their size, are wrong");
    error = background_call(s->loop, refresh, s, __func__);
    gate_lock(&s->gate);
    memcpy(figures, &s->figures, size);
    if (!error && !s->peer.family)
        error = failure(JP_INVALID, __func__, "it was never connected");
    gate_unlock(&s->gate);
    return error;
}

/* `size` bytes at `offset` of the socket, as they are at one moment; zeros without a socket. */
static void copy_out(jp_socket *s, size_t offset, void *to, size_t size)
{
    memset(to, 0, size);
    if (!s)
        return;
    gate_lock(&s->gate);
    memcpy(to, (const uint8_t *)s + offset, size);
    gate_unlock(&s->gate);
}

#define COPY_OUT(s, member, to) copy_out(s, offsetof(jp_socket, member), to, sizeof(*(to)))

jp_address jp_socket_peer(jp_socket *s)
{
    jp_address peer;

    COPY_OUT(s, peer, &peer);
    return peer;
}

jp_key jp_socket_key(jp_socket *s)
{
    jp_key key;

    COPY_OUT(s, key, &key);
    return key;
}

jp_close jp_socket_closed(jp_socket *s)
{
    jp_close closed;

    COPY_OUT(s, closed, &closed);
    if (!s)
        closed.reason = "";
    return closed;
}

int jp_socket_is_resumed(jp_socket *s)
{
    bool resumed;

    COPY_OUT(s, resumed, &resumed);
    return resumed;
}

int jp_socket_resumption(jp_socket *s, void *data, size_t size, int64_t timeout)
{
    uint64_t until = gate_until(timeout);
    bool in_time = true, over;
    int n;

    if (!s || !data || size < JP_RESUMPTION_MAX)
        return failure(JP_INVALID, __func__, "no socket, or room for less than %d bytes",
                       JP_RESUMPTION_MAX);
    gate_lock(&s->gate);
    while (!s->resumption_size && in_time && s->state != SOCKET_OVER)
        in_time = gate_wait(&s->gate, until);
    n = (int)s->resumption_size;
    over = s->state == SOCKET_OVER;
    memcpy(data, s->resumption, s->resumption_size);
    sodium_memzero(s->resumption, sizeof(s->resumption));
    s->resumption_size = 0;
    gate_unlock(&s->gate);
    if (n)
        return n;
    return over ? failure(JP_RECEIVE_CLOSED, __func__, "the server gave none, and it is over")
                : failure(JP_RECEIVE_WOULD_BLOCK, __func__, "the server gave none yet");
}

int jp_socket_fd(const jp_socket *s)
{
    return s ? s->gate.fd : failure(JP_INVALID, __func__, "no socket");
}
