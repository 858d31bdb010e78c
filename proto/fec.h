/* Forward error correction inside authenticated packets: systematic Reed-Solomon over GF(2^8),
 * polynomial 0x11d, Cauchy coefficients. Repair i of a block is
 *
 *   R_i = sum over j < k of c(i,j) * S_j,   c(i,j) = 1 / ((64 + i) xor j),   i < 16, j < 64
 *
 * over symbols S_j = length (2, big endian) || frames, zero-padded to the longest of the block. The
 * coefficients do not depend on k or r, so an encoder accumulates before it knows how many sources
 * a block will have, and any k of the k + r symbols recover the rest (every square submatrix of a
 * Cauchy matrix is invertible). Repairs say the final k.
 *
 * Undamaged packets are never held: a decoder takes a copy of each source symbol and delivers
 * nothing but what was lost. Symbol buffers and block records come from pools, the cap on memory.
 * Owned by one thread; times are microseconds. */
#ifndef PROTO_FEC_H
#define PROTO_FEC_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"

enum {
    FEC_K_MAX = 64,
    FEC_R_MAX = 16,
    FEC_BLOCKS = 8,   /* blocks a decoder holds open at once */
    FEC_HISTORY = 16, /* closed blocks whose delivered sources it remembers */
};

/* Both pools of a thread. */
struct fec_pools {
    struct pool symbols; /* objects of symbol_max bytes, 64-byte aligned */
    struct pool blocks;  /* objects of fec_block_size() bytes */
    uint32_t symbol_max; /* <= UINT16_MAX */
};
size_t fec_block_size(void);

/* Build the coefficient tables; once per process before anything else here. */
void fec_init(void);

struct fec_enc {
    uint64_t block;             /* id of the open block, or of the next */
    uint64_t opened_at;         /* when its first source was added */
    uint8_t *parity[FEC_R_MAX]; /* accumulators, held while a block is open */
    uint16_t longest;           /* longest symbol so far */
    uint8_t k, r;               /* as configured */
    uint8_t count;              /* sources in the open block */
};

/* k sources to r repairs, 1 <= k <= FEC_K_MAX, 1 <= r <= FEC_R_MAX: 0 or -EINVAL. Block ids start
 * at 0. */
int fec_enc_init(struct fec_enc *e, unsigned k, unsigned r);
/* Add the symbol of the source with block id e->block and index e->count (as written in its
 * FEC_SOURCE header). 1: the block is full, take its repairs; 0: more may follow; -ENOBUFS: no
 * symbol buffers, send the packet unprotected instead; -EMSGSIZE: longer than symbol_max. */
int fec_enc_add(struct fec_enc *e, struct fec_pools *pools, uint64_t now, const uint8_t *symbol,
                uint32_t len);
/* Repair `index` < e->r of the open block (e->count > 0), of e->longest bytes; valid until
 * fec_enc_close. */
const uint8_t *fec_enc_repair(const struct fec_enc *e, unsigned index);
/* End the open block (full, or flushed by time with k = e->count) and move to the next id. */
void fec_enc_close(struct fec_enc *e, struct fec_pools *pools);

struct fec_block;
struct fec_dec {
    struct fec_block *open[FEC_BLOCKS]; /* in the order they were opened */
    struct {
        uint64_t block;
        uint64_t delivered; /* bit j: source j was delivered, received or recovered */
    } history[FEC_HISTORY];
    uint64_t floor;          /* blocks below are forgotten: their late sources are dropped */
    struct fec_block *spent; /* holds the symbols that were recovered last, until the next call */
    uint32_t lost;           /* sources lost for good since the last fec_dec_expire */
    uint8_t n_open, history_next, history_used;
};

enum fec_verdict {
    FEC_DELIVER,   /* source: read its frames now */
    FEC_DUPLICATE, /* source: already delivered, received or recovered; drop */
    FEC_LATE,      /* source or repair of a block too old to know: drop */
    FEC_HELD,      /* repair: kept */
    FEC_USELESS,   /* repair: its block needs none, or it is there already */
    FEC_BAD,       /* contradicts its block (k, r, length) or symbol_max: drop */
};

void fec_dec_init(struct fec_dec *d);
/* A source or repair symbol arrived in an authenticated packet. When pools run dry, or FEC_BLOCKS
 * are open and a new one begins, the block opened first is closed; sources are still delivered.
 * Repairs that find no room are FEC_USELESS. */
enum fec_verdict fec_dec_source(struct fec_dec *d, struct fec_pools *pools, uint64_t now,
                                uint64_t block, unsigned index, const uint8_t *symbol,
                                uint32_t len);
enum fec_verdict fec_dec_repair(struct fec_dec *d, struct fec_pools *pools, uint64_t now,
                                uint64_t block, unsigned k, unsigned r, unsigned index,
                                const uint8_t *symbol, uint32_t len);

struct fec_recovered {
    const uint8_t
        *frames;  /* the frames of a lost source, valid until the next call on this decoder; NULL if
                     its length field is beyond the symbol: a protocol violation */
    uint32_t len; /* of frames; 0 if NULL */
    uint8_t index;
};
/* After FEC_DELIVER or FEC_HELD: recover all lost sources of `block` if that is possible now, in
 * index order, marking them delivered and closing the block; returns how many (0 if none or not
 * yet). */
unsigned fec_dec_recover(struct fec_dec *d, struct fec_pools *pools, uint64_t block,
                         struct fec_recovered out[FEC_R_MAX]);
/* Close open blocks whose last symbol came before now - age; returns how many sources were lost for
 * good with these and with the blocks closed early since the last call (counted where k is known).
 */
unsigned fec_dec_expire(struct fec_dec *d, struct fec_pools *pools, uint64_t now, uint64_t age);
/* Oldest "last symbol" time of the open blocks, and of the block recovered last while its buffers
 * are out: when fec_dec_expire has something to do. UINT64_MAX when there is none. */
uint64_t fec_dec_oldest(const struct fec_dec *d);
/* Give everything back to the pools. */
void fec_dec_fini(struct fec_dec *d, struct fec_pools *pools);
void fec_enc_fini(struct fec_enc *e, struct fec_pools *pools);

#endif
