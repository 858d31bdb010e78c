/* Sessions resumed with data in their first packet, and who must not profit from it. The client
 * reaches the server through a tap, which counts, records and drops packets. */
#include <netinet/in.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"
#include "sessions.h"
#include "sockaddr.h"

enum { TYPE_AT = 4 };

struct tap {
    int fd;
    jp_watch *watch;
    jp_address address, server, client;
    unsigned up, down;
    uint64_t down_bytes;
    uint8_t hello[RESUME_HELLO_LEN]; /* the first packet up */
    uint8_t answer;                  /* type of the first packet down */
    uint8_t lose;                    /* this type of handshake packet */
    unsigned losses;                 /* so many of them */
    unsigned up_max;                 /* then the client is mute */
    bool deaf;                       /* nothing reaches the client */
};

static void tap_take(struct tap *t, uint8_t *packet, size_t n, const jp_address *from)
{
    bool up = jp_address_compare(from, &t->server) != 0;
    bool handshake = packet[0] == 0 && packet[1] == 0 && packet[2] == 0 && packet[3] == 0;
    union sockaddr_any to;

    if (up) {
        t->client = *from;
        if (t->up++ == 0 && n == sizeof(t->hello))
            memcpy(t->hello, packet, n);
    } else {
        if (t->down++ == 0)
            t->answer = packet[TYPE_AT];
        t->down_bytes += n;
    }
    if (handshake && t->losses && packet[TYPE_AT] == t->lose) {
        t->losses--;
        return;
    }
    if (up ? t->up > t->up_max : t->deaf)
        return;
    sendto(t->fd, packet, n, 0, (void *)&to, sockaddr_store(&to, up ? &t->server : &t->client));
}

static size_t hear(int fd, uint8_t packet[2048], jp_address *from)
{
    union sockaddr_any address;
    socklen_t length = sizeof(address);
    ssize_t n = recvfrom(fd, packet, 2048, MSG_DONTWAIT, (void *)&address, &length);

    if (n > 0)
        *from = sockaddr_load(&address);
    return n < 0 ? 0 : (size_t)n;
}

static void tap_ready(jp_watch *watch, unsigned events)
{
    struct tap *t = *(struct tap **)jp_watch_extension(watch);
    uint8_t packet[2048];
    jp_address from;
    size_t n;

    (void)events;
    while ((n = hear(t->fd, packet, &from)) > 0)
        tap_take(t, packet, n, &from);
}

static int stranger(jp_address *address)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    union sockaddr_any bound;
    socklen_t length = sizeof(bound);

    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(getsockname(fd, (void *)&bound, &length), 0);
    *address = sockaddr_load(&bound);
    return fd;
}

static void tap_open(struct tap *t, jp_loop *loop, const jp_address *server)
{
    *t = (struct tap){.server = *server, .up_max = UINT32_MAX};
    t->fd = stranger(&t->address);
    assert_int_equal(
        jp_watch_create(&t->watch, loop, t->fd, JP_READABLE, tap_ready, sizeof(struct tap *)), 0);
    *(struct tap **)jp_watch_extension(t->watch) = t;
}

static void tap_close(struct tap *t)
{
    jp_watch_free(t->watch);
    close(t->fd);
}

/* Count and record anew. */
static void tap_reset(struct tap *t)
{
    t->up = t->down = 0;
    t->down_bytes = 0;
}

/* ---- a client that comes again ---- */

struct scene {
    struct world w;
    struct tap tap;
    unsigned up_at_message; /* packets that had left the client when the server read the first */
    size_t echo;            /* bytes to answer with, 0: what came */
};

static struct scene *scene_of(struct end *end)
{
    return (struct scene *)((uint8_t *)end->world - offsetof(struct scene, w));
}

static void echo(struct end *end, jp_stream *stream, const void *data, size_t size)
{
    struct scene *s = scene_of(end);
    static const uint8_t zeros[1 << 18];

    if (end->messages == 1)
        s->up_at_message = s->tap.up;
    assert_int_equal(jp_stream_send(stream, s->echo ? zeros : data, s->echo ? s->echo : size), 0);
}

static void leave(struct world *w)
{
    unsigned closed = w->server.closed;

    assert_int_equal(jp_session_close(w->client.session, 0, NULL), 0);
    run_until(w, &w->client.closed, w->client.closed + 1);
    if (w->server.session)
        run_until(w, &w->server.closed, closed + 1);
    w->server.messages = w->client.messages = w->server.opened = w->client.opened = 0;
    w->server.finished = w->client.closed_streams = 0;
}

/* The server was visited, and the client has what it needs to come again. */
static void scene_init_with(struct scene *s, const jp_settings *settings)
{
    memset(s, 0, sizeof(*s));
    world_init(&s->w, "127.0.0.1:0", settings);
    s->w.server.on_message = echo;
    tap_open(&s->tap, s->w.loop, &s->w.address);
    s->w.address = s->tap.address;
    world_connect(&s->w);
    assert_int_equal(s->tap.answer, WIRE_SERVER_HELLO);
    assert_false(jp_session_is_resumed(s->w.client.session));
    run_until(&s->w, &s->w.client.resumptions, 1);
    leave(&s->w);
    tap_reset(&s->tap);
}

static void scene_init(struct scene *s)
{
    scene_init_with(s, &(jp_settings){.without_tcp = 1});
}

static void scene_free(struct scene *s)
{
    tap_close(&s->tap);
    world_free(&s->w);
}

static void ask_again(struct scene *s)
{
    struct end *client = &s->w.client;
    char text[JP_ADDRESS_TEXT];

    jp_address_format(&s->w.address, text, sizeof(text));
    assert_int_equal(jp_connect_resume(&client->session, s->w.loop, client->context, text, NULL, 0,
                                       client->resumption, client->resumption_size),
                     0);
}

static jp_stream *early_stream(struct scene *s, const void *data, size_t size)
{
    jp_stream *stream;

    assert_int_equal(jp_stream_open(&stream, s->w.client.session, JP_STREAM_ANY,
                                    &(jp_stream_options){.early = 1}),
                     0);
    assert_int_equal(jp_stream_send(stream, data, size), 0);
    return stream;
}

static void come_again(struct scene *s, size_t size)
{
    static uint8_t data[100000];

    fill(data, size, 1);
    ask_again(s);
    early_stream(s, data, size);
    s->w.client.sum = s->w.server.sum = 0;
    run_until(&s->w, &s->w.client.messages, 1);
    run_for(&s->w, 100000);
    assert_int_equal(s->w.server.messages, 1);
    assert_int_equal(s->w.client.messages, 1);
    assert_true(s->w.server.sum == sum_of(data, size));
    assert_true(s->echo || s->w.client.sum == sum_of(data, size));
    assert_int_equal(s->w.client.opened, 1);
    assert_int_equal(s->w.server.opened, 1);
}

/* Refused: the whole handshake, and what was to be early arrives once. */
static void comes_in_full(struct scene *s)
{
    tap_reset(&s->tap);
    come_again(s, 1000);
    assert_int_equal(s->tap.hello[TYPE_AT], WIRE_RESUME_HELLO);
    assert_int_equal(s->tap.answer, WIRE_RESUME_REFUSE);
    assert_false(jp_session_is_resumed(s->w.client.session));
    assert_false(jp_session_is_resumed(s->w.server.session));
    leave(&s->w);
}

/* ---- what it is for ---- */

static void saves_a_round_trip(void **state)
{
    static const size_t sizes[] = {1, 1000, 5000, 100000};
    struct scene s;

    (void)state;
    scene_init(&s);
    for (unsigned i = 0; i < 4; i++) { /* each with what the last was given */
        tap_reset(&s.tap);
        come_again(&s, sizes[i]);
        assert_int_equal(s.tap.hello[TYPE_AT], WIRE_RESUME_HELLO);
        assert_int_equal(s.tap.answer, WIRE_RESUME_ACCEPT);
        assert_true(jp_session_is_resumed(s.w.client.session));
        assert_true(jp_session_is_resumed(s.w.server.session));
        if (sizes[i] <= 1000) /* the hello was all it took */
            assert_int_equal(s.up_at_message, 1);
        assert_int_equal(s.w.client.resumptions, i + 2);
        leave(&s.w);
    }
    scene_free(&s);
}

/* It says nothing at once, but is as good a session. */
static void resumes_without_data(void **state)
{
    struct scene s;
    jp_stream *stream;

    (void)state;
    /* neither heartbeats nor probes of the path's MTU would confirm it */
    scene_init_with(&s,
                    &(jp_settings){.without_tcp = 1, .heartbeat = UINT64_MAX, .max_packet = 1280});
    ask_again(&s);
    assert_int_equal(jp_stream_open(&stream, s.w.client.session, JP_STREAM_ANY, NULL),
                     JP_SEND_CLOSED);
    run_until(&s.w, &s.w.client.opened, 1);
    run_until(&s.w, &s.w.client.resumptions, 2); /* it has confirmed */
    assert_true(jp_session_is_resumed(s.w.client.session));
    assert_int_equal(jp_stream_open(&stream, s.w.client.session, JP_STREAM_ANY, NULL), 0);
    assert_int_equal(jp_stream_send(stream, "late", 4), 0);
    run_until(&s.w, &s.w.client.messages, 1);
    leave(&s.w);
    scene_free(&s);
}

static void lost_hellos_and_answers(void **state)
{
    static const uint8_t lost[] = {WIRE_RESUME_HELLO, WIRE_RESUME_ACCEPT};
    struct scene s;

    (void)state;
    scene_init(&s);
    for (int i = 0; i < 2; i++) {
        s.tap.lose = lost[i];
        s.tap.losses = 1;
        come_again(&s, 1000);
        assert_true(jp_session_is_resumed(s.w.client.session));
        leave(&s.w);
    }
    scene_free(&s);
}

/* A server under load asks for a cookie first; then it may answer as much as it likes. */
static void brings_a_cookie(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    s.w.listener->unconfirmed += 1000;
    come_again(&s, 1000);
    assert_int_equal(s.tap.answer, WIRE_RETRY);
    assert_int_equal(s.up_at_message, 2);
    assert_true(jp_session_is_resumed(s.w.client.session));
    s.w.listener->unconfirmed -= 1000;
    assert_int_equal(s.w.listener->unconfirmed, 0);
    leave(&s.w);
    scene_free(&s);
}

static void finishes_early(void **state)
{
    struct scene s;
    jp_stream *kept, *given_up;

    (void)state;
    scene_init(&s);
    ask_again(&s);
    kept = early_stream(&s, "once", 4);
    given_up = early_stream(&s, "never", 5);
    assert_int_equal(jp_stream_finish(kept), 0);
    assert_int_equal(jp_stream_reset(given_up), 0);
    assert_int_equal(jp_stream_pending(given_up), 0);
    assert_int_equal(jp_stream_send(kept, "more", 4), JP_SEND_CLOSED);
    run_until(&s.w, &s.w.client.messages, 1);
    run_until(&s.w, &s.w.server.finished, 1);
    run_for(&s.w, 50000);
    assert_int_equal(s.w.server.messages, 1);
    leave(&s.w);
    scene_free(&s);
}

/* ---- refused ---- */

static void falls_back_from_silence(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    s.tap.lose = WIRE_RESUME_HELLO;
    s.tap.losses = 1000;
    come_again(&s, 5000);
    assert_int_equal(s.tap.answer, WIRE_SERVER_HELLO);
    assert_false(jp_session_is_resumed(s.w.client.session));
    leave(&s.w);
    scene_free(&s);
}

/* The server begins anew, with its key and other settings. */
static void restart(struct scene *s, const jp_settings *others)
{
    jp_settings settings = others ? *others : s->w.settings;

    settings.size = sizeof(settings);
    settings.identity = s->w.identity;
    settings.without_tcp = 1;
    assert_int_equal(jp_listener_free(s->w.listener), 0);
    while (jp_context_free(s->w.server.context))
        jp_loop_run_once(s->w.loop, 1000000);
    end_init(&s->w.server, &settings);
    world_listen(&s->w, &s->tap.server);
}

static void restarted_servers_refuse(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    restart(&s, NULL);
    comes_in_full(&s);
    scene_free(&s);
}

/* It allows less than it did: what does not fit is given up, the session is not. */
static void servers_may_have_less(void **state)
{
    struct scene s;
    jp_stream *stream;

    (void)state;
    scene_init(&s);
    restart(&s, &(jp_settings){.streams = 1, .message_max = 1024});
    ask_again(&s);
    early_stream(&s, (uint8_t[2000]){0}, 2000); /* too long, now */
    early_stream(&s, "short", 5);               /* but of a second stream */
    run_until(&s.w, &s.w.client.opened, 1);
    run_until(&s.w, &s.w.client.closed_streams, 1);
    assert_int_equal(s.w.server.messages, 0);
    stream = jp_stream_find(s.w.client.session, 1);
    assert_non_null(stream);
    assert_int_equal(jp_stream_pending(stream), 0);
    assert_int_equal(jp_stream_send(stream, "fits", 4), 0);
    run_until(&s.w, &s.w.client.messages, 1);
    leave(&s.w);
    scene_free(&s);
}

static void tickets_expire(void **state)
{
    uint8_t secret[KDF_HASH_LEN] = {0}, ticket[RESUME_TICKET_LEN];
    const jp_context *context;
    struct scene s;

    (void)state;
    scene_init(&s);
    context = s.w.server.context;
    tickets_make(context->tickets, &context->server, secret,
                 jp_loop_now(s.w.loop) + 2 * RESUME_KEY_LIFETIME_S * UINT64_C(1000000), ticket);
    comes_in_full(&s);
    scene_free(&s);
}

static void forgeries_are_refused(void **state)
{
    static const size_t places[] = {4 + 32 /* the secret */, 110 /* parameters or ticket */};
    struct scene s;
    uint8_t real[JP_RESUMPTION_MAX];
    size_t size;
    jp_session *session;

    (void)state;
    scene_init(&s);
    size = s.w.client.resumption_size;
    memcpy(real, s.w.client.resumption, size);
    for (int i = 0; i < 2; i++) {
        memcpy(s.w.client.resumption, real, size);
        s.w.client.resumption[i ? size - 1 : places[0]] ^= 1;
        comes_in_full(&s);
    }
    real[0] ^= 1;
    assert_int_equal(jp_connect_resume(&session, s.w.loop, s.w.client.context, "127.0.0.1:1", NULL,
                                       0, real, size),
                     JP_INVALID);
    real[0] ^= 1;
    assert_int_equal(jp_connect_resume(&session, s.w.loop, s.w.client.context, "127.0.0.1:1", NULL,
                                       0, real, size - 1),
                     JP_INVALID);
    scene_free(&s);
}

/* A forged secret used nothing up: its owner may still come. */
static void forgeries_use_nothing_up(void **state)
{
    struct scene s;
    uint8_t real[JP_RESUMPTION_MAX];

    (void)state;
    scene_init(&s);
    memcpy(real, s.w.client.resumption, sizeof(real));
    s.w.client.resumption[4 + 32] ^= 1;
    comes_in_full(&s);
    memcpy(s.w.client.resumption, real, sizeof(real));
    come_again(&s, 1000);
    assert_true(jp_session_is_resumed(s.w.client.session));
    leave(&s.w);
    scene_free(&s);
}

static void is_good_once(void **state)
{
    struct scene s;
    uint8_t used[JP_RESUMPTION_MAX];

    (void)state;
    scene_init(&s);
    memcpy(used, s.w.client.resumption, sizeof(used));
    come_again(&s, 1000);
    assert_true(jp_session_is_resumed(s.w.client.session));
    leave(&s.w);
    memcpy(s.w.client.resumption, used, sizeof(used));
    comes_in_full(&s);
    scene_free(&s);
}

/* Early data is for the server that the client trusts, and nobody else. */
static void asks_trust_first(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    world_trust(&s.w, &(jp_key){.bytes = {1}});
    tap_reset(&s.tap);
    ask_again(&s);
    early_stream(&s, "secret", 6);
    run_until(&s.w, &s.w.client.failed, 1);
    assert_int_equal(s.w.client.error, JP_CONNECT_IDENTITY);
    assert_int_equal(s.tap.hello[TYPE_AT], WIRE_CLIENT_HELLO);
    assert_int_equal(s.w.server.messages, 0);
    scene_free(&s);
}

static void another_server_gets_nothing(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    s.w.address = s.tap.server;
    world_change_key(&s.w);
    s.w.address = s.tap.address;
    ask_again(&s);
    early_stream(&s, "secret", 6);
    run_until(&s.w, &s.w.client.failed, 1);
    assert_int_equal(s.tap.answer, WIRE_RESUME_REFUSE);
    assert_int_equal(s.w.client.error, JP_CONNECT_IDENTITY);
    assert_int_equal(s.w.server.messages, 0);
    scene_free(&s);
}

static unsigned released;

static void on_release(void *argument, enum jp_fate fate)
{
    (void)argument;
    assert_int_equal(fate, JP_GIVEN_UP);
    released++;
}

static void may_be_closed_at_any_time(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    released = 0;
    for (unsigned i = 1; i <= 2; i++) { /* before the hello, and after it */
        jp_stream *stream;

        s.tap.up_max = 0;
        ask_again(&s);
        stream = early_stream(&s, "lost", 4);
        assert_int_equal(jp_stream_send_reference(stream, "lent", 4, on_release, NULL), 0);
        if (i == 2)
            run_for(&s.w, 50000);
        assert_int_equal(released, i - 1);
        assert_int_equal(jp_session_close(s.w.client.session, 0, NULL), 0);
        run_until(&s.w, &s.w.client.failed, i);
        assert_int_equal(s.w.client.error, JP_CONNECT_ABORTED);
        assert_int_equal(released, i);
    }
    scene_free(&s);
}

/* ---- strangers ---- */

/* What a server says to this hello, brought from elsewhere. */
static uint8_t bring(struct world *w, const uint8_t *hello, const jp_address *server)
{
    uint8_t packet[2048];
    jp_address here, from;
    union sockaddr_any to;
    int fd = stranger(&here);
    size_t n;

    sendto(fd, hello, RESUME_HELLO_LEN, 0, (void *)&to, sockaddr_store(&to, server));
    run_for(w, 50000);
    n = hear(fd, packet, &from);
    close(fd);
    return n > TYPE_AT ? packet[TYPE_AT] : 0;
}

static void copies_are_refused(void **state)
{
    struct scene s;
    uint8_t hello[RESUME_HELLO_LEN];
    union sockaddr_any to;

    (void)state;
    scene_init(&s);
    come_again(&s, 1000);
    memcpy(hello, s.tap.hello, sizeof(hello));
    assert_int_equal(bring(&s.w, hello, &s.tap.server), WIRE_RESUME_REFUSE);
    /* from the client's own address: the answer of the first, no second session */
    tap_reset(&s.tap);
    sendto(s.tap.fd, hello, sizeof(hello), 0, (void *)&to, sockaddr_store(&to, &s.tap.server));
    run_for(&s.w, 50000);
    assert_int_equal(s.tap.answer, WIRE_RESUME_ACCEPT);
    assert_int_equal(s.w.server.messages, 1);
    assert_int_equal(s.w.server.opened, 1);
    assert_int_equal(s.w.listener->sessions, 1);
    leave(&s.w);
    restart(&s, NULL);
    assert_int_equal(bring(&s.w, hello, &s.tap.server), WIRE_RESUME_REFUSE);
    assert_int_equal(s.w.server.messages, 0);
    scene_free(&s);
}

/* Whoever is first has the early data read, and three times its bytes sent to him at most. */
static void answers_no_more_than_it_may(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    s.echo = 100000;
    s.tap.up_max = 1; /* the hello, and no more */
    s.tap.deaf = true;
    ask_again(&s);
    early_stream(&s, "much", 4);
    run_until(&s.w, &s.w.server.messages, 1);
    run_for(&s.w, 900000);
    assert_in_range(s.tap.down_bytes, 1344, CONN_AMPLIFICATION * RESUME_HELLO_LEN);
    assert_int_equal(s.w.listener->unconfirmed, 1);
    assert_int_equal(s.w.client.messages, 0);
    /* it is forgotten in time */
    s.w.server.session->confirm_by = jp_loop_now(s.w.loop);
    session_touch(s.w.server.session);
    run_until(&s.w, &s.w.server.closed, s.w.server.closed + 1);
    assert_int_equal(s.w.server.by, JP_CLOSED_SILENT);
    assert_int_equal(s.w.listener->unconfirmed, 0);
    scene_free(&s);
}

/* But a client that confirms gets it all. */
static void answers_in_full_when_confirmed(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    s.echo = 100000;
    come_again(&s, 1000);
    assert_true(s.w.client.bytes >= 100000);
    assert_int_equal(s.w.listener->unconfirmed, 0);
    leave(&s.w);
    scene_free(&s);
}

/* The loops of a group share what was used. */
static void copies_on_another_loop_are_refused(void **state)
{
    uint8_t packet[2048], hello[RESUME_HELLO_LEN];
    jp_listener_group *group;
    jp_listener *listeners[2];
    jp_address any, here, from;
    jp_loop *second;
    struct scene s;
    int fd = stranger(&here);

    (void)state;
    scene_init(&s);
    assert_int_equal(jp_loop_create(&second, 0), 0);
    assert_int_equal(jp_address_parse(&any, "127.0.0.1:0", 0), 0);
    assert_int_equal(jp_listener_group_create(&group, 2, s.w.server.context, &any, 1), 0);
    assert_int_equal(jp_listener_join(&listeners[0], group, 0, s.w.loop, 0), 0);
    assert_int_equal(jp_listener_join(&listeners[1], group, 1, second, 0), 0);
    come_again(&s, 1000);
    memcpy(hello, s.tap.hello, sizeof(hello));
    for (int i = 0; i < 2; i++) {
        struct socket *socket = listeners[i]->sockets[0];
        struct udp_packet p = {
            .data = hello, .length = sizeof(hello), .peer = here, .local = socket->udp.local};

        endpoint_enter(socket->endpoint);
        endpoint_take(socket, &p, 1);
        endpoint_leave(socket->endpoint);
        assert_int_equal(hear(fd, packet, &from), RESUME_REFUSE_LEN);
        assert_int_equal(packet[TYPE_AT], WIRE_RESUME_REFUSE);
        assert_int_equal(listeners[i]->sessions, 0);
    }
    leave(&s.w);
    jp_listener_free(listeners[0]);
    jp_listener_free(listeners[1]);
    jp_listener_group_free(group);
    while (second->endpoint)
        jp_loop_run_once(second, 100000);
    assert_int_equal(jp_loop_free(second), 0);
    close(fd);
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saves_a_round_trip),
        cmocka_unit_test(resumes_without_data),
        cmocka_unit_test(lost_hellos_and_answers),
        cmocka_unit_test(brings_a_cookie),
        cmocka_unit_test(finishes_early),
        cmocka_unit_test(falls_back_from_silence),
        cmocka_unit_test(restarted_servers_refuse),
        cmocka_unit_test(servers_may_have_less),
        cmocka_unit_test(tickets_expire),
        cmocka_unit_test(forgeries_are_refused),
        cmocka_unit_test(forgeries_use_nothing_up),
        cmocka_unit_test(is_good_once),
        cmocka_unit_test(asks_trust_first),
        cmocka_unit_test(another_server_gets_nothing),
        cmocka_unit_test(may_be_closed_at_any_time),
        cmocka_unit_test(copies_are_refused),
        cmocka_unit_test(answers_no_more_than_it_may),
        cmocka_unit_test(answers_in_full_when_confirmed),
        cmocka_unit_test(copies_on_another_loop_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
