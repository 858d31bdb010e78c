/* Messages received: from their blocks into one piece, expanded, and delivered. */
#include <errno.h>
#include <string.h>

#include "endpoint.h"

/* Copy it out of its blocks; false: no memory. */
static bool collect(struct buffer *b, const struct reassembly_message *m)
{
    const uint8_t *data;

    if (!buffer_reserve(b, m->len))
        return false;
    for (uint32_t at = 0, n; at < m->len; at += n) {
        n = reassembly_read(m, at, &data);
        memcpy(b->bytes + at, data, n);
    }
    return true;
}

/* Expand the n bytes of e->message into e->expanded; returns their size, or < 0. */
static int64_t expand(struct endpoint *e, size_t n, size_t max)
{
    int64_t size = compress_raw_length(e->message.bytes, n, max);

    if (size < 0)
        return size;
    if (!buffer_reserve(&e->expanded, (size_t)size))
        return -ENOMEM;
    return compress_expand(e->message.bytes, n, e->expanded.bytes, (size_t)size) < 0 ? -EBADMSG
                                                                                     : size;
}

static void give_up(jp_session *s, int64_t error)
{
    const char *what = error == -EBADMSG    ? "a message cannot be expanded"
                       : error == -EMSGSIZE ? "a message is too long"
                                            : "no memory for a message";

    conn_close(s->conn, error == -EBADMSG ? CLOSE_PROTOCOL : CLOSE_LIMIT, what, session_now(s));
}

/* Deliver m, of which the stream is rid then. */
static void deliver_message(jp_stream *stream, struct reassembly_message *m)
{
    jp_session *s = stream->session;
    struct endpoint *e = s->endpoint;
    const jp_context *context = s->context;
    jp_message info = {m->seq, m->passed, m->compressed};
    int64_t size = m->len;
    bool whole = collect(&e->message, m);

    stream->wanted = false;
    conn_release(s->conn, stream->id, m, session_now(s));
    if (!whole)
        size = -ENOMEM;
    else if (info.compressed)
        size = expand(e, (size_t)size, context->settings.message_max);
    if (size < 0)
        give_up(s, size);
    else if (context->callbacks.message)
        context->callbacks.message(stream, info.compressed ? e->expanded.bytes : e->message.bytes,
                                   (size_t)size, &info);
}

void messages_deliver(jp_stream *stream)
{
    jp_session *s = stream->session;
    struct reassembly_message *m;

    while (session_speaks(s) && stream_goes_on(stream) && (m = conn_read(s->conn, stream->id)))
        deliver_message(stream, m);
}
