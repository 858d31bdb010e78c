#include "mlkem_poly.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

/* 17^bitreverse7(i) * 2^16 mod q, centred: the constants of the NTT in Montgomery form. */
static const int16_t zetas[128] = {
    -1044, -758,  -359,  -1517, 1493,  1422,  287,   202,   -171,  622,   1577,  182,   962,
    -1202, -1474, 1468,  573,   -1325, 264,   383,   -829,  1458,  -1602, -130,  -681,  1017,
    732,   608,   -1542, 411,   -205,  -1571, 1223,  652,   -552,  1015,  -1293, 1491,  -282,
    -1544, 516,   -8,    -320,  -666,  -1618, -1162, 126,   1469,  -853,  -90,   -271,  830,
    107,   -1421, -247,  -951,  -398,  961,   -1508, -725,  448,   -1065, 677,   -1275, -1103,
    430,   555,   843,   -1251, 871,   1550,  105,   422,   587,   177,   -235,  -291,  -460,
    1574,  1653,  -246,  778,   1159,  -147,  -777,  1483,  -602,  1119,  -1590, 644,   -872,
    349,   418,   329,   -156,  -75,   817,   1097,  603,   610,   1322,  -1285, -1465, 384,
    -1215, -136,  1218,  -1335, -874,  220,   -1187, -1659, -1185, -1530, -1278, 794,   -1510,
    -854,  -870,  478,   -108,  -308,  996,   991,   958,   -1460, 1522,  1628,
};

/* What pairs of coefficients in the NTT domain are multiplied modulo X^2 minus: the last 64 of
 * those, each followed by its negative. */
static const int16_t gammas[128] = {
    -1103, 1103,  430,   -430,  555,   -555,  843,  -843,  -1251, 1251,  871,  -871,  1550,
    -1550, 105,   -105,  422,   -422,  587,   -587, 177,   -177,  -235,  235,  -291,  291,
    -460,  460,   1574,  -1574, 1653,  -1653, -246, 246,   778,   -778,  1159, -1159, -147,
    147,   -777,  777,   1483,  -1483, -602,  602,  1119,  -1119, -1590, 1590, 644,   -644,
    -872,  872,   349,   -349,  418,   -418,  329,  -329,  -156,  156,   -75,  75,    817,
    -817,  1097,  -1097, 603,   -603,  610,   -610, 1322,  -1322, -1285, 1285, -1465, 1465,
    384,   -384,  -1215, 1215,  -136,  136,   1218, -1218, -1335, 1335,  -874, 874,   220,
    -220,  -1187, 1187,  -1659, 1659,  -1185, 1185, -1530, 1530,  -1278, 1278, 794,   -794,
    -1510, 1510,  -854,  854,   -870,  870,   478,  -478,  -108,  108,   -308, 308,   996,
    -996,  991,   -991,  958,   -958,  -1460, 1460, 1522,  -1522, 1628,  -1628};

/* ---- coefficients ---- */

/* All of it in 16 bits, the upper and lower halves of products apart, so that compilers make
 * vectors of as many coefficients as fit. */
static inline int16_t high(int16_t a, int16_t b)
{
    return (int16_t)(((int32_t)a * b) >> 16); /* two's complement: >> is arithmetic */
}

static inline int16_t low(int16_t a, int16_t b)
{
    return (int16_t)((uint16_t)a * (uint32_t)(uint16_t)b);
}

/* a * b / 2^16 mod q, within (-q, q), for |a * b| < 2^15 * q: the product less the multiple of q
 * that has the same lower half (Montgomery). Where b is in Montgomery form it is a * b. */
static inline int16_t multiply(int16_t a, int16_t b)
{
    int16_t t = low(low(a, b), -3327); /* q^-1 mod 2^16 */

    return (int16_t)(high(a, b) - high(t, POLY_Q));
}

/* The residue of a within [-q/2, q/2] (Barrett). */
static inline int16_t reduce(int16_t a)
{
    int16_t t = (int16_t)((high(a, 20159) + (1 << 9)) >> 10); /* 20159 = 2^26 / q, rounded */

    return (int16_t)(a - low(t, POLY_Q));
}

/* The residue of a reduced a within [0, q). */
static inline uint32_t canonical(int16_t a)
{
    return (uint32_t)(a + ((a >> 15) & POLY_Q));
}

/* x / q for x < 2^22, without the division whose time depends on x. */
static inline uint32_t divide_by_q(uint32_t x)
{
    return (uint32_t)((uint64_t)x * 20642679 >> 36); /* 2^36 / q, rounded up */
}

/* Keeps the compiler from learning that v is one bit and branching on it. */
static inline uint32_t opaque(uint32_t v)
{
    __asm__("" : "+r"(v));
    return v;
}

/* ---- polynomials ---- */

/* One layer of the NTT; inlined, so that the short ones have loops of constant length. */
static inline __attribute__((always_inline)) void forward(struct poly *p, unsigned half)
{
    const int16_t *zeta = zetas + POLY_N / 2 / half;

    for (unsigned start = 0; start < POLY_N; start += 2 * half, zeta++) {
        for (unsigned j = start; j < start + half; j++) {
            int16_t t = multiply(p->c[j + half], *zeta);

            p->c[j + half] = (int16_t)(p->c[j] - t);
            p->c[j] = (int16_t)(p->c[j] + t);
        }
    }
}

void poly_ntt(struct poly *p)
{
    /* each of the 7 layers adds less than q to the magnitude: it stays below 8q < 2^15 */
    forward(p, 128);
    forward(p, 64);
    forward(p, 32);
    forward(p, 16);
    forward(p, 8);
    forward(p, 4);
    forward(p, 2);
    for (unsigned j = 0; j < POLY_N; j++)
        p->c[j] = reduce(p->c[j]);
}

static inline __attribute__((always_inline)) void backward(struct poly *p, unsigned half)
{
    const int16_t *zeta = zetas + POLY_N / half - 1;

    for (unsigned start = 0; start < POLY_N; start += 2 * half, zeta--) {
        for (unsigned j = start; j < start + half; j++) {
            int16_t t = p->c[j];

            p->c[j] = reduce((int16_t)(t + p->c[j + half]));
            p->c[j + half] = multiply((int16_t)(p->c[j + half] - t), *zeta);
        }
    }
}

void poly_inverse_ntt(struct poly *p)
{
    backward(p, 2);
    backward(p, 4);
    backward(p, 8);
    backward(p, 16);
    backward(p, 32);
    backward(p, 64);
    backward(p, 128);
    for (unsigned j = 0; j < POLY_N; j++)
        p->c[j] = multiply(p->c[j], 512); /* 1/128 in Montgomery form */
}

/* Even and odd coefficients apart. */
struct halves {
    int16_t even[POLY_N / 2], odd[POLY_N / 2];
};

static inline void split(struct halves *h, const struct poly *p)
{
    for (unsigned j = 0; j < POLY_N / 2; j++) {
        h->even[j] = p->c[2 * j];
        h->odd[j] = p->c[2 * j + 1];
    }
}

void poly_dot(struct poly *r, const struct poly a[POLY_RANK], const struct poly b[POLY_RANK])
{
    struct halves sum = {0}, x, y; /* of products below q: at most 6q < 2^15 */

    for (unsigned i = 0; i < POLY_RANK; i++) {
        split(&x, &a[i]);
        split(&y, &b[i]);
        for (unsigned j = 0; j < POLY_N / 2; j++) {
            /* pairs are polynomials modulo X^2 - gamma */
            sum.even[j] = (int16_t)(sum.even[j] + multiply(x.even[j], y.even[j]) +
                                    multiply(multiply(x.odd[j], gammas[j]), y.odd[j]));
            sum.odd[j] = (int16_t)(sum.odd[j] + multiply(x.even[j], y.odd[j]) +
                                   multiply(x.odd[j], y.even[j]));
        }
    }
    for (unsigned j = 0; j < POLY_N / 2; j++) {
        /* 1353 = 2^32 mod q takes the division by 2^16 back */
        r->c[2 * j] = multiply(sum.even[j], 1353);
        r->c[2 * j + 1] = multiply(sum.odd[j], 1353);
    }
    sodium_memzero(&x, sizeof(x));
    sodium_memzero(&y, sizeof(y));
    sodium_memzero(&sum, sizeof(sum));
}

void poly_add(struct poly *r, const struct poly *a)
{
    for (unsigned j = 0; j < POLY_N; j++)
        r->c[j] = reduce((int16_t)(r->c[j] + a->c[j]));
}

void poly_subtract(struct poly *r, const struct poly *a)
{
    for (unsigned j = 0; j < POLY_N; j++)
        r->c[j] = reduce((int16_t)(r->c[j] - a->c[j]));
}

/* ---- bytes ---- */

void poly_encode(uint8_t out[POLY_ENCODED_LEN], const struct poly *p)
{
    for (unsigned j = 0; j < POLY_N; j += 2, out += 3) {
        uint32_t pair = canonical(p->c[j]) | canonical(p->c[j + 1]) << 12;

        out[0] = (uint8_t)pair;
        out[1] = (uint8_t)(pair >> 8);
        out[2] = (uint8_t)(pair >> 16);
    }
}

void poly_decode(struct poly *p, const uint8_t in[POLY_ENCODED_LEN])
{
    for (unsigned j = 0; j < POLY_N; j += 2, in += 3) {
        p->c[j] = (int16_t)(in[0] | (in[1] & 15) << 8);
        p->c[j + 1] = (int16_t)(in[1] >> 4 | in[2] << 4);
    }
}

int poly_is_canonical(const struct poly *p)
{
    for (unsigned j = 0; j < POLY_N; j++) {
        if (p->c[j] >= POLY_Q)
            return 0;
    }
    return 1;
}

/* Compress_d(x) = round(2^d * x / q) mod 2^d; q is odd, so nothing lies halfway. */
void poly_compress(uint8_t *out, const struct poly *p, unsigned d)
{
    uint32_t mask = (1u << d) - 1, bits = 0, y[POLY_N];
    unsigned n = 0;

    for (unsigned j = 0; j < POLY_N; j++)
        y[j] = divide_by_q((canonical(p->c[j]) << d) + POLY_Q / 2) & mask;
    for (unsigned j = 0; j < POLY_N; j++) {
        bits |= y[j] << n;
        for (n += d; n >= 8; n -= 8, bits >>= 8)
            *out++ = (uint8_t)bits;
    }
    sodium_memzero(y, sizeof(y));
}

/* Decompress_d(y) = round(q * y / 2^d) */
void poly_decompress(struct poly *p, const uint8_t *in, unsigned d)
{
    uint32_t mask = (1u << d) - 1, bits = 0;
    unsigned n = 0;

    assert(d > 0 && d < 12);
    for (unsigned j = 0; j < POLY_N; j++) {
        for (; n < d; n += 8)
            bits |= (uint32_t)*in++ << n;
        p->c[j] = (int16_t)((opaque(bits & mask) * POLY_Q + (1u << (d - 1))) >> d);
        bits >>= d;
        n -= d;
    }
}

/* ---- sampling ---- */

void poly_sample_noise(struct poly *p, const uint8_t in[POLY_CBD_LEN])
{
    for (unsigned j = 0; j < POLY_N; j += 2) {
        unsigned b = in[j / 2];
        unsigned ones = (b & 0x55) + (b >> 1 & 0x55); /* four 2-bit sums of 2 bits */

        p->c[j] = (int16_t)((int)(ones & 3) - (int)(ones >> 2 & 3));
        p->c[j + 1] = (int16_t)((int)(ones >> 4 & 3) - (int)(ones >> 6 & 3));
    }
}

int poly_sample_uniform(struct poly *p, const uint8_t *in, size_t len)
{
    int16_t c[POLY_N + 1]; /* one of a pair may be too many */
    unsigned n = 0;

    /* Which are kept cannot be predicted, so there are no branches on it. */
    for (const uint8_t *end = in + len / 3 * 3; in < end && n < POLY_N; in += 3) {
        c[n] = (int16_t)(in[0] | (in[1] & 15) << 8);
        n += c[n] < POLY_Q;
        c[n] = (int16_t)(in[1] >> 4 | in[2] << 4);
        n += c[n] < POLY_Q;
    }
    if (n < POLY_N)
        return -1;
    memcpy(p->c, c, sizeof(p->c));
    return 0;
}
