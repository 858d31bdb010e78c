/* A client of an echo server with blocking sockets: one session, several streams, a thread for
 * each. None waits for another's messages.
 *
 *   multi_stream HOST[:PORT] KEY [STREAMS] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jetplane/jetplane.h>

enum { STREAMS_MAX = 64, MESSAGES = 100, SECOND = 1000000 };

struct talk {
    jp_socket *socket;
    pthread_t thread;
    int stream;
    unsigned echoes;
};

static _Noreturn void fail(const char *what, int error)
{
    fprintf(stderr, "multi_stream: %s: %s (%s)\n", what, jp_error_text(error), jp_error_detail());
    exit(1);
}

static void *talk(void *argument)
{
    struct talk *t = argument;
    jp_received *received;
    char text[64];
    int error;

    for (unsigned i = 0; i < MESSAGES; i++) {
        int n = snprintf(text, sizeof(text), "message %u of stream %d", i, t->stream);

        error = jp_socket_write(t->socket, (unsigned)t->stream, text, (size_t)n, 5 * SECOND);
        if (error)
            fail("write", error);
        error = jp_socket_read(t->socket, t->stream, &received, 5 * SECOND);
        if (error)
            fail("read", error);
        t->echoes += received->size == (size_t)n && memcmp(received->data, text, (size_t)n) == 0;
        jp_received_free(received);
    }
    return NULL;
}

/* Talk on n streams at once. */
static void talk_on(jp_socket *socket, unsigned n)
{
    struct talk talks[STREAMS_MAX];

    for (unsigned i = 0; i < n; i++) {
        talks[i] = (struct talk){.socket = socket};
        talks[i].stream = jp_socket_open(socket, JP_STREAM_ANY, NULL);
        if (talks[i].stream < 0)
            fail("open", talks[i].stream);
        if (pthread_create(&talks[i].thread, NULL, talk, &talks[i]) != 0)
            fail("thread", JP_NO_MEMORY);
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(talks[i].thread, NULL);
        printf("stream %d: %u of %d echoes\n", talks[i].stream, talks[i].echoes, MESSAGES);
    }
}

int main(int argc, char **argv)
{
    jp_settings settings = {.size = sizeof(settings)};
    int streams = argc > 3 ? atoi(argv[3]) : 4, error;
    jp_socket *socket;
    jp_key key;

    if (argc < 3 || streams < 1 || streams > STREAMS_MAX) {
        fprintf(stderr, "Usage: multi_stream HOST[:PORT] KEY [STREAMS, up to %d]\n", STREAMS_MAX);
        return 2;
    }
    jp_init();
    if ((error = jp_key_parse(&key, argv[2])) || (error = jp_trust_pin(&settings.trust, &key)) ||
        (error = jp_socket_create(&socket, &settings)) ||
        (error = jp_socket_connect(socket, argv[1], 5 * SECOND)))
        fail(argv[1], error);
    talk_on(socket, (unsigned)streams);
    jp_socket_finish(socket, SECOND);
    jp_socket_free(socket);
    jp_trust_free(settings.trust);
    return jp_finish();
}
