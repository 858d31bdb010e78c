/* TCP where UDP does not get through: found when connecting and later, and what strangers can do
 * there. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "deaf.h"
#include "sessions.h"
#include "tcp.h"

static void block_udp(struct world *w, bool blocked)
{
    deafen_all(w->loop->endpoint, blocked);
}

/* How the client's newest packets go. */
static bool is_by_tcp(jp_session *s)
{
    jp_figures f;

    assert_int_equal(jp_session_figures(s, &f, sizeof(f)), 0);
    for (unsigned i = 0; i < JP_PATHS_MAX; i++)
        if (f.path[i].active)
            return f.path[i].tcp;
    return false;
}

static void expect_connections(struct world *w, unsigned n)
{
    for (int i = 0; i < 1000 && w->listener->n_connections != n; i++)
        jp_loop_run_once(w->loop, 10000);
    assert_int_equal(w->listener->n_connections, n);
}

static void exchange(struct world *w, size_t size)
{
    uint8_t *data = malloc(size);
    unsigned before = w->server.messages, echoed = w->client.messages;
    uint64_t bytes = w->server.bytes, sum = w->server.sum;
    jp_stream *stream;

    assert_non_null(data);
    fill(data, size, (unsigned)size);
    assert_int_equal(jp_stream_open(&stream, w->client.session, JP_STREAM_ANY, NULL), 0);
    assert_int_equal(jp_stream_send(stream, data, size), 0);
    run_until(w, &w->server.messages, before + 1);
    assert_int_equal(w->server.bytes - bytes, size);
    assert_int_equal(w->server.sum - sum, sum_of(data, size));
    assert_int_equal(jp_stream_send(w->server.stream, data, size), 0);
    run_until(w, &w->client.messages, echoed + 1);
    jp_stream_finish(stream);
    jp_stream_finish(w->server.stream);
    free(data);
}

/* ---- sessions ---- */

static void connects_by_tcp(void **state)
{
    jp_figures f;
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    block_udp(&w, true);
    world_connect(&w);
    assert_true(is_by_tcp(w.client.session));
    run_until(&w, &w.server.opened, 1);
    assert_true(is_by_tcp(w.server.session));
    exchange(&w, 100);
    exchange(&w, 8 << 20);
    assert_int_equal(jp_session_figures(w.client.session, &f, sizeof(f)), 0);
    assert_int_equal(f.path[0].tcp, 1);
    assert_int_equal(f.path[0].packet, 1472);
    assert_int_equal(f.packets_lost, 0);
    assert_int_equal(jp_session_peer(w.client.session).port, w.address.port);
    assert_int_equal(jp_session_peer(w.server.session).port,
                     jp_session_local(w.client.session).port);
    world_free(&w);
}

static void connects_by_tcp_6(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, "[::1]:0", NULL);
    block_udp(&w, true);
    world_connect(&w);
    assert_true(is_by_tcp(w.client.session));
    exchange(&w, 100000);
    world_free(&w);
}

static void does_without_when_told(void **state)
{
    jp_settings settings = {.without_tcp = 1};
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", &settings);
    assert_null(w.listener->ports);
    block_udp(&w, true);
    world_ask(&w, NULL, 1500000);
    run_until(&w, &w.client.failed, 1);
    assert_int_equal(w.client.error, JP_CONNECT_TIMEOUT);
    block_udp(&w, false);
    world_free(&w);
}

/* Half of a message is under way when UDP dies; and UDP comes back. */
static void moves_to_tcp_and_back(void **state)
{
    size_t size = 4 << 20;
    uint8_t *data = malloc(size);
    jp_stream *stream;
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    world_connect(&w);
    exchange(&w, 1000);
    assert_false(is_by_tcp(w.client.session));
    fill(data, size, 7);
    assert_int_equal(jp_stream_open(&stream, w.client.session, JP_STREAM_ANY, NULL), 0);
    assert_int_equal(jp_stream_send(stream, data, size), 0);
    for (int i = 0; i < 3; i++)
        jp_loop_run_once(w.loop, 1000);
    block_udp(&w, true);
    run_until(&w, &w.server.messages, 2);
    assert_int_equal(w.server.bytes, size + 1000);
    assert_int_equal(jp_stream_send(w.server.stream, data, size), 0);
    run_until(&w, &w.client.messages, 2);
    assert_true(is_by_tcp(w.client.session));
    assert_int_equal(w.client.closed + w.server.closed, 0);
    block_udp(&w, false);
    w.client.session->udp_at = jp_loop_now(w.loop); /* now, not in 15 s */
    session_touch(w.client.session);
    run_for(&w, 1000000);
    exchange(&w, 100000);
    exchange(&w, 100000);
    assert_false(is_by_tcp(w.client.session));
    assert_int_equal(w.client.closed + w.server.closed, 0);
    assert_int_equal(w.listener->n_connections, 1);
    w.client.session->udp_at = jp_loop_now(w.loop);
    session_touch(w.client.session);
    expect_connections(&w, 0); /* it works: TCP is needed no more */
    assert_null(w.client.session->sockets[SESSION_TCP]);
    assert_int_equal(w.client.session->udp_at, UINT64_MAX);
    exchange(&w, 100000);
    block_udp(&w, true); /* and is there again when it is */
    exchange(&w, 100000);
    assert_true(is_by_tcp(w.client.session));
    free(data);
    world_free(&w);
}

/* A session that began by TCP asks for UDP from time to time: in vain, at no cost that stays, and
 * then not. */
static void turns_to_udp(void **state)
{
    unsigned sockets = 0;
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    block_udp(&w, true);
    world_connect(&w);
    exchange(&w, 1000);
    for (int i = 0; i < 20; i++) {
        w.client.session->udp_at = jp_loop_now(w.loop);
        session_touch(w.client.session);
        run_for(&w, 100000);
    }
    for (unsigned i = 0; i < SESSION_SOCKETS; i++)
        sockets += w.client.session->sockets[i] != NULL;
    assert_in_range(sockets, 2, SESSION_SOCKETS);
    assert_true(is_by_tcp(w.client.session));
    exchange(&w, 1000);
    run_for(&w, 4000000); /* what was tried last has failed */
    block_udp(&w, false);
    w.client.session->udp_at = jp_loop_now(w.loop);
    session_touch(w.client.session);
    run_for(&w, 1000000);
    exchange(&w, 100000);
    exchange(&w, 100000);
    assert_false(is_by_tcp(w.client.session));
    assert_false(is_by_tcp(w.server.session));
    assert_int_equal(w.client.closed + w.server.closed, 0);
    world_free(&w);
}

/* The connection is cut: another takes its place, nothing is lost. */
static void survives_a_cut_connection(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    block_udp(&w, true);
    world_connect(&w);
    exchange(&w, 1000);
    shutdown(w.client.session->sockets[SESSION_TCP]->udp.fd, SHUT_RDWR);
    run_for(&w, 10000);
    exchange(&w, 1 << 20);
    assert_true(is_by_tcp(w.client.session));
    assert_int_equal(w.client.closed + w.server.closed, 0);
    world_free(&w);
}

/* A server's Retry that comes by UDP when the hello went by TCP too: both get the new one. */
static void says_a_changed_hello_again(void **state)
{
    jp_settings settings = {.without_tcp = 1};
    uint8_t retry[68] = {0}, hello[2 + HS_CLIENT_HELLO_LEN], cookie[24];
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct world w;
    int port, fd;

    (void)state;
    world_init(&w, "127.0.0.1:0", &settings);
    w.client.context->settings.without_tcp = 0;
    port = tcp_bind(&w.address, false);
    assert_int_equal(listen(port, 1), 0);
    block_udp(&w, true);
    world_ask(&w, NULL, 10000000);
    run_for(&w, 1500000);
    fd = accept(port, NULL, NULL);
    assert_int_equal(recv(fd, hello, sizeof(hello), MSG_WAITALL), sizeof(hello));
    assert_int_equal(hello[2 + 46], 0); /* no cookie */

    memset(cookie, 0xc0, sizeof(cookie));
    retry[4] = WIRE_RETRY;
    memcpy(retry + 5, hello + 2 + 5, 3);
    memcpy(retry + 8, hello + 2 + 8, 4 + 32); /* SPI and random */
    memcpy(retry + 44, cookie, sizeof(cookie));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(w.loop->endpoint->client[0]->udp.local.port);
    assert_int_equal(
        sendto(w.listener->sockets[0]->udp.fd, retry, sizeof(retry), 0, (void *)&to, sizeof(to)),
        sizeof(retry));
    for (int i = 0; i < 10; i++)
        jp_loop_run_once(w.loop, 10000);
    assert_int_equal(recv(fd, hello, sizeof(hello), MSG_DONTWAIT), sizeof(hello));
    assert_memory_equal(hello + 2 + 48, cookie, sizeof(cookie));
    close(fd);
    close(port);
    jp_session_close(w.client.session, 0, NULL);
    run_until(&w, &w.client.failed, 1);
    world_free(&w);
}

/* The server says why and is gone, with a reset, while the client has something to send. */
static void hears_the_last_word(void **state)
{
    struct linger reset = {.l_onoff = 1};
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    block_udp(&w, true);
    world_connect(&w);
    exchange(&w, 1000);
    setsockopt(w.listener->connections->socket->udp.fd, SOL_SOCKET, SO_LINGER, &reset,
               sizeof(reset));
    jp_watch_set(w.client.session->sockets[SESSION_TCP]->watch, 0);
    jp_session_close(w.server.session, 42, "enough");
    run_until(&w, &w.server.closed, 1);
    assert_int_equal(jp_listener_free(w.listener), 0);
    w.listener = NULL;
    run_for(&w, 50000);
    if (w.client.session->sockets[SESSION_TCP])
        jp_watch_set(w.client.session->sockets[SESSION_TCP]->watch, JP_READABLE | JP_WRITABLE);
    run_until(&w, &w.client.closed, 1);
    assert_int_equal(w.client.by, JP_CLOSED_BY_PEER);
    assert_int_equal(w.client.code, 42);
    world_free(&w);
}

/* ---- strangers ---- */

static int dial(struct world *w)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(w->address.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(&to.sin_addr, w->address.bytes, 4);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void closes_what_is_no_packet(void **state)
{
    static const uint8_t http[] = "GET / HTTP/1.1\r\n\r\n", empty[] = {0, 0},
                         large[] = {0x24, 1, 9};
    const struct {
        const uint8_t *bytes;
        size_t n;
    } garbage[] = {{http, sizeof(http)}, {empty, 2}, {large, 3}};
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    for (unsigned i = 0; i < 3; i++) {
        int fd = dial(&w);

        expect_connections(&w, 1);
        assert_int_equal(send(fd, garbage[i].bytes, garbage[i].n, 0), garbage[i].n);
        expect_connections(&w, 0);
        close(fd);
    }
    world_connect(&w);
    exchange(&w, 1000);
    world_free(&w);
}

/* A hello byte by byte, and keepalives in between: it is answered, in one piece. */
static void reads_byte_by_byte(void **state)
{
    struct hs_params params = hs_params_default;
    uint8_t out[3 + TCP_PREFIX + HS_CLIENT_HELLO_LEN] = {0, 1, 0xff}, in[2048];
    struct hs_client client;
    struct world w;
    ssize_t n = 0;
    int fd;

    (void)state;
    params.max_data = params.max_stream_data = 1 << 20;
    assert_int_equal(hs_client_start(&client,
                                     &(struct hs_client_config){
                                         .client_spi = 70000, .suites = {2, 1}, .params = params},
                                     &hs_random_system),
                     0);
    world_init(&w, "127.0.0.1:0", NULL);
    fd = dial(&w);
    be16_store(out + 3, HS_CLIENT_HELLO_LEN);
    memcpy(out + 5, client.hello, HS_CLIENT_HELLO_LEN);
    for (unsigned i = 0; i < sizeof(out); i++) {
        assert_int_equal(send(fd, out + i, 1, 0), 1);
        jp_loop_run_once(w.loop, i % 16 ? 0 : 1000);
    }
    for (int i = 0; i < 1000 && n <= 0; i++) {
        jp_loop_run_once(w.loop, 10000);
        n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
    }
    assert_true(n > 1301);
    assert_int_equal(be16_load(in), n - TCP_PREFIX);
    assert_int_equal(in[TCP_PREFIX + 4], WIRE_SERVER_HELLO);
    assert_int_equal(w.loop->alive[OBJECT_SESSION], 1);
    close(fd);
    expect_connections(&w, 0);
    world_free(&w);
}

/* Time is made to pass for the connections, not for us. */
static void age(struct world *w, uint64_t us)
{
    for (struct tcp *t = w->listener->connections; t; t = t->next) {
        t->began_at -= us;
        t->whole_at -= us;
        t->received_at -= us;
        t->sent_at -= us;
    }
}

static void closes_the_slow(void **state)
{
    struct world w;
    int silent, half;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    silent = dial(&w);
    half = dial(&w);
    assert_int_equal(send(half, "\5", 1, 0), 1);
    block_udp(&w, true);
    world_connect(&w); /* it has a session: it stays */
    run_until(&w, &w.server.opened, 1);
    expect_connections(&w, 3);
    age(&w, 5000000);
    run_for(&w, 3000000);
    expect_connections(&w, 3);
    age(&w, 5000000);
    run_for(&w, 3000000);
    expect_connections(&w, 1);
    exchange(&w, 1000);
    age(&w, 70000000); /* but not without a word */
    run_for(&w, 3000000);
    assert_int_equal(w.client.closed, 0);
    close(silent);
    close(half);
    world_free(&w);
}

/* Who sends nothing gets keepalives. */
static void keeps_alive(void **state)
{
    uint8_t in[16];
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    block_udp(&w, true);
    world_connect(&w);
    run_until(&w, &w.server.opened, 1);
    run_for(&w, 200000);
    for (struct tcp *t = w.listener->connections; t; t = t->next)
        t->sent_at -= 15000000;
    jp_watch_set(w.client.session->sockets[SESSION_TCP]->watch, 0); /* we listen instead */
    run_for(&w, 2600000);
    assert_int_equal(
        recv(w.client.session->sockets[SESSION_TCP]->udp.fd, in, sizeof(in), MSG_DONTWAIT), 3);
    assert_memory_equal(in, "\0\1\xff", 3);
    jp_watch_set(w.client.session->sockets[SESSION_TCP]->watch, JP_READABLE);
    world_free(&w);
}

/* A client that reads nothing costs the server a full buffer and no more, and catches up. */
static void bounds_what_waits(void **state)
{
    size_t size = 16 << 20;
    uint8_t *data = calloc(1, size);
    jp_stream *stream;
    jp_watch *watch;
    struct world w;
    struct tcp *t;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    block_udp(&w, true);
    world_connect(&w);
    exchange(&w, 1000);
    watch = w.client.session->sockets[SESSION_TCP]->watch;
    t = w.listener->connections;
    w.client.session->tcp_at = UINT64_MAX; /* it would think the connection is dead */
    jp_watch_set(watch, 0);
    assert_int_equal(jp_stream_open(&stream, w.server.session, JP_STREAM_ANY, NULL), 0);
    assert_int_equal(jp_stream_send(stream, data, size), 0);
    for (int i = 0; i < 100; i++) {
        jp_loop_run_once(w.loop, 10000);
        assert_true(t->out.used <= TCP_OUT_BYTES);
    }
    jp_watch_set(watch, JP_READABLE);
    run_until(&w, &w.client.messages, 2);
    free(data);
    world_free(&w);
}

static void caps_connections_of_a_network(void **state)
{
    enum { MORE = 20 };
    int fds[TCP_PREFIX_MAX + MORE];
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    for (unsigned i = 0; i < TCP_PREFIX_MAX + MORE; i++) {
        fds[i] = dial(&w);
        jp_loop_run_once(w.loop, 1000);
    }
    expect_connections(&w, TCP_PREFIX_MAX);
    for (unsigned i = 0; i < TCP_PREFIX_MAX + MORE; i++)
        close(fds[i]);
    expect_connections(&w, 0);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_by_tcp),
        cmocka_unit_test(connects_by_tcp_6),
        cmocka_unit_test(does_without_when_told),
        cmocka_unit_test(moves_to_tcp_and_back),
        cmocka_unit_test(says_a_changed_hello_again),
        cmocka_unit_test(hears_the_last_word),
        cmocka_unit_test(turns_to_udp),
        cmocka_unit_test(survives_a_cut_connection),
        cmocka_unit_test(closes_what_is_no_packet),
        cmocka_unit_test(reads_byte_by_byte),
        cmocka_unit_test(closes_the_slow),
        cmocka_unit_test(keeps_alive),
        cmocka_unit_test(bounds_what_waits),
        cmocka_unit_test(caps_connections_of_a_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
