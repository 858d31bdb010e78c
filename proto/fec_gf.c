#include "fec_gf.h"

#include <assert.h>
#include <isa-l/erasure_code.h>
#include <string.h>

enum {
    VECTOR_MIN = 64, /* ISA-L works byte by byte below this length */
    CHUNK = 512,     /* bytes of each vector that are solved at a time */
};

static_assert(sizeof(struct fec_gf_table) == 32, "ISA-L takes 32 bytes a coefficient, contiguous");
static_assert(CHUNK % VECTOR_MIN == 0, "chunks end where symbol buffers may");

struct fec_gf_table fec_gf_tables[FEC_K_MAX][FEC_R_MAX];
static struct fec_gf_table table_of[256]; /* every coefficient */

/* The points of the Cauchy matrix, all distinct: source j is j itself, repair i is this. Their sum
 * is xor. */
static uint8_t repair_point(unsigned i)
{
    return (uint8_t)(FEC_K_MAX + i);
}

void fec_init(void)
{
    for (unsigned j = 0; j < FEC_K_MAX; j++)
        for (unsigned i = 0; i < FEC_R_MAX; i++)
            gf_vect_mul_init(gf_inv((uint8_t)(repair_point(i) ^ j)), fec_gf_tables[j][i].bytes);
    for (unsigned c = 0; c < 256; c++)
        gf_vect_mul_init((uint8_t)c, table_of[c].bytes);
}

void fec_gf_mad(const struct fec_gf_table *tables, unsigned n, const uint8_t *symbol, uint32_t len,
                uint8_t *const *vectors)
{
    uint8_t padded[VECTOR_MIN];

    if (len < VECTOR_MIN) {
        memset(padded, 0, sizeof(padded));
        memcpy(padded, symbol, len);
        symbol = padded;
        len = VECTOR_MIN;
    }
    ec_encode_data_update((int)len, 1, (int)n, 0, (uint8_t *)tables, (uint8_t *)symbol,
                          (uint8_t **)vectors);
}

/* product over all l < n of (point + others[l]), over l != skip of (point + own[l]), as a quotient.
 */
static uint8_t cauchy_factor(uint8_t point, const uint8_t *others, const uint8_t *own,
                             unsigned skip, unsigned n)
{
    uint8_t above = 1, below = 1;

    for (unsigned l = 0; l < n; l++) {
        above = gf_mul(above, point ^ others[l]);
        if (l != skip)
            below = gf_mul(below, point ^ own[l]);
    }
    return gf_mul(above, gf_inv(below));
}

/* The inverse of the Cauchy matrix 1 / (x[a] + y[b]) has a closed form, quadratic in n:
 * inverse[b][a] = factor(x[a]) * factor(y[b]) / (x[a] + y[b]). */
static void cauchy_invert(const uint8_t *x, const uint8_t *y, unsigned n, uint8_t *inverse)
{
    uint8_t x_factor[FEC_R_MAX];

    for (unsigned a = 0; a < n; a++)
        x_factor[a] = cauchy_factor(x[a], y, x, a, n);
    for (unsigned b = 0; b < n; b++) {
        uint8_t y_factor = cauchy_factor(y[b], x, y, b, n);

        for (unsigned a = 0; a < n; a++)
            inverse[b * n + a] = gf_mul(gf_mul(x_factor[a], y_factor), gf_inv(x[a] ^ y[b]));
    }
}

void fec_gf_solve(const uint8_t *rows, const uint8_t *columns, unsigned n, uint8_t *const *vectors,
                  uint32_t len)
{
    uint8_t x[FEC_R_MAX], inverse[FEC_R_MAX * FEC_R_MAX];
    struct fec_gf_table tables[FEC_R_MAX * FEC_R_MAX];
    _Alignas(64) uint8_t solved[FEC_R_MAX][CHUNK];
    uint8_t *in[FEC_R_MAX], *out[FEC_R_MAX];

    for (unsigned a = 0; a < n; a++) {
        x[a] = repair_point(rows[a]);
        out[a] = solved[a];
    }
    cauchy_invert(x, columns, n, inverse);
    ec_init_tables((int)n, (int)n, inverse, tables[0].bytes);

    len = (len + VECTOR_MIN - 1) / VECTOR_MIN * VECTOR_MIN; /* the buffers reach that far */
    for (uint32_t at = 0; at < len; at += CHUNK) {
        uint32_t take = len - at < CHUNK ? len - at : CHUNK;

        for (unsigned a = 0; a < n; a++)
            in[a] = vectors[a] + at;
        ec_encode_data((int)take, (int)n, (int)n, tables[0].bytes, in, out);
        for (unsigned a = 0; a < n; a++)
            memcpy(in[a], solved[a], take);
    }
}

void fec_gf_add(uint8_t c, const uint8_t *symbol, uint32_t len, uint8_t *vector)
{
    fec_gf_mad(&table_of[c], 1, symbol, len, &vector);
}

void fec_gf_scale(uint8_t c, uint8_t *vector, uint32_t len)
{
    _Alignas(64) uint8_t scaled[CHUNK];
    uint8_t *in, *out = scaled;

    len = (len + VECTOR_MIN - 1) / VECTOR_MIN * VECTOR_MIN; /* the buffer reaches that far */
    for (uint32_t at = 0; at < len; at += CHUNK) {
        uint32_t take = len - at < CHUNK ? len - at : CHUNK;

        in = vector + at;
        ec_encode_data((int)take, 1, 1, table_of[c].bytes, &in, &out);
        memcpy(in, scaled, take);
    }
}
