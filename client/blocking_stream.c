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
    bool kept, full, all_full;

    if (!s) /* refused, and about to be closed */
        return;
    gate_lock(&s->gate);
    channel = get_channel(s, stream);
    kept = channel && inbox_put(&s->inbox, channel, received);
    full = kept && channel->full;
    all_full = s->inbox.full;
    if (kept)
        gate_changed(&s->gate, true);
    gate_unlock(&s->gate);
    if (full)
        jp_stream_pause(stream);
    if (all_full)
        session_pause(s->session);
    if (!kept)
        jp_session_close(s->session, JP_CODE_LIMIT, "no memory for a message");
}

void blocking_stream_open(jp_stream *stream)
{
    jp_socket *s = blocking_of(jp_stream_session(stream));
    struct channel *channel;
    bool wanted;

    if (!s)
        return;
    gate_lock(&s->gate);
    channel = get_channel(s, stream);
    wanted = channel && channel->wanted;
    gate_unlock(&s->gate);
    if (wanted)
        stream_want(stream);
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
        failure_detail(NULL, "the session is over");
    else if (!stream)
        failure_detail(NULL, "stream %d is not open", r->stream);
    return stream;
}

static int open_stream(void *argument)
{
    struct request *r = argument;
    jp_stream *stream;
    int error;

    if (!r->socket->session)
        return failure(JP_SEND_CLOSED, NULL, "the session is not open");
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

/* Let go on what has room again; and if a reader finds nothing, one message of its stream. */
static int go_on(void *argument)
{
    struct request *r = argument;
    jp_socket *s = r->socket;
    jp_session *session = s->session;
    jp_stream *stream = session ? jp_stream_find(session, (unsigned)r->stream) : NULL;
    struct channel *channel;
    bool full = true, all_full = true;

    gate_lock(&s->gate);
    channel = inbox_channel(&s->inbox, (uint32_t)r->stream);
    if (channel) {
        inbox_go_on(&s->inbox, channel);
        full = channel->full;
        all_full = s->inbox.full;
        channel->wanted = all_full && TAILQ_EMPTY(&channel->letters);
    }
    gate_unlock(&s->gate);
    if (!channel)
        return failure(JP_NO_MEMORY, NULL, "no memory for stream %d", r->stream);
    if (stream && !full)
        jp_stream_resume(stream);
    if (stream && channel->wanted)
        stream_want(stream);
    if (session && !all_full)
        session_resume(session);
    blocking_take_rest(s);
    gate_lock(&s->gate);
    channel->ended |= s->state == SOCKET_OVER && TAILQ_EMPTY(&channel->letters);
    gate_unlock(&s->gate);
    return 0;
}

/* With the gate locked: whether the stream's messages may be held back, so that to wait for one is
 * to ask for it. */
static bool is_held_back(jp_socket *s, int stream)
{
    struct channel *channel;

    if (stream == JP_STREAM_ANY || (!s->inbox.full && s->state != SOCKET_OVER))
        return false;
    channel = inbox_channel(&s->inbox, (uint32_t)stream);
    return !channel || !channel->wanted || s->state == SOCKET_OVER;
}

/* With the gate locked: the next letter; NULL: not in time, or none comes, or an error. */
static struct letter *wait_for_letter(jp_socket *s, int stream, uint64_t until, int *error)
{
    struct request r = {.socket = s, .stream = stream};
    struct letter *letter;
    bool in_time = true;

    while (!(letter = inbox_peek(&s->inbox, stream)) && !inbox_ended(&s->inbox, stream) &&
           in_time && !*error) {
        if (!is_held_back(s, stream)) {
            in_time = gate_wait(&s->gate, until);
            continue;
        }
        gate_unlock(&s->gate);
        *error = background_call(s->loop, go_on, &r, "jp_socket_read");
        gate_lock(&s->gate);
    }
    if (!letter && !in_time)
        *error = failure(JP_RECEIVE_WOULD_BLOCK, "jp_socket_read", "nothing came in time");
    else if (!letter && !*error)
        *error = failure(JP_RECEIVE_CLOSED, "jp_socket_read", "nothing more can come");
    return letter;
}

int jp_socket_read(jp_socket *s, int stream, jp_received **received, int64_t timeout)
{
    uint64_t until = gate_until(timeout);
    struct letter *letter;
    bool may_go_on = false;
    int error = 0;

    if (!s || !received)
        return failure(JP_INVALID, __func__, "NULL argument");
    *received = NULL;
    gate_lock(&s->gate);
    letter = wait_for_letter(s, stream, until, &error);
    if (letter) {
        may_go_on = inbox_take(&s->inbox, letter);
        gate_changed(&s->gate, s->inbox.ended || inbox_peek(&s->inbox, JP_STREAM_ANY));
    }
    gate_unlock(&s->gate);
    if (!letter)
        return error;
    if (may_go_on)
        background_call(s->loop, go_on,
                        &(struct request){.socket = s, .stream = (int)letter->received.stream},
                        __func__);
    *received = &letter->received;
    return 0;
}

void jp_received_free(jp_received *received)
{
    free(received); /* the first part of its letter */
}
