/* impair: a bad wire between two network namespaces. Frames from eth0 of its own go to eth0 of the
 * other and back; on the way they get lost, alone or in bursts, come late, twice or damaged, and
 * UDP's source ports change as behind a NAT that forgets. Where the kernel has no sch_netem there
 * is this.
 *
 *   impair NAMESPACE SEED KEY=VALUE...
 *
 *   loss, burst, late, twice, damage   a frame's chance, in percent; `burst`: that the next one is
 *                                      lost too
 *   hello                              a handshake packet's chance that it and the next two of its
 *                                      handshake and way are lost, in percent: 12.5 loses 30 %
 *                                      where nobody gives up meanwhile
 *   delay, extra                       ms; `extra` is for frames that are late
 *   depth                              frames that overtake one that is late; after `extra` it goes
 *                                      anyway
 *   rebind                             ms between two changes of the NAT's ports; 0: no NAT
 *   dark, every                        ms: for `dark` at the end of each `every` nothing passes
 *   rate                               Mbit/s either way; what would wait for long is lost
 *   mtu                                bytes of the longest IP packet that passes
 *
 * A line of KEY=VALUE... on standard input, written at once, changes some of them.
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
    IDLE_NS = 100000000,  /* between two looks whether it is over */
    QUEUE_NS = 100000000, /* the longest wait for a slow wire */
    HELD_NS = 1000000,    /* between two looks at frames that are held back */
    HELLO_BURST = 3,
    HANDSHAKES_MAX = 4096, /* that are told apart */
    TYPE_RESET = 4,
    HELD_MAX = 1024, /* late frames either way; another one sets the first free */
    CHANGES_MAX = 4096,
};

enum key {
    LOSS,
    BURST,
    HELLO,
    LATE,
    TWICE,
    DAMAGE,
    DELAY,
    EXTRA,
    DEPTH,
    REBIND,
    DARK,
    EVERY,
    RATE,
    MTU,
    KEYS
};
static const char *const key_names[KEYS] = {"loss",   "burst", "hello", "late",  "twice",
                                            "damage", "delay", "extra", "depth", "rebind",
                                            "dark",   "every", "rate",  "mtu"};
static double values[KEYS];

struct frame {
    uint64_t due, order; /* ns; those due at once keep their order. While held: until when, or how
                          * many have gone straight on */
    int to;
    size_t size;
    uint8_t data[FRAME_MAX];
};

static struct frame *heap[QUEUE_MAX]; /* the next one due first */
static unsigned n_heap;
static uint64_t order, random_state;
static bool in_burst[2];
static struct line {
    struct frame *held[HELD_MAX]; /* late ones, each until `depth` others have overtaken it */
    uint64_t first, end;
    uint64_t straight; /* frames that were not held */
} lines[2];
static uint64_t passed, lost, hellos, hellos_lost, bursts, late, overtaken, doubled, damaged,
    overflowed, rebound;
static uint64_t seed, n_handshakes;
static volatile sig_atomic_t ended;

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* SplitMix64 */
static uint64_t next_random_of(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint64_t next_random(void)
{
    return next_random_of(&random_state);
}

static bool chance_of(uint64_t *state, double percent)
{
    return (double)(next_random_of(state) >> 11) * 0x1p-53 * 100 < percent;
}

static bool chance(double percent)
{
    return chance_of(&random_state, percent);
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

/* When a frame leaves a wire of limited rate; 0: its queue is full. */
static uint64_t leaves_at(size_t size, int to)
{
    static uint64_t free_at[2];
    uint64_t now = now_ns(), at = free_at[to] > now ? free_at[to] : now;

    if (values[RATE] <= 0)
        return now;
    if (at - now > QUEUE_NS)
        return 0;
    return free_at[to] = at + (uint64_t)((double)size * 8000 / values[RATE]);
}

static struct frame *frame_new(const uint8_t *data, size_t size, int to)
{
    struct frame *f = malloc(sizeof(*f));

    if (!f)
        err(1, "memory");
    f->to = to;
    f->size = size;
    memcpy(f->data, data, size);
    return f;
}

static void send_later(struct frame *f, double ms)
{
    uint64_t at = leaves_at(f->size, f->to);

    if (at == 0 || n_heap == QUEUE_MAX) {
        overflowed++;
        free(f);
        return;
    }
    f->due = at + (uint64_t)(ms * 1e6);
    f->order = order++;
    heap_put(f);
}

/* ---- frames held back, to be overtaken ---- */

static struct frame *first_held(const struct line *l)
{
    return l->first < l->end ? l->held[l->first % HELD_MAX] : NULL;
}

static void release(struct line *l)
{
    send_later(l->held[l->first++ % HELD_MAX], values[DELAY]);
}

static void hold(struct line *l, struct frame *f)
{
    if (l->end - l->first == HELD_MAX)
        release(l);
    f->due = now_ns() + (uint64_t)(values[EXTRA] * 1e6);
    f->order = l->straight + (uint64_t)values[DEPTH];
    l->held[l->end++ % HELD_MAX] = f;
}

/* One more went straight on: whom `depth` have overtaken by now goes behind it. */
static void overtake(struct line *l)
{
    l->straight++;
    for (struct frame *f; (f = first_held(l)) && f->order <= l->straight; overtaken++)
        release(l);
}

static void release_stale(void)
{
    uint64_t now = now_ns();

    for (struct line *l = lines; l < lines + 2; l++)
        for (struct frame *f; (f = first_held(l)) && f->due <= now;)
            release(l);
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

/* Since the first frame. */
static uint64_t age_ms(void)
{
    static uint64_t began;
    uint64_t now = now_ns() / 1000000;

    if (!began)
        began = now;
    return now - began;
}

/* ---- the NAT: a port outside for each inside, which is the same way back ---- */

static bool is_inside[UINT16_MAX + 1]; /* whether a client sends from this port */

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

/* The port at the other side: another one in each period. */
static uint16_t other_side(uint16_t port, uint64_t period)
{
    return (uint16_t)(port ^ (period % 15 + 1));
}

/* Translate; false: there is no such binding any more. */
static bool translate(uint8_t *frame, size_t size, int to)
{
    static uint64_t last;
    uint64_t period = age_ms() / (uint64_t)values[REBIND];
    uint8_t *udp = udp_of(frame, size);
    unsigned at = to == 1 ? 0 : 2; /* source port there, destination port back */
    uint16_t port;

    if (!udp)
        return true;
    rebound += period != last;
    last = period;
    port = other_side(get16(udp + at), period);
    if (to == 1)
        is_inside[get16(udp)] = true;
    else if (!is_inside[port])
        return false;
    change_port(udp, at, port);
    return true;
}

/* ---- the wire ---- */

static bool is_lost(int to)
{
    in_burst[to] = chance(in_burst[to] ? values[BURST] : values[LOSS]);
    return in_burst[to];
}

/* Each way of a handshake has luck of its own, whatever else passes meanwhile. */
struct handshake {
    uint8_t client[4]; /* the SPI of who asks, which hellos and answers carry */
    unsigned left[2];  /* of a burst of losses */
    uint64_t luck[2];
};

static struct handshake *handshake_of(const uint8_t *client)
{
    static struct handshake all[HANDSHAKES_MAX];
    struct handshake *h = all;

    for (; h < all + n_handshakes && h < all + HANDSHAKES_MAX; h++)
        if (memcmp(h->client, client, sizeof(h->client)) == 0)
            return h;
    h = &all[n_handshakes % HANDSHAKES_MAX];
    *h = (struct handshake){.luck = {seed ^ n_handshakes << 32, ~seed ^ n_handshakes << 32}};
    memcpy(h->client, client, sizeof(h->client));
    n_handshakes++;
    return h;
}

/* Handshake packets have a zero where others have their SPI, and a type. A Reset, which has neither
 * hello nor client, is none. */
static bool is_hello_lost(uint8_t *frame, size_t size, int to)
{
    const uint8_t *udp = udp_of(frame, size);
    struct handshake *h;

    if (values[HELLO] <= 0 || !udp || udp + 20 > frame + size || get16(udp + 8) ||
        get16(udp + 10) || udp[12] == TYPE_RESET)
        return false;
    h = handshake_of(udp + 16);
    hellos++;
    if (h->left[to] == 0 && chance_of(&h->luck[to], values[HELLO])) {
        h->left[to] = HELLO_BURST;
        bursts++;
    }
    if (h->left[to] == 0)
        return false;
    h->left[to]--;
    hellos_lost++;
    return true;
}

static bool is_dark(void)
{
    uint64_t every = (uint64_t)values[EVERY];

    return every && age_ms() % every >= every - (uint64_t)values[DARK];
}

static bool gets_through(uint8_t *frame, size_t size, int to)
{
    return !is_lost(to) && !is_hello_lost(frame, size, to) && !is_dark() &&
           (values[MTU] <= 0 || size <= ETH_HLEN + (size_t)values[MTU]) &&
           (values[REBIND] <= 0 || translate(frame, size, to));
}

/* One bit of a UDP payload. */
static void harm(uint8_t *frame, size_t size)
{
    uint8_t *payload = udp_of(frame, size);

    if (!payload || (payload += 8) >= frame + size || !chance(values[DAMAGE]))
        return;
    payload[next_random() % (uint64_t)(frame + size - payload)] ^= 1 << next_random() % 8;
    damaged++;
}

static void pass(uint8_t *frame, size_t size, int to)
{
    double delay = values[DELAY];

    if (!gets_through(frame, size, to)) {
        lost++;
        return;
    }
    harm(frame, size);
    if (chance(values[TWICE])) {
        send_later(frame_new(frame, size, to), delay + values[EXTRA]);
        doubled++;
    }
    if (chance(values[LATE])) {
        late++;
        if (values[DEPTH] > 0) {
            hold(&lines[to], frame_new(frame, size, to));
            return;
        }
        delay += values[EXTRA];
    }
    send_later(frame_new(frame, size, to), delay);
    overtake(&lines[to]);
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

/* False: nothing more will come. */
static bool read_changes(void)
{
    char line[CHANGES_MAX];
    ssize_t size = read(STDIN_FILENO, line, sizeof(line) - 1);
    char *rest = NULL;

    if (size <= 0)
        return false;
    line[size] = '\0';
    for (char *word = strtok_r(line, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
        parse(word);
    return true;
}

static void end(int signal)
{
    (void)signal;
    ended = 1;
}

/* Wait for frames, for the next one due, or for changes, which are made. */
static void wait_for_frames(const int sockets[2])
{
    static int changes = STDIN_FILENO; /* -1: there will be none */
    struct pollfd fds[3] = {{.fd = sockets[0], .events = POLLIN},
                            {.fd = sockets[1], .events = POLLIN},
                            {.fd = changes, .events = POLLIN}};
    uint64_t now = now_ns(), wait = values[DEPTH] > 0 ? HELD_NS : IDLE_NS;

    if (n_heap && heap[0]->due < now + wait)
        wait = heap[0]->due > now ? heap[0]->due - now : 0;
    if (ppoll(fds, 3, &(struct timespec){.tv_nsec = (long)wait}, NULL) > 0 && fds[2].revents &&
        !read_changes())
        changes = -1;
}

int main(int argc, char **argv)
{
    int sockets[2], other;

    if (argc < 3)
        errx(2, "usage: impair NAMESPACE SEED KEY=VALUE...");
    random_state = seed = strtoull(argv[2], NULL, 0);
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
        release_stale();
        send_due(sockets);
    }
    printf("{\"passed\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"handshakes\": %" PRIu64
           ", \"hellos\": %" PRIu64 ", \"hellos_lost\": %" PRIu64 ", \"bursts\": %" PRIu64
           ", \"late\": %" PRIu64 ", \"overtaken\": %" PRIu64 ", \"doubled\": %" PRIu64
           ", \"damaged\": %" PRIu64 ", \"overflowed\": %" PRIu64 ", \"rebound\": %" PRIu64 "}\n",
           passed, lost, n_handshakes, hellos, hellos_lost, bursts, late, overtaken, doubled,
           damaged, overflowed, rebound);
    return 0;
}
