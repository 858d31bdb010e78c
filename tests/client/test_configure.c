/* Options of streams: what changes when they do, and what is refused. */
#include "sessions.h"

static jp_stream *begin(struct world *w, const jp_settings *settings)
{
    jp_stream *stream;

    world_init(w, "127.0.0.1:0", settings);
    world_connect(w);
    assert_int_equal(jp_stream_open(&stream, w->client.session, JP_STREAM_ANY, NULL), 0);
    return stream;
}

static void changes_compression_from_the_next_message_on(void **state)
{
    static const char text[8000];
    struct world w;
    jp_stream *stream;

    (void)state;
    stream = begin(&w, NULL);
    for (uint8_t i = 0; i < 4; i++) {
        assert_int_equal(jp_stream_configure(stream, &(jp_stream_options){.compress = i % 2}), 0);
        assert_int_equal(jp_stream_send(stream, text, sizeof(text)), 0);
        run_until(&w, &w.server.messages, i + 1);
        assert_int_equal(w.server.compressed, (i + 1) / 2);
    }
    world_free(&w);
}

struct fates {
    unsigned told;
    enum jp_fate last;
};

static void note_fate(void *argument, enum jp_fate fate)
{
    struct fates *fates = argument;

    fates->told++;
    fates->last = fate;
}

/* The peer does not read: what waits for it gets a lifetime, what was queued before has none. */
static void messages_expire_once_they_have_a_ttl(void **state)
{
    static const uint8_t message[60000];
    struct fates fates = {0};
    struct world w;
    jp_stream *stream;

    (void)state;
    stream = begin(&w, &(jp_settings){.stream_window = 100000, .stream_window_max = 100000});
    w.server.pauses = true;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(jp_stream_send(stream, message, sizeof(message)), 0);
    assert_int_equal(jp_stream_configure(stream, &(jp_stream_options){.ttl = 1000}), 0);
    assert_int_equal(jp_stream_send_reference(stream, message, sizeof(message), note_fate, &fates),
                     0);
    run_until(&w, &fates.told, 1);
    assert_int_equal(fates.last, JP_EXPIRED);
    assert_int_equal(jp_stream_configure(stream, &(jp_stream_options){0}), 0);
    assert_int_equal(jp_stream_send(stream, message, sizeof(message)), 0);
    assert_int_equal(jp_stream_resume(w.server.stream), 0);
    run_until(&w, &w.server.messages, 3);
    world_free(&w);
}

static void order_is_settled_by_the_first_message(void **state)
{
    static const jp_stream_options unordered = {.unordered = 1};
    struct world w;
    jp_stream *stream;

    (void)state;
    stream = begin(&w, NULL);
    assert_int_equal(jp_stream_configure(stream, &unordered), 0);
    assert_int_equal(jp_stream_configure(stream, &(jp_stream_options){0}), 0);
    assert_int_equal(jp_stream_configure(stream, &unordered), 0);
    assert_int_equal(jp_stream_send(stream, "x", 1), 0);
    assert_int_equal(jp_stream_configure(stream, &(jp_stream_options){0}), JP_INVALID);
    assert_non_null(strstr(jp_error_detail(), "the order was settled by a message"));
    assert_int_equal(jp_stream_configure(stream, &unordered), 0);
    world_free(&w);
}

static void refuses_what_there_is_not(void **state)
{
    static const struct {
        jp_stream_options options;
        const char *why;
    } wrong[] = {
        {{.priority = JP_PRIORITY_BULK + 1}, "no priority 5"},
        {{.unordered = 2}, "a flag is neither 0 nor 1"},
        {{.compress = 2}, "a flag is neither 0 nor 1"},
        {{.early = 2}, "a flag is neither 0 nor 1"},
        {{.reliability = JP_LIMITED + 1}, "unknown reliability or protection"},
        {{.protection = JP_EFFICIENT + 1}, "unknown reliability or protection"},
        {{.reliability = JP_LIMITED}, "max_retransmissions is 0, want 1 to 254"},
        {{.reliability = JP_LIMITED, .max_retransmissions = 255},
         "max_retransmissions is 255, want 1 to 254"},
    };
    static const char text[8000];
    struct world w;
    jp_stream *stream, *another;

    (void)state;
    stream = begin(&w, NULL);
    assert_int_equal(jp_stream_configure(stream, &(jp_stream_options){.compress = 1}), 0);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(jp_stream_configure(stream, &wrong[i].options), JP_INVALID);
        assert_non_null(strstr(jp_error_detail(), wrong[i].why));
        assert_int_equal(
            jp_stream_open(&another, w.client.session, JP_STREAM_ANY, &wrong[i].options),
            JP_INVALID);
        assert_non_null(strstr(jp_error_detail(), wrong[i].why));
    }
    assert_int_equal(jp_stream_send(stream, text, sizeof(text)), 0);
    run_until(&w, &w.server.messages, 1);
    assert_int_equal(w.server.compressed, 1); /* as it was */
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_compression_from_the_next_message_on),
        cmocka_unit_test(messages_expire_once_they_have_a_ttl),
        cmocka_unit_test(order_is_settled_by_the_first_message),
        cmocka_unit_test(refuses_what_there_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
