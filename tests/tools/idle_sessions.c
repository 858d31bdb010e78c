/* idle-sessions HOST:PORT KEY N: opens N sessions with an echo service, has a message echoed in
 * each, and lets them rest. Prints as JSON what one costs here, and keeps them until it is
 * terminated. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include <jetplane/jetplane.h>

enum {
    UNDER_WAY = 64, /* sessions that are not at rest yet */
    WARM_UP = 1000, /* sessions before the first look at the memory */
    SECOND = 1000000,
    REST = 3 * SECOND,
    PATIENCE = 60 * SECOND,
};

static unsigned at_rest;

static size_t resident(void)
{
    unsigned long size, pages;
    FILE *f = fopen("/proc/self/statm", "r");

    if (!f || fscanf(f, "%lu %lu", &size, &pages) != 2)
        err(1, "/proc/self/statm");
    fclose(f);
    return pages * 4096;
}

static void check(int error, const char *what)
{
    if (error < 0)
        errx(1, "%s: %s (%s)", what, jp_error_text(error), jp_error_detail());
}

static void on_open(jp_session *session)
{
    jp_stream *stream;

    check(jp_stream_open(&stream, session, JP_STREAM_ANY, NULL), "stream");
    check(jp_stream_send(stream, "hello", 5), "send");
    check(jp_stream_finish(stream), "finish");
}

static void on_stream_close(jp_stream *stream, enum jp_stream_end how)
{
    (void)stream;
    at_rest += how == JP_STREAM_CLOSED;
}

static void on_connect_error(jp_session *session, int error)
{
    (void)session;
    check(error, "connect");
}

static void on_close(jp_session *session, const jp_close *close)
{
    (void)session;
    errx(1, "a session ended, %s: %llu %s", close->by == JP_CLOSED_HERE ? "here" : "there",
         (unsigned long long)close->code, close->reason);
}

static void rest(jp_loop *loop)
{
    uint64_t until = jp_loop_now(loop) + REST;

    while (jp_loop_now(loop) < until)
        jp_loop_run_once(loop, SECOND / 10);
}

/* Until there are n. */
static void connect_all(jp_loop *loop, jp_context *context, const char *server, unsigned n)
{
    static unsigned asked;
    jp_session *session;

    while (at_rest < n) {
        for (; asked < n && asked < at_rest + UNDER_WAY; asked++)
            check(jp_connect(&session, loop, context, server, NULL, PATIENCE), server);
        jp_loop_run_once(loop, SECOND);
    }
    rest(loop);
}

int main(int argc, char **argv)
{
    static const jp_callbacks callbacks = {.size = sizeof(callbacks),
                                           .open = on_open,
                                           .connect_error = on_connect_error,
                                           .close = on_close,
                                           .stream_close = on_stream_close};
    jp_settings settings = {
        .size = sizeof(settings), .heartbeat = UINT64_MAX, .idle_timeout = 3600ull * SECOND};
    unsigned n = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    jp_context *context;
    jp_loop *loop;
    size_t before;
    jp_key key;

    if (n <= WARM_UP)
        errx(2, "usage: idle-sessions HOST:PORT KEY N, N over %d", WARM_UP);
    check(jp_init(), "init");
    check(jp_key_parse(&key, argv[2]), "key");
    check(jp_trust_pin(&settings.trust, &key), "key");
    check(jp_loop_create(&loop, 0), "loop");
    check(jp_context_create(&context, &callbacks, &settings, 0), "context");
    connect_all(loop, context, argv[1], WARM_UP);
    before = resident();
    connect_all(loop, context, argv[1], n);
    printf("{\"sessions\": %u, \"bytes\": %zu}\n", n, (resident() - before) / (n - WARM_UP));
    fflush(stdout);
    return jp_loop_run(loop) < 0;
}
