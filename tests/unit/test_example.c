/* The worked example at the end of docs/protocol.md: made here from fixed keys, and compared with
 * the page.
 *
 *   test_example                 compare
 *   test_example --write FILE    replace what is between the markers in FILE
 *
 * The key schedule and the FEC block are computed here a second time, straight from the page's
 * formulas, and must give what the protocol core gave. */
#include "example.h"

static const char begin_mark[] = "<!-- example begin -->\n", end_mark[] = "<!-- example end -->\n";

/* ---- both sides ---- */

static void draw(struct drawn *d, const char *label, size_t mlkem_len)
{
    struct fixed_random source = {0};
    struct hs_random rnd = fixed_random_of(&source);

    strcpy(source.label, label);
    rnd.fill(rnd.arg, d->x25519, 32);
    rnd.fill(rnd.arg, d->mlkem, mlkem_len);
    rnd.fill(rnd.arg, d->random, 32);
}

static void start_client(struct example *e)
{
    struct fixed_random source = {.label = "example client"};
    struct hs_random rnd = fixed_random_of(&source);
    struct hs_client_config config = {
        .client_spi = CLIENT_SPI,
        .suites = {AEAD_AES256_GCM, AEAD_CHACHA20_POLY1305},
        .params = hs_params_default,
        .pinned = e->server.identity,
    };

    draw(&e->client_drawn, "example client", 64);
    assert_int_equal(hs_client_start(&e->client, &config, &rnd), 0);
}

static void make_server(struct example *e)
{
    struct fixed_random source = {.label = "example identity"};

    fixed_random_fill(&source, e->identity_seed, sizeof(e->identity_seed));
    crypto_sign_seed_keypair(e->server.identity, e->server.identity_secret, e->identity_seed);
    e->server.params = hs_params_default;
    e->server.params.max_streams = 256;
    e->server.params.fec_k = 20;
    e->server.params.fec_r = 4;
    e->server.suites[0] = AEAD_AES256_GCM;
    e->server.suites[1] = AEAD_CHACHA20_POLY1305;
}

static void run_handshake(struct example *e)
{
    struct fixed_random source = {.label = "example server"};
    struct hs_random rnd = fixed_random_of(&source);
    static const uint8_t addr[HS_ADDR_LEN];

    draw(&e->server_drawn, "example server", 32);
    assert_int_equal(
        hs_server_check(&e->server, e->client.hello, HS_CLIENT_HELLO_LEN, addr, 0, false), HS_OK);
    assert_int_equal(hs_server_answer(&e->server, e->aead, e->client.hello, SERVER_SPI, &rnd,
                                      &e->server_result, e->server_hello, &e->server_hello_len),
                     HS_OK);
    assert_int_equal(hs_client_input(&e->client, e->aead, e->server_hello, e->server_hello_len,
                                     &e->client_result),
                     HS_DONE);
}

static void put_inputs(struct example *e)
{
    FILE *f = e->f;

    fprintf(f, "### What each side chose\n\n"
               "The server's long-term key is the Ed25519 key pair of this seed:\n\n");
    put_value(f, "identity seed", e->identity_seed, 32);
    put_value(f, "identity", e->server.identity, 32);
    fprintf(f,
            "\nThe client's choices. Its SPI is %08x, its suites 1, 2, and its parameters the "
            "defaults:\n\n",
            CLIENT_SPI);
    put_value(f, "client x25519 secret", e->client_drawn.x25519, 32);
    put_value(f, "client ML-KEM d", e->client_drawn.mlkem, 32);
    put_value(f, "client ML-KEM z", e->client_drawn.mlkem + 32, 32);
    put_value(f, "client random", e->client_drawn.random, 32);
    fprintf(f,
            "\nThe server's. Its SPI is %08x, its suites 1, 2; its parameters the defaults but "
            "max_streams\n256, fec_k 20 and fec_r 4:\n\n",
            SERVER_SPI);
    put_value(f, "server x25519 secret", e->server_drawn.x25519, 32);
    put_value(f, "server ML-KEM m", e->server_drawn.mlkem, 32);
    put_value(f, "server random", e->server_drawn.random, 32);
}

/* ---- the hellos ---- */

/* Five parameters as params.c writes them, with values of these lengths. */
static void put_params(struct example *e, const uint8_t *params, size_t len)
{
    static const char *const names[] = {"idle_timeout_ms", "max_streams", "max_packet", "fec_k",
                                        "fec_r"};
    struct listing l = {.f = e->f};
    const uint8_t *p = params;

    for (unsigned i = 0; i < 5; i++) {
        char meaning[64];
        uint64_t value = p[2] & 0x3f;

        for (unsigned j = 1; j < p[1]; j++)
            value = value << 8 | p[2 + j];
        snprintf(meaning, sizeof(meaning), "id %u, length %u, %s %llu", p[0], p[1], names[i],
                 (unsigned long long)value);
        put_field(&l, p, 2u + p[1], meaning);
        p += 2 + p[1];
    }
    end_listing(&l, params, len);
}

static void put_client_hello(struct example *e)
{
    const uint8_t *hello = e->client.hello;

    fprintf(e->f, "\n### ClientHello\n\nIts parameters, all written out:\n\n");
    put_params(e, hello + 1288, hello[47]);
    put_value(e->f, "ClientHello", hello, HS_CLIENT_HELLO_LEN);
}

static void put_sealed(struct example *e, const uint8_t *sealed, size_t len)
{
    FILE *f = e->f;

    fprintf(f, "\nThe sealed part in clear, field by field:\n\n");
    put_value(f, "identity", sealed, 32);
    put_value(f, "signature", sealed + 32, 64);
    put_value(f, "finished", sealed + 96, 32);
    put_value(f, "server SPI", sealed + 128, 4);
    put_value(f, "p", sealed + 132, 1);
    fprintf(f, "\nand the parameters:\n\n");
    put_params(e, sealed + 133, len - 133);
    fprintf(f, "Sealed, behind the part in clear:\n\n");
    put_value(f, "ServerHello", e->server_hello, e->server_hello_len);
}

static void open_sealed(struct example *e, const uint8_t material[36], uint8_t *sealed, size_t len)
{
    struct aead_key key;
    struct aead_op op = {.key = &key, .text = sealed, .spi = CLIENT_SPI, .len = (uint32_t)len};

    memcpy(sealed, e->server_hello + CLEAR, len + AEAD_TAG_LEN);
    assert_int_equal(aead_key_init(e->aead, &key, AEAD_AES256_GCM, material), 0);
    aead_open(e->aead, &op, 1);
    assert_true(op.ok);
}

/* Section 2.4, step by step. */
static void put_key_schedule(struct example *e)
{
    static const char salt[] = "jetplane1 handshake";
    uint8_t ikm[64], t0[32], hs[32], sh[36], t1[32], t2[32], finished_key[32], c2s[32], s2c[32];
    uint8_t resumption[32];
    uint8_t sealed[256], body[32 + 5 + HS_PARAMS_MAX];
    size_t len = e->server_hello_len - CLEAR - 16;
    FILE *f = e->f;

    assert_int_equal(mlkem768_decaps(ikm, e->client.dk, e->server_hello + 80), 0);
    assert_int_equal(crypto_scalarmult(ikm + 32, e->client_drawn.x25519, e->server_hello + 48), 0);
    sha256_2(t0, e->client.hello, HS_CLIENT_HELLO_LEN, e->server_hello, CLEAR);
    hkdf_extract(hs, salt, strlen(salt), ikm, sizeof(ikm));
    kdf_derive(sh, 36, hs, "server hello", t0, 32);
    open_sealed(e, sh, sealed, len);

    memcpy(body, sealed, 32);
    memcpy(body + 32, sealed + 128, len - 128);
    sha256_2(t1, t0, 32, body, 32 + len - 128);
    kdf_derive(finished_key, 32, hs, "finished", t1, 32);
    sha256_2(t2, t1, 32, sealed + 32, 96);
    kdf_derive(c2s, 32, hs, "client to server", t2, 32);
    kdf_derive(s2c, 32, hs, "server to client", t2, 32);
    assert_memory_equal(c2s, e->client_result.c2s_secret, 32);
    assert_memory_equal(s2c, e->server_result.s2c_secret, 32);
    kdf_derive(resumption, 32, hs, "resumption", t2, 32);
    assert_memory_equal(resumption, e->client_result.resumption, 32);

    fprintf(f, "\n### ServerHello and key schedule\n\nThe server chose suite 1, AES-256-GCM.\n\n");
    put_value(f, "mlkem", ikm, 32);
    put_value(f, "x25519", ikm + 32, 32);
    put_value(f, "T0", t0, 32);
    put_value(f, "hs", hs, 32);
    put_value(f, "sh key", sh, 32);
    put_value(f, "sh salt", sh + 32, 4);
    put_value(f, "T1", t1, 32);
    put_value(f, "finished key", finished_key, 32);
    put_value(f, "T2", t2, 32);
    put_value(f, "c2s[0]", c2s, 32);
    put_value(f, "s2c[0]", s2c, 32);
    put_value(f, "resumption", resumption, 32);
    put_sealed(e, sealed, len);
}

static void put_epoch(FILE *f, const char *direction, const uint8_t secret[32])
{
    uint8_t material[36], next[32];
    char name[32];

    kdf_derive(material, 36, secret, "key", NULL, 0);
    kdf_derive(next, 32, secret, "epoch", NULL, 0);
    snprintf(name, sizeof(name), "%s key, epoch 0", direction);
    put_value(f, name, material, 32);
    snprintf(name, sizeof(name), "%s salt, epoch 0", direction);
    put_value(f, name, material + 32, 4);
    snprintf(name, sizeof(name), "%s[1]", direction);
    put_value(f, name, next, 32);
}

/* ---- data packets ---- */

struct packet {
    uint8_t bytes[256];
    size_t len;
};

/* Seal frames as packet 0 of one direction and open it as its receiver does. */
static struct packet seal(struct example *e, const uint8_t *from, const uint8_t *to, uint32_t spi,
                          const uint8_t *frames, size_t len)
{
    static struct aead_key scratch;
    struct epoch_tx tx;
    struct epoch_rx rx;
    struct packet p, opened;
    struct aead_op op = {.text = p.bytes + WIRE_DATA_HDR, .spi = spi};

    assert_int_equal(epoch_tx_init(&tx, e->aead, AEAD_AES256_GCM, from), 0);
    assert_int_equal(epoch_rx_init(&rx, e->aead, AEAD_AES256_GCM, to), 0);
    assert_int_equal(epoch_tx_next(&tx, &op.pn), EPOCH_OK);
    wire_data_hdr_put(p.bytes, spi, op.pn);
    memcpy(op.text, frames, len);
    op.len = (uint32_t)(len + wire_trailer_put(op.text + len, len));
    op.key = &tx.current;
    aead_seal(e->aead, &op, 1);
    p.len = WIRE_DATA_HDR + op.len + WIRE_TAG;

    opened = p;
    op.text = opened.bytes + WIRE_DATA_HDR;
    op.key = epoch_rx_key(&rx, e->aead, op.pn, &scratch);
    aead_open(e->aead, &op, 1);
    assert_true(op.ok);
    assert_int_equal(wire_trailer_strip(op.text, op.len), len);
    assert_memory_equal(op.text, frames, len);
    return p;
}

/* The plaintext's trailer, then nonce, AAD and the packet, for packet number 0. */
static void put_packet(struct listing *l, const uint8_t *frames, size_t frames_len,
                       const uint8_t secret[32], const struct packet *p, const char *to)
{
    uint8_t text[256], material[36], nonce[12] = {0}, aad[12] = {0};
    size_t trailer_len, text_len;
    char meaning[64];

    memcpy(text, frames, frames_len);
    trailer_len = wire_trailer_put(text + frames_len, frames_len);
    text_len = frames_len + trailer_len;
    if (trailer_len > 2)
        put_field(l, text + frames_len, trailer_len - 2, "padding");
    put_field(l, text + text_len - 2, 1, "pad length");
    put_field(l, text + text_len - 1, 1, "next header 253");
    end_listing(l, text, text_len);

    kdf_derive(material, 36, secret, "key", NULL, 0);
    memcpy(nonce, material + 32, 4);
    memcpy(aad, p->bytes, 4);
    put_value(l->f, "nonce", nonce, 12);
    put_value(l->f, "AAD", aad, 12);
    fprintf(l->f, "\nThe packet:\n\n");
    snprintf(meaning, sizeof(meaning), "SPI: the %s's", to);
    put_field(l, p->bytes, 4, meaning);
    put_field(l, p->bytes + 4, 4, "packet number, low 32 bits");
    put_field(l, p->bytes + 8, 8, "packet number");
    put_field(l, p->bytes + 16, p->len - 32, "ciphertext");
    put_field(l, p->bytes + p->len - 16, 16, "tag");
    end_listing(l, p->bytes, p->len);
}

static struct packet put_client_packet(struct example *e)
{
    struct listing l = {.f = e->f};
    uint8_t frames[64], *p = frame_put_stream_hdr(frames, 1, 0, 0, true);
    struct packet packet;

    memcpy(p, MESSAGE, MESSAGE_LEN);
    p += MESSAGE_LEN;
    packet = seal(e, e->client_result.c2s_secret, e->server_result.c2s_secret, SERVER_SPI, frames,
                  (size_t)(p - frames));

    fprintf(e->f,
            "\n### The client's first packet\n\n"
            "One STREAM frame with the message \"%s\" on stream 1. The plaintext:\n\n",
            MESSAGE);
    put_field(&l, frames, 1, "STREAM with flag 2: last fragment, no offset, no length");
    put_field(&l, frames + 1, 1, "stream id 1");
    put_field(&l, frames + 2, 1, "message 0");
    put_field(&l, frames + 3, MESSAGE_LEN, "data");
    put_packet(&l, frames, (size_t)(p - frames), e->client_result.c2s_secret, &packet, "server");
    return packet;
}

static void put_server_packet(struct example *e)
{
    static const struct frame_ack_range range = {0, 0};
    struct listing l = {.f = e->f};
    uint8_t frames[64], *ack_end = frame_put_ack(frames, 300, &range, 1);
    uint8_t *p = frame_put_stream_hdr_len(ack_end, 1, 0, 0, true, MESSAGE_LEN);
    struct packet packet;

    memcpy(p, MESSAGE, MESSAGE_LEN);
    p += MESSAGE_LEN;
    packet = seal(e, e->server_result.s2c_secret, e->client_result.s2c_secret, CLIENT_SPI, frames,
                  (size_t)(p - frames));

    fprintf(e->f, "### The server's first packet\n\n"
                  "It acknowledges that one, 300 us after it came, and echoes the message:\n\n");
    put_field(&l, frames, 1, "ACK");
    put_field(&l, frames + 1, 1, "largest 0");
    put_field(&l, frames + 2, 2, "delay 300 us");
    put_field(&l, frames + 4, 1, "no further ranges");
    put_field(&l, frames + 5, 1, "first: just the largest");
    put_field(&l, ack_end, 1, "STREAM with flags 2 and 4: last fragment, a length");
    put_field(&l, ack_end + 1, 1, "stream id 1");
    put_field(&l, ack_end + 2, 1, "message 0");
    put_field(&l, ack_end + 3, 1, "length 16");
    put_field(&l, ack_end + 4, MESSAGE_LEN, "data");
    put_packet(&l, frames, (size_t)(p - frames), e->server_result.s2c_secret, &packet, "client");
}

static void put_reset(struct example *e, const struct packet *packet)
{
    uint8_t reset[HS_RESET_LEN];

    hs_reset_make(&e->server, packet->bytes, reset);
    assert_non_null(hs_reset_check(reset, sizeof(reset), e->client_result.server_identity));
    fprintf(e->f,
            "### Reset\n\n"
            "What the server would send had it forgotten the session when the client's packet "
            "came:\n\n");
    put_value(e->f, "Reset", reset, sizeof(reset));
}

/* ---- the page ---- */

/* The whole example, markers included; the caller frees it. */
static char *make_example(void)
{
    struct example e = {0};
    struct packet first;
    char *text = NULL;
    size_t len;

    e.f = open_memstream(&text, &len);
    e.aead = aead_new(AEAD_SODIUM);
    assert_non_null(e.f);
    assert_non_null(e.aead);
    make_server(&e);
    start_client(&e);
    run_handshake(&e);

    fprintf(
        e.f,
        "%s\n## 6. A worked example\n\n"
        "A handshake, a packet each way, a small FEC block and a resumption, with every byte in "
        "hex, 32 a line. The\nsecrets were drawn as SHA-256(\"example client\" || n), for the "
        "server "
        "\"example server\" and\n\"example identity\", n counting up from 0 as u32.\n\n",
        begin_mark);
    put_inputs(&e);
    put_client_hello(&e);
    put_key_schedule(&e);
    fprintf(e.f, "\n### Keys of epoch 0\n\n");
    put_epoch(e.f, "c2s", e.client_result.c2s_secret);
    put_epoch(e.f, "s2c", e.client_result.s2c_secret);
    first = put_client_packet(&e);
    put_server_packet(&e);
    put_reset(&e, &first);
    put_fec(&e);
    put_resumption(&e);
    fprintf(e.f, "%s", end_mark);
    fclose(e.f);
    aead_free(e.aead);
    return text;
}

/* The file's contents; the caller frees them. */
static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;

    if (!f)
        fail_msg("cannot open %s", path);
    if (getdelim(&text, &size, '\0', f) < 0)
        fail_msg("cannot read %s", path);
    fclose(f);
    return text;
}

/* Where the example is in the page. */
static char *find_example(char *page, char **end, const char *path)
{
    char *begin = strstr(page, begin_mark);

    *end = begin ? strstr(begin, end_mark) : NULL;
    if (!*end)
        fail_msg("%s lacks the markers of the example", path);
    *end += strlen(end_mark);
    return begin;
}

static void test_page_has_example(void **state)
{
    static const char path[] = JP_SOURCE_ROOT "/docs/protocol.md";
    char *page = read_file(path), *example = make_example(), *end;
    const char *is = find_example(page, &end, path), *should = example;
    unsigned line = 1;

    (void)state;
    *end = '\0';
    if (strcmp(is, should) != 0) {
        while (*is == *should) {
            line += *is == '\n';
            is++, should++;
        }
        fail_msg("%s, line %u of the example differs: run test_example --write %s", path, line,
                 path);
    }
    free(example);
    free(page);
}

static int write_example(const char *path)
{
    char *page = read_file(path), *example = make_example(), *end;
    char *begin = find_example(page, &end, path);
    FILE *f = fopen(path, "w");

    if (!f) {
        perror(path);
        return 1;
    }
    *begin = '\0';
    fprintf(f, "%s%s", page, example);
    fprintf(f, "%s", end);
    fclose(f);
    free(example);
    free(page);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_page_has_example)};

    if (sodium_init() < 0)
        return 1;
    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return write_example(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
