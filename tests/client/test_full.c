/* A socket that takes no more packets is waited for, not lost: over a loopback slowed down in a
 * network namespace of the test's own. Skipped where it may have none, or there is no tc. */
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sessions.h"

static bool slow_loopback(void)
{
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd;
    bool up;

    if (unshare(CLONE_NEWNET) < 0)
        return false;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    up = ioctl(fd, SIOCSIFFLAGS, &r) == 0;
    close(fd);
    return up &&
           system("tc qdisc add dev lo root tbf rate 40mbit burst 64k limit 64m 2>/dev/null") == 0;
}

static void waits_for_full_sockets(void **state)
{
    static uint8_t message[1 << 20];
    unsigned blocked = 0, turns = 0;
    int small = 65536;
    jp_figures figures;
    jp_stream *stream;
    struct world w;

    (void)state;
    if (!slow_loopback())
        skip();
    world_init(&w, "127.0.0.1:0", &(jp_settings){.congestion = "newreno"});
    world_connect(&w);
    assert_int_equal(setsockopt(w.client.session->sockets[0]->udp.fd, SOL_SOCKET, SO_SNDBUF, &small,
                                sizeof(small)),
                     0);
    fill(message, sizeof(message), 9);
    jp_stream_open(&stream, w.client.session, JP_STREAM_ANY, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(jp_stream_send(stream, message, sizeof(message)), 0);
    while (w.server.messages < 3 && turns++ < 100000) {
        jp_loop_run_once(w.loop, 1000000);
        blocked += w.loop->endpoint->full != NULL;
    }
    assert_int_equal(w.server.messages, 3);
    assert_int_equal(w.server.sum, 3 * sum_of(message, sizeof(message)));
    assert_int_not_equal(blocked, 0);
    assert_int_equal(jp_session_figures(w.client.session, &figures, sizeof(figures)), 0);
    assert_int_equal(figures.packets_lost, 0);
    world_free(&w);
}

/* The session that fills its own socket is gone while it waits: the others go on. */
static void goes_on_without_full_sockets(void **state)
{
    static uint8_t message[1 << 20];
    jp_address any = {.family = JP_IPV4};
    jp_session *filler, *other;
    jp_stream *stream;
    int small = 65536;
    char text[JP_ADDRESS_TEXT];
    struct world w;

    (void)state;
    if (!slow_loopback())
        skip();
    world_init(&w, "127.0.0.1:0", NULL);
    jp_address_format(&w.address, text, sizeof(text));
    assert_int_equal(jp_connect(&filler, w.loop, w.client.context, text, &any, 0), 0);
    assert_int_equal(jp_connect(&other, w.loop, w.client.context, text, NULL, 0), 0);
    run_until(&w, &w.client.opened, 2);
    assert_ptr_not_equal(filler->sockets[0], other->sockets[0]);
    setsockopt(filler->sockets[0]->udp.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    jp_stream_open(&stream, filler, JP_STREAM_ANY, NULL);
    for (int i = 0; i < 3; i++)
        jp_stream_send(stream, message, sizeof(message));
    for (int i = 0; i < 100000 && !w.loop->endpoint->full; i++)
        jp_loop_run_once(w.loop, 1000000);
    assert_ptr_equal(w.loop->endpoint->full, filler->sockets[0]);
    filler->mute = true; /* as after a Reset */
    drr_remove(&w.loop->endpoint->drr, &filler->turn);
    session_over(filler, JP_CLOSED_RESET, 0, "");
    run_until(&w, &w.client.closed, 1);
    w.client.session = other;
    jp_stream_open(&stream, other, JP_STREAM_ANY, NULL);
    jp_stream_send(stream, "alive", 5);
    run_until(&w, &w.server.messages, 1);
    w.server.session = NULL;
    for (unsigned i = 0; i < ENDPOINT_HEADS; i++)
        for (jp_session *s = w.loop->endpoint->sessions[i]; s; s = s->next_by_spi)
            jp_session_close(s, 0, NULL);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(waits_for_full_sockets),
                                       cmocka_unit_test(goes_on_without_full_sockets)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
