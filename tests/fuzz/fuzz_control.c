/* The whole of jetplaned between a data plane, clients of its control socket and TCP connections,
 * all of which say anything: one daemon for all inputs, each with connections of its own. What
 * holds: it goes on, what it sends to the data plane is a message of its protocol, and every answer
 * to a client is one line of JSON that has a result or an error. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bytes.h"
#include "daemon.h"
#include "fixed_random.h"
#include "fuzz.h"
#include "fuzz_input.h"
#include "fuzz_ipc.h"
#include "fuzz_quiet.h"
#include "handshake.h"

enum {
    CLIENTS = 3 /* of each kind */,
    IDLE_TURNS = 4,
    END_TURNS = 64,
    MESSAGE_MAX = 2048,
    ANSWER_MAX = 1 << 20
};
enum op { LINE, BYTES, HANG_UP, MESSAGE, RAW, ANSWER, STREAM, RELAY, RUN, OPS };

static struct {
    struct daemon d;
    struct config config;
    struct loop_watch idle;
    unsigned idle_turns;
    int listener, data_plane, stats; /* the data plane's */
    int relay;                       /* its end of it */
    int client[CLIENTS];             /* -1: none */
    int stream[CLIENTS];             /* TCP's; -1: none */
    uint64_t request;                /* the last that the daemon asked of the data plane */
    uint32_t spi;                    /* the last that it installed */
} fz = {.listener = -1};

static struct jp_ipc_header header(uint16_t type)
{
    return (struct jp_ipc_header){JP_IPC_MAGIC, JP_IPC_VERSION, type};
}

/* ---- once ---- */

/* Always ready, it gets its turn when everybody else had theirs. */
static void on_idle(void *arg, uint32_t events)
{
    (void)arg;
    (void)events;
    if (++fz.idle_turns >= IDLE_TURNS)
        loop_stop(&fz.d.loop);
}

static char directory[] = "/tmp/fuzz-control-XXXXXX";

static void remove_files(void)
{
    daemon_close(&fz.d);
    unlink(fz.config.identity_file);
    unlink(fz.config.control_socket);
    unlink(fz.config.data_plane_socket);
    rmdir(directory);
}

static void make_stats(void)
{
    static const struct jp_stats stats = {
        .magic = JP_STATS_MAGIC, .version = JP_STATS_VERSION, .lcores = 2, .ports = 1};

    fz.stats = memfd_create("stats", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    FUZZ_CHECK(write(fz.stats, &stats, sizeof(stats)) == sizeof(stats));
    FUZZ_CHECK(fcntl(fz.stats, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
}

static void prepare(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct config *c = &fz.config;

    FUZZ_CHECK(sodium_init() >= 0 && mkdtemp(directory) && config_load(NULL, c) == 0);
    snprintf(c->data_plane_socket, sizeof(c->data_plane_socket), "%s/dp", directory);
    snprintf(c->control_socket, sizeof(c->control_socket), "%s/ctl", directory);
    snprintf(c->identity_file, sizeof(c->identity_file), "%s/key", directory);
    log_set_level(LOG_ERROR);
    atexit(remove_files);
    make_stats();
    memcpy(address.sun_path, c->data_plane_socket, sizeof(c->data_plane_socket));
    fz.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    FUZZ_CHECK(bind(fz.listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    FUZZ_CHECK(listen(fz.listener, 8) == 0);
    FUZZ_CHECK(daemon_open(&fz.d, c) == 0);
    c->tcp.listens = 1; /* for a relay; connections are given to it */
    fz.idle = (struct loop_watch){.fd = eventfd(1, EFD_CLOEXEC), .ready = on_idle};
    FUZZ_CHECK(loop_add(&fz.d.loop, &fz.idle, EPOLLIN) == 0);
}

/* ---- what the daemon says ---- */

static void check_message(const uint8_t *bytes, size_t n)
{
    struct jp_ipc_header h;
    unsigned i = 0;

    FUZZ_CHECK(n >= sizeof(h));
    memcpy(&h, bytes, sizeof(h));
    FUZZ_CHECK(h.magic == JP_IPC_MAGIC && h.version == JP_IPC_VERSION);
    while (i < sizeof(to_data_plane) / sizeof(to_data_plane[0]) && to_data_plane[i].type != h.type)
        i++;
    FUZZ_CHECK(i < sizeof(to_data_plane) / sizeof(to_data_plane[0]) && n == to_data_plane[i].size);
    if (h.type == JP_IPC_LIST || h.type == JP_IPC_QUERY)
        memcpy(&fz.request, bytes + offsetof(struct jp_ipc_list, request), sizeof(fz.request));
    if (h.type == JP_IPC_INSTALL)
        memcpy(&fz.spi, bytes + offsetof(struct jp_ipc_install, server_spi), sizeof(fz.spi));
}

static union ancillary {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
} ancillary;

/* A message to or from the data plane, and a descriptor. */
static struct msghdr envelope(struct iovec *part)
{
    return (struct msghdr){.msg_iov = part,
                           .msg_iovlen = 1,
                           .msg_control = ancillary.bytes,
                           .msg_controllen = sizeof(ancillary.bytes)};
}

static void take_relay(struct msghdr *m)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);

    if (c && c->cmsg_type == SCM_RIGHTS && fz.relay < 0)
        memcpy(&fz.relay, CMSG_DATA(c), sizeof(fz.relay));
}

static void hear(void)
{
    uint8_t bytes[JP_IPC_RELAY_MAX + sizeof(struct jp_ipc_relay)];
    struct iovec part = {bytes, MESSAGE_MAX};
    struct msghdr m = envelope(&part);
    ssize_t n;

    if (fz.data_plane < 0)
        fz.data_plane = accept4(fz.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fz.data_plane >= 0 && (n = recvmsg(fz.data_plane, &m, 0)) > 0) {
        check_message(bytes, (size_t)n);
        take_relay(&m);
        m = envelope(&part);
    }
    while (fz.relay >= 0 && (n = recv(fz.relay, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        struct jp_ipc_relay head;

        FUZZ_CHECK((size_t)n >= sizeof(head));
        memcpy(&head, bytes, sizeof(head));
        FUZZ_CHECK((size_t)n == sizeof(head) + head.len && head.spi >= WIRE_SPI_MIN);
    }
}

static void check_line(const char *line, size_t n)
{
    json_t *json = json_loadb(line, n, 0, NULL);

    FUZZ_CHECK(json_is_object(json) && json_object_size(json) == 1);
    FUZZ_CHECK(json_object_get(json, "result") || json_is_string(json_object_get(json, "error")));
    json_decref(json);
}

/* All that is there; what the last turn left half written is read by the next. */
static void read_answers(int fd)
{
    static char text[ANSWER_MAX];
    size_t used = 0;
    ssize_t n;
    char *end;

    while (used < sizeof(text) && (n = recv(fd, text + used, sizeof(text) - used, 0)) > 0)
        used += (size_t)n;
    for (char *line = text; used > 0; line = end + 1) {
        end = memchr(line, '\n', used);
        FUZZ_CHECK(end);
        check_line(line, (size_t)(end - line));
        used -= (size_t)(end + 1 - line);
    }
}

/* ---- turns ---- */

static void run(void)
{
    fz.idle_turns = 0;
    fz.d.loop.stopping = false;
    FUZZ_CHECK(loop_run(&fz.d.loop) == 0);
    hear();
    for (unsigned i = 0; i < CLIENTS; i++)
        if (fz.client[i] >= 0)
            read_answers(fz.client[i]);
}

/* ---- what is said to it ---- */

static void send_descriptor(const void *message, size_t size, int fd)
{
    struct iovec part = {(void *)(uintptr_t)message, size};
    struct msghdr m = envelope(&part);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    sendmsg(fz.data_plane, &m, MSG_NOSIGNAL);
}

/* A sound hello, but for what the input changes in it. */
static void greet(struct input *in)
{
    struct jp_ipc_data_hello hello = {
        .h = header(JP_IPC_DATA_HELLO),
        .max_sessions = 100,
        .stats_size = sizeof(struct jp_stats),
        .reta_size = 2,
        .lcores = 2,
        .tier = JP_TIER_RSS,
        .max_packet = 1452,
        .max_streams = 100,
        .idle_timeout_max_ms = 60000,
        .credit = {262144, 32768, 16384},
        .reta = {0, 1},
    };
    unsigned changes = take8(in) % 4;

    while (changes-- > 0)
        ((uint8_t *)&hello)[take16(in) % sizeof(hello)] = (uint8_t)take8(in);
    send_descriptor(&hello, sizeof(hello), fz.stats);
}

static void say(const void *bytes, size_t n)
{
    if (fz.data_plane >= 0)
        send(fz.data_plane, bytes, n, MSG_NOSIGNAL);
}

/* Of a type that the data plane sends, the body from the input and zeros behind. */
static void say_message(struct input *in)
{
    static const uint16_t types[] = {JP_IPC_PUNT,      JP_IPC_UNKNOWN_SPI, JP_IPC_INSTALLED,
                                     JP_IPC_RETIRED,   JP_IPC_SESSION,     JP_IPC_LIST_END,
                                     JP_IPC_DATA_HELLO};
    uint8_t bytes[MESSAGE_MAX] = {0};
    struct jp_ipc_header h = header(types[take8(in) % (sizeof(types) / sizeof(types[0]))]);
    size_t size = dp_message_size(h.type);
    const uint8_t *at;
    size_t n = take_bytes(in, take16(in) % (size - sizeof(h) + 1), &at);

    memcpy(bytes, &h, sizeof(h));
    memcpy(bytes + sizeof(h), at, n);
    say(bytes, size);
}

/* To what the daemon asked last. */
static void say_answer(struct input *in)
{
    struct jp_ipc_session session = {.h = header(JP_IPC_SESSION), .request = fz.request};
    struct jp_ipc_list_end end = {.h = header(JP_IPC_LIST_END), .request = fz.request};
    struct jp_ipc_installed installed = {.h = header(JP_IPC_INSTALLED), .server_spi = fz.spi};
    unsigned what = take8(in);
    const uint8_t *at;
    size_t n = take_bytes(in, take8(in) * 4, &at);

    if (what % 4 == 0) {
        end.cursor = take16(in);
        say(&end, sizeof(end));
    } else if (what % 4 == 1) {
        installed.result = -(int32_t)(take8(in) % 64);
        say(&installed, sizeof(installed));
    } else {
        n = n < sizeof(session) - 16 ? n : sizeof(session) - 16;
        memcpy((uint8_t *)&session + 16, at, n); /* behind the request */
        say(&session, sizeof(session));
    }
}

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, fz.config.control_socket, sizeof(fz.config.control_socket));
    FUZZ_CHECK(fd >= 0);
    connect(fd, (struct sockaddr *)&address, sizeof(address));
    return fd;
}

static void ask(unsigned i, struct input *in, bool line)
{
    size_t n = take16(in) % 4200;
    const uint8_t *at;

    if (fz.client[i] < 0)
        fz.client[i] = dial();
    n = take_bytes(in, n, &at);
    send(fz.client[i], at, n, MSG_NOSIGNAL);
    if (line)
        send(fz.client[i], "\n", 1, MSG_NOSIGNAL);
}

/* A connection by TCP, as if it had been accepted. */
static int connect_stream(void)
{
    struct jp_path path = {.port = JP_IPC_RELAY_PORT, .tcp = 1, .ip_version = 4};
    int fd[2];

    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
    FUZZ_CHECK(fz.d.tcp.n_unused > 0 && tcp_open(&fz.d.tcp, fd[1], &path, 1) == 0);
    return fd[0];
}

static void stream(unsigned i, struct input *in)
{
    const uint8_t *at;
    size_t n = take_bytes(in, take16(in) % MESSAGE_MAX, &at);
    uint8_t got[MESSAGE_MAX];

    if (fz.stream[i] < 0)
        fz.stream[i] = connect_stream();
    send(fz.stream[i], at, n, MSG_NOSIGNAL);
    while (recv(fz.stream[i], got, sizeof(got), 0) > 0)
        ;
}

/* To one of the connections, or to none. */
static void relay(struct input *in)
{
    struct {
        struct jp_ipc_relay head;
        uint8_t bytes[256];
    } m = {.head = {.spi = take8(in) * 256}};
    unsigned slot = take8(in);
    const uint8_t *at;
    size_t n = take_bytes(in, take8(in), &at);

    if (slot < fz.config.tcp.connections && fz.d.tcp.slot[slot])
        m.head.path = fz.d.tcp.slot[slot]->path;
    m.head.len = (uint16_t)(slot == 255 ? n + 1 : n);
    memcpy(m.bytes, at, n);
    send(fz.relay, &m, sizeof(m.head) + n, MSG_NOSIGNAL);
}

static void hang_up(unsigned i)
{
    int *both[] = {&fz.client[i], &fz.stream[i]};

    for (unsigned k = 0; k < 2; k++) {
        if (*both[k] >= 0)
            close(*both[k]);
        *both[k] = -1;
    }
}

static void step(struct input *in)
{
    unsigned what = take8(in), client = what / 16 % CLIENTS;
    const uint8_t *at;
    size_t n;

    switch ((enum op)(what % 16 % OPS)) {
    case LINE:
    case BYTES:
        ask(client, in, what % 16 % OPS == LINE);
        break;
    case HANG_UP:
        hang_up(client);
        break;
    case MESSAGE:
        say_message(in);
        break;
    case RAW:
        n = take_bytes(in, take16(in) % MESSAGE_MAX, &at);
        say(at, n);
        break;
    case ANSWER:
        say_answer(in);
        break;
    case STREAM:
        stream(client, in);
        break;
    case RELAY:
        relay(in);
        break;
    default:
        run();
    }
}

static void begin(struct input *in)
{
    fz.data_plane = fz.relay = -1;
    fz.request = fz.spi = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        fz.client[i] = fz.stream[i] = -1;
    dp_tick(&fz.d.dp, UINT64_MAX); /* it connects */
    run();
    FUZZ_CHECK(fz.data_plane >= 0);
    greet(in);
    run();
}

static bool at_rest(void)
{
    return fz.d.dp.state == DP_AWAY && api_clients(&fz.d.api) == 0 &&
           tcp_connections(&fz.d.tcp) == 0;
}

static void end(void)
{
    run();
    for (unsigned i = 0; i < CLIENTS; i++)
        hang_up(i);
    close(fz.data_plane);
    if (fz.relay >= 0)
        close(fz.relay);
    fz.data_plane = fz.relay = -1; /* the daemon may get the numbers */
    for (unsigned i = 0; i < END_TURNS && !at_rest(); i++)
        run(); /* it reads what was said before, some at a time */
    FUZZ_CHECK(at_rest());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    struct quiet q;

    quiet_begin(&q);
    if (fz.listener < 0)
        prepare();
    begin(&in);
    while (in.p < in.end)
        step(&in);
    end();
    quiet_end(&q);
    free(q.text);
    return 0;
}

/* ---- seeds ---- */

static size_t put(uint8_t *out, enum op op, const void *bytes, size_t n)
{
    out[0] = (uint8_t)op;
    be16_store(out + 1, (uint16_t)n);
    memcpy(out + 3, bytes, n);
    out[3 + n] = RUN;
    return 4 + n;
}

/* A ClientHello is punted. */
static size_t put_hello(uint8_t *out)
{
    static const uint8_t mac[6] = {2};
    struct fixed_random source = {.label = "hello"};
    struct hs_random rnd = fixed_random_of(&source);
    struct hs_client_config config = {
        .client_spi = 0x1001, .suites = {AEAD_AES256_GCM}, .params = hs_params_default};
    struct jp_ipc_packet punt = {.path = {.ip_version = 4}, .len = HS_CLIENT_HELLO_LEN};
    struct hs_client client;
    size_t n = sizeof(punt) - sizeof(punt.h);

    memcpy(punt.path.peer_mac, mac, sizeof(mac));
    hs_client_start(&client, &config, &rnd);
    memcpy(punt.bytes, client.hello, HS_CLIENT_HELLO_LEN);
    out[0] = MESSAGE;
    out[1] = 0;
    be16_store(out + 2, (uint16_t)n);
    memcpy(out + 4, (const uint8_t *)&punt + sizeof(punt.h), n);
    memcpy(out + 4 + n, (uint8_t[]){RUN, ANSWER, 1, 0, 0, RUN}, 6);
    return 10 + n;
}

/* A data packet by TCP, and its answer. */
static size_t put_stream(uint8_t *out)
{
    uint8_t bytes[2 + 64] = {0, 64};
    size_t n;

    wire_data_hdr_put(bytes + 2, 4097, 1);
    n = put(out, STREAM, bytes, sizeof(bytes));
    memcpy(out + n, (uint8_t[]){RELAY, 16, 0, 4, 1, 2, 3, 4, RUN}, 9);
    return n + 9;
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    static const char *const requests[] = {
        "{\"command\":\"status\"}",
        "{\"command\":\"version\"}",
        "{\"command\":\"stats\"}",
        "{\"command\":\"ports\"}",
        "{\"command\":\"sessions\",\"cursor\":\"4294967296\",\"max\":64}",
        "{\"command\":\"session\",\"spi\":4097}",
        "{\"command\":\"stop\"}",
        "{\"command\":\"sessions\",\"max\":0}\n{\"command\":7}\n[]\n{",
    };
    static const uint8_t session[] = {ANSWER, 2,  4,  1,  2,  3,  4,      5, 6, 7, 8, 9,  10,
                                      11,     12, 13, 14, 15, 16, ANSWER, 0, 0, 0, 0, RUN};
    size_t n = 1;

    if (index > 9)
        return 0;
    out[0] = 0;
    if (index == 8)
        return 1 + put_hello(out + 1);
    if (index == 9)
        return 1 + put_stream(out + 1);
    n += put(out + n, LINE, requests[index], strlen(requests[index]));
    memcpy(out + n, session, sizeof(session));
    n += sizeof(session);
    return n + put(out + n, LINE, requests[0], strlen(requests[0]));
}
