/* Streams of sockets: writing, and the way of a message from the loop's thread to a reader. */
#include <stdlib.h>

#include "blocking.h"

/* ---- what the session says, in the loop's thread ---- */

static struct channel **channel_of(jp_stream *stream)
{
    return jp_stream_extension(stream);
}

/* The stream's channel, with the gate locked. */
static struct channel *get_channel(jp_socket *s, jp_stream *stream)
{
    struct channel **channel = channel_of(stream);

    if (!*channel)
        *channel = inbox_channel(&s->inbox, jp_stream_id(stream));
    return *channel;
}

static void put(jp_stream *stream, const jp_received *received)
{
    jp_socket *s = blocking_of(jp_stream_session(stream));
    struct channel *channel;
    bool kept, full;

    if (!s) /* refused, and about to be closed */
        return;
    gate_lock(&s->gate);
    channel = get_channel(s, stream);
    kept = channel && inbox_put(&s->inbox, channel, received);
    full = kept && channel->full;
    if (kept)
        gate_changed(&s->gate, true);
    gate_unlock(&s->gate);
    if (full)
        jp_stream_pause(stream);
    if (!kept)
        jp_session_close(s->session, JP_CODE_LIMIT, "no memory for a message");
}

void blocking_stream_open(jp_stream *stream)
{
    (void)stream; /* its first message says it */
}

void blocking_message(jp_stream *stream, const void *data, size_t size, const jp_message *message)
{
    jp_received received = {
        .data = data,
        .size = size,
        .sequence = message->sequence,
        .stream = jp_stream_id(stream),
        .in_order = message->in_order,
        .compressed = message->compressed,
    };

    put(stream, &received);
}

void blocking_writable(jp_stream *stream)
{
    jp_socket *s = blocking_of(jp_stream_session(stream));

    if (!s)
        return;
    gate_lock(&s->gate);
    s->rooms++;
    gate_changed(&s->gate, s->gate.ready);
    gate_unlock(&s->gate);
}

void blocking_stream_close(jp_stream *stream, enum jp_stream_end how)
{
    jp_received end = {.stream = jp_stream_id(stream), .end = (uint8_t)how};
    jp_socket *s = blocking_of(jp_stream_session(stream));
    struct channel *channel;

    if (!s)
        return;
    if (how != JP_STREAM_CLOSED)
        put(stream, &end);
    gate_lock(&s->gate);
    channel = get_channel(s, stream);
    if (channel)
        channel->ended = true;
    gate_changed(&s->gate, s->gate.ready);
    gate_unlock(&s->gate);
}

/* ---- the program's calls ---- */

struct request {
    jp_socket *socket;
    const jp_stream_options *options;
    const void *data;
    size_t size;
    int stream;
};

/* The stream asked about, or NULL with JP_SEND_CLOSED. */
static jp_stream *stream_of(const struct request *r)
{
    jp_session *session = r->socket->session;
    jp_stream *stream = session ? jp_stream_find(session, (unsigned)r->stream) : NULL;

    if (!session)
        failure(JP_SEND_CLOSED, __func__, "the session is over");
    else if (!stream)
        failure(JP_SEND_CLOSED, __func__, "stream %d is not open", r->stream);
    return stream;
}

static int open_stream(void *argument)
{
    struct request *r = argument;
    jp_stream *stream;
    int error;

    if (!r->socket->session)
        return failure(JP_SEND_CLOSED, __func__, "the session is not open");
    error = jp_stream_open(&stream, r->socket->session, r->stream, r->options);
    return error ? error : (int)jp_stream_id(stream);
}

int jp_socket_open(jp_socket *s, int stream, const jp_stream_options *options)
{
    struct request r = {.socket = s, .stream = stream, .options = options};

    return blocking_call(s, open_stream, &r, __func__);
}

static int configure(void *argument)
{
    struct request *r = argument;
    jp_stream *stream = stream_of(r);

    return stream ? jp_stream_configure(stream, r->options) : JP_SEND_CLOSED;
}

int jp_socket_configure(jp_socket *s, unsigned stream, const jp_stream_options *options)
{
    struct request r = {.socket = s, .stream = (int)stream, .options = options};

    if (!options)
        return failure(JP_INVALID, __func__, "no options");
    return blocking_call(s, configure, &r, __func__);
}

static int send_message(void *argument)
{
    struct request *r = argument;
    jp_stream *stream = stream_of(r);

    return stream ? jp_stream_send(stream, r->data, r->size) : JP_SEND_CLOSED;
}

static uint64_t rooms(jp_socket *s)
{
    uint64_t rooms;

    gate_lock(&s->gate);
    rooms = s->rooms;
    gate_unlock(&s->gate);
    return rooms;
}

/* Wait for another stream to become writable than those seen; false: not until then. */
static bool wait_for_room(jp_socket *s, uint64_t seen, uint64_t until)
{
    bool in_time = true;

    gate_lock(&s->gate);
    while (in_time && s->rooms == seen && s->state == SOCKET_OPEN)
        in_time = gate_wait(&s->gate, until);
    gate_unlock(&s->gate);
    return in_time;
}

int jp_socket_write(jp_socket *s, unsigned stream, const void *data, size_t size, int64_t timeout)
{
    struct request r = {.socket = s, .data = data, .size = size, .stream = (int)stream};
    uint64_t until = gate_until(timeout), seen;
    int error;

    if (!s)
        return failure(JP_INVALID, __func__, "no socket");
    do {
        seen = rooms(s);
        error = background_call(s->loop, send_message, &r, __func__);
    } while (error == JP_SEND_WOULD_BLOCK && wait_for_room(s, seen, until));
    return error;
}

static int finish_stream(void *argument)
{
    jp_stream *stream = stream_of(argument);

    return stream ? jp_stream_finish(stream) : JP_SEND_CLOSED;
}

int jp_socket_finish_stream(jp_socket *s, unsigned stream)
{
    struct request r = {.socket = s, .stream = (int)stream};

    return blocking_call(s, finish_stream, &r, __func__);
}

static int reset_stream(void *argument)
{
    jp_stream *stream = stream_of(argument);

    return stream ? jp_stream_reset(stream) : JP_SEND_CLOSED;
}

int jp_socket_reset_stream(jp_socket *s, unsigned stream)
{
    struct request r = {.socket = s, .stream = (int)stream};

    return blocking_call(s, reset_stream, &r, __func__);
}

static int resume(void *argument)
{
    struct request *r = argument;
    jp_session *session = r->socket->session;
    jp_stream *stream = session ? jp_stream_find(session, (unsigned)r->stream) : NULL;

    return stream ? jp_stream_resume(stream) : 0;
}

int jp_socket_read(jp_socket *s, int stream, jp_received **received, int64_t timeout)
{
    uint64_t until = gate_until(timeout);
    struct letter *letter;
    bool in_time = true, emptied = false;

    if (!s || !received)
        return failure(JP_INVALID, __func__, "NULL argument");
    *received = NULL;
    gate_lock(&s->gate);
    while (!(letter = inbox_peek(&s->inbox, stream)) && in_time && !inbox_ended(&s->inbox, stream))
        in_time = gate_wait(&s->gate, until);
    if (letter) {
        emptied = inbox_take(&s->inbox, letter);
        gate_changed(&s->gate, s->inbox.ended || inbox_peek(&s->inbox, JP_STREAM_ANY));
    }
    gate_unlock(&s->gate);
    if (!letter && in_time)
        return failure(JP_RECEIVE_CLOSED, __func__, "nothing more can come");
    if (!letter)
        return failure(JP_RECEIVE_WOULD_BLOCK, __func__, "nothing came in time");
    if (emptied)
        background_call(s->loop, resume,
                        &(struct request){.socket = s, .stream = (int)letter->received.stream},
                        __func__);
    *received = &letter->received;
    return 0;
}

void jp_received_free(jp_received *received)
{
    free(received); /* the first part of its letter */
}
