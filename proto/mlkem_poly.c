#include "mlkem_poly.h"

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

/* ---- coefficients ---- */

/* x / 2^16 mod q, within (-q, q), for |x| < 2^15 * q. Two's complement: >> is arithmetic. */
static inline int16_t montgomery(int32_t x)
{
    int16_t t = (int16_t)((uint32_t)x * 62209u); /* q^-1 mod 2^16 */

    return (int16_t)((x - (int32_t)t * POLY_Q) >> 16);
}

/* a * b, where b is in Montgomery form. */
static inline int16_t multiply(int16_t a, int16_t b)
{
    return montgomery((int32_t)a * b);
}

/* The residue of a within [-q/2, q/2], for any a (Barrett). */
static inline int16_t reduce(int32_t a)
{
    int32_t t = (20159 * a + (1 << 25)) >> 26; /* 20159 = 2^26 / q, rounded */

    return (int16_t)(a - t * POLY_Q);
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

void poly_ntt(struct poly *p)
{
    const int16_t *zeta = zetas + 1;

    /* each of the 7 layers adds less than q to the magnitude: it stays below 8q < 2^15 */
    for (unsigned half = 128; half >= 2; half /= 2) {
        for (unsigned start = 0; start < POLY_N; start += 2 * half, zeta++) {
            for (unsigned j = start; j < start + half; j++) {
                int16_t t = multiply(p->c[j + half], *zeta);

                p->c[j + half] = (int16_t)(p->c[j] - t);
                p->c[j] = (int16_t)(p->c[j] + t);
            }
        }
    }
    for (unsigned j = 0; j < POLY_N; j++)
        p->c[j] = reduce(p->c[j]);
}

void poly_inverse_ntt(struct poly *p)
{
    const int16_t *zeta = zetas + 127;

    for (unsigned half = 2; half <= 128; half *= 2) {
        for (unsigned start = 0; start < POLY_N; start += 2 * half, zeta--) {
            for (unsigned j = start; j < start + half; j++) {
                int16_t t = p->c[j];

                p->c[j] = reduce(t + p->c[j + half]);
                p->c[j + half] = multiply((int16_t)(p->c[j + half] - t), *zeta);
            }
        }
    }
    for (unsigned j = 0; j < POLY_N; j++)
        p->c[j] = multiply(p->c[j], 512); /* 1/128 in Montgomery form */
}

void poly_dot(struct poly *r, const struct poly a[POLY_RANK], const struct poly b[POLY_RANK])
{
    for (unsigned j = 0; j < POLY_N; j += 2) {
        /* pairs are polynomials modulo X^2 - gamma, gamma = zeta, -zeta in turn */
        int16_t gamma = (int16_t)(j % 4 ? -zetas[64 + j / 4] : zetas[64 + j / 4]);
        int32_t even = 0, odd = 0; /* at most 6 * 4095 * q < 2^15 * q */

        for (unsigned i = 0; i < POLY_RANK; i++) {
            const int16_t *x = &a[i].c[j], *y = &b[i].c[j];

            even += x[0] * y[0] + multiply(x[1], gamma) * y[1];
            odd += x[0] * y[1] + x[1] * y[0];
        }
        /* 1353 = 2^32 mod q takes the division by 2^16 back */
        r->c[j] = multiply(montgomery(even), 1353);
        r->c[j + 1] = multiply(montgomery(odd), 1353);
    }
}

void poly_add(struct poly *r, const struct poly *a)
{
    for (unsigned j = 0; j < POLY_N; j++)
        r->c[j] = reduce(r->c[j] + a->c[j]);
}

void poly_subtract(struct poly *r, const struct poly *a)
{
    for (unsigned j = 0; j < POLY_N; j++)
        r->c[j] = reduce(r->c[j] - a->c[j]);
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
    uint32_t mask = (1u << d) - 1, bits = 0;
    unsigned n = 0;

    for (unsigned j = 0; j < POLY_N; j++) {
        uint32_t x = canonical(p->c[j]);

        bits |= (divide_by_q((x << d) + POLY_Q / 2) & mask) << n;
        for (n += d; n >= 8; n -= 8, bits >>= 8)
            *out++ = (uint8_t)bits;
    }
}

/* Decompress_d(y) = round(q * y / 2^d) */
void poly_decompress(struct poly *p, const uint8_t *in, unsigned d)
{
    uint32_t mask = (1u << d) - 1, bits = 0;
    unsigned n = 0;

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
    unsigned n = 0;

    for (const uint8_t *end = in + len / 3 * 3; in < end && n < POLY_N; in += 3) {
        int d1 = in[0] | (in[1] & 15) << 8;
        int d2 = in[1] >> 4 | in[2] << 4;

        if (d1 < POLY_Q)
            p->c[n++] = (int16_t)d1;
        if (d2 < POLY_Q && n < POLY_N)
            p->c[n++] = (int16_t)d2;
    }
    return n == POLY_N ? 0 : -1;
}
