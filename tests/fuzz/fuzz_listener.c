/* A server of two loops and a client of the library, between strangers who say anything by UDP and
 * by TCP, on a network of the harness's (fuzz_net.h). What holds: no address gets more than three
 * times what it sent before it can have heard from us; what is bounded stays so; nobody opens a
 * session or says a message but the client; in the end all is given back, without a loop that is
 * never done, and the server still serves. */
#include "bytes.h"
#include "fuzz_input.h"
#include "handshake_internal.h"
#include "listener_world.h"
#include "tcp.h"

enum { STEPS_MAX = 96, PACKET_MAX = 2048, WAITING_MAX = 64, TURNS_MAX = 5000 };
enum op {
    HELLO,   /* an honest hello of a stranger's, changed */
    BYTES,   /* a packet */
    TRAIN,   /* hellos that came as one */
    JUNK,    /* many hellos that are none */
    RELAY,   /* packets between client and server */
    CHANGE,  /* the next of them */
    SPOOF,   /* from a stranger's address */
    HEAR,    /* the client hears what went to a stranger */
    DROP,    /* all that is on its way */
    CONNECT, /* or resume */
    SAY,     /* a message of the client's */
    END,     /* of a session */
    PASS,    /* time */
    NETWORK, /* how it behaves */
    DIAL,    /* a stranger by TCP */
    CROWD,   /* many connections */
    WRITE,   /* bytes */
    FRAMED,  /* a packet on a connection */
    HANG_UP,
    OPS
};

/* ---- who sent how much ---- */

/* The first two are neighbours. */
static jp_address stranger(unsigned i)
{
    static const char *const text[STRANGERS] = {"203.0.113.1:1000", "203.0.113.2:2000",
                                                "192.0.2.9:3000",   "[2001:db8::1]:1000",
                                                "[2001:db8::2]:1",  "[2001:db8:9::1]:65535"};
    static jp_address known[STRANGERS];

    i %= STRANGERS;
    if (!known[i].family)
        jp_address_parse(&known[i], text[i], 0);
    return known[i];
}

/* NULL: none of the first so many. */
static struct account *account_of(const jp_address *address)
{
    struct account *a = w.account;

    while (a < w.account + w.accounts && jp_address_compare(&a->address, address) != 0)
        a++;
    if (a == w.account + ADDRESSES)
        return NULL;
    if (a == w.account + w.accounts) {
        w.accounts++;
        *a = (struct account){.address = *address};
    }
    return a;
}

static void note_heard(jp_address address)
{
    struct account *a = account_of(&address);

    if (a)
        a->heard = true;
}

static void check_answer(const struct net_packet *p)
{
    struct account *a = account_of(&p->to);

    if (!a)
        return;
    a->got += p->length;
    FUZZ_CHECK(a->heard || a->got <= 3 * a->sent);
}

/* ---- packets on their way ---- */

static void keep(struct net_packet **list, struct net_packet *p)
{
    unsigned n = 0;

    for (; *list; list = &(*list)->next)
        n++;
    p->next = NULL;
    if (n < WAITING_MAX)
        *list = p;
    else
        free(p);
}

static void forget(struct net_packet **list)
{
    for (struct net_packet *p; (p = *list); free(p))
        *list = p->next;
}

/* A cookie that it got is good there only. */
static void read_retry(const struct net_packet *p)
{
    for (unsigned i = 0; i < STRANGERS; i++) {
        jp_address is = stranger(i);

        if (p->length == RETRY_LEN && p->bytes[4] == WIRE_RETRY &&
            jp_address_compare(&p->to, &is) == 0)
            memcpy(w.cookie[i], p->bytes + RETRY_COOKIE, HS_COOKIE_LEN);
    }
}

static bool is_strange(const jp_address *address)
{
    for (unsigned i = 0; i < STRANGERS; i++) {
        jp_address is = stranger(i);

        if (jp_address_compare(address, &is) == 0)
            return true;
    }
    return false;
}

/* Take what was sent. */
static void sort(void)
{
    for (struct net_packet *p; (p = net_take());) {
        if (p->to.port == PORT) {
            keep(&w.to_server, p);
            continue;
        }
        check_answer(p);
        if (is_strange(&p->to)) {
            read_retry(p);
            forget(&w.to_stranger);
            keep(&w.to_stranger, p);
        } else {
            keep(&w.to_client, p);
        }
    }
}

static void check_bounds(void)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        const jp_listener *l = w.listener[i];

        FUZZ_CHECK(l->sessions <= SESSIONS_MAX && l->unconfirmed <= l->sessions);
        FUZZ_CHECK(l->n_connections <= TCP_CONNECTIONS_MAX);
    }
    for (unsigned i = 0; i < STRANGERS; i++) {
        jp_address is = stranger(i);

        FUZZ_CHECK(net_alike(&is) <= MEMBERS * TCP_PREFIX_MAX);
    }
}

/* Everybody does what there is to do. */
static void run(void)
{
    for (unsigned turns = 0; turns < 3; turns++)
        for (unsigned i = 0; i < LOOPS; i++)
            FUZZ_CHECK(jp_loop_run_once(w.loop[i], 0) >= 0);
    sort();
}

/* As the kernel steers. */
static unsigned steer(const uint8_t *bytes, size_t n)
{
    uint32_t spi = n >= 4 ? be32_load(bytes) : 0;

    if (spi == 0 && n >= 12)
        spi = be32_load(bytes + 8);
    return udp_owner(spi, MEMBERS);
}

/* The server gets it; astray: in the wrong loop. Takes p. */
static void to_server(struct net_packet *p, bool astray)
{
    jp_listener *l = w.listener[(steer(p->bytes, p->length) + astray) % MEMBERS];
    struct account *a = account_of(&p->from);

    if (a)
        a->sent += p->length;
    p->to = p->from.family == JP_IPV6 ? stranger(3) : w.address;
    p->to.port = PORT;
    net_give(l->sockets[p->from.family == JP_IPV6]->udp.fd, p);
}

/* The client's socket of that port gets it; takes p. */
static void to_client(struct net_packet *p)
{
    int fd = net_bound(p->to.port);

    note_heard(p->to);
    if (fd < 0 || p->to.port == PORT)
        free(p);
    else
        net_give(fd, p);
}

static struct net_packet *next_of(struct net_packet **list)
{
    struct net_packet *p = *list;

    if (p)
        *list = p->next;
    return p;
}

/* One each way; false: there is none. */
static bool relay_one(void)
{
    struct net_packet *there = next_of(&w.to_server), *back = next_of(&w.to_client);

    if (there)
        to_server(there, false);
    if (back)
        to_client(back);
    return there || back;
}

static void relay(unsigned n)
{
    while (n-- > 0 && relay_one())
        run();
}

/* ---- what strangers say ---- */

static void change(struct input *in, uint8_t *bytes, size_t n, unsigned changes)
{
    while (changes-- > 0) {
        size_t at = take16(in);
        uint8_t by = (uint8_t)take8(in);

        if (n > 0)
            bytes[at % n] ^= by;
    }
}

/* A stranger's, or the client's last that resumed; with the cookie that came last. */
static void make_hello(struct input *in, unsigned who, uint8_t hello[HS_CLIENT_HELLO_LEN])
{
    unsigned how = take8(in);

    memcpy(hello, how & 1 ? w.simple.hello : w.honest.hello, HS_CLIENT_HELLO_LEN);
    if (how & 2 && w.ticket[4])
        memcpy(hello, w.ticket, HS_CLIENT_HELLO_LEN);
    hello[CH_RANDOM] = (uint8_t)(how >> 4);
    if (how & 4 && !(how & 2)) {
        hello[CH_COOKIE_LEN] = HS_COOKIE_LEN;
        memcpy(hello + CH_COOKIE, w.cookie[who % STRANGERS], HS_COOKIE_LEN);
        note_heard(stranger(who));
    }
    change(in, hello, HS_CLIENT_HELLO_LEN, how & 8 ? 1 + take8(in) % 4 : 0);
}

static void say(unsigned who, const uint8_t *bytes, size_t n, uint16_t segment)
{
    jp_address from = stranger(who);
    struct net_packet *p = net_packet(&from, &w.address, bytes, n);

    p->segment = segment;
    p->ecn = (uint8_t)(who >> 3) & 3;
    to_server(p, who & 0x40);
}

static void say_hello(struct input *in)
{
    uint8_t hello[HS_CLIENT_HELLO_LEN];
    unsigned who = take8(in);

    make_hello(in, who, hello);
    say(who, hello, sizeof(hello), 0);
}

static void say_bytes(struct input *in)
{
    const uint8_t *bytes;
    unsigned who = take8(in);
    size_t n = take_bytes(in, take16(in) % PACKET_MAX, &bytes);

    say(who, bytes, n, 0);
}

static void say_train(struct input *in)
{
    uint8_t train[4 * HS_CLIENT_HELLO_LEN + PACKET_MAX];
    unsigned who = take8(in), hellos = 1 + take8(in) % 4;
    uint16_t segment = (uint16_t)take16(in);
    const uint8_t *bytes;
    size_t n = 0, tail;

    for (unsigned i = 0; i < hellos; i++, n += HS_CLIENT_HELLO_LEN)
        make_hello(in, who, train + n);
    tail = take_bytes(in, take8(in), &bytes);
    memcpy(train + n, bytes, tail);
    say(who, train, n + tail, segment > n / 100 ? segment : HS_CLIENT_HELLO_LEN);
}

/* What is left of the rate of those that need no cookie is used up. */
static void say_junk(struct input *in)
{
    uint8_t hello[HS_CLIENT_HELLO_LEN];
    unsigned who = take8(in), n = take8(in);

    memcpy(hello, w.honest.hello, sizeof(hello));
    hello[CH_COOKIE_LEN] = 1;
    for (unsigned i = 0; i < n; i++) {
        hello[CH_RANDOM + 1] = (uint8_t)i;
        say(who, hello, sizeof(hello), 0);
    }
}

/* The client's next packet, from elsewhere: instead, or too. */
static void spoof(struct input *in)
{
    unsigned who = take8(in);
    const struct net_packet *p = w.to_server;

    if (!p)
        return;
    say(who, p->bytes, p->length, 0);
    if (who & 0x80)
        free(next_of(&w.to_server));
}

static void hear(void)
{
    jp_address any = {.family = JP_IPV4};
    struct net_packet *p = next_of(&w.to_stranger);

    if (!p)
        return;
    note_heard(p->to);
    any.port = w.session && w.session->sockets[0] ? w.session->sockets[0]->udp.local.port : 0;
    p->to = any;
    p->from = w.address;
    to_client(p);
}

static void change_next(struct input *in)
{
    unsigned how = take8(in);
    struct net_packet *p = how & 1 ? w.to_client : w.to_server;

    if (!p)
        return;
    change(in, p->bytes, p->length, 1 + how / 2 % 4);
    if (how & 0x80 && how & 1) /* cut */
        p->length = take16(in) % (p->length + 1);
}

/* ---- by TCP ---- */

static bool has_connection(unsigned i)
{
    return net_is_from(w.fd[i], &w.dialler[i]);
}

static void dial(struct input *in)
{
    unsigned what = take8(in), i = what % CONNECTIONS;
    jp_address from = stranger(what / CONNECTIONS);

    if (has_connection(i))
        net_hang_up(w.fd[i], false);
    from.port = (uint16_t)(5000 + i);
    net.member = what & 0x80 ? 1 : 0;
    w.dialler[i] = from;
    w.fd[i] = net_dial(&from, &w.address);
}

static void crowd(struct input *in)
{
    unsigned who = take8(in), n = take8(in) % 80;
    jp_address from = stranger(who);

    net.member = who & 0x80 ? 1 : 0;
    for (from.port = 6000; n-- > 0; from.port++)
        net_dial(&from, &w.address);
}

static void write_bytes(struct input *in)
{
    unsigned i = take8(in) % CONNECTIONS;
    const uint8_t *bytes;
    size_t n = take_bytes(in, take16(in) % PACKET_MAX, &bytes);

    if (has_connection(i))
        net_say(w.fd[i], bytes, n);
}

/* A hello, a packet of the client's, or bytes; cut, if the input says so. */
static void write_framed(struct input *in)
{
    uint8_t framed[TCP_PREFIX + PACKET_MAX];
    unsigned what = take8(in), i = what % CONNECTIONS;
    const uint8_t *bytes;
    size_t n = HS_CLIENT_HELLO_LEN;

    if (what & 0x40 && w.to_server) {
        n = w.to_server->length < PACKET_MAX ? w.to_server->length : PACKET_MAX;
        memcpy(framed + TCP_PREFIX, w.to_server->bytes, n);
    } else if (what & 0x20) {
        n = take_bytes(in, take16(in) % PACKET_MAX, &bytes);
        memcpy(framed + TCP_PREFIX, bytes, n);
    } else {
        make_hello(in, what, framed + TCP_PREFIX);
    }
    be16_store(framed, (uint16_t)n);
    n += TCP_PREFIX;
    if (what & 0x80)
        n = take16(in) % (n + 1);
    if (has_connection(i))
        net_say(w.fd[i], framed, n);
}

static void hang_up(struct input *in)
{
    unsigned what = take8(in), i = what % CONNECTIONS;

    if (!has_connection(i))
        return;
    if (what & 0x80)
        net_stall(w.fd[i], what & 0x40);
    else
        net_hang_up(w.fd[i], what & 0x40);
}

/* ---- the client ---- */

static void connect_client(struct input *in)
{
    unsigned how = take8(in);
    char text[JP_ADDRESS_TEXT];
    const void *kept = how & 1 && w.resumption_size ? w.resumption : NULL;
    jp_stream_options early = {.early = 1};
    jp_stream *stream;

    if (w.session)
        return;
    jp_address_format(&w.address, text, sizeof(text));
    FUZZ_CHECK(jp_connect_resume(&w.session, w.loop[MEMBERS], w.client, text, NULL, 0, kept,
                                 kept ? w.resumption_size : 0) == 0);
    if (how & 2 && kept && jp_stream_open(&stream, w.session, 1, &early) == 0)
        jp_stream_send(stream, "\4\4\4\4", 4);
    run();
    for (const struct net_packet *p = w.to_server; p; p = p->next)
        if (p->length == HS_CLIENT_HELLO_LEN && p->bytes[4] == WIRE_RESUME_HELLO)
            memcpy(w.ticket, p->bytes, sizeof(w.ticket));
}

static void say_message(size_t n)
{
    uint8_t message[PACKET_MAX * 4];
    jp_stream *stream;

    if (!w.session || !jp_session_is_open(w.session))
        return;
    memset(message, (int)n, n);
    stream = jp_stream_find(w.session, 1);
    if (stream || jp_stream_open(&stream, w.session, 1, NULL) == 0)
        jp_stream_send(stream, message, n);
}

/* A server's session ends without the client's knowing: there may be a Reset. */
static void forget_session(jp_listener *l, bool mute)
{
    struct endpoint *e = l->endpoint;

    for (unsigned i = 0; i < ENDPOINT_HEADS && l->sessions; i++)
        for (jp_session *s = e->sessions[i]; s; s = s->next_by_spi) {
            s->mute |= mute;
            if (mute)
                session_over(s, JP_CLOSED_HERE, JP_CODE_NONE, "");
            else
                jp_session_close(s, JP_CODE_SHUTDOWN, "enough");
        }
}

static void end(struct input *in)
{
    unsigned how = take8(in);

    if (how % 4 < 2)
        forget_session(w.listener[how / 4 % MEMBERS], how % 4 == 1);
    else if (w.session && how % 4 == 2)
        jp_session_close(w.session, how, "done");
    else if (w.session && jp_session_is_open(w.session))
        jp_session_migrate(w.session, NULL);
}

static void behave(unsigned how)
{
    net.full = how & 1;
    net.member = how >> 1 & 1;
    net.tcp = (enum net_tcp)(how >> 2) % 3;
}

/* ---- an input ---- */

static void step(struct input *in)
{
    switch ((enum op)(take8(in) % OPS)) {
    case HELLO:
        say_hello(in);
        break;
    case BYTES:
        say_bytes(in);
        break;
    case TRAIN:
        say_train(in);
        break;
    case JUNK:
        say_junk(in);
        break;
    case RELAY:
        relay(1 + take8(in) % 32);
        break;
    case CHANGE:
        change_next(in);
        break;
    case SPOOF:
        spoof(in);
        break;
    case HEAR:
        hear();
        break;
    case DROP:
        forget(take8(in) & 1 ? &w.to_client : &w.to_server);
        break;
    case CONNECT:
        connect_client(in);
        break;
    case SAY:
        say_message(take16(in) % (PACKET_MAX * 4));
        break;
    case END:
        end(in);
        break;
    case PASS:
        net.now += UINT64_C(1000) << take8(in) % 16;
        break;
    case NETWORK:
        behave(take8(in));
        break;
    case DIAL:
        dial(in);
        break;
    case CROWD:
        crowd(in);
        break;
    case WRITE:
        write_bytes(in);
        break;
    case FRAMED:
        write_framed(in);
        break;
    default:
        hang_up(in);
    }
}

static bool is_empty(void)
{
    unsigned alive = net.waiting;

    for (unsigned i = 0; i < LOOPS; i++)
        alive += w.loop[i]->alive[OBJECT_SESSION];
    for (unsigned i = 0; i < MEMBERS; i++)
        alive += w.listener[i]->n_connections;
    return alive == 0;
}

/* Nobody says anything any more: whatever has no end of its own ends by time. */
static void settle(void)
{
    uint64_t give_up = net.now + 240 * SECOND;
    unsigned turns = 0;

    behave(NET_SILENT << 2);
    if (w.session)
        jp_session_close(w.session, 0, NULL);
    for (run(); !is_empty() && net.now < give_up; run()) {
        uint64_t next = net.waiting ? net.now : give_up;

        for (unsigned i = 0; i < LOOPS; i++)
            next = timers_next(w.loop[i], next);
        net.now = next > net.now ? next : net.now + 1;
        FUZZ_CHECK(++turns < TURNS_MAX); /* that much there is not to do */
    }
    FUZZ_CHECK(is_empty() && !w.session && net.open == w.descriptors);
    for (unsigned i = 0; i < LOOPS; i++)
        FUZZ_CHECK(conn_pools_used(&w.loop[i]->endpoint->memory.pools) == 0);
    forget(&w.to_server);
    forget(&w.to_client);
    forget(&w.to_stranger);
}

/* A client comes, with nobody in between, and is served. */
static void visit(void)
{
    struct input none = {0};

    w.echoes = 0;
    net.now += HOUR;
    behave(NET_ACCEPTS << 2);
    connect_client(&none);
    relay(8);
    FUZZ_CHECK(w.session && jp_session_is_open(w.session));
    say_message(3000);
    run();
    for (unsigned i = 0; i < 50 && !w.echoes; i++) {
        relay(8);
        net.now += 1000;
        run();
    }
    FUZZ_CHECK(w.echoes == 1);
    settle();
}

/* The first byte says whether somebody visits afterwards, and whether the world ends then. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    unsigned how = take8(&in);

    world_begin();
    net_reseed();
    net.now += HOUR;
    behave(0);
    w.accounts = 0;
    memset(w.fd, 0, sizeof(w.fd));
    for (unsigned i = 0; i < STEPS_MAX && in.p < in.end; i++) {
        step(&in);
        run();
        check_bounds();
    }
    settle();
    if (how % 4 == 3)
        visit();
    if (how == 0xff)
        world_end();
    return 0;
}

#define VISIT   3
#define SESSION CONNECT, 0, RELAY, 10, SAY, 1, 0, RELAY, 8

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    static const struct {
        uint8_t n, bytes[64];
    } seeds[] = {
#define SEED(...)                                                                                  \
    {                                                                                              \
        sizeof((uint8_t[]){__VA_ARGS__}),                                                          \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
        SEED(VISIT, SESSION, END, 2),
        SEED(VISIT, HELLO, 0, 0, HELLO, 0, 0, HELLO, 1, 0x10, HELLO, 4, 0x20, HELLO, 0x43, 1),
        SEED(0, JUNK, 0, 110, JUNK, 0x40, 110, HELLO, 1, 0, HELLO, 1, 4, PASS, 14, HELLO, 1, 4),
        SEED(0, HELLO, 0, 8, 0, 0, 4, 1, HELLO, 1, 8, 0, 0, 44, 3, BYTES, 2, 0, 4, 1, 2, 3, 4),
        SEED(0, TRAIN, 0, 2, 0, 0, 0, 16, 32, 5, 1, 2, 3, 4, 5, TRAIN, 3, 3, 0, 200, 0, 1, 2, 3),
        SEED(VISIT, SESSION, END, 2, RELAY, 4, PASS, 10, CONNECT, 3, RELAY, 4, SAY, 2, 0, RELAY, 9),
        SEED(0, SESSION, END, 2, RELAY, 4, CONNECT, 3, SPOOF, 1, HELLO, 2, 2, PASS, 8, HELLO, 2, 2),
        SEED(0, CONNECT, 0, PASS, 10, PASS, 8, PASS, 8, SAY, 4, 0, PASS, 4, SAY, 1, 1, PASS, 14),
        SEED(0, NETWORK, 4, CONNECT, 0, PASS, 10, PASS, 8, NETWORK, 2, PASS, 10, SAY, 1, 1),
        SEED(0, SESSION, END, 1, SAY, 1, 0, RELAY, 8, PASS, 8, SAY, 1, 0, RELAY, 8),
        SEED(0, SESSION, END, 3, SAY, 8, 0, RELAY, 30, PASS, 4, RELAY, 8, END, 0, RELAY, 3),
        SEED(0, SESSION, SAY, 16, 0, SPOOF, 0x81, SPOOF, 2, RELAY, 8, HEAR, RELAY, 8, PASS, 9),
        SEED(0, CONNECT, 0, RELAY, 2, SPOOF, 0x80, RELAY, 8, PASS, 4, RELAY, 8, PASS, 10, RELAY, 4),
        SEED(0, DIAL, 0, FRAMED, 0, 0, DIAL, 0x81, FRAMED, 1, 0, FRAMED, 0x82, 0, 1, 0, PASS, 14),
        SEED(0, DIAL, 0, WRITE, 0, 0, 6, 0, 2, 1, 2, 0, 0, DIAL, 1, WRITE, 1, 0, 2, 0xff, 0xff),
        SEED(0, SESSION, DIAL, 2, SAY, 1, 0, FRAMED, 0x42, FRAMED, 0x42, HANG_UP, 0xc2, PASS, 14),
        SEED(0, CROWD, 0, 79, CROWD, 1, 79, CROWD, 0, 79, CROWD, 0, 79, CROWD, 3, 20, PASS, 15),
        SEED(0, CONNECT, 0, CHANGE, 0, 0, 9, 1, RELAY, 2, CHANGE, 1, 4, 0, 7, RELAY, 9, PASS, 8),
        SEED(0, SESSION, NETWORK, 1, SAY, 31, 0, PASS, 6, NETWORK, 0, RELAY, 20, DROP, 0, DROP, 1),
        SEED(VISIT, SESSION, PASS, 12, DROP, 0, PASS, 12, RELAY, 3, PASS, 13, SAY, 0, 9, PASS, 14),
        SEED(0xff, DIAL, 3, FRAMED, 3, 0, HANG_UP, 3, CONNECT, 0, END, 2, HELLO, 5, 0, END, 0),
        SEED(VISIT, DIAL, 4, FRAMED, 0x24, 0, 5, 0, 0, 0x12, 0, 1, FRAMED, 4, 1, HANG_UP, 0x44),
        SEED(0, SESSION, DIAL, 2, DIAL, 0x83, SAY, 4, 0, FRAMED, 0x42, FRAMED, 0x43, SAY, 0, 7,
             FRAMED, 0x42, FRAMED, 0x43, PASS, 5, FRAMED, 0xc3, 0, 9),
#undef SEED
    };

    if (index >= sizeof(seeds) / sizeof(*seeds))
        return 0;
    memcpy(out, seeds[index].bytes, seeds[index].n);
    return seeds[index].n;
}
