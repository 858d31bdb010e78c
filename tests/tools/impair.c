/* impair: a bad wire between two network namespaces. Frames from eth0 of its own go to eth0 of the
 * other and back; on the way they get lost, alone or in bursts, come late, twice or damaged, and
 * UDP's source ports change as behind a NAT that forgets. Where the kernel has no sch_netem there
 * is this.
 *
 *   impair NAMESPACE SEED KEY=VALUE...
 *
 *   loss, burst, late, twice, damage   a frame's chance, in percent; `burst`: that the next one is
 *                                      lost too
 *   delay, extra                       ms; `extra` is for frames that are late
 *   rebind                             ms between two changes of the NAT's ports; 0: no NAT
 *
 * Prints what it did, as JSON, when it is terminated. */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    FRAME_MAX = 2048,
    QUEUE_MAX = 8192, /* frames under way: more are dropped, as by any queue */
    SOCKET_BUFFER = 32 << 20,
    BATCH = 64,
    IDLE_NS = 100000000, /* between two looks whether it is over */
};

enum key { LOSS, BURST, LATE, TWICE, DAMAGE, DELAY, EXTRA, REBIND, KEYS };
static const char *const key_names[KEYS] = {"loss",   "burst", "late",  "twice",
                                            "damage", "delay", "extra", "rebind"};
static double values[KEYS];

struct frame {
    uint64_t due, order; /* ns; those due at once keep their order */
    int to;
    size_t size;
    uint8_t data[FRAME_MAX];
};

static struct frame *heap[QUEUE_MAX]; /* the next one due first */
static unsigned n_heap;
static uint64_t order, random_state;
static bool in_burst[2];
static uint64_t passed, lost, late, doubled, damaged, overflowed, rebound;
static volatile sig_atomic_t ended;

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* SplitMix64 */
static uint64_t next_random(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static bool chance(double percent)
{
    return (double)(next_random() >> 11) * 0x1p-53 * 100 < percent;
}

/* ---- frames under way ---- */

static bool is_before(const struct frame *a, const struct frame *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void heap_put(struct frame *f)
{
    unsigned i = n_heap++;

    for (; i > 0 && is_before(f, heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = f;
}

static struct frame *heap_get(void)
{
    struct frame *first = heap[0], *last = heap[--n_heap];
    unsigned i = 0, child;

    while ((child = 2 * i + 1) < n_heap) {
        if (child + 1 < n_heap && is_before(heap[child + 1], heap[child]))
            child++;
        if (!is_before(heap[child], last))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return first;
}

static void send_later(const uint8_t *data, size_t size, int to, double ms)
{
    struct frame *f;

    if (n_heap == QUEUE_MAX) {
        overflowed++;
        return;
    }
    if (!(f = malloc(sizeof(*f))))
        err(1, "memory");
    f->due = now_ns() + (uint64_t)(ms * 1e6);
    f->order = order++;
    f->to = to;
    f->size = size;
    memcpy(f->data, data, size);
    heap_put(f);
}

static void send_due(const int sockets[2])
{
    uint64_t now = now_ns();

    while (n_heap && heap[0]->due <= now) {
        struct frame *f = heap_get();

        if (send(sockets[f->to], f->data, f->size, 0) == (ssize_t)f->size)
            passed++;
        else
            overflowed++;
        free(f);
    }
}

/* ---- the NAT: one client, one binding ---- */

static uint16_t inside_port; /* of the client */

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* The UDP header of a frame, or NULL. */
static uint8_t *udp_of(uint8_t *frame, size_t size)
{
    uint8_t *ip = frame + ETH_HLEN;

    if (size >= ETH_HLEN + 40 + 8 && get16(frame + 12) == ETH_P_IPV6 && ip[6] == IPPROTO_UDP)
        return ip + 40;
    if (size >= ETH_HLEN + 20 + 8 && get16(frame + 12) == ETH_P_IP && ip[0] == 0x45 &&
        ip[9] == IPPROTO_UDP)
        return ip + 20;
    return NULL;
}

/* RFC 1624, equation 3; 0 is no checksum. */
static void change_port(uint8_t *udp, unsigned at, uint16_t port)
{
    uint32_t sum = (uint16_t)~get16(udp + 6) + (uint16_t)~get16(udp + at) + (uint32_t)port;

    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(udp + at, port);
    if (get16(udp + 6))
        put16(udp + 6, sum == 0xffff ? 0xffff : (uint16_t)~sum);
}

/* The port outside for the port inside: another one in each period. */
static uint16_t outside_port(uint64_t period)
{
    return (uint16_t)(inside_port ^ (period % 15 + 1));
}

/* Translate; false: there is no such binding any more. */
static bool translate(uint8_t *frame, size_t size, int to)
{
    static uint64_t began, last;
    uint64_t now = now_ns() / 1000000, period;
    uint8_t *udp = udp_of(frame, size);

    if (!udp)
        return true;
    if (!began)
        began = now;
    period = (now - began) / (uint64_t)values[REBIND];
    rebound += period != last;
    last = period;
    if (to == 1) {
        inside_port = get16(udp);
        change_port(udp, 0, outside_port(period));
        return true;
    }
    if (get16(udp + 2) != outside_port(period))
        return false;
    change_port(udp, 2, inside_port);
    return true;
}

/* ---- the wire ---- */

static bool is_lost(int to)
{
    in_burst[to] = chance(in_burst[to] ? values[BURST] : values[LOSS]);
    return in_burst[to];
}

static void pass(uint8_t *frame, size_t size, int to)
{
    double delay = values[DELAY];

    if (is_lost(to) || (values[REBIND] > 0 && !translate(frame, size, to))) {
        lost++;
        return;
    }
    if (udp_of(frame, size) && chance(values[DAMAGE])) {
        frame[size - 1 - next_random() % 16] ^= 1;
        damaged++;
    }
    if (chance(values[TWICE])) {
        send_later(frame, size, to, delay + values[EXTRA]);
        doubled++;
    }
    if (chance(values[LATE])) {
        delay += values[EXTRA];
        late++;
    }
    send_later(frame, size, to, delay);
}

static void receive(int from, int to)
{
    uint8_t frame[FRAME_MAX];

    for (unsigned i = 0; i < BATCH; i++) {
        ssize_t size = recv(from, frame, sizeof(frame), MSG_DONTWAIT | MSG_TRUNC);

        if (size < 0)
            return;
        if (size > FRAME_MAX)
            errx(1, "a frame of %zd bytes", size);
        pass(frame, (size_t)size, to);
    }
}

static int open_wire(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW, 0), size = SOCKET_BUFFER, one = 1;
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex("eth0")};

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
        err(1, "eth0");
    return fd;
}

static void parse(char *argument)
{
    char *value = strchr(argument, '=');

    if (value)
        *value++ = '\0';
    for (unsigned i = 0; value && i < KEYS; i++)
        if (strcmp(argument, key_names[i]) == 0) {
            values[i] = atof(value);
            return;
        }
    errx(2, "unknown: %s", argument);
}

static void end(int signal)
{
    (void)signal;
    ended = 1;
}

/* Wait for frames, or for the next one due. */
static void wait_for_frames(const int sockets[2])
{
    struct pollfd fds[2] = {{.fd = sockets[0], .events = POLLIN},
                            {.fd = sockets[1], .events = POLLIN}};
    uint64_t now = now_ns(), wait = IDLE_NS;

    if (n_heap && heap[0]->due < now + wait)
        wait = heap[0]->due > now ? heap[0]->due - now : 0;
    ppoll(fds, 2, &(struct timespec){.tv_nsec = (long)wait}, NULL);
}

int main(int argc, char **argv)
{
    int sockets[2], other;

    if (argc < 3)
        errx(2, "usage: impair NAMESPACE SEED KEY=VALUE...");
    random_state = strtoull(argv[2], NULL, 0);
    for (int i = 3; i < argc; i++)
        parse(argv[i]);
    signal(SIGTERM, end);
    prctl(PR_SET_TIMERSLACK, 1000);
    sockets[0] = open_wire();
    other = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (other < 0 || setns(other, CLONE_NEWNET) != 0)
        err(1, "%s", argv[1]);
    sockets[1] = open_wire();
    puts("ready");
    fflush(stdout);
    while (!ended) {
        wait_for_frames(sockets);
        receive(sockets[0], 1);
        receive(sockets[1], 0);
        send_due(sockets);
    }
    printf("{\"passed\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"late\": %" PRIu64
           ", \"doubled\": %" PRIu64 ", \"damaged\": %" PRIu64 ", \"overflowed\": %" PRIu64
           ", \"rebound\": %" PRIu64 "}\n",
           passed, lost, late, doubled, damaged, overflowed, rebound);
    return 0;
}
