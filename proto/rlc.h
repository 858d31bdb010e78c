/* A sliding-window random linear code over GF(2^8), polynomial 0x11d, after the idea of RFC 8681:
 * for streams that cannot wait for the end of a block. Sources are numbered from 0; a repair is
 *
 *   R = sum over first <= id < first + n of c(seed, id) * S_id,   1 <= n <= 64
 *
 * over symbols as in fec.h: length (2, big endian) || frames, zero-padded to the longest of the
 * window. Coefficients come from a mixer of 32 bits, with all arithmetic modulo 2^32:
 *
 *   x = seed * 2^16 + (id mod 2^16)
 *   x ^= x >> 16;  x *= 0x7feb352d;  x ^= x >> 15;  x *= 0x846ca68b;  x ^= x >> 16
 *   c(seed, id) = 1 + x mod 255
 *
 * so they are never 0 and a receiver can compute any of them alone. Seeds count up from 0 modulo
 * 2^16. Windows only move forward.
 *
 * Undamaged packets are never held: the decoder takes a copy of each source and delivers nothing
 * but what was lost, each source as soon as it is determined. Symbols come from the pool, the cap
 * on memory; everything else is of fixed size. Call fec_init first. Owned by one thread. */
#ifndef PROTO_RLC_H
#define PROTO_RLC_H

#include "fec.h"

enum {
    RLC_WINDOW_MAX = 64,
    RLC_RATIO_ONE = 256, /* a repair per source */
    RLC_SPAN = 128,      /* newest sources a decoder recovers, and holds copies of */
    RLC_HISTORY = 1024,  /* newest sources of which it knows whether they were delivered */
    RLC_ROWS = 32,       /* equations it keeps */
};

/* What a repair packet says. */
struct rlc_repair {
    uint64_t first; /* source id, <= VARINT_MAX - 64 */
    uint8_t n;
    uint16_t seed;
    const uint8_t *symbol;
    uint32_t len;
};

uint8_t rlc_coefficient(uint16_t seed, uint64_t id);

struct rlc_enc {
    uint64_t first, next; /* the window: ids of its oldest source and of the next to come */
    uint8_t *symbol[RLC_WINDOW_MAX]; /* copies, at id % RLC_WINDOW_MAX */
    uint16_t len[RLC_WINDOW_MAX];
    uint16_t ratio, credit; /* in 1 / RLC_RATIO_ONE repairs */
    uint32_t unrepaired;    /* sources since the last repair: when they wait, flush with one more */
    uint16_t seed;          /* of the next repair */
    uint8_t window;
};

void rlc_enc_init(struct rlc_enc *e);
/* Protect with `ratio` repairs a source, each over the newest `window` sources, from the next
 * source on; 1 <= window <= RLC_WINDOW_MAX, ratio <= RLC_RATIO_ONE: 0 or -EINVAL. Initially 32 and
 * none. */
int rlc_enc_set(struct rlc_enc *e, unsigned window, unsigned ratio);
/* Add the symbol of source e->next. 1: a repair is due; 0: none; -ENOBUFS: no symbol buffer, send
 * the packet unprotected instead; -EMSGSIZE: longer than symbol_max. */
int rlc_enc_add(struct rlc_enc *e, struct fec_pools *pools, const uint8_t *symbol, uint32_t len);
/* Make the next repair, over the window, which is not empty (e->first < e->next); its symbol is
 * written to `out`, which has room for symbol_max rounded up to 64. */
void rlc_enc_repair(struct rlc_enc *e, uint8_t *out, struct rlc_repair *repair);
/* Sources below `id` need no protection any more: acknowledged, or too late to be of use. */
void rlc_enc_forget(struct rlc_enc *e, struct fec_pools *pools, uint64_t id);
/* Give everything back to the pool. */
void rlc_enc_fini(struct rlc_enc *e, struct fec_pools *pools);

/* An equation: the sum of c[id % RLC_SPAN] * S_id over sources that are missing is symbol. */
struct rlc_row {
    _Alignas(64) uint8_t c[RLC_SPAN];
    uint8_t *symbol;
    uint64_t pivot; /* the oldest source in it, which is in no other row */
    uint16_t len;
};

/* About 8 KiB and 64-byte aligned: from a pool, for a session that receives repairs. */
struct rlc_dec {
    struct rlc_row row[RLC_ROWS];
    uint8_t *source[RLC_SPAN]; /* copies, at id % RLC_SPAN; NULL: not held */
    uint16_t len[RLC_SPAN];
    uint64_t known[RLC_HISTORY / 64]; /* bit id % RLC_HISTORY: delivered, received or recovered */
    uint64_t end;                     /* one more than the newest source heard of */
    uint64_t keep;                    /* copies below are not needed: windows moved on */
    uint64_t newest_first;            /* of the repairs so far */
    uint32_t lost; /* sources that left the span undelivered; the caller may clear it */
    uint8_t rows;
};

enum rlc_verdict {
    RLC_DELIVER,   /* source: read its frames now */
    RLC_DUPLICATE, /* source: already delivered, received or recovered; drop */
    RLC_LATE,      /* source: too old to know; drop */
    RLC_HELD,      /* repair: kept */
    RLC_USELESS,   /* repair: nothing is missing, it says nothing new, or there is no room */
    RLC_BAD,       /* impossible, or contradicts its sources: drop */
};

void rlc_dec_init(struct rlc_dec *d);
/* A source or repair arrived in an authenticated packet. A source is delivered even if there is no
 * buffer for its copy; repairs of it are useless then. */
enum rlc_verdict rlc_dec_source(struct rlc_dec *d, struct fec_pools *pools, uint64_t id,
                                const uint8_t *symbol, uint32_t len);
enum rlc_verdict rlc_dec_repair(struct rlc_dec *d, struct fec_pools *pools,
                                const struct rlc_repair *repair);

struct rlc_recovered {
    uint64_t id;
    const uint8_t
        *frames;  /* the frames of a lost source, valid until the next call on this decoder;
                     NULL if its length field is beyond the symbol: a protocol violation */
    uint32_t len; /* of frames; 0 if NULL */
};
/* After RLC_DELIVER or RLC_HELD: all sources that are determined now, in order, marking them
 * delivered; returns how many. */
unsigned rlc_dec_recover(struct rlc_dec *d, struct rlc_recovered out[RLC_ROWS]);
/* Give all buffers back to the pool: the session ends, or was idle for longer than a repair may
 * take. What was delivered is still known. */
void rlc_dec_release(struct rlc_dec *d, struct fec_pools *pools);

#endif
