/* The longest message that a side lets in is what its windows hold: it comes, and one byte more is
 * refused at once, instead of waiting for credit for ever. */
#include "sessions.h"

#include "flow.h"

static void longest_comes(const jp_settings *settings, size_t longest)
{
    uint8_t *data = malloc(longest + 1);
    struct world w;
    jp_stream *stream;

    assert_non_null(data);
    fill(data, longest + 1, 3);
    world_init(&w, "127.0.0.1:0", settings);
    world_connect(&w);
    assert_int_equal(w.client.session->peer_params.max_message, longest);
    assert_int_equal(jp_stream_open(&stream, w.client.session, JP_STREAM_ANY, NULL), 0);
    assert_int_equal(jp_stream_send(stream, data, longest + 1), JP_SEND_TOO_BIG);
    assert_int_equal(jp_stream_send(stream, data, longest), 0);
    run_until(&w, &w.server.messages, 1);
    assert_int_equal(w.server.bytes, longest);
    assert_int_equal(w.server.sum, sum_of(data, longest));
    world_free(&w);
    free(data);
}

static void by_the_settings(void **state)
{
    (void)state;
    longest_comes(&(jp_settings){.message_max = 1024}, 1024);
    longest_comes(NULL, JP_MESSAGE_MAX);
}

static void by_the_stream_window(void **state)
{
    (void)state;
    longest_comes(&(jp_settings){.stream_window = 4096, .stream_window_max = 4096},
                  4096 - FLOW_MESSAGE_COST);
    longest_comes(&(jp_settings){.stream_window = 200000, .stream_window_max = 200000},
                  200000 - FLOW_MESSAGE_COST);
}

/* A long message wants room left beside it (flow.h); one that is not long does not. */
static void by_the_session_window(void **state)
{
    (void)state;
    longest_comes(&(jp_settings){.window = 65536, .window_max = 65536}, 65536 - FLOW_MESSAGE_COST);
    longest_comes(&(jp_settings){.window = 100000, .window_max = 100000}, FLOW_LONG);
    longest_comes(&(jp_settings){.window = 1 << 20, .window_max = 1 << 20},
                  (1 << 20) - FLOW_MESSAGE_COST - FLOW_RESERVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_the_settings),
        cmocka_unit_test(by_the_stream_window),
        cmocka_unit_test(by_the_session_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
