/* What a server and a client do with packets of people who do not speak the way the library does:
 * the raw handshake from outside. */
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sessions.h"

enum { PATIENCE_MS = 20 };

/* A socket beside the library's. */
static int stranger(const jp_address *to)
{
    struct udp udp;
    jp_address any;

    jp_address_parse(&any, "127.0.0.1", 0);
    assert_int_equal(udp_open(&udp, &any, 0), 0);
    if (to) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(to->port)};

        memcpy(&v4.sin_addr, to->bytes, 4);
        assert_int_equal(connect(udp.fd, (struct sockaddr *)&v4, sizeof(v4)), 0);
    }
    return udp.fd;
}

/* What comes back while the world turns; 0: nothing. */
static size_t hear(struct world *w, int fd, uint8_t *packet, struct sockaddr_in *from)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    socklen_t length = sizeof(*from);
    ssize_t n;

    for (int i = 0; i < 100 && !poll(&p, 1, 0); i++)
        jp_loop_run_once(w->loop, PATIENCE_MS * 1000 / 10);
    n = recvfrom(fd, packet, 2048, MSG_DONTWAIT, (struct sockaddr *)from, &length);
    return n < 0 ? 0 : (size_t)n;
}

static void hello_of(struct hs_client *c, const struct hs_params *params)
{
    struct hs_client_config config = {.client_spi = 70000, .suites = {2, 1}, .params = *params};

    assert_int_equal(hs_client_start(c, &config, &hs_random_system), 0);
}

static struct hs_params full_params(void)
{
    struct hs_params params = hs_params_default;

    params.max_data = params.max_stream_data = 1 << 20;
    return params;
}

/* A hello said again gets the same answer, byte for byte; one that is not confirmed opens nothing.
 */
static void answers_repetitions_alike(void **state)
{
    struct hs_params params = full_params();
    uint8_t first[2048], second[2048];
    struct sockaddr_in from;
    struct hs_client client;
    struct world w;
    size_t n;
    int fd;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    fd = stranger(&w.address);
    hello_of(&client, &params);
    assert_int_equal(send(fd, client.hello, HS_CLIENT_HELLO_LEN, 0), HS_CLIENT_HELLO_LEN);
    n = hear(&w, fd, first, &from);
    assert_true(n > 1301);
    assert_int_equal(first[4], WIRE_SERVER_HELLO);
    assert_int_equal(send(fd, client.hello, HS_CLIENT_HELLO_LEN, 0), HS_CLIENT_HELLO_LEN);
    assert_int_equal(hear(&w, fd, second, &from), n);
    assert_memory_equal(first, second, n);
    assert_int_equal(w.server.opened, 0);
    assert_int_equal(w.loop->alive[OBJECT_SESSION], 1);
    client.hello[0] ^= 1; /* no handshake any more, and nobody's session */
    send(fd, client.hello, HS_CLIENT_HELLO_LEN - 1, 0);
    close(fd);
    world_free(&w);
}

/* Those who cannot do the full transport get no session, and no answer. */
static void ignores_the_simple_transport(void **state)
{
    struct sockaddr_in from;
    struct hs_client client;
    uint8_t packet[2048];
    struct world w;
    int fd;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    fd = stranger(&w.address);
    hello_of(&client, &hs_params_default);
    send(fd, client.hello, HS_CLIENT_HELLO_LEN, 0);
    assert_int_equal(hear(&w, fd, packet, &from), 0);
    assert_int_equal(w.loop->alive[OBJECT_SESSION], 0);
    close(fd);
    world_free(&w);
}

/* Many hellos without a cookie: then they must bring one. All wait before the server looks, so they
 * are a crowd however slow it is; no socket has more answers than it can hold. */
static void asks_crowds_for_cookies(void **state)
{
    enum { STRANGERS = 4, EACH = 50 };
    struct hs_params params = full_params();
    unsigned hellos = 0, retries = 0;
    struct sockaddr_in from;
    struct hs_client client;
    uint8_t packet[2048];
    int fd[STRANGERS];
    struct world w;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    hello_of(&client, &params);
    for (int i = 0; i < STRANGERS; i++) {
        fd[i] = stranger(&w.address);
        for (int j = 0; j < EACH; j++) {
            randombytes_buf(client.hello + 12, 32);
            send(fd[i], client.hello, HS_CLIENT_HELLO_LEN, 0);
        }
    }
    for (int i = 0; i < STRANGERS * EACH; i++) {
        assert_true(hear(&w, fd[i / EACH], packet, &from) > 0);
        hellos += packet[4] == WIRE_SERVER_HELLO;
        retries += packet[4] == WIRE_RETRY;
    }
    assert_int_equal(hellos + retries, STRANGERS * EACH);
    assert_in_range(retries, 1, STRANGERS * EACH / 2);
    for (int i = 0; i < STRANGERS; i++)
        close(fd[i]);
    world_free(&w);
}

/* A server that cannot do the full transport, but has the right key. */
static void says_what_the_server_lacks(void **state)
{
    uint8_t hello[2048], answer[WIRE_HS_MAX];
    struct sockaddr_in to, from;
    socklen_t length = sizeof(to);
    struct hs_server server;
    struct hs_result result;
    struct world w;
    size_t n;
    int fd;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    server = w.server.context->server;
    server.params = hs_params_default;
    fd = stranger(NULL);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &length), 0);
    w.address.port = ntohs(to.sin_port);
    world_ask(&w, NULL, 0);
    assert_int_equal(hear(&w, fd, hello, &from), HS_CLIENT_HELLO_LEN);
    assert_int_equal(hs_server_answer(&server, w.loop->endpoint->aead, hello, 80000,
                                      &hs_random_system, &result, answer, &n),
                     HS_OK);
    answer[n - 1] ^= 1; /* of no worth, so ignored */
    sendto(fd, answer, n, 0, (struct sockaddr *)&from, sizeof(from));
    run_for(&w, 50000);
    assert_int_equal(w.client.failed, 0);
    answer[n - 1] ^= 1;
    sendto(fd, answer, n, 0, (struct sockaddr *)&from, sizeof(from));
    run_until(&w, &w.client.failed, 1);
    assert_int_equal(w.client.error, JP_CONNECT_TRANSPORT);
    assert_non_null(strstr(w.client.detail, "simple transport only"));
    close(fd);
    world_free(&w);
}

/* Only who has the server's key can say that a session is forgotten, and only of a packet that was
 * sent. */
static void disbelieves_forged_resets(void **state)
{
    uint8_t reset[HS_RESET_LEN], quote[WIRE_QUOTE] = {0};
    const struct hs_server *server;
    jp_address client = {.family = JP_IPV4, .bytes = {127, 0, 0, 1}};
    struct world w;
    int fd;

    (void)state;
    world_init(&w, "127.0.0.1:0", NULL);
    world_connect(&w);
    server = &w.server.context->server;
    client.port = jp_session_local(w.client.session).port;
    fd = stranger(&client);
    wire_data_hdr_put(quote, w.client.session->tunnel.tx_spi, 0);
    hs_reset_make(server, quote, reset);
    reset[HS_RESET_LEN - 1] ^= 1;
    send(fd, reset, sizeof(reset), 0);
    wire_data_hdr_put(quote, w.client.session->tunnel.tx_spi, 1000);
    hs_reset_make(server, quote, reset);
    send(fd, reset, sizeof(reset), 0);
    run_for(&w, 50000);
    assert_int_equal(w.client.closed, 0);
    wire_data_hdr_put(quote, w.client.session->tunnel.tx_spi, 0);
    hs_reset_make(server, quote, reset);
    send(fd, reset, sizeof(reset), 0);
    run_until(&w, &w.client.closed, 1);
    assert_int_equal(w.client.by, JP_CLOSED_RESET);
    close(fd);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_repetitions_alike), cmocka_unit_test(ignores_the_simple_transport),
        cmocka_unit_test(asks_crowds_for_cookies),   cmocka_unit_test(says_what_the_server_lacks),
        cmocka_unit_test(disbelieves_forged_resets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
