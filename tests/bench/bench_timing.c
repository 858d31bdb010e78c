/* Does the time something takes tell about secrets? Runs it very often over inputs of two classes,
 * in random order, counts ticks, and tests whether the classes differ (welch.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#include <sodium.h>

#include "aead_backend.h"
#include "handshake.h"
#include "mlkem.h"
#include "report.h"
#include "stopwatch.h"
#include "welch.h"

enum {
    POOL = 64,
    TEXT_LEN = 64,
    COMPARED_LEN = 16,
    INPUT_MAX = HS_CLIENT_HELLO_LEN,
    WARM_UP = 1000
};

static const char usage[] =
    "usage: bench_timing [--json] COUNT WHAT [BACKEND ALG]\n"
    "  COUNT  measurements, at least 10000; of either class about half\n"
    "  WHAT   and its two classes:\n"
    "    mlkem-message  decapsulation: one ciphertext; one of many, all good\n"
    "    mlkem-forged   decapsulation: good ciphertexts; forged ones\n"
    "    tag-bytes      opening a packet: the first byte of its tag is wrong; the last\n"
    "    tag-valid      opening a packet: its tag is right; a byte of it is wrong\n"
    "    cookie-bytes   checking a hello: the first byte of its cookie's MAC is wrong; the last\n"
    "    cookie-valid   checking a hello: its cookie is right; a byte of it is wrong\n"
    "    control-leak   a compare that ends where bytes differ, at the first; at the last\n"
    "    control-same   the same compare, at the last for both\n"
    "  BACKEND, ALG  of tag-*: ipsec-mb, sodium or libcrypto; aes-256-gcm or chacha20-poly1305\n"
    "|t| below 4.5 says that no difference was found, above 10 that there is one; resolution is "
    "how\n"
    "large one must be to be found.\n";

/* Class c's inputs are pool[c]; what runs takes its own from `input`, which it may change. */
static uint8_t pool[2][POOL][INPUT_MAX], input[INPUT_MAX];

/* Change one byte to another. */
static void spoil(uint8_t *byte)
{
    *byte ^= (uint8_t)(1 + randombytes_uniform(255));
}

/* ---- ML-KEM ---- */

static uint8_t dk[MLKEM_DK_LEN], ek[MLKEM_EK_LEN];

static void encapsulate(uint8_t *ct)
{
    uint8_t m[MLKEM_RANDOM_LEN], ss[MLKEM_SS_LEN];

    randombytes_buf(m, sizeof(m));
    if (mlkem768_encaps(ct, ss, ek, m) != 0)
        report_fail("encapsulation");
}

static void mlkem_ready(void)
{
    uint8_t seed[MLKEM_SEED_LEN];

    randombytes_buf(seed, sizeof(seed));
    if (mlkem768_keygen(ek, dk, seed) != 0)
        report_fail("key generation");
    for (unsigned i = 0; i < POOL; i++) {
        encapsulate(pool[0][i]);
        encapsulate(pool[1][i]);
    }
}

static void mlkem_message_ready(void)
{
    mlkem_ready();
    for (unsigned i = 1; i < POOL; i++)
        memcpy(pool[0][i], pool[0][0], MLKEM_CT_LEN);
}

static void mlkem_forged_ready(void)
{
    mlkem_ready();
    for (unsigned i = 0; i < POOL; i++)
        spoil(&pool[1][i][randombytes_uniform(MLKEM_CT_LEN)]);
}

static bool mlkem_run(void)
{
    static uint8_t ss[MLKEM_SS_LEN];

    return mlkem768_decaps(ss, dk, input) == 0;
}

/* ---- tags ---- */

static struct aead *aead;
static struct aead_key key;

static struct aead *backend_new(const char *name)
{
    const struct aead_vtable *vtable = strcmp(name, "ipsec-mb") == 0    ? &aead_ipsec_mb
                                       : strcmp(name, "sodium") == 0    ? &aead_sodium
                                       : strcmp(name, "libcrypto") == 0 ? &aead_sodium_evp
                                                                        : NULL;
    struct aead *made;

    if (!vtable)
        report_usage("unknown backend");
    made = vtable->create();
    if (!made)
        report_fail("this machine lacks the backend");
    made->vtable = vtable;
    return made;
}

static void backend_ready(char **argv)
{
    uint8_t material[AEAD_MATERIAL_LEN];
    enum aead_alg alg = AEAD_AES256_GCM;

    aead = backend_new(argv[0]);
    if (strcmp(argv[1], aead_alg_name(alg)) != 0)
        alg = AEAD_CHACHA20_POLY1305;
    if (strcmp(argv[1], aead_alg_name(alg)) != 0)
        report_usage("unknown algorithm");
    randombytes_buf(material, sizeof(material));
    aead_key_init(aead, &key, alg, material);
}

/* A packet with a right tag everywhere. */
static void tag_ready(void)
{
    struct aead_op op = {.key = &key, .text = input, .len = TEXT_LEN};

    aead_seal(aead, &op, 1);
    for (unsigned i = 0; i < POOL; i++) {
        memcpy(pool[0][i], input, TEXT_LEN + AEAD_TAG_LEN);
        memcpy(pool[1][i], input, TEXT_LEN + AEAD_TAG_LEN);
    }
}

static void tag_bytes_ready(void)
{
    tag_ready();
    for (unsigned i = 0; i < POOL; i++) {
        spoil(&pool[0][i][TEXT_LEN]);
        spoil(&pool[1][i][TEXT_LEN + AEAD_TAG_LEN - 1]);
    }
}

static void tag_valid_ready(void)
{
    tag_ready();
    for (unsigned i = 0; i < POOL; i++)
        spoil(&pool[1][i][TEXT_LEN + randombytes_uniform(AEAD_TAG_LEN)]);
}

static bool tag_run(void)
{
    struct aead_op op = {.key = &key, .text = input, .len = TEXT_LEN};

    aead_open(aead, &op, 1);
    return op.ok;
}

/* ---- cookies ---- */

enum { NOW_S = 1000000, MAC_LEN = 16 };

static struct hs_server server = {.suites = {AEAD_AES256_GCM}};
static const uint8_t addr[HS_ADDR_LEN];
static size_t mac; /* where in a hello: at its cookie's end */

/* A hello with a right cookie everywhere. */
static void cookie_ready(void)
{
    struct hs_client_config config = {.client_spi = WIRE_SPI_MIN, .suites = {AEAD_AES256_GCM}};
    struct hs_client client;
    struct hs_result none;
    uint8_t retry[WIRE_HS_MAX];
    size_t len;

    server.params = config.params = hs_params_default;
    randombytes_buf(server.cookie_key, sizeof(server.cookie_key));
    if (hs_client_start(&client, &config, &hs_random_system) != 0)
        report_fail("no ClientHello");
    len = hs_server_retry(&server, client.hello, addr, NOW_S, retry);
    if (hs_client_input(&client, NULL, retry, len, &none) != HS_SEND)
        report_fail("no hello with a cookie");
    const uint8_t *cookie =
        memmem(client.hello, sizeof(client.hello), retry + len - HS_COOKIE_LEN, HS_COOKIE_LEN);

    mac = (size_t)(cookie - client.hello) + HS_COOKIE_LEN - MAC_LEN;
    for (unsigned i = 0; i < POOL; i++) {
        memcpy(pool[0][i], client.hello, sizeof(client.hello));
        memcpy(pool[1][i], client.hello, sizeof(client.hello));
    }
}

static void cookie_bytes_ready(void)
{
    cookie_ready();
    for (unsigned i = 0; i < POOL; i++) {
        spoil(&pool[0][i][mac]);
        spoil(&pool[1][i][mac + MAC_LEN - 1]);
    }
}

static void cookie_valid_ready(void)
{
    cookie_ready();
    for (unsigned i = 0; i < POOL; i++)
        spoil(&pool[1][i][mac + randombytes_uniform(MAC_LEN)]);
}

static bool cookie_run(void)
{
    return hs_server_check(&server, input, HS_CLIENT_HELLO_LEN, addr, NOW_S, true) == HS_OK;
}

/* ---- controls ---- */

static uint8_t secret[AEAD_TAG_LEN];

static void control_same_ready(void)
{
    randombytes_buf(secret, sizeof(secret));
    for (unsigned c = 0; c < 2; c++)
        for (unsigned i = 0; i < POOL; i++) {
            memcpy(pool[c][i], secret, sizeof(secret));
            spoil(&pool[c][i][sizeof(secret) - 1]);
        }
}

static void control_leak_ready(void)
{
    control_same_ready();
    for (unsigned i = 0; i < POOL; i++)
        spoil(&pool[0][i][0]);
}

/* As tags must not be compared. */
static bool control_run(void)
{
    const volatile uint8_t *is = input, *want = secret;

    for (unsigned i = 0; i < sizeof(secret); i++)
        if (is[i] != want[i])
            return false;
    return true;
}

/* ---- measuring ---- */

static const struct target {
    const char *name;
    void (*ready)(void);
    bool (*run)(void); /* whether what is in `input` is good */
    size_t len;        /* of an input */
    bool found[2]; /* what that must be for a class, so that the classes are what they should be */
} targets[] = {
    {"mlkem-message", mlkem_message_ready, mlkem_run, MLKEM_CT_LEN, {true, true}},
    {"mlkem-forged", mlkem_forged_ready, mlkem_run, MLKEM_CT_LEN, {true, true}},
    {"tag-bytes", tag_bytes_ready, tag_run, TEXT_LEN + AEAD_TAG_LEN, {false, false}},
    {"tag-valid", tag_valid_ready, tag_run, TEXT_LEN + AEAD_TAG_LEN, {true, false}},
    {"cookie-bytes", cookie_bytes_ready, cookie_run, HS_CLIENT_HELLO_LEN, {false, false}},
    {"cookie-valid", cookie_valid_ready, cookie_run, HS_CLIENT_HELLO_LEN, {true, false}},
    {"control-leak", control_leak_ready, control_run, sizeof(secret), {false, false}},
    {"control-same", control_same_ready, control_run, sizeof(secret), {false, false}},
};

/* The clock that ticks fastest. Nothing that is measured begins before the first is read, nor ends
 * after the second. */
static inline uint64_t ticks_begin(void)
{
#ifdef __x86_64__
    _mm_lfence();
    uint64_t now = __rdtsc();

    _mm_lfence();
    return now;
#elif defined(__aarch64__)
    uint64_t now;

    __asm__ volatile("isb; mrs %0, cntvct_el0; isb" : "=r"(now)::"memory");
    return now;
#else
    return stopwatch_now().ns;
#endif
}

static inline uint64_t ticks_end(void)
{
#ifdef __x86_64__
    unsigned cpu;
    uint64_t now = __rdtscp(&cpu);

    _mm_lfence();
    return now;
#else
    return ticks_begin();
#endif
}

/* One input of class c, run from `input` whatever its class: where it lies would tell. */
static uint32_t measure(const struct target *t, unsigned c, unsigned i)
{
    uint64_t start, ticks;

    memcpy(input, pool[c][i], t->len);
    start = ticks_begin();
    t->run();
    ticks = ticks_end() - start;
    return ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
}

static void check_classes(const struct target *t)
{
    for (unsigned c = 0; c < 2; c++)
        for (unsigned i = 0; i < POOL; i++) {
            memcpy(input, pool[c][i], t->len);
            if (t->run() != t->found[c])
                report_fail("an input is not what its class says");
        }
}

static struct samples measure_all(const struct target *t, unsigned long count)
{
    struct samples s = {calloc(count, sizeof(*s.value)), calloc(count, 1), count};
    uint8_t *inputs = calloc(count, 1);

    if (!s.value || !s.class || !inputs)
        report_fail("out of memory");
    randombytes_buf(s.class, count);
    randombytes_buf(inputs, count);
    for (unsigned long i = 0; i < WARM_UP; i++)
        measure(t, i & 1, i / 2 % POOL);
    for (unsigned long i = 0; i < count; i++) {
        s.class[i] &= 1;
        s.value[i] = measure(t, s.class[i], inputs[i] % POOL);
    }
    free(inputs);
    return s;
}

static const struct target *target_find(const char *name)
{
    for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        if (strcmp(name, targets[i].name) == 0)
            return &targets[i];
    report_usage("unknown WHAT");
}

int main(int argc, char **argv)
{
    const struct target *target;
    unsigned long count;

    report_begin(&argc, argv, usage);
    if (argc < 3)
        report_usage("wrong number of arguments");
    count = report_number(argv[1], 10000, 1000000000);
    target = target_find(argv[2]);
    if (argc != (target->run == tag_run ? 5 : 3))
        report_usage("wrong number of arguments");
    if (sodium_init() < 0)
        report_fail("libsodium");
    if (target->run == tag_run)
        backend_ready(argv + 3);
    target->ready();
    check_classes(target);

    struct samples samples = measure_all(target, count);
    struct welch welch = welch_tests(&samples);

    report("t", fmax(welch.first, welch.second), "ratio");
    report("t.first", welch.first, "ratio");
    report("t.second", welch.second, "ratio");
    report("difference", welch.difference, "ticks");
    report("resolution", welch.resolution, "ticks");
    report_end();
    free(samples.value);
    free(samples.class);
    return 0;
}
