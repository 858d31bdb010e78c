/* An echo server on the event loop: every message goes back on its stream, every datagram back.
 *
 *   echo_server ADDRESS KEYFILE */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <jetplane/jetplane.h>

/* A message that could not be sent back yet; a stream's extension points to its own. */
struct held {
    LIST_ENTRY(held) next;
    size_t size;
    unsigned char data[];
};
LIST_HEAD(session, held); /* a session's extension: zeroed at the beginning, so it is empty */

static struct held **held_of(jp_stream *stream)
{
    return jp_stream_extension(stream);
}

static void release(struct held **held)
{
    if (!*held)
        return;
    LIST_REMOVE(*held, next);
    free(*held);
    *held = NULL;
}

static void on_message(jp_stream *stream, const void *data, size_t size, const jp_message *message)
{
    struct session *session = jp_session_extension(jp_stream_session(stream));
    struct held *held;

    (void)message;
    if (jp_stream_send(stream, data, size) != JP_SEND_WOULD_BLOCK)
        return;
    held = malloc(sizeof(*held) + size);
    if (!held) {
        jp_session_close(jp_stream_session(stream), JP_CODE_LIMIT, "no memory");
        return;
    }
    memcpy(held->data, data, size);
    held->size = size;
    LIST_INSERT_HEAD(session, held, next);
    *held_of(stream) = held;
    jp_stream_pause(stream); /* no more until this is gone; the client will notice */
}

static void on_writable(jp_stream *stream)
{
    struct held **held = held_of(stream);

    if (!*held || jp_stream_send(stream, (*held)->data, (*held)->size) == JP_SEND_WOULD_BLOCK)
        return;
    release(held);
    jp_stream_resume(stream);
}

static void on_stream_close(jp_stream *stream, enum jp_stream_end how)
{
    if (how == JP_STREAM_FINISHED)
        jp_stream_finish(stream);
    if (how == JP_STREAM_CLOSED)
        release(held_of(stream));
}

/* All its streams are over too. */
static void on_close(jp_session *session, const jp_close *close)
{
    struct session *all = jp_session_extension(session);
    struct held *held;

    (void)close;
    while ((held = LIST_FIRST(all)))
        release(&held);
}

static void on_datagram(jp_session *session, const void *data, size_t size)
{
    jp_session_send_datagram(session, data, size, JP_PRIORITY_CHAT);
}

static int fail(int error)
{
    fprintf(stderr, "echo_server: %s (%s)\n", jp_error_text(error), jp_error_detail());
    return 1;
}

static void print_where(const jp_listener *listener, const jp_identity *identity)
{
    jp_address address = jp_listener_address(listener, 0);
    jp_key key = jp_identity_key(identity);
    char where[JP_ADDRESS_TEXT], hex[JP_KEY_TEXT];

    jp_address_format(&address, where, sizeof(where));
    jp_key_format(&key, hex);
    printf("%s %s\n", where, hex);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const jp_callbacks callbacks = {
        .size = sizeof(callbacks),
        .close = on_close,
        .message = on_message,
        .writable = on_writable,
        .stream_close = on_stream_close,
        .datagram = on_datagram,
    };
    jp_settings settings = {.size = sizeof(settings),
                            .session_extension = sizeof(struct session),
                            .stream_extension = sizeof(struct held *)};
    jp_address address;
    jp_context *context;
    jp_listener *listener;
    jp_loop *loop;
    int error;

    if (argc != 3) {
        fputs("Usage: echo_server ADDRESS KEYFILE\n", stderr);
        return 2;
    }
    jp_init();
    if ((error = jp_address_parse(&address, argv[1], JP_PORT)) ||
        (error = jp_identity_open(&settings.identity, argv[2], 1)) ||
        (error = jp_context_create(&context, &callbacks, &settings, 0)) ||
        (error = jp_loop_create(&loop, 0)) ||
        (error = jp_listener_create(&listener, loop, context, &address, 1, 0)))
        return fail(error);
    print_where(listener, settings.identity);
    error = jp_loop_run(loop); /* for ever */
    return error ? fail(error) : 0;
}
