/* Kernel UDP over loopback: what is sent arrives with its address, ECN and source, in trains and
 * out of them. */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "udp.h"

static struct udp_rx rx;

static int rx_init(void **state)
{
    (void)state;
    return udp_rx_init(&rx);
}

static int rx_free(void **state)
{
    (void)state;
    udp_rx_free(&rx);
    return 0;
}

static jp_address address(const char *text)
{
    jp_address a;

    assert_int_equal(jp_address_parse(&a, text, 0), 0);
    return a;
}

static struct udp opened(const char *text, unsigned flags)
{
    jp_address a = address(text);
    struct udp udp;

    assert_int_equal(udp_open(&udp, &a, flags), 0);
    assert_int_not_equal(udp.local.port, 0);
    return udp;
}

/* Receive something within seconds. */
static int receive(struct udp *udp)
{
    struct pollfd p = {.fd = udp->fd, .events = POLLIN};

    assert_int_equal(poll(&p, 1, 10000), 1);
    return udp_receive(udp, &rx);
}

static void assert_same(const jp_address *a, const jp_address *b)
{
    assert_int_equal(jp_address_compare(a, b), 0);
}

/* One packet each way: b sees a's address, its own, and the ECN; so does a. */
static void exchange(struct udp *a, struct udp *b, jp_address to, jp_address from, uint8_t ecn)
{
    uint8_t ping[] = "ping", pong[] = "pong!";
    struct udp_packet p = {.peer = to, .data = ping, .length = sizeof(ping), .ecn = ecn};

    assert_int_equal(udp_send(a, &p, 1), 1);
    assert_int_equal(receive(b), 1);
    from.port = a->local.port;
    assert_same(&rx.packets[0].peer, &from);
    assert_same(&rx.packets[0].local, &to);
    assert_int_equal(rx.packets[0].ecn, ecn);
    assert_int_equal(rx.packets[0].length, sizeof(ping));
    assert_memory_equal(rx.packets[0].data, ping, sizeof(ping));

    p = (struct udp_packet){.peer = rx.packets[0].peer,
                            .local = rx.packets[0].local,
                            .data = pong,
                            .length = sizeof(pong),
                            .ecn = ecn};
    assert_int_equal(udp_send(b, &p, 1), 1);
    assert_int_equal(receive(a), 1);
    assert_same(&rx.packets[0].peer, &to);
    assert_same(&rx.packets[0].local, &from);
    assert_int_equal(rx.packets[0].ecn, ecn);
    assert_memory_equal(rx.packets[0].data, pong, sizeof(pong));
    assert_int_equal(udp_receive(a, &rx), 0);
}

static void with_ecn(const char *a_text, const char *b_text, unsigned flags, const char *to_text,
                     const char *from_text)
{
    struct udp a = opened(a_text, flags), b = opened(b_text, flags);
    jp_address to = address(to_text);

    to.port = b.local.port;
    for (uint8_t ecn = UDP_NOT_ECT; ecn <= UDP_CE; ecn++)
        exchange(&a, &b, to, address(from_text), ecn);
    udp_close(&a);
    udp_close(&b);
    udp_close(&b);
}

static void ipv4(void **state)
{
    (void)state;
    with_ecn("127.0.0.1", "127.0.0.1", 0, "127.0.0.1", "127.0.0.1");
}

/* The answer leaves from the address that was asked, not the one the kernel would choose. */
static void source_addresses(void **state)
{
    (void)state;
    with_ecn("127.0.0.1", "0.0.0.0", 0, "127.7.7.7", "127.0.0.1");
    with_ecn("127.0.0.1", "::", UDP_DUAL_STACK, "127.7.7.7", "127.0.0.1");
}

static void ipv6(void **state)
{
    (void)state;
    with_ecn("::1", "::1", 0, "::1", "::1");
    with_ecn("::", "::", 0, "::1", "::1");
}

/* Both ends on [::], speaking IPv4 and IPv6. */
static void dual_stack(void **state)
{
    (void)state;
    with_ecn("::", "::", UDP_DUAL_STACK, "::1", "::1");
    with_ecn("::", "::", UDP_DUAL_STACK, "127.0.0.1", "127.0.0.1");
}

static void several_addresses(void **state)
{
    struct udp first = opened("127.0.0.1", 0), v4, v6;
    jp_address a;

    (void)state;
    a = first.local;
    a.bytes[3] = 2;
    assert_int_equal(udp_open(&v4, &a, 0), 0); /* the same port elsewhere */
    udp_close(&v4);
    udp_close(&first);
    v4 = opened("0.0.0.0", 0);
    a = address("::");
    a.port = v4.local.port;
    assert_int_equal(udp_open(&v6, &a, 0), 0); /* beside IPv4, not over it */
    udp_close(&v6);
    assert_int_equal(udp_open(&v6, &a, UDP_DUAL_STACK), JP_BIND_IN_USE);
    udp_close(&v4);
}

static void bind_errors(void **state)
{
    struct udp taken = opened("127.0.0.1", 0), udp;
    jp_address a = taken.local, none = {0};
    char expected[128], text[JP_ADDRESS_TEXT];

    (void)state;
    assert_int_equal(udp_open(&udp, &a, 0), JP_BIND_IN_USE);
    assert_int_equal(udp.fd, -1);
    jp_address_format(&a, text, sizeof(text));
    snprintf(expected, sizeof(expected), "%s: Address already in use", text);
    assert_string_equal(jp_error_detail(), expected);
    a = address("198.18.99.99");
    assert_int_equal(udp_open(&udp, &a, 0), JP_BIND_UNAVAILABLE);
    assert_int_equal(udp_open(&udp, &none, 0), JP_INVALID);
    udp_close(&taken);
}

enum { BURST = 200, LONGEST = 1400 };

/* Packets of pseudo-random lengths, mostly runs of equal ones, to one of two sockets. */
struct burst {
    struct udp_packet packets[BURST];
    uint8_t bytes[BURST][LONGEST];
};

static struct burst *new_burst(const struct udp *to, unsigned n_to)
{
    struct burst *b = calloc(1, sizeof(*b));

    for (unsigned i = 0; i < BURST; i++) {
        unsigned group = i / 37;

        memset(b->bytes[i], (int)group, 4); /* the SPI */
        memset(b->bytes[i] + 4, (int)i, LONGEST - 4);
        b->packets[i] = (struct udp_packet){
            .peer = to[i / 60 % n_to].local,
            .data = b->bytes[i],
            .length = i % 37 == 36  ? 4 + i
                      : i % 50 == 7 ? 0
                      : i % 11 == 5 ? 500 /* amid its like */
                                    : LONGEST - (group & 1) * 300,
            .ecn = i / 90 % 4,
        };
    }
    return b;
}

/* Receive what of b went to `to`, in order. */
static void expect(struct udp *to, const struct burst *b)
{
    unsigned i = 0, k = 0;

    rx.count = 0;
    for (; i < BURST; i++) {
        const struct udp_packet *p = &b->packets[i];

        if (jp_address_compare(&p->peer, &to->local))
            continue;
        if (k == rx.count) {
            assert_true(receive(to) > 0);
            k = 0;
        }
        assert_int_equal(rx.packets[k].length, p->length);
        assert_memory_equal(rx.packets[k].data, p->data, p->length);
        assert_int_equal(rx.packets[k].ecn, p->ecn);
        k++;
    }
    assert_int_equal(k, rx.count);
    assert_int_equal(udp_receive(to, &rx), 0);
}

static void send_all(struct udp *from, const struct burst *b)
{
    for (unsigned done = 0; done < BURST;) {
        int n = udp_send(from, b->packets + done, BURST - done);

        assert_true(n > 0);
        done += (unsigned)n;
    }
}

/* From a to two sockets, whatever of GSO and GRO there is. */
static void bursts(bool gso, bool gro)
{
    struct udp from = opened("127.0.0.1", 0);
    struct udp to[2] = {opened("127.0.0.1", 0), opened("127.0.0.1", 0)};
    struct burst *b = new_burst(to, 2);
    int on = gro;

    from.gso &= gso;
    for (int i = 0; i < 2; i++)
        assert_int_equal(setsockopt(to[i].fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)), 0);
    send_all(&from, b);
    expect(&to[0], b);
    expect(&to[1], b);
    free(b);
    udp_close(&from);
    udp_close(&to[0]);
    udp_close(&to[1]);
}

static void burst_with_all(void **state)
{
    (void)state;
    bursts(true, true);
}

static void burst_with_less(void **state)
{
    (void)state;
    bursts(true, false);
    bursts(false, true);
    bursts(false, false);
}

/* Trains arrive in one piece over loopback: that there are any is seen from the pieces' number. */
static void trains_are_built(void **state)
{
    struct udp from = opened("127.0.0.1", 0), to = opened("127.0.0.1", 0);
    uint8_t data[100] = {1};
    struct udp_packet p[64];
    int off = 0;

    (void)state;
    if (!from.gso)
        skip();
    for (int i = 0; i < 64; i++)
        p[i] = (struct udp_packet){.peer = to.local, .data = data, .length = 100};
    assert_int_equal(udp_send(&from, p, 64), 64);
    assert_int_equal(receive(&to), 64); /* more packets than messages of one call */
    assert_int_equal(setsockopt(to.fd, IPPROTO_UDP, UDP_GRO, &off, sizeof(off)), 0);
    assert_int_equal(udp_send(&from, p, 64), 64);
    for (int got = 0; got < 64; got += (int)rx.count)
        assert_true(receive(&to) <= UDP_RX_MESSAGES);
    udp_close(&from);
    udp_close(&to);
}

/* A kernel that refuses a train gets its packets one by one; here because trains must have
 * checksums, which this socket does without. */
static void refused_trains_go_singly(void **state)
{
    struct udp from = opened("127.0.0.1", 0), to = opened("127.0.0.1", 0);
    struct burst *b = new_burst(&to, 1);
    int on = 1;

    (void)state;
    assert_int_equal(setsockopt(from.fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
    send_all(&from, b);
    expect(&to, b);
    free(b);
    udp_close(&from);
    udp_close(&to);
}

static void send_errors(void **state)
{
    struct udp udp = opened("127.0.0.1", 0), v4 = opened("0.0.0.0", 0);
    static uint8_t huge[65535];
    struct udp_packet p[3] = {
        {.peer = udp.local, .data = huge, .length = 10},
        {.peer = udp.local, .data = huge, .length = 65535},
        {.peer = udp.local, .data = huge, .length = UDP_PAYLOAD_MAX},
    };

    (void)state;
    assert_int_equal(udp_send(&udp, p, 0), 0);
    assert_int_equal(udp_send(&udp, p, 3), 1); /* up to the one that fails */
    assert_int_equal(udp_send(&udp, p + 1, 2), JP_SEND_TOO_BIG);
    assert_int_equal(udp_send(&udp, p + 2, 1), 1);
    p[0].local = address("198.18.99.99");
    assert_true(udp_send(&v4, p, 1) < 0);
    p[0].local = (jp_address){0};
    p[0].peer = address("[fd00::1]:9");
    assert_int_equal(udp_send(&udp, p, 1), JP_SEND_UNREACHABLE);
    udp_close(&v4);
    udp_close(&udp);
}

static void overrun(void **state)
{
    struct udp from = opened("127.0.0.1", 0), to = opened("127.0.0.1", 0);
    static uint8_t data[1000];
    struct udp_packet p = {.peer = to.local, .data = data, .length = sizeof(data)};

    (void)state;
    assert_int_equal(udp_receive(&to, &rx), 0);
    for (int i = 0; i < 6000; i++) /* more than the receiver has room for */
        assert_true(udp_send(&from, &p, 1) == 1);
    assert_int_equal(receive(&to), UDP_RX_MESSAGES);
    udp_close(&from);
    udp_close(&to);
}

/* With an MTU of 1500 nothing is fragmented: what is larger is an error. Runs in a network of its
 * own, made in a child. */
static int child_of_small_mtu(void)
{
    static uint8_t data[2000];
    struct ifreq r = {.ifr_name = "lo"};
    int ioctl_fd, ok = 1;

    if (unshare(CLONE_NEWNET) < 0)
        return 77;
    ioctl_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    r.ifr_mtu = 1500;
    ok &= ioctl(ioctl_fd, SIOCSIFMTU, &r) == 0;
    r.ifr_flags = IFF_UP;
    ok &= ioctl(ioctl_fd, SIOCSIFFLAGS, &r) == 0;
    close(ioctl_fd);
    for (int v6 = 0; v6 < 2; v6++) {
        struct udp udp = opened(v6 ? "::1" : "127.0.0.1", 0);
        uint16_t fits = v6 ? 1452 : 1472;
        struct udp_packet p[3] = {
            {.peer = udp.local, .data = data, .length = fits},
            {.peer = udp.local, .data = data, .length = (uint16_t)(fits + 1)},
            {.peer = udp.local, .data = data, .length = (uint16_t)(fits + 1)},
        };

        ok &= udp_send(&udp, p, 1) == 1;
        ok &= udp_send(&udp, p + 1, 1) == JP_SEND_TOO_BIG;
        ok &= udp_send(&udp, p + 1, 2) == JP_SEND_TOO_BIG; /* as a train */
        ok &= udp.gso;                                     /* which is not the trains' fault */
        udp_close(&udp);
    }
    return ok ? 0 : 1;
}

static void never_fragments(void **state)
{
    int status;
    pid_t child = fork();

    (void)state;
    if (child == 0)
        _exit(child_of_small_mtu());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* not allowed to make a network */
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4),
        cmocka_unit_test(source_addresses),
        cmocka_unit_test(ipv6),
        cmocka_unit_test(dual_stack),
        cmocka_unit_test(several_addresses),
        cmocka_unit_test(bind_errors),
        cmocka_unit_test(burst_with_all),
        cmocka_unit_test(burst_with_less),
        cmocka_unit_test(trains_are_built),
        cmocka_unit_test(refused_trains_go_singly),
        cmocka_unit_test(send_errors),
        cmocka_unit_test(overrun),
        cmocka_unit_test(never_fragments),
    };

    return cmocka_run_group_tests(tests, rx_init, rx_free);
}
