/* Memory that held what is encrypted on its way holds nothing of it when it is given back. Linked
 * so that the library's free() is ours. */
#include "sessions.h"

enum { SIZE = 100000, WATCHED = 3 };

static struct watched {
    const uint8_t *bytes;
    size_t size;
    bool freed;
} watched[WATCHED];

void __real_free(void *p);
void __wrap_free(void *p);

void __wrap_free(void *p)
{
    for (int i = 0; i < WATCHED; i++)
        if (p && p == watched[i].bytes && !watched[i].freed) {
            watched[i].freed = true;
            assert_int_equal(sum_of(watched[i].bytes, watched[i].size), 0);
        }
    __real_free(p);
}

static void watch_bytes(int i, const uint8_t *bytes, size_t size)
{
    watched[i] = (struct watched){.bytes = bytes, .size = size};
    assert_int_not_equal(sum_of(bytes, size), 0);
}

static void send_message(struct world *w, size_t size, bool compressed)
{
    static uint8_t data[SIZE];
    jp_stream *stream;

    memset(data, 'x', sizeof(data));
    assert_int_equal(jp_stream_open(&stream, w->client.session, JP_STREAM_ANY,
                                    &(jp_stream_options){.compress = compressed}),
                     0);
    assert_int_equal(jp_stream_send(stream, data, size), 0);
    run_until(w, &w->server.messages, w->server.messages + 1);
}

static void wipes_what_it_gives_back(void **state)
{
    struct endpoint *e;
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    world_connect(&w);
    e = w.loop->endpoint;
    send_message(&w, SIZE / 2, false);
    watch_bytes(0, e->message.bytes, e->message.size);
    send_message(&w, SIZE, false); /* it grows */
    assert_true(watched[0].freed);
    send_message(&w, SIZE, true);
    watch_bytes(0, e->message.bytes, e->message.size);
    watch_bytes(1, e->expanded.bytes, e->expanded.size);
    memset(e->out.buffer + SEND_BUFFER - 100, 'x', 100);
    watch_bytes(2, e->out.buffer, SEND_BUFFER);
    world_free(&w);
    for (int i = 0; i < WATCHED; i++)
        assert_true(watched[i].freed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wipes_what_it_gives_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
