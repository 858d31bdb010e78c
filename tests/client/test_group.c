/* Listeners of several loops in several threads on one address: every session stays with its loop,
 * also when its packets come by another's socket. Run it with -Db_sanitize=thread too. */
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "endpoint.h"
#include "fixture.h"
#include "sockaddr.h"

enum { LOOPS = 3, SESSIONS = 60, ROUNDS = 20 };

struct server {
    pthread_t thread;
    jp_loop *loop;
    jp_listener_group *group;
    unsigned index;
    unsigned sessions, messages; /* its thread's, then ours */
    atomic_bool joined;
};

static void on_server_open(jp_session *session)
{
    struct server *server = *(struct server **)jp_loop_extension(jp_session_loop(session));

    assert_int_equal(session->spi % LOOPS, server->index);
    server->sessions++;
}

static void on_server_message(jp_stream *stream, const void *data, size_t size,
                              const jp_message *message)
{
    jp_loop *loop = jp_session_loop(jp_stream_session(stream));

    (void)message;
    (*(struct server **)jp_loop_extension(loop))->messages++;
    assert_int_equal(jp_stream_send(stream, data, size), 0);
}

static atomic_uint astray;

static void on_server_datagram(jp_session *session, const void *data, size_t size)
{
    (void)session;
    assert_int_equal(size, 6);
    assert_memory_equal(data, "astray", 6);
    atomic_fetch_add(&astray, 1);
}

static void *serve(void *argument)
{
    struct server *server = argument;
    jp_listener *listener;

    assert_int_equal(jp_loop_adopt(server->loop), 0);
    assert_int_equal(jp_listener_join(&listener, server->group, server->index, server->loop, 0), 0);
    atomic_store(&server->joined, true);
    jp_loop_run(server->loop);
    jp_listener_free(listener);
    while (server->loop->endpoint)
        jp_loop_run_once(server->loop, -1);
    assert_int_equal(jp_loop_free(server->loop), 0);
    return NULL;
}

struct client {
    jp_loop *loop;
    unsigned opened, messages, closed;
};

static void on_open(jp_session *session)
{
    struct client *client = *(struct client **)jp_loop_extension(jp_session_loop(session));
    jp_stream *stream;

    client->opened++;
    assert_int_equal(jp_stream_open(&stream, session, 1, NULL), 0);
    for (int i = 0; i < ROUNDS; i++)
        assert_int_equal(jp_stream_send(stream, "round and round it goes", 23), 0);
}

static void on_message(jp_stream *stream, const void *data, size_t size, const jp_message *message)
{
    jp_session *session = jp_stream_session(stream);
    struct client *client = *(struct client **)jp_loop_extension(jp_session_loop(session));

    assert_int_equal(size, 23);
    assert_memory_equal(data, "round and round it goes", 23);
    (void)message;
    client->messages++;
}

static void on_close(jp_session *session, const jp_close *close)
{
    (void)close;
    (*(struct client **)jp_loop_extension(jp_session_loop(session)))->closed++;
}

static void on_connect_error(jp_session *session, int error)
{
    (void)session;
    print_message("%s: %s\n", jp_error_name(error), jp_error_detail());
    fail();
}

static jp_context *server_context(jp_identity *identity)
{
    jp_callbacks callbacks = {.size = sizeof(callbacks),
                              .open = on_server_open,
                              .message = on_server_message,
                              .datagram = on_server_datagram};
    jp_settings settings = {.size = sizeof(settings), .identity = identity};
    jp_context *context;

    assert_int_equal(jp_context_create(&context, &callbacks, &settings, 0), 0);
    return context;
}

static jp_context *client_context(const jp_identity *identity)
{
    jp_callbacks callbacks = {.size = sizeof(callbacks),
                              .open = on_open,
                              .message = on_message,
                              .close = on_close,
                              .connect_error = on_connect_error};
    jp_settings settings = {.size = sizeof(settings)};
    jp_key key = jp_identity_key(identity);
    jp_context *context;

    assert_int_equal(jp_trust_pin(&settings.trust, &key), 0);
    assert_int_equal(jp_context_create(&context, &callbacks, &settings, 0), 0);
    jp_trust_free(settings.trust);
    return context;
}

static void start(struct server *server, jp_listener_group *group, unsigned index)
{
    *server = (struct server){.group = group, .index = index};
    assert_int_equal(jp_loop_create(&server->loop, sizeof(server)), 0);
    *(struct server **)jp_loop_extension(server->loop) = server;
    pthread_create(&server->thread, NULL, serve, server);
    while (!atomic_load(&server->joined))
        ;
}

/* ---- packets that come by the wrong socket ---- */

/* The next packet of a session, a datagram, as it would be sent; returns its length. */
static uint16_t seal_datagram(jp_session *s, uint8_t *packet)
{
    struct conn_packet p = {.frames = packet + WIRE_DATA_HDR};
    struct aead_op op;
    uint32_t length;

    assert_int_equal(jp_session_send_datagram(s, "astray", 6, JP_PRIORITY_SYSTEM), 0);
    assert_int_equal(conn_send(s->conn, session_now(s), s->tunnel.tx.next_pn, &p), 1);
    length = tunnel_wrap(&s->tunnel, packet, p.len, &op);
    aead_seal(s->endpoint->aead, &op, 1);
    return (uint16_t)length;
}

/* Two packets of equal length in one piece, which the kernel gives to the owner of the first. */
static void send_in_one_piece(int fd, const jp_address *to, struct iovec *packets)
{
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control = {.header = {.cmsg_level = IPPROTO_UDP,
                            .cmsg_type = UDP_SEGMENT,
                            .cmsg_len = CMSG_LEN(sizeof(uint16_t))}};
    uint16_t length = (uint16_t)packets[0].iov_len;
    union sockaddr_any address;
    struct msghdr message = {
        .msg_name = &address,
        .msg_namelen = sockaddr_store(&address, to),
        .msg_iov = packets,
        .msg_iovlen = 2,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };

    memcpy(CMSG_DATA(&control.header), &length, sizeof(length));
    assert_int_equal(sendmsg(fd, &message, 0), packets[0].iov_len + packets[1].iov_len);
}

/* Two of the client's sessions, of two loops. */
static void find_two(jp_loop *loop, jp_session *found[2])
{
    found[0] = found[1] = NULL;
    for (unsigned i = 0; i < ENDPOINT_HEADS; i++)
        for (jp_session *s = loop->endpoint->sessions[i]; s; s = s->next_by_spi) {
            if (!found[0])
                found[0] = s;
            else if (udp_owner(s->tunnel.tx_spi, LOOPS) !=
                     udp_owner(found[0]->tunnel.tx_spi, LOOPS))
                found[1] = s;
        }
    assert_non_null(found[1]);
}

static void misdirect(jp_loop *loop, const jp_address *to)
{
    static uint8_t bytes[2][2048];
    struct iovec packets[2];
    jp_session *sessions[2];

    find_two(loop, sessions);
    for (int i = 0; i < 2; i++) {
        packets[i].iov_base = bytes[i];
        packets[i].iov_len = seal_datagram(sessions[i], bytes[i]);
    }
    assert_int_equal(packets[0].iov_len, packets[1].iov_len);
    send_in_one_piece(sessions[0]->sockets[0]->udp.fd, to, packets);
    for (int i = 0; i < 100 && atomic_load(&astray) < 2; i++)
        jp_loop_run_once(loop, 100000);
    assert_int_equal(atomic_load(&astray), 2);
}

/* The client hears nothing by UDP any more: all sessions go on by TCP, whatever loop the kernel
 * gives their connections to. */
static void go_on_by_tcp(jp_loop *loop, struct client *client)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog nothing = {.len = 1, .filter = code};

    assert_int_equal(setsockopt(loop->endpoint->client[0]->udp.fd, SOL_SOCKET, SO_ATTACH_FILTER,
                                &nothing, sizeof(nothing)),
                     0);
    for (unsigned i = 0; i < ENDPOINT_HEADS; i++)
        for (jp_session *s = loop->endpoint->sessions[i]; s; s = s->next_by_spi)
            for (int k = 0; k < ROUNDS; k++)
                assert_int_equal(
                    jp_stream_send(jp_stream_find(s, 1), "round and round it goes", 23), 0);
    while (client->messages < 2 * SESSIONS * ROUNDS)
        assert_true(jp_loop_run_once(loop, 20000000) > 0);
    assert_int_equal(client->messages, 2 * SESSIONS * ROUNDS);
    assert_int_equal(client->closed, 0);
}

static void close_all(jp_loop *loop)
{
    for (unsigned i = 0; i < ENDPOINT_HEADS; i++)
        for (jp_session *s = loop->endpoint->sessions[i]; s; s = s->next_by_spi)
            assert_int_equal(jp_session_close(s, 0, NULL), 0);
}

static void run_for(jp_loop *loop, uint64_t us)
{
    uint64_t until = jp_loop_now(loop) + us;

    while (jp_loop_now(loop) < until)
        jp_loop_run_once(loop, (int64_t)(until - jp_loop_now(loop)));
}

static void shares_an_address(void **state)
{
    struct server servers[LOOPS];
    struct client client = {.loop = new_loop()};
    jp_context *server, *context;
    jp_listener_group *group;
    jp_identity *identity;
    jp_address address;
    char text[JP_ADDRESS_TEXT];
    unsigned messages = 0;
    jp_loop *loop;

    (void)state;
    assert_int_equal(jp_loop_create(&loop, sizeof(struct client *)), 0);
    *(struct client **)jp_loop_extension(loop) = &client;
    assert_int_equal(jp_identity_open(&identity, NULL, 0), 0);
    server = server_context(identity);
    context = client_context(identity);
    jp_address_parse(&address, "127.0.0.1", 0);
    assert_int_equal(jp_listener_group_create(&group, LOOPS, server, &address, 1), 0);
    address = jp_listener_group_address(group, 0);
    for (unsigned i = 0; i < LOOPS; i++)
        start(&servers[i], group, i);
    assert_int_equal(jp_listener_group_free(group), 0);

    jp_address_format(&address, text, sizeof(text));
    for (int i = 0; i < SESSIONS; i++) {
        jp_session *session;

        assert_int_equal(jp_connect(&session, loop, context, text, NULL, 20000000), 0);
    }
    while (client.messages < SESSIONS * ROUNDS)
        assert_true(jp_loop_run_once(loop, 20000000) > 0);
    run_for(loop, 300000); /* until all is acknowledged */
    assert_int_equal(client.messages, SESSIONS * ROUNDS);
    misdirect(loop, &address);
    go_on_by_tcp(loop, &client);
    close_all(loop);
    while (client.closed < SESSIONS)
        jp_loop_run_once(loop, -1);
    for (unsigned i = 0; i < LOOPS; i++) {
        jp_loop_stop(servers[i].loop);
        pthread_join(servers[i].thread, NULL);
        assert_int_not_equal(servers[i].sessions, 0);
        messages += servers[i].messages;
    }
    assert_int_equal(messages, 2 * SESSIONS * ROUNDS);
    while (loop->endpoint)
        jp_loop_run_once(loop, -1);
    assert_int_equal(jp_context_free(server), 0);
    assert_int_equal(jp_context_free(context), 0);
    jp_identity_free(identity);
    assert_int_equal(jp_loop_free(loop), 0);
    free_loop(client.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shares_an_address)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
