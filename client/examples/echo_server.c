/* An echo server on the event loop: every message goes back on its stream, every datagram back.
 *
 *   echo_server ADDRESS KEYFILE */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jetplane/jetplane.h>

/* What of a stream could not be sent yet. */
struct held {
    void *data;
    size_t size;
};

static void on_message(jp_stream *stream, const void *data, size_t size, const jp_message *message)
{
    struct held *held = jp_stream_extension(stream); /* zeroed when the stream began */

    (void)message;
    if (jp_stream_send(stream, data, size) != JP_SEND_WOULD_BLOCK)
        return;
    held->data = malloc(size);
    if (!held->data)
        return;
    memcpy(held->data, data, size);
    held->size = size;
    jp_stream_pause(stream); /* no more until this is gone; the client will notice */
}

static void on_writable(jp_stream *stream)
{
    struct held *held = jp_stream_extension(stream);

    if (jp_stream_send(stream, held->data, held->size) == JP_SEND_WOULD_BLOCK)
        return;
    free(held->data);
    held->data = NULL;
    jp_stream_resume(stream);
}

static void on_stream_close(jp_stream *stream, enum jp_stream_end how)
{
    struct held *held = jp_stream_extension(stream);

    if (how == JP_STREAM_FINISHED)
        jp_stream_finish(stream);
    if (how == JP_STREAM_CLOSED)
        free(held->data);
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
        .message = on_message,
        .writable = on_writable,
        .stream_close = on_stream_close,
        .datagram = on_datagram,
    };
    jp_settings settings = {.size = sizeof(settings), .stream_extension = sizeof(struct held)};
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
