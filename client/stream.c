/* Streams: objects beside those of the protocol core, found by their ids, and what they have to
 * tell. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "resuming.h"

/* ---- by id ---- */

static jp_stream **head_of(const jp_session *s, uint32_t id)
{
    struct endpoint *e = s->endpoint;
    uint64_t key = (uint64_t)s->spi << 16 | id;

    return &e->streams[key * e->streams_key >> 48];
}

static jp_stream *find(const jp_session *s, uint32_t id)
{
    jp_stream *stream = *head_of(s, id);

    while (stream && (stream->id != id || stream->session != s))
        stream = stream->next_by_id;
    return stream;
}

jp_stream *stream_new(jp_session *s, uint32_t id)
{
    jp_stream *stream = calloc(1, sizeof(*stream) + s->context->settings.stream_extension);
    jp_stream **head = head_of(s, id);

    if (!stream)
        return NULL;
    stream->session = s;
    stream->id = id;
    stream->next_by_id = *head;
    *head = stream;
    stream->next = s->streams;
    if (stream->next)
        stream->next->prev = stream;
    s->streams = stream;
    return stream;
}

void stream_free(jp_stream *stream)
{
    jp_session *s = stream->session;
    jp_stream **link = head_of(s, stream->id);

    while (*link != stream)
        link = &(*link)->next_by_id;
    *link = stream->next_by_id;
    *(stream->prev ? &stream->prev->next : &s->streams) = stream->next;
    if (stream->next)
        stream->next->prev = stream->prev;
    free(stream);
}

/* ---- what the protocol core says ---- */

void stream_tell(jp_stream *stream, unsigned event)
{
    jp_session *s = stream->session;

    stream->tell |= (uint8_t)event;
    if (stream->telling)
        return;
    stream->telling = true;
    stream->next_telling = NULL;
    *s->telling_tail = stream;
    s->telling_tail = &stream->next_telling;
    session_touch(s);
}

static void on_opened(struct conn *c, uint32_t id)
{
    jp_session *s = conn_user(c);
    jp_stream *stream = stream_new(s, id);

    if (stream)
        stream_tell(stream, TELL_OPENED);
    else
        conn_close(c, CLOSE_LIMIT, "no memory for streams", session_now(s));
}

static void on_readable(struct conn *c, uint32_t id)
{
    jp_stream *stream = find(conn_user(c), id);

    if (stream)
        stream_tell(stream, TELL_READABLE);
}

static void on_ended(struct conn *c, uint32_t id, enum conn_end how)
{
    static const uint8_t events[] = {
        [CONN_END_PEER] = TELL_FINISHED,
        [CONN_END_RESET] = TELL_RESET,
        [CONN_END_BOTH] = TELL_CLOSED,
    };
    jp_stream *stream = find(conn_user(c), id);

    if (stream)
        stream_tell(stream, events[how]);
}

static void on_released(struct conn *c, void *user, enum sendq_fate fate)
{
    (void)c;
    outgoing_released(user, fate);
}

static void on_writable(struct conn *c, int id)
{
    jp_session *s = conn_user(c);
    jp_stream *stream = id == CONN_STREAM_ANY ? NULL : find(s, (uint32_t)id);

    if (stream)
        stream_tell(stream, TELL_ROOM);
    if (id == CONN_STREAM_ANY) {
        s->tell |= TELL_DATAGRAM_ROOM;
        session_touch(s);
    }
}

/* What came before it on streams is delivered later in this turn. */
static void on_datagram(struct conn *c, const uint8_t *data, uint32_t len)
{
    jp_session *s = conn_user(c);

    if (s->tell & TELL_OPEN)
        session_deliver(s);
    if (s->context->callbacks.datagram && session_speaks(s))
        s->context->callbacks.datagram(s, data, len);
}

static void on_path(struct conn *c, unsigned path, enum conn_path_event event)
{
    jp_session *s = conn_user(c);

    s->paths_tell[event] |= (uint8_t)(1 << path);
    session_touch(s);
}

static void on_ticket(struct conn *c, const uint8_t *ticket, uint32_t len)
{
    jp_session *s = conn_user(c);

    if (s->tell & TELL_OPEN)
        session_deliver(s);
    resuming_ticket(s, ticket, len);
}

static int on_acked(struct conn *c, uint64_t pn)
{
    jp_session *s = conn_user(c);

    return epoch_tx_acked(&s->tunnel.tx, pn);
}

static enum jp_closed_by who(const jp_session *s, uint64_t code, bool local)
{
    if (!local)
        return JP_CLOSED_BY_PEER;
    return !s->closed_here && (code == CLOSE_IDLE || code == CLOSE_DEAD) ? JP_CLOSED_SILENT
                                                                         : JP_CLOSED_HERE;
}

static void on_closed(struct conn *c, uint64_t code, const char *reason, bool local)
{
    jp_session *s = conn_user(c);

    session_over(s, who(s, code, local), code, reason ? reason : "");
}

const struct conn_ops session_ops = {
    .opened = on_opened,
    .readable = on_readable,
    .ended = on_ended,
    .released = on_released,
    .writable = on_writable,
    .datagram = on_datagram,
    .path = on_path,
    .ticket = on_ticket,
    .acked = on_acked,
    .closed = on_closed,
};

/* ---- what there is to tell ---- */

/* Whether `event` is to be told now. */
static bool take_event(jp_stream *stream, enum stream_event event)
{
    bool told = stream->tell & event && session_speaks(stream->session);

    if (told)
        stream->tell &= (uint8_t)~event;
    return told;
}

static void tell_close(jp_stream *stream, enum jp_stream_end how)
{
    const jp_callbacks *callbacks = &stream->session->context->callbacks;

    if (callbacks->stream_close)
        callbacks->stream_close(stream, how);
}

bool stream_goes_on(const jp_stream *stream)
{
    return !stream->paused && (!stream->session->paused || stream->wanted);
}

void stream_want(jp_stream *stream)
{
    stream->wanted = true;
    stream_tell(stream, TELL_READABLE);
}

void stream_deliver(jp_stream *stream)
{
    const jp_callbacks *callbacks = &stream->session->context->callbacks;

    if (take_event(stream, TELL_OPENED) && callbacks->stream_open)
        callbacks->stream_open(stream);
    if (stream_goes_on(stream) && take_event(stream, TELL_READABLE))
        messages_deliver(stream);
    if (take_event(stream, TELL_FINISHED))
        tell_close(stream, JP_STREAM_FINISHED);
    if (take_event(stream, TELL_RESET))
        tell_close(stream, JP_STREAM_RESET);
    if (take_event(stream, TELL_ROOM)) {
        stream->blocked = false;
        if (callbacks->writable)
            callbacks->writable(stream);
    }
    if (take_event(stream, TELL_CLOSED)) {
        tell_close(stream, JP_STREAM_CLOSED);
        stream->last_told = true;
    }
    if (stream->last_told && !stream->telling)
        stream_free(stream);
}

/* ---- the program's calls ---- */

int stream_check(const jp_stream *stream, const char *what)
{
    return stream ? session_check(stream->session, what) : failure(JP_INVALID, what, "no stream");
}

static struct conn_stream_config config_of(const jp_stream_options *o)
{
    static const uint8_t protections[] = {
        [JP_PLAIN] = CONN_PLAIN, [JP_LATENCY] = CONN_LATENCY, [JP_EFFICIENT] = CONN_BULK};

    return (struct conn_stream_config){
        .ttl_us = o->ttl < UINT32_MAX ? (uint32_t)o->ttl : UINT32_MAX,
        .max_retransmissions = o->reliability == JP_RELIABLE  ? SENDQ_RELIABLE
                               : o->reliability == JP_LIMITED ? o->max_retransmissions
                                                              : 0,
        .priority = o->priority ? (uint8_t)(o->priority - 1) : DRR_CHAT,
        .protection = protections[o->protection],
        .unordered = o->unordered,
    };
}

static int check_options(const jp_stream_options *o, const char *what)
{
    if (o->priority > JP_PRIORITY_BULK)
        return failure(JP_INVALID, what, "no priority %d", o->priority);
    if (o->unordered > 1 || o->compress > 1 || o->early > 1)
        return failure(JP_INVALID, what, "a flag is neither 0 nor 1");
    if (o->reliability > JP_LIMITED || o->protection > JP_EFFICIENT)
        return failure(JP_INVALID, what, "unknown reliability or protection");
    if (o->reliability == JP_LIMITED &&
        (o->max_retransmissions == 0 || o->max_retransmissions == UINT8_MAX))
        return failure(JP_INVALID, what, "max_retransmissions is %d, want 1 to 254",
                       o->max_retransmissions);
    return 0;
}

static int error_of(const jp_session *s, int e, const char *what)
{
    switch (e) {
    case -EAGAIN:
        return failure(JP_SEND_STREAMS, what, "the peer allows %d streams at once, no more yet",
                       s->peer_params.max_streams);
    case -EEXIST:
        return failure(JP_INVALID, what, "a stream of this id is or was there");
    case -ENOBUFS:
        return failure(JP_NO_MEMORY, what, "the loop's memory for streams is used up");
    case -EINVAL:
        return failure(JP_INVALID, what, "no such id, or the order was settled by a message");
    default:
        return failure(JP_SEND_CLOSED, what, "the stream or session is over");
    }
}

int jp_stream_open(jp_stream **stream, jp_session *session, int id,
                   const jp_stream_options *options)
{
    static const jp_stream_options standard;
    const jp_stream_options *o = options ? options : &standard;
    struct conn_stream_config config;
    int error = session_check(session, __func__), chosen;

    if (!error && !stream)
        error = failure(JP_INVALID, __func__, "nowhere to put the stream");
    if (!error)
        error = check_options(o, __func__);
    if (error)
        return error;
    *stream = NULL;
    if (!session_writes(session) || session->finishing ||
        (session->state == SESSION_CONNECTING && !o->early))
        return failure(JP_SEND_CLOSED, __func__, "the session is not open");
    config = config_of(o);
    chosen = conn_open(session->conn, id, &config, session_now(session));
    if (chosen < 0)
        return error_of(session, chosen, __func__);
    *stream = stream_new(session, (uint32_t)chosen);
    if (!*stream) {
        conn_reset(session->conn, (uint32_t)chosen, session_now(session));
        return failure(JP_NO_MEMORY, __func__, "no memory for a stream");
    }
    (*stream)->config = config;
    (*stream)->compress.on = o->compress;
    return 0;
}

int jp_stream_configure(jp_stream *stream, const jp_stream_options *options)
{
    struct conn_stream_config config;
    int error = stream_check(stream, __func__), e;

    if (!error && !options)
        error = failure(JP_INVALID, __func__, "no options");
    if (!error)
        error = check_options(options, __func__);
    if (error)
        return error;
    if (!session_writes(stream->session))
        return error_of(stream->session, -EPIPE, __func__);
    config = config_of(options);
    e = conn_configure(stream->session->conn, stream->id, &config);
    if (e < 0)
        return error_of(stream->session, e, __func__);
    stream->config = config;
    stream->compress.on = options->compress;
    return 0;
}

void stream_open_again(jp_stream *stream, uint64_t now)
{
    if (conn_open(stream->session->conn, (int)stream->id, &stream->config, now) < 0) {
        stream->finished = true; /* the peer allows less than it did */
        stream_tell(stream, TELL_CLOSED);
    }
}

jp_stream *jp_stream_find(const jp_session *session, unsigned id)
{
    return session ? find(session, id) : NULL;
}

int jp_stream_finish(jp_stream *stream)
{
    int error = stream_check(stream, __func__);
    jp_session *s;

    if (error || stream->finished || !session_writes(stream->session))
        return error;
    s = stream->session;
    stream->finished = true;
    conn_finish(s->conn, stream->id, session_now(s));
    session_touch(s);
    return 0;
}

int jp_stream_reset(jp_stream *stream)
{
    int error = stream_check(stream, __func__);
    jp_session *s;

    if (error || !session_writes(stream->session))
        return error;
    s = stream->session;
    stream->finished = true;
    conn_reset(s->conn, stream->id, session_now(s));
    session_touch(s);
    return 0;
}

int jp_stream_pause(jp_stream *stream)
{
    int error = stream_check(stream, __func__);

    if (!error)
        stream->paused = true;
    return error;
}

int jp_stream_resume(jp_stream *stream)
{
    int error = stream_check(stream, __func__);

    if (error || !stream->paused)
        return error;
    stream->paused = false;
    stream_tell(stream, TELL_READABLE);
    return 0;
}

size_t jp_stream_pending(const jp_stream *stream)
{
    return stream ? stream->pending : 0;
}

unsigned jp_stream_id(const jp_stream *stream)
{
    return stream ? stream->id : 0;
}

jp_session *jp_stream_session(const jp_stream *stream)
{
    return stream ? stream->session : NULL;
}

void *jp_stream_extension(jp_stream *stream)
{
    return stream ? stream->extension : NULL;
}
