/* Vectors over GF(2^8), polynomial 0x11d, multiplied by ISA-L. Private to the codes: Reed-Solomon
 * blocks (fec.h, which has the coefficients c(i,j)) and the sliding window (rlc.h).
 *
 * Symbols have any length and alignment. Vectors that are written live in symbol buffers of the
 * pool, which reach to a multiple of 64 bytes; what is there behind the length is undefined. */
#ifndef PROTO_FEC_GF_H
#define PROTO_FEC_GF_H

#include <stdint.h>

#include "fec.h"

/* One coefficient, expanded by ISA-L. */
struct fec_gf_table {
    uint8_t bytes[32];
};

/* c(i,j) at [j][i]: what a source needs for all its repairs is contiguous. Constant after fec_init.
 */
extern struct fec_gf_table fec_gf_tables[FEC_K_MAX][FEC_R_MAX];

/* vectors[a] += tables[a] * symbol, for all a < n. */
void fec_gf_mad(const struct fec_gf_table *tables, unsigned n, const uint8_t *symbol, uint32_t len,
                uint8_t *const *vectors);
/* Turn vectors[a] = sum over b < n of c(rows[a], columns[b]) * S_b into S_a, in place; n <=
 * FEC_R_MAX, rows distinct, columns distinct. */
void fec_gf_solve(const uint8_t *rows, const uint8_t *columns, unsigned n, uint8_t *const *vectors,
                  uint32_t len);
/* vector += c * symbol, for any c. */
void fec_gf_add(uint8_t c, const uint8_t *symbol, uint32_t len, uint8_t *vector);
/* vector *= c */
void fec_gf_scale(uint8_t c, uint8_t *vector, uint32_t len);

#endif
