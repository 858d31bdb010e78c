/* Messages and datagrams to send, until they are acknowledged or given up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"

struct outgoing {
    jp_stream *stream; /* NULL: a datagram */
    jp_release *release;
    void *argument;
    size_t size;
    uint8_t data[]; /* if it was copied */
};

static enum jp_fate fate_of(enum sendq_fate fate)
{
    return fate == SENDQ_ACKED ? JP_DELIVERED : fate == SENDQ_EXPIRED ? JP_EXPIRED : JP_GIVEN_UP;
}

void outgoing_released(void *user, enum sendq_fate fate)
{
    struct outgoing *o = user;
    jp_stream *stream = o->stream;

    if (stream) {
        stream->pending -= o->size;
        if (stream->blocked &&
            stream->pending <= stream->session->context->settings.send_buffer / 2)
            stream_tell(stream, TELL_ROOM);
    }
    if (o->release)
        o->release(o->argument, fate_of(fate));
    free(o);
}

static int error_of(int e, size_t size, const char *what)
{
    switch (e) {
    case -EMSGSIZE:
        return failure(JP_SEND_TOO_BIG, what, "%zu bytes are more than the peer or the path takes",
                       size);
    case -ENOBUFS:
        return failure(JP_SEND_WOULD_BLOCK, what, "too much waits already");
    default:
        return failure(JP_SEND_CLOSED, what, "the stream or session is over");
    }
}

/* 0, or why no message of this size can be sent now. */
static int check(jp_stream *stream, size_t size, const char *what)
{
    jp_session *s = stream->session;
    int error = session_check(s, what);

    if (error)
        return error;
    if (s->state != SESSION_OPEN || s->finishing || stream->finished)
        return error_of(-EPIPE, size, what);
    if (size > JP_MESSAGE_MAX)
        return error_of(-EMSGSIZE, size, what);
    if (stream->pending && stream->pending + size > s->context->settings.send_buffer) {
        stream->blocked = true;
        return error_of(-ENOBUFS, size, what);
    }
    return 0;
}

/* Queue o, or free it. */
static int queue(jp_stream *stream, struct outgoing *o, const uint8_t *data, size_t size,
                 bool compressed, const char *what)
{
    jp_session *s = stream->session;
    int e = conn_write(s->conn, stream->id, data, (uint32_t)size, compressed, o, session_now(s));

    if (e < 0) {
        free(o);
        stream->blocked |= e == -ENOBUFS;
        return error_of(e, size, what);
    }
    stream->pending += o->size;
    session_touch(s);
    return 0;
}

static struct outgoing *outgoing_new(jp_stream *stream, size_t size, size_t copied)
{
    struct outgoing *o = malloc(sizeof(*o) + copied);

    if (o)
        *o = (struct outgoing){.stream = stream, .size = size};
    return o;
}

int jp_stream_send(jp_stream *stream, const void *data, size_t size)
{
    struct endpoint *e = stream->session->endpoint;
    int error = check(stream, size, __func__);
    struct outgoing *o;
    size_t compressed;

    if (error)
        return error;
    o = outgoing_new(stream, size, size);
    if (!o)
        return failure(JP_NO_MEMORY, __func__, "no memory for %zu bytes", size);
    compressed = compress_message(&stream->compress, e->workspace, data, size, o->data);
    if (!compressed && size)
        memcpy(o->data, data, size);
    return queue(stream, o, o->data, compressed ? compressed : size, compressed, __func__);
}

int jp_stream_send_reference(jp_stream *stream, const void *data, size_t size, jp_release *release,
                             void *argument)
{
    int error = check(stream, size, __func__);
    struct outgoing *o;

    if (error)
        return error;
    o = outgoing_new(stream, size, 0);
    if (!o)
        return failure(JP_NO_MEMORY, __func__, "no memory");
    o->release = release;
    o->argument = argument;
    return queue(stream, o, data, size, false, __func__);
}

/* ---- datagrams ---- */

size_t jp_session_datagram_max(const jp_session *session)
{
    return session->state == SESSION_OPEN ? conn_datagram_max(session->conn) : 0;
}

int jp_session_send_datagram(jp_session *session, const void *data, size_t size,
                             enum jp_priority priority)
{
    int error = session_check(session, __func__), e;
    struct outgoing *o;

    if (error)
        return error;
    if ((unsigned)priority > JP_PRIORITY_BULK)
        return failure(JP_INVALID, __func__, "no priority %d", priority);
    if (session->state != SESSION_OPEN || session->finishing)
        return error_of(-EPIPE, size, __func__);
    if (size > jp_session_datagram_max(session))
        return error_of(-EMSGSIZE, size, __func__);
    o = outgoing_new(NULL, size, size);
    if (!o)
        return failure(JP_NO_MEMORY, __func__, "no memory for %zu bytes", size);
    if (size)
        memcpy(o->data, data, size);
    e = conn_datagram(session->conn, o->data, (uint32_t)size,
                      priority ? (enum drr_priority)(priority - 1) : DRR_CHAT, o);
    if (e < 0) {
        free(o);
        return error_of(e, size, __func__);
    }
    session_touch(session);
    return 0;
}
