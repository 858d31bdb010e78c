/* Several loops in several threads on one address: the kernel brings every packet to the loop that
 * owns its SPI, wherever it comes from. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "bytes.h"
#include "fixture.h"
#include "udp.h"

enum { WORKERS = 3, CLIENTS = 4, PACKETS = 500 };

struct worker {
    jp_loop *loop;
    struct udp *udp;
    struct udp_rx rx;
    unsigned index, data, handshakes, stray;
};

static struct udp sockets[WORKERS];
static struct worker workers[WORKERS];
static atomic_uint received;

static uint32_t owned_spi(const struct udp_packet *p)
{
    uint32_t spi = p->length >= 4 ? be32_load(p->data) : 0;

    return spi || p->length < 12 ? spi : be32_load(p->data + 8);
}

static void ready(jp_watch *watch, unsigned events)
{
    struct worker *w = *(struct worker **)jp_watch_extension(watch);

    (void)events;
    assert_true(udp_receive(w->udp, &w->rx) >= 0);
    for (unsigned i = 0; i < w->rx.count; i++) {
        const struct udp_packet *p = &w->rx.packets[i];

        w->stray += udp_owner(owned_spi(p), WORKERS) != w->index;
        w->handshakes += be32_load(p->data) == 0;
        w->data += be32_load(p->data) != 0;
    }
    if (atomic_fetch_add(&received, w->rx.count) + w->rx.count == CLIENTS * PACKETS)
        for (int i = 0; i < WORKERS; i++)
            jp_loop_stop(workers[i].loop);
}

static void *work(void *argument)
{
    struct worker *w = argument;
    jp_watch *watch;

    assert_int_equal(jp_loop_adopt(w->loop), 0);
    assert_int_equal(jp_watch_create(&watch, w->loop, w->udp->fd, JP_READABLE, ready, sizeof(w)),
                     0);
    memcpy(jp_watch_extension(watch), &w, sizeof(w));
    assert_int_equal(jp_loop_run(w->loop), 0);
    assert_int_equal(jp_watch_free(watch), 0);
    assert_int_equal(jp_loop_free(w->loop), 0);
    return NULL;
}

/* Packets of this client: one in five a handshake, each SPI at most three times in a row. */
static void send_from(unsigned client, const jp_address *to)
{
    static uint8_t bytes[PACKETS][64];
    static struct udp_packet packets[PACKETS];
    jp_address any;
    struct udp udp;
    unsigned done = 0;

    jp_address_parse(&any, to->family == JP_IPV6 ? "::1" : "127.0.0.1", 0);
    assert_int_equal(udp_open(&udp, &any, 0), 0);
    for (unsigned i = 0; i < PACKETS; i++) {
        uint32_t spi = 256 + client * 1000 + i / 3;

        memset(bytes[i], 0, sizeof(bytes[i]));
        be32_store(bytes[i] + (i % 5 ? 0 : 8), spi);
        packets[i] = (struct udp_packet){.peer = *to, .data = bytes[i], .length = sizeof(bytes[i])};
    }
    while (done < PACKETS) {
        int n = udp_send(&udp, packets + done, PACKETS - done);

        assert_true(n > 0);
        done += (unsigned)n;
    }
    udp_close(&udp);
}

static void steer(const char *text, unsigned flags, const char *to_text)
{
    pthread_t threads[WORKERS];
    unsigned data = 0, handshakes = 0;
    jp_address a, to;

    jp_address_parse(&a, text, 0);
    assert_int_equal(jp_init(), 0);
    assert_int_equal(udp_open_group(sockets, WORKERS, &a, flags), 0);
    received = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.udp = &sockets[i], .index = i};
        assert_int_equal(udp_rx_init(&workers[i].rx), 0);
        assert_int_equal(jp_loop_create(&workers[i].loop, 0), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, work, &workers[i]);
    jp_address_parse(&to, to_text, sockets[0].local.port);
    for (unsigned i = 0; i < CLIENTS; i++)
        send_from(i, &to);
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].stray, 0);
        assert_true(workers[i].data > PACKETS && workers[i].handshakes > PACKETS / 5);
        data += workers[i].data;
        handshakes += workers[i].handshakes;
        udp_rx_free(&workers[i].rx);
    }
    assert_int_equal(data, CLIENTS * PACKETS * 4 / 5);
    assert_int_equal(handshakes, CLIENTS * PACKETS / 5);
    for (unsigned i = 0; i < WORKERS; i++)
        udp_close(&sockets[i]);
    assert_int_equal(jp_finish(), 0);
}

static void by_spi(void **state)
{
    (void)state;
    steer("127.0.0.1", 0, "127.0.0.1");
    steer("::1", 0, "::1");
    steer("::", UDP_DUAL_STACK, "127.0.0.1");
}

static void errors(void **state)
{
    jp_address a;

    (void)state;
    jp_address_parse(&a, "198.18.99.99", 0);
    assert_int_equal(udp_open_group(sockets, WORKERS, &a, 0), JP_BIND_UNAVAILABLE);
    for (int i = 0; i < WORKERS; i++)
        udp_close(&sockets[i]); /* closed already */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_spi),
        cmocka_unit_test(errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
