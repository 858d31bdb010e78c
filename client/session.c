#include "session.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "endpoint.h"
#include "listen.h"
#include "resuming.h"
#include "route.h"
#include "tcp.h"

enum { HELD_US = 100000 }; /* then a full TCP connection is offered packets all the same */

uint64_t session_now(const jp_session *s)
{
    return loop_clock(s->endpoint->loop);
}

int session_check(const jp_session *s, const char *what)
{
    if (!s)
        return failure(JP_INVALID, what, "no session");
    return loop_check(s->endpoint->loop, what);
}

void session_touch(jp_session *s)
{
    struct endpoint *e = s->endpoint;

    if (s->active)
        return;
    s->active = true;
    s->next_active = NULL;
    *e->active_tail = s;
    e->active_tail = &s->next_active;
    endpoint_wake(e);
}

/* ---- beginning ---- */

static void add_spi(jp_session *s, uint32_t spi)
{
    jp_session **head;

    s->spi = spi ? spi : endpoint_new_spi(s->endpoint, 1, 0);
    head = &s->endpoint->sessions[s->spi % ENDPOINT_HEADS];
    s->next_by_spi = *head;
    *head = s;
}

int session_new(jp_session **session, struct jp_loop *loop, jp_context *context, uint32_t spi,
                const char *what)
{
    size_t extension = context->settings.session_extension;
    size_t size = (sizeof(jp_session) + extension + 63) & ~(size_t)63;
    struct endpoint *e;
    int error = endpoint_hold(&e, loop);
    jp_session *s;

    if (error)
        return error;
    s = extension < SIZE_MAX / 2 ? aligned_alloc(64, size) : NULL;
    if (!s) {
        endpoint_release(e);
        return failure(JP_NO_MEMORY, what, "no memory for a session");
    }
    memset(s, 0, size);
    s->endpoint = e;
    s->context = context_hold(context);
    s->timeout_at = s->confirm_by = s->udp_at = UINT64_MAX;
    s->telling_tail = &s->telling;
    add_spi(s, spi);
    loop->alive[OBJECT_SESSION]++;
    *session = s;
    return 0;
}

void session_install(jp_session *s, const struct hs_result *keys, const struct jp_path *path)
{
    tunnel_init(&s->tunnel, s->endpoint->aead, keys, s->server);
    memcpy(s->key.bytes, keys->server_identity, sizeof(s->key.bytes));
    s->peer_params = keys->peer;
    s->path = *path;
    s->tunnel.tx.next_pn = s->resumed && !s->server; /* 0 was in the hello */
    if (s->server)
        tickets_make(s->context->tickets, &s->context->server, keys->resumption, session_now(s),
                     s->ticket);
    else
        resuming_keep(s, keys);
}

static struct conn_config config_of(jp_session *s)
{
    const jp_settings *settings = &s->context->settings;

    return (struct conn_config){
        .ops = &session_ops,
        .user = s,
        .pools = &s->endpoint->memory.pools,
        .replay = &s->tunnel.replay,
        .congestion = s->context->congestion,
        .goals = settings->without_fec ? NULL : redundancy_goals,
        .local = s->context->params,
        .peer = s->peer_params,
        .path = s->path,
        .window_max = settings->window_max,
        .stream_window_max = settings->stream_window_max,
        .heartbeat_us = settings->heartbeat < UINT32_MAX ? (uint32_t)settings->heartbeat : 0,
        .server = s->server,
        .ecn = true,
        .mtu_discovery = true,
    };
}

/* What waits in s->conn moves to a new one. */
static void replace(jp_session *s, struct conn *conn, uint64_t now)
{
    s->moving = true;
    conn_fini(s->conn);
    free(s->conn);
    s->moving = false;
    s->conn = conn;
    for (jp_stream *stream = s->streams; stream; stream = stream->next)
        stream_open_again(stream, now);
    outgoing_write_again(s, now);
    for (jp_stream *stream = s->streams; stream; stream = stream->next)
        if (stream->finished)
            conn_finish(conn, stream->id, now);
}

int session_build(jp_session *s, uint64_t now)
{
    struct conn_config config = config_of(s);
    struct conn *conn = aligned_alloc(64, (conn_size() + 63) & ~(size_t)63);

    if (!conn || conn_init(conn, &config, now) < 0) {
        free(conn);
        return failure(JP_NO_MEMORY, NULL, "no memory for a session");
    }
    if (s->conn)
        replace(s, conn, now);
    s->conn = conn;
    return 0;
}

int session_begin(jp_session *s, uint64_t now)
{
    bool built = s->resumed && !s->server; /* with what the server has taken already */

    if (!built && session_build(s, now)) {
        session_over(s, JP_CLOSED_HERE, CLOSE_LIMIT, "no memory");
        return JP_NO_MEMORY;
    }
    s->early = NULL; /* from now on they are the conn's alone */
    s->state = SESSION_OPEN;
    s->was_open = true;
    s->tell |= TELL_OPEN;
    session_touch(s);
    return 0;
}

void session_confirm(jp_session *s)
{
    s->listener->unconfirmed--;
    s->confirm_by = UINT64_MAX;
    conn_ticket(s->conn, s->ticket, sizeof(s->ticket));
}

/* ---- end ---- */

/* Cut where a character ends (UTF-8, RFC 3629). */
static char *copy_reason(const char *reason)
{
    size_t n = strnlen(reason, REASON_BYTES - 1);

    for (int i = 0; i < 3 && n && ((unsigned char)reason[n] & 0xc0) == 0x80; i++)
        n--;
    return strndup(reason, n);
}

void session_over(jp_session *s, enum jp_closed_by by, uint64_t code, const char *reason)
{
    if (s->state == SESSION_ENDED)
        return;
    s->state = SESSION_ENDED;
    s->closed_by = (uint8_t)by;
    s->code = code;
    if (!s->reason)
        s->reason = copy_reason(reason);
    session_touch(s);
}

void session_fail(jp_session *s, int error)
{
    s->error = error;
    session_over(s, JP_CLOSED_HERE, JP_CODE_NONE, failure_text(jp_error_detail()));
}

void session_tell_end(jp_session *s)
{
    const jp_callbacks *callbacks = &s->context->callbacks;
    jp_close close = {s->code, s->reason ? s->reason : "", s->closed_by};

    if (s->end_told)
        return;
    s->end_told = true;
    if (s->was_open && !(s->tell & TELL_OPEN)) {
        if (callbacks->close)
            callbacks->close(s, &close);
    } else if (s->error && callbacks->connect_error) {
        failure_detail("jp_connect", "%s", close.reason);
        callbacks->connect_error(s, s->error);
    }
}

static void forget_spi(jp_session *s)
{
    jp_session **link = &s->endpoint->sessions[s->spi % ENDPOINT_HEADS];

    while (*link && *link != s)
        link = &(*link)->next_by_spi;
    if (*link)
        *link = s->next_by_spi;
}

static void leave_listener(jp_session *s)
{
    s->listener->sessions--;
    s->listener->unconfirmed -= !session_is_confirmed(s);
    listener_release(s->listener);
}

void session_end(jp_session *s)
{
    struct endpoint *e = s->endpoint;

    if (s->conn)
        conn_fini(s->conn);
    forget_spi(s);
    while (s->streams)
        stream_free(s->streams);
    if (s->connecting)
        connect_end(s);
    for (int i = 0; i < SESSION_SOCKETS; i++)
        if (s->sockets[i])
            socket_release(s->sockets[i]);
    if (s->server)
        leave_listener(s);
    tunnel_wipe(&s->tunnel);
    resuming_forget(s);
    context_release(s->context);
    e->loop->alive[OBJECT_SESSION]--;
    e->users--; /* we are inside */
    free(s->conn);
    free(s->reason);
    free(s);
}

int jp_session_close(jp_session *session, uint64_t code, const char *reason)
{
    int error = session_check(session, __func__);

    if (!error && code >> 62) /* a varint holds no more (RFC 9000, 16) */
        error = failure(JP_INVALID, __func__, "code is %llu, want at most 2^62 - 1",
                        (unsigned long long)code);
    if (error || session->state == SESSION_ENDED)
        return error;
    if (session->state != SESSION_OPEN) {
        failure_detail(__func__, "%s", reason && *reason ? reason : "no reason given");
        session_fail(session, JP_CONNECT_ABORTED);
        return 0;
    }
    session->reason = copy_reason(reason ? reason : "");
    session->closed_here = true;
    conn_close(session->conn, code, session->reason ? session->reason : "", session_now(session));
    session_touch(session);
    return 0;
}

int jp_session_finish(jp_session *session)
{
    int error = session_check(session, __func__);

    if (error)
        return error;
    if (session->state == SESSION_CONNECTING)
        return jp_session_close(session, JP_CODE_NONE, NULL);
    session->finishing = true;
    session_touch(session);
    return 0;
}

/* ---- time ---- */

void session_expire(jp_session *s, uint64_t now)
{
    s->held = false;
    if (s->state == SESSION_CONNECTING)
        connect_expire(s, now);
    else if (now >= s->confirm_by)
        session_over(s, JP_CLOSED_SILENT, CLOSE_IDLE, "");
    else if (s->state == SESSION_OPEN)
        conn_timeout(s->conn, now);
    if (s->state == SESSION_OPEN && !s->server)
        fallback_expire(s, now);
    if (now >= s->timeout_at) {
        s->timeout_at = UINT64_MAX;
        s->tell |= TELL_TIMEOUT;
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t session_deadline(const jp_session *s, uint64_t now)
{
    uint64_t at = earlier(earlier(s->timeout_at, s->confirm_by), s->udp_at);

    if (s->state == SESSION_CONNECTING)
        at = earlier(at, connect_deadline(s));
    if (session_waits(s))
        return at;
    if (!s->held)
        return s->was_open ? earlier(at, conn_deadline(s->conn, now)) : at;
    if (s->armed && s->deadline.at > now) /* what it gets meanwhile puts nothing off */
        at = earlier(at, s->deadline.at);
    return earlier(at, now + HELD_US);
}

int jp_session_set_timeout(jp_session *session, uint64_t after)
{
    uint64_t now;
    int error = session_check(session, __func__);

    if (error)
        return error;
    now = session_now(session);
    session->tell &= (uint8_t)~TELL_TIMEOUT;
    session->timeout_at = after && after < UINT64_MAX - now ? now + after : UINT64_MAX;
    session_touch(session);
    return 0;
}

int jp_session_set_heartbeat(jp_session *session, uint64_t interval)
{
    int error = session_check(session, __func__);

    if (error)
        return error;
    if (session->state != SESSION_OPEN || interval < CONTEXT_HEARTBEAT_MIN)
        return failure(JP_INVALID, __func__, "it is not open, or less than 0.1 s");
    conn_set_heartbeat(session->conn, interval < UINT32_MAX ? (uint32_t)interval : 0,
                       session_now(session));
    session_touch(session);
    return 0;
}

/* ---- holding back ---- */

void session_pause(jp_session *s)
{
    s->paused = true;
}

void session_resume(jp_session *s)
{
    if (!s->paused)
        return;
    s->paused = false;
    for (jp_stream *stream = s->streams; stream; stream = stream->next)
        stream_tell(stream, TELL_READABLE);
}

bool session_holds_back(const jp_session *s)
{
    bool any = s->paused;

    for (const jp_stream *stream = s->streams; stream && !any; stream = stream->next)
        any = stream->paused;
    return any;
}

/* ---- what there is to tell ---- */

static void deliver_paths(jp_session *s)
{
    const jp_callbacks *callbacks = &s->context->callbacks;

    for (unsigned event = 0; event < 3; event++)
        for (unsigned path = 0; path < CONN_PATHS; path++) {
            bool told = s->paths_tell[event] & 1 << path;

            s->paths_tell[event] &= (uint8_t) ~(1 << path);
            if (told && callbacks->path && s->state == SESSION_OPEN)
                callbacks->path(s, path, (enum jp_path_event)event);
        }
}

static bool take_event(jp_session *s, enum session_event event)
{
    bool told = s->tell & event;

    s->tell &= (uint8_t)~event;
    return told;
}

static void deliver_streams(jp_session *s)
{
    jp_stream *stream = s->telling, *next;

    s->telling = NULL;
    s->telling_tail = &s->telling;
    for (; stream; stream = next) {
        next = stream->next_telling;
        stream->telling = false;
        if (session_speaks(s))
            stream_deliver(stream);
    }
}

void session_deliver(jp_session *s)
{
    const jp_callbacks *callbacks = &s->context->callbacks;

    if (take_event(s, TELL_OPEN) && callbacks->open)
        callbacks->open(s);
    if (s->telling)
        deliver_streams(s);
    if (take_event(s, TELL_DATAGRAM_ROOM) && callbacks->datagram_writable)
        callbacks->datagram_writable(s);
    deliver_paths(s);
    if (take_event(s, TELL_TIMEOUT) && callbacks->timeout && s->state != SESSION_ENDED)
        callbacks->timeout(s);
    if (s->finishing && s->state == SESSION_OPEN && conn_is_idle(s->conn))
        jp_session_close(s, JP_CODE_NONE, NULL);
}

/* ---- what it is ---- */

void *jp_session_extension(jp_session *session)
{
    return session ? session->extension : NULL;
}

jp_loop *jp_session_loop(const jp_session *session)
{
    return session ? session->endpoint->loop : NULL;
}

jp_context *jp_session_context(const jp_session *session)
{
    return session ? session->context : NULL;
}

jp_listener *jp_session_listener(const jp_session *session)
{
    bool has = session && session->listener && !session->listener->freed;

    return has ? session->listener : NULL;
}

int jp_session_is_resumed(const jp_session *session)
{
    return session && session->resumed && session->was_open;
}

int jp_session_is_open(const jp_session *session)
{
    return session && session->state == SESSION_OPEN;
}

jp_key jp_session_key(const jp_session *session)
{
    return session ? session->key : (jp_key){0};
}
