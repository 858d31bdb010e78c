/* Answers a fixed number of ClientHellos as a server does, from the bytes that came in to the bytes
 * that go out and the session's secrets, and runs the primitives that this takes on their own in
 * turn with it: what a handshake costs beyond them is transcript, keys and copying. */
#include <sodium.h>

#include "handshake.h"
#include "report.h"
#include "stopwatch.h"

static const char usage[] =
    "usage: bench_handshake [--json] COUNT    handshakes, in batches of 2\n";

enum { BATCH = 2, SPI = 0x1000, CLIENT_SPI = 0x2000 };

static struct hs_server server = {.suites = {AEAD_AES256_GCM, AEAD_CHACHA20_POLY1305}};
static const uint8_t addr[HS_ADDR_LEN];
static struct aead *aead;
static struct hs_client clients[BATCH];

/* What the primitives on their own work on. */
static uint8_t x25519_secret[HS_X25519_LEN], x25519_public[HS_X25519_LEN];
static uint8_t ek[MLKEM_EK_LEN], dk[MLKEM_DK_LEN];

static void prepare(void)
{
    uint8_t seed[MLKEM_SEED_LEN];

    server.params = hs_params_default;
    crypto_sign_keypair(server.identity, server.identity_secret);
    randombytes_buf(x25519_secret, sizeof(x25519_secret));
    crypto_scalarmult_base(x25519_public, x25519_secret);
    randombytes_buf(seed, sizeof(seed));
    if (mlkem768_keygen(ek, dk, seed) != 0)
        report_fail("no ML-KEM key");
    for (unsigned i = 0; i < BATCH; i++) {
        const struct hs_client_config config = {
            .client_spi = CLIENT_SPI + i,
            .suites = {AEAD_AES256_GCM},
            .params = hs_params_default,
            .pinned = server.identity,
        };

        if (hs_client_start(&clients[i], &config, &hs_random_system) != 0)
            report_fail("no ClientHello");
    }
}

static bool handshake(unsigned i)
{
    const uint8_t *hello = clients[i].hello;
    struct hs_result result;
    uint8_t out[WIRE_HS_MAX];
    size_t len;

    return hs_server_check(&server, hello, HS_CLIENT_HELLO_LEN, addr, 1, false) == HS_OK &&
           hs_server_answer(&server, aead, hello, SPI + i, &hs_random_system, &result, out, &len) ==
               HS_OK;
}

static bool x25519_keygen(unsigned i)
{
    x25519_secret[1] = (uint8_t)i;
    return crypto_scalarmult_base(x25519_public, x25519_secret) == 0;
}

static bool x25519_agree(unsigned i)
{
    uint8_t shared[HS_X25519_LEN];

    x25519_secret[1] = (uint8_t)i;
    return crypto_scalarmult(shared, x25519_secret, x25519_public) == 0;
}

static bool mlkem_encaps(unsigned i)
{
    uint8_t ct[MLKEM_CT_LEN], ss[MLKEM_SS_LEN], m[MLKEM_RANDOM_LEN] = {(uint8_t)i};

    return mlkem768_encaps(ct, ss, ek, m) == 0;
}

static bool ed25519_sign(unsigned i)
{
    uint8_t signature[HS_SIGNATURE_LEN], text[60] = {(uint8_t)i};

    return crypto_sign_detached(signature, NULL, text, sizeof(text), server.identity_secret) == 0;
}

static const struct {
    const char *name;
    bool (*run)(unsigned i);
} work[] = {
    {"handshake.us", handshake},       {"x25519_keygen.us", x25519_keygen},
    {"x25519_agree.us", x25519_agree}, {"mlkem_encaps.us", mlkem_encaps},
    {"ed25519_sign.us", ed25519_sign},
};
enum { WORK = sizeof(work) / sizeof(work[0]) };

static uint64_t batch(bool (*run)(unsigned i))
{
    uint64_t start = stopwatch_cpu();

    for (unsigned i = 0; i < BATCH; i++) {
        if (!run(i))
            report_fail("a handshake or a primitive");
    }
    return stopwatch_cpu() - start;
}

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    if (argc != 2)
        report_usage("wrong number of arguments");
    unsigned long batches = (report_number(argv[1], 1, 10000000) + BATCH - 1) / BATCH;
    uint64_t *ns[WORK];
    double us[WORK], sum = 0;

    aead = sodium_init() < 0 ? NULL : aead_new(AEAD_SODIUM);
    if (!aead)
        report_fail("no cryptography");
    prepare();
    for (unsigned w = 0; w < WORK; w++) {
        if (!(ns[w] = calloc(batches, sizeof(uint64_t))))
            report_fail("out of memory");
    }
    for (unsigned long b = 0; b < batches; b++) {
        for (unsigned w = 0; w < WORK; w++)
            ns[w][b] = batch(work[w].run);
    }
    for (unsigned w = 0; w < WORK; w++) {
        us[w] = (double)report_median(ns[w], batches) / BATCH / 1000;
        report(work[w].name, us[w], "us");
        sum += w > 0 ? us[w] : 0;
        free(ns[w]);
    }
    report("primitives.us", sum, "us");
    report("rate", 1e6 / us[0], "handshakes/s");
    report("above_primitives", us[0] / sum, "ratio");
    report_end();
    aead_free(aead);
    return 0;
}
