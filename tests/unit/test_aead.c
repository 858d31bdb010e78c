#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "aead.h"
#include "aead_backend.h"
#include "vectors.h"

static const enum aead_alg algs[] = {AEAD_AES256_GCM, AEAD_CHACHA20_POLY1305};

/* Every backend this machine has, also the one aead_new would not choose. */
static struct aead *backends[3];
static unsigned n_backends;

static int open_backends(void **state)
{
    const struct aead_vtable *all[] = {&aead_ipsec_mb, &aead_sodium, &aead_sodium_evp};

    (void)state;
    if (sodium_init() < 0)
        return -1;
    for (unsigned i = 0; i < 3; i++) {
        struct aead *aead;

        if (all[i] == &aead_sodium && !crypto_aead_aes256gcm_is_available())
            continue;
        aead = all[i]->create();
        if (!aead && errno == ENOTSUP)
            continue;
        if (!aead)
            return -1;
        aead->vtable = all[i];
        backends[n_backends++] = aead;
    }
    return 0;
}

static int close_backends(void **state)
{
    (void)state;
    while (n_backends > 0)
        aead_free(backends[--n_backends]);
    return 0;
}

/* ---- published vectors ---- */

enum { TEXT_MAX = 1024 };

struct vector {
    enum aead_alg alg;
    bool valid;
    uint8_t material[AEAD_MATERIAL_LEN]; /* the key; no salt */
    uint8_t nonce[AEAD_NONCE_LEN];
    uint8_t aad[TEXT_MAX], clear[TEXT_MAX];
    uint8_t sealed[TEXT_MAX + AEAD_TAG_LEN]; /* text || tag */
    size_t aad_len, len;
};

static void check_vector(struct aead *aead, const struct vector *v)
{
    struct aead_key key;
    uint8_t buf[TEXT_MAX + AEAD_TAG_LEN];
    struct aead_text text = {
        .key = &key,
        .text = buf,
        .aad = v->aad,
        .len = (uint32_t)v->len,
        .aad_len = (uint32_t)v->aad_len,
    };

    assert_int_equal(aead_key_init(aead, &key, v->alg, v->material), 0);
    memcpy(text.nonce, v->nonce, sizeof(text.nonce));
    if (v->valid) {
        memcpy(buf, v->clear, v->len);
        aead->vtable->seal(aead, &text, 1);
        assert_memory_equal(buf, v->sealed, v->len + AEAD_TAG_LEN);
    }
    memcpy(buf, v->sealed, v->len + AEAD_TAG_LEN);
    aead->vtable->open(aead, &text, 1);
    assert_int_equal(text.ok, v->valid);
    if (v->valid)
        assert_memory_equal(buf, v->clear, v->len);
}

static void check_rfc(enum aead_alg alg, const char *key, const char *nonce, const char *aad,
                      const char *clear, const char *sealed)
{
    struct vector v = {.alg = alg, .valid = true};

    assert_int_equal(hex_decode(v.material, AEAD_KEY_LEN, key), AEAD_KEY_LEN);
    assert_int_equal(hex_decode(v.nonce, sizeof(v.nonce), nonce), AEAD_NONCE_LEN);
    v.aad_len = hex_decode(v.aad, sizeof(v.aad), aad);
    v.len = hex_decode(v.clear, sizeof(v.clear), clear);
    assert_int_equal(hex_decode(v.sealed, sizeof(v.sealed), sealed), v.len + AEAD_TAG_LEN);
    for (unsigned i = 0; i < n_backends; i++)
        check_vector(backends[i], &v);
}

static void rfc_vectors(void **state)
{
    const char *key = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";

    (void)state;
    /* RFC 8439 section 2.8.2 */
    check_rfc(AEAD_CHACHA20_POLY1305, key, "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
              "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
              "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
              "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
              "637265656e20776f756c642062652069742e",
              "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
              "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
              "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
              "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd060"
              "0691");
    /* RFC 7634 appendix A: an ESP packet */
    check_rfc(AEAD_CHACHA20_POLY1305, key, "a0a1a2a31011121314151617", "0102030400000005",
              "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"
              "0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
              "2425262728292a2b2c2d2e2f303132333435363701020204",
              "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
              "14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
              "cbec163fac469b502773f6fb94e664da9165b82829f641e076aaa8266b7fb0f7"
              "b11b369907e1ad43");
    /* McGrew and Viega, The Galois/Counter Mode of Operation, test case 16 */
    check_rfc(AEAD_AES256_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
              "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
              "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
              "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
              "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
              "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece"
              "0f4e1768cddf8853bb2d551b");
}

struct wycheproof {
    enum aead_alg alg;
    unsigned checked;
};

static void check_wycheproof(const json_t *group, const json_t *test, void *arg)
{
    struct wycheproof *w = arg;
    struct vector v = {.alg = w->alg, .valid = vector_valid(test)};

    if (vector_int(group, "keySize") != 8 * AEAD_KEY_LEN ||
        vector_int(group, "ivSize") != 8 * AEAD_NONCE_LEN ||
        vector_int(group, "tagSize") != 8 * AEAD_TAG_LEN)
        return; /* no such thing through this interface */
    vector_hex(test, "key", v.material, AEAD_KEY_LEN);
    vector_hex(test, "iv", v.nonce, sizeof(v.nonce));
    v.aad_len = vector_hex(test, "aad", v.aad, sizeof(v.aad));
    v.len = vector_hex(test, "msg", v.clear, sizeof(v.clear));
    vector_hex(test, "ct", v.sealed, v.len);
    vector_hex(test, "tag", v.sealed + v.len, AEAD_TAG_LEN);
    for (unsigned i = 0; i < n_backends; i++)
        check_vector(backends[i], &v);
    w->checked++;
}

static void wycheproof(const char *name, enum aead_alg alg, unsigned at_least)
{
    struct wycheproof w = {.alg = alg};
    json_t *root = vectors_load(name);

    if (!root)
        skip();
    vectors_each(root, check_wycheproof, &w);
    assert_true(w.checked >= at_least);
    json_decref(root);
}

static void wycheproof_aes_gcm(void **state)
{
    (void)state;
    wycheproof("aes_gcm_test.json", AEAD_AES256_GCM, 66);
}

static void wycheproof_chacha(void **state)
{
    (void)state;
    wycheproof("chacha20_poly1305_test.json", AEAD_CHACHA20_POLY1305, 316);
}

/* ---- the packet interface ---- */

/* nonce = salt || pn, AAD = SPI || pn. The expected bytes were computed by another implementation.
 */
static void packet_layout(void **state)
{
    const char *sealed[] = {
        "e9384af2027223cd5749ad07d9c2648cdf8731289e11f2c33e7d9e818831180395700a8d8a42d6567df8465738"
        "ff82",
        "241c6cd9e409ae1ccb9999bbf1513da51ac6217d46f33965daa2b0062fffeb819ef611ab149667945daa08dd50"
        "2331",
    };
    uint8_t material[AEAD_MATERIAL_LEN], expected[47], buf[47];

    (void)state;
    for (uint8_t i = 0; i < sizeof(material); i++)
        material[i] = i;
    for (unsigned b = 0; b < n_backends; b++) {
        for (unsigned a = 0; a < 2; a++) {
            struct aead_key key;
            struct aead_op op = {&key, buf, 0x0a0b0c0d0e0f1011, 0x01020304, 31, false};

            for (uint8_t i = 0; i < 31; i++)
                buf[i] = 100 + i;
            assert_int_equal(hex_decode(expected, sizeof(expected), sealed[a]), 47);
            assert_int_equal(aead_key_init(backends[b], &key, algs[a], material), 0);
            aead_seal(backends[b], &op, 1);
            assert_memory_equal(buf, expected, sizeof(buf));
            aead_open(backends[b], &op, 1);
            assert_true(op.ok);
            assert_int_equal(buf[30], 130);
        }
    }
}

enum {
    KEYS = 8,
    LEN_MAX = 9000,
    SLOT = 64 + LEN_MAX + AEAD_TAG_LEN + 24, /* alignment, text, tag, guard */
    ARENA = AEAD_BURST_MAX * SLOT,
};

/* A burst of packets with random keys, algorithms, lengths and alignments over random bytes. */
struct burst {
    unsigned n;
    uint8_t clear[ARENA];
    struct aead_op ops[AEAD_BURST_MAX];
    uint8_t key_of[AEAD_BURST_MAX];
    uint16_t offset[AEAD_BURST_MAX];
};

static void burst_random(struct burst *b, const uint8_t seed[randombytes_SEEDBYTES])
{
    randombytes_buf_deterministic(b, sizeof(*b), seed);
    b->n = 1 + b->n % AEAD_BURST_MAX;
    for (unsigned i = 0; i < b->n; i++) {
        b->ops[i].len %= i % 2 ? 100 : LEN_MAX + 1;
        b->key_of[i] %= KEYS;
        b->offset[i] %= 64;
        b->ops[i].ok = false;
    }
}

/* Point the burst's ops into arena, a copy of the clear bytes, with one backend's keys. */
static void burst_place(struct burst *b, uint8_t *arena, const struct aead_key *keys)
{
    memcpy(arena, b->clear, ARENA);
    for (unsigned i = 0; i < b->n; i++) {
        b->ops[i].key = &keys[b->key_of[i]];
        b->ops[i].text = arena + i * SLOT + b->offset[i];
        b->ops[i].ok = false;
    }
}

static void make_keys(struct aead *aead, struct aead_key *keys)
{
    for (unsigned i = 0; i < KEYS; i++) {
        uint8_t material[AEAD_MATERIAL_LEN];

        memset(material, (int)i, sizeof(material));
        assert_int_equal(aead_key_init(aead, &keys[i], algs[i % 2], material), 0);
    }
}

/* All backends seal a burst to the same bytes, touch nothing around them, and open it again. */
static void backends_agree(void **state)
{
    static struct burst b;
    static uint8_t first[ARENA], arena[ARENA];
    static struct aead_key keys[3][KEYS];

    (void)state;
    for (unsigned k = 0; k < n_backends; k++)
        make_keys(backends[k], keys[k]);
    for (uint32_t round = 0; round < 100; round++) {
        uint8_t seed[randombytes_SEEDBYTES] = {(uint8_t)round};

        burst_random(&b, seed);
        burst_place(&b, first, keys[0]);
        aead_seal(backends[0], b.ops, b.n);
        for (unsigned k = 0; k < n_backends; k++) {
            burst_place(&b, arena, keys[k]);
            aead_seal(backends[k], b.ops, b.n);
            if (memcmp(arena, first, ARENA) != 0)
                fail_msg("backends differ: backend %u, seed %u", k, round);
            aead_open(backends[k], b.ops, b.n);
            for (unsigned i = 0; i < b.n; i++) {
                size_t at = i * SLOT + b.offset[i];

                if (!b.ops[i].ok || memcmp(arena + at, b.clear + at, b.ops[i].len) != 0)
                    fail_msg("open: backend %u, packet %u, seed %u", k, i, round);
            }
        }
    }
}

static void flip(uint8_t *text, unsigned bit)
{
    text[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

/* Seal one packet between two others, spoil it with `spoil`, and see only it refused. */
static void check_refused(struct aead *aead, const struct aead_key keys[KEYS], unsigned key,
                          void (*spoil)(struct aead_op *op, const struct aead_key *keys,
                                        unsigned bit),
                          unsigned bit)
{
    uint8_t text[3][64 + AEAD_TAG_LEN] = {0};
    struct aead_op ops[3];

    for (unsigned i = 0; i < 3; i++)
        ops[i] = (struct aead_op){&keys[(key + i) % KEYS], text[i], 7 + i, 256, 64, false};
    aead_seal(aead, ops, 3);
    spoil(&ops[1], keys, bit);
    aead_open(aead, ops, 3);
    if (!ops[0].ok || ops[1].ok || !ops[2].ok)
        fail_msg("bit %u: %d %d %d", bit, ops[0].ok, ops[1].ok, ops[2].ok);
}

static void spoil_bytes(struct aead_op *op, const struct aead_key *keys, unsigned bit)
{
    (void)keys;
    flip(op->text, bit);
}

static void spoil_pn(struct aead_op *op, const struct aead_key *keys, unsigned bit)
{
    (void)keys;
    op->pn ^= 1ull << bit;
}

static void spoil_spi(struct aead_op *op, const struct aead_key *keys, unsigned bit)
{
    (void)keys;
    op->spi ^= 1u << bit;
}

static void spoil_len(struct aead_op *op, const struct aead_key *keys, unsigned bit)
{
    (void)keys;
    op->len = bit;
}

static void spoil_key(struct aead_op *op, const struct aead_key *keys, unsigned bit)
{
    op->key = &keys[(unsigned)(op->key - keys + bit) % KEYS];
}

static void tampered(void **state)
{
    struct aead_key keys[KEYS];

    (void)state;
    for (unsigned b = 0; b < n_backends; b++) {
        make_keys(backends[b], keys);
        for (unsigned key = 0; key < 2; key++) {
            for (unsigned bit = 0; bit < 8 * (64 + AEAD_TAG_LEN); bit++)
                check_refused(backends[b], keys, key, spoil_bytes, bit);
            for (unsigned bit = 0; bit < 64; bit++)
                check_refused(backends[b], keys, key, spoil_pn, bit);
            for (unsigned bit = 0; bit < 32; bit++)
                check_refused(backends[b], keys, key, spoil_spi, bit);
            for (unsigned len = 0; len < 64; len++)
                check_refused(backends[b], keys, key, spoil_len, len);
            for (unsigned other = 1; other < KEYS; other++)
                check_refused(backends[b], keys, key, spoil_key, other);
        }
    }
}

static void keys_are_checked_and_wiped(void **state)
{
    static const uint8_t zero[sizeof(struct aead_key)];
    const uint8_t material[AEAD_MATERIAL_LEN] = {1};
    struct aead_key key;

    (void)state;
    for (unsigned b = 0; b < n_backends; b++) {
        assert_int_equal(aead_key_init(backends[b], &key, (enum aead_alg)0, material), -EINVAL);
        assert_int_equal(aead_key_init(backends[b], &key, (enum aead_alg)3, material), -EINVAL);
        assert_int_equal(aead_key_init(backends[b], &key, AEAD_AES256_GCM, material), 0);
        assert_memory_not_equal(&key, zero, sizeof(key));
        aead_key_wipe(&key);
        assert_memory_equal(&key, zero, sizeof(key));
    }
}

static void public_backends(void **state)
{
    struct aead *aead = aead_new(aead_best());

    (void)state;
    assert_non_null(aead);
    aead_free(aead);
    aead = aead_new(AEAD_SODIUM);
    assert_non_null(aead);
    aead_free(aead);
    aead_free(NULL);
    assert_string_equal(aead_backend_name(AEAD_IPSEC_MB), "ipsec-mb");
    assert_string_equal(aead_backend_name(AEAD_SODIUM), "sodium");
    assert_string_equal(aead_alg_name(AEAD_AES256_GCM), "aes-256-gcm");
    assert_string_equal(aead_alg_name(AEAD_CHACHA20_POLY1305), "chacha20-poly1305");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_vectors),
        cmocka_unit_test(wycheproof_aes_gcm),
        cmocka_unit_test(wycheproof_chacha),
        cmocka_unit_test(packet_layout),
        cmocka_unit_test(backends_agree),
        cmocka_unit_test(tampered),
        cmocka_unit_test(keys_are_checked_and_wiped),
        cmocka_unit_test(public_backends),
    };

    return cmocka_run_group_tests(tests, open_backends, close_backends);
}
