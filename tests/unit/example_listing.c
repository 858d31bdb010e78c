/* What all parts of the worked example use: how it shows bytes, and hashes them. */
#include "example.h"

enum { LINE = 32 };

static void put_hex(FILE *f, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%02x", p[i]);
}

void put_value(FILE *f, const char *name, const uint8_t *p, size_t n)
{
    fprintf(f, "    %s =", name);
    for (size_t i = 0; i < n; i += LINE) {
        fprintf(f, n <= LINE ? " " : "\n    ");
        put_hex(f, p + i, n - i < LINE ? n - i : LINE);
    }
    fprintf(f, "\n");
}

void put_field(struct listing *l, const void *bytes, size_t n, const char *meaning)
{
    int width = 40 - 2 * (int)n;

    assert_true(l->len + n <= sizeof(l->bytes));
    memcpy(l->bytes + l->len, bytes, n);
    l->len += n;
    fprintf(l->f, "    ");
    put_hex(l->f, bytes, n);
    fprintf(l->f, "%*s%s\n", width > 2 ? width : 2, "", meaning);
}

void end_listing(struct listing *l, const uint8_t *bytes, size_t n)
{
    assert_int_equal(l->len, n);
    assert_memory_equal(l->bytes, bytes, n);
    fprintf(l->f, "\n");
    l->len = 0;
}

void sha256_2(uint8_t out[32], const void *a, size_t a_len, const void *b, size_t b_len)
{
    uint8_t text[HS_CLIENT_HELLO_LEN + CLEAR];

    memcpy(text, a, a_len);
    memcpy(text + a_len, b, b_len);
    crypto_hash_sha256(out, text, a_len + b_len);
}
