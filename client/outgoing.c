/* Messages and datagrams to send, until they are acknowledged or given up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"

struct outgoing {
    jp_stream *stream;     /* NULL: a datagram */
    struct outgoing *next; /* of the session's early ones */
    jp_release *release;
    void *argument;
    size_t size;
    const uint8_t *bytes; /* to be sent */
    uint32_t length;
    bool compressed;
    uint8_t data[]; /* if it was copied */
};

static enum jp_fate fate_of(enum sendq_fate fate)
{
    return fate == SENDQ_ACKED ? JP_DELIVERED : fate == SENDQ_EXPIRED ? JP_EXPIRED : JP_GIVEN_UP;
}

static void forget_early(jp_session *s, const struct outgoing *o)
{
    struct outgoing **link = &s->early;

    while (*link && *link != o)
        link = &(*link)->next;
    if (*link)
        *link = o->next;
}

void outgoing_released(void *user, enum sendq_fate fate)
{
    struct outgoing *o = user;
    jp_stream *stream = o->stream;

    if (stream) {
        if (stream->session->moving)
            return;
        forget_early(stream->session, o);
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
static int check(jp_stream *stream, const void *data, size_t size, const char *what)
{
    int error = stream_check(stream, what);
    jp_session *s;

    if (error)
        return error;
    s = stream->session;
    if (!data && size)
        return failure(JP_INVALID, what, "no data");
    if (!session_writes(s) || s->finishing || stream->finished)
        return error_of(-EPIPE, size, what);
    if (size > JP_MESSAGE_MAX)
        return error_of(-EMSGSIZE, size, what);
    if (stream->pending && stream->pending + size > s->context->settings.send_buffer) {
        stream->blocked = true;
        return error_of(-ENOBUFS, size, what);
    }
    return 0;
}

static int write_message(struct outgoing *o, uint64_t now)
{
    return conn_write(o->stream->session->conn, o->stream->id, o->bytes, o->length, o->compressed,
                      o, now);
}

static void add_early(jp_session *s, struct outgoing *o)
{
    struct outgoing **link = &s->early;

    while (*link)
        link = &(*link)->next;
    *link = o;
}

/* Queue o, or free it. */
static int queue(struct outgoing *o, const char *what)
{
    jp_stream *stream = o->stream;
    jp_session *s = stream->session;
    int e = write_message(o, session_now(s));

    if (e < 0) {
        stream->blocked |= e == -ENOBUFS;
        e = error_of(e, o->size, what);
        free(o);
        return e;
    }
    stream->pending += o->size;
    if (s->state == SESSION_CONNECTING)
        add_early(s, o);
    session_touch(s);
    return 0;
}

void outgoing_write_again(jp_session *s, uint64_t now)
{
    struct outgoing *o = s->early, *next;

    for (; o; o = next) {
        next = o->next;
        if (write_message(o, now) < 0)
            outgoing_released(o, SENDQ_ABANDONED);
    }
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
    int error = check(stream, data, size, __func__);
    struct outgoing *o;
    size_t compressed;

    if (error)
        return error;
    o = outgoing_new(stream, size, size);
    if (!o)
        return failure(JP_NO_MEMORY, __func__, "no memory for %zu bytes", size);
    compressed = compress_message(&stream->compress, stream->session->endpoint->workspace, data,
                                  size, o->data);
    if (!compressed && size)
        memcpy(o->data, data, size);
    o->bytes = o->data;
    o->length = (uint32_t)(compressed ? compressed : size);
    o->compressed = compressed > 0;
    return queue(o, __func__);
}

int jp_stream_send_reference(jp_stream *stream, const void *data, size_t size, jp_release *release,
                             void *argument)
{
    int error = check(stream, data, size, __func__);
    struct outgoing *o;

    if (!error && !release)
        error = failure(JP_INVALID, __func__, "nobody to tell when the bytes are free");
    if (error)
        return error;
    o = outgoing_new(stream, size, 0);
    if (!o)
        return failure(JP_NO_MEMORY, __func__, "no memory");
    o->release = release;
    o->argument = argument;
    o->bytes = data;
    o->length = (uint32_t)size;
    return queue(o, __func__);
}

/* ---- datagrams ---- */

size_t jp_session_datagram_max(const jp_session *session)
{
    return session && session->state == SESSION_OPEN ? conn_datagram_max(session->conn) : 0;
}

int jp_session_send_datagram(jp_session *session, const void *data, size_t size,
                             enum jp_priority priority)
{
    int error = session_check(session, __func__), e;
    struct outgoing *o;

    if (error)
        return error;
    if (!data && size)
        return failure(JP_INVALID, __func__, "no data");
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
