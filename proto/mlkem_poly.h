/* Arithmetic of ML-KEM (FIPS 203 section 4): polynomials of 256 coefficients modulo q = 3329, in
 * time that depends on sizes only. A polynomial is "reduced" when every coefficient is within (-q,
 * q); all functions take and give reduced ones unless they say otherwise. */
#ifndef PROTO_MLKEM_POLY_H
#define PROTO_MLKEM_POLY_H

#include <stddef.h>
#include <stdint.h>

enum {
    POLY_N = 256,
    POLY_Q = 3329,
    POLY_RANK = 3,          /* k of ML-KEM-768 */
    POLY_CBD_LEN = 128,     /* bytes one eta = 2 noise sample takes */
    POLY_ENCODED_LEN = 384, /* bytes of 256 12-bit coefficients */
};

struct poly {
    int16_t c[POLY_N];
};

/* NTT and its inverse, in place (algorithms 9 and 10). */
void poly_ntt(struct poly *p);
void poly_inverse_ntt(struct poly *p);

/* r = sum of a[i] * b[i] over i < POLY_RANK, all in the NTT domain (algorithm 11). a may hold any
 * 12-bit coefficients, as decoded. */
void poly_dot(struct poly *r, const struct poly a[POLY_RANK], const struct poly b[POLY_RANK]);

void poly_add(struct poly *r, const struct poly *a);      /* r += a */
void poly_subtract(struct poly *r, const struct poly *a); /* r -= a */

/* ByteEncode_12 and ByteDecode_12 (algorithms 5 and 6); decoding leaves 12-bit coefficients as they
 * are. */
void poly_encode(uint8_t out[POLY_ENCODED_LEN], const struct poly *p);
void poly_decode(struct poly *p, const uint8_t in[POLY_ENCODED_LEN]);
/* Whether decoding gave only coefficients below q. */
int poly_is_canonical(const struct poly *p);

/* ByteEncode_d(Compress_d(p)) and Decompress_d(ByteDecode_d(in)), 32 * d bytes, d < 12. */
void poly_compress(uint8_t *out, const struct poly *p, unsigned d);
void poly_decompress(struct poly *p, const uint8_t *in, unsigned d);

/* SamplePolyCBD_2 (algorithm 8). */
void poly_sample_noise(struct poly *p, const uint8_t in[POLY_CBD_LEN]);
/* SampleNTT (algorithm 7) from XOF output, which is public. 0, or -1 when len bytes were too few.
 */
int poly_sample_uniform(struct poly *p, const uint8_t *in, size_t len);

#endif
