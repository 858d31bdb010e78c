/* A whole data plane, and clients with keys that send it anything: the receive path behind
 * decryption, both transports, and whatever answers. What holds: every packet has its fate, all
 * memory goes back, and what is sent is authentic and well formed. */
#include "fuzz_plane.h"
#include "fuzz.h"
#include "fuzz_input.h"

enum { CLIENTS = 3, STEPS_MAX = 64, PORTS = 40000 /* of clients */, TO_PORT = 14 + 20 + 2 };
enum op { FRAMES, TEXT, FORGED, JUMP, PASS, TURN, COMMAND, OPS };

static struct client clients[CLIENTS];

/* A light one, one with FEC, and a full one. */
static void start(struct plane *plane, struct input *in)
{
    unsigned how = take8(in);

    plane_workers(plane, 1 + how % 2);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &clients[i];

        *c = client_new(plane, i + 1, i % plane->dp.lcores);
        c->path.our_port = (uint16_t)(PLANE_ECHO + how / 2 % 4);
        c->alg = how & 8 ? AEAD_CHACHA20_POLY1305 : AEAD_AES256_GCM;
        if (i == 1)
            c->fec_k = 4, c->fec_r = 2;
        if (i == 2)
            c->credit = (struct jp_ipc_credit){65536, 16384, 8192};
        assert_int_equal(client_install(c), 0);
    }
}

/* Whatever is sent must be for one of the clients, and sealed with its keys. */
static void receive(struct plane *plane)
{
    for (struct rte_mbuf *m; (m = plane_sent(plane)); rte_pktmbuf_free(m)) {
        const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *);
        unsigned n = eth[5] - 1u, port = be16_load(eth + TO_PORT); /* as plane_path numbers them */
        struct client c;

        FUZZ_CHECK(n < CLIENTS && port >= PORTS && port < PORTS + 256);
        c = clients[n];
        c.path.peer_port = (uint16_t)port; /* one that it was at */
        client_open(&c, m);
        clients[n].rx = c.rx;
    }
}

/* Up to what a packet of 1472 bytes takes. */
static size_t take_text(struct input *in, uint8_t text[1432])
{
    const uint8_t *at;
    size_t n = take_bytes(in, take16(in) % 1432, &at);

    memcpy(text, at, n);
    return n;
}

static void send_frames(struct client *c, struct input *in)
{
    uint8_t text[1432];
    size_t n = take_text(in, text);

    client_send(c, text, (uint32_t)n);
}

/* With a trailer of its own making, and perhaps a number used before or far ahead. */
static void send_text(struct client *c, struct input *in)
{
    uint8_t text[1432], payload[PLANE_FRAME_MAX];
    uint64_t pn;

    if (epoch_tx_next(&c->tx, &pn) != EPOCH_OK)
        return;
    unsigned back = take8(in);
    uint32_t n = (uint32_t)take_text(in, text);

    if (back >= 128 && pn > back)
        pn -= back;
    client_send_payload(c, payload, client_seal_text(c, pn, text, n, payload));
}

static void send_forged(struct client *c, struct input *in)
{
    uint8_t text[1432], payload[PLANE_FRAME_MAX];
    uint32_t n = (uint32_t)take_text(in, text);

    wire_data_hdr_put(payload, c->server_spi, (uint64_t)take16(in) << take8(in) % 48);
    memcpy(payload + WIRE_DATA_HDR, text, n);
    client_send_payload(c, payload, WIRE_DATA_HDR + n);
}

/* To the session, from whoever controls the data plane. */
static void command(struct plane *plane, struct client *c, struct input *in)
{
    struct command command = {.type = JP_IPC_QUERY, .u.query.server_spi = c->server_spi};

    if (take8(in) % 4 == 0) {
        command.type = JP_IPC_RETIRE;
        command.u.retire = (struct jp_ipc_retire){.server_spi = c->server_spi, .code = 7};
    }
    plane_command(plane, owner_of(&plane->dp, c->server_spi), &command);
}

static void step(struct plane *plane, struct input *in)
{
    unsigned what = take8(in);
    struct client *c = &clients[what / 16 % CLIENTS];

    switch ((enum op)(what % 16 % OPS)) {
    case FRAMES:
        send_frames(c, in);
        break;
    case TEXT:
        send_text(c, in);
        break;
    case FORGED:
        send_forged(c, in);
        break;
    case JUMP: /* it was another port of the client's */
        c->path.peer_port = (uint16_t)(PORTS + take8(in));
        break;
    case PASS:
        plane_pass(plane, take8(in) * UINT64_C(200));
        break;
    case COMMAND:
        command(plane, c, in);
        break;
    default:
        plane_turn(plane);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plane *plane = fuzz_plane_begin();
    struct input in = {data, data + size};
    struct event event;

    start(plane, &in);
    for (unsigned i = 0; i < STEPS_MAX && in.p < in.end; i++) {
        step(plane, &in);
        plane_turn(plane);
        receive(plane);
        while (plane_event(plane, &event))
            ;
    }
    plane_settle(plane);
    fuzz_plane_end(plane);
    return 0;
}

static size_t put_frames(unsigned index, unsigned i, uint8_t *out)
{
    uint8_t *p = out;

    p = i % 3 == 2 ? frame_put_datagram_hdr(p)
                   : frame_put_stream_hdr(p, 1 + index % 4, i / 2, i % 2 * 20, i % 2);
    memset(p, (int)i, 20);
    return (size_t)(p + 20 - out);
}

/* Messages of all clients in turn, with lies among them. */
size_t fuzz_seed(unsigned index, uint8_t *out)
{
    size_t n = 0;

    if (index >= 32)
        return 0;
    out[n++] = (uint8_t)index;
    for (unsigned i = 0; i < 12; i++) {
        uint8_t frames[100];
        size_t len = put_frames(index, i, frames);

        out[n++] = (uint8_t)((index + i) % CLIENTS * 16 + (i % 5 == 4 ? FORGED : FRAMES));
        be16_store(out + n, (uint16_t)len);
        memcpy(out + n + 2, frames, len);
        n += 2 + len;
        if (i % 4 == 3)
            out[n++] = PASS, out[n++] = (uint8_t)(i * 10);
        if (i % 6 == 5)
            out[n++] = (uint8_t)(i % CLIENTS * 16 + (index % 2 ? COMMAND : JUMP)), out[n++] = 1;
    }
    return n;
}
