#include "fec.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "fec_gf.h"

int fec_enc_init(struct fec_enc *e, unsigned k, unsigned r)
{
    if (k < 1 || k > FEC_K_MAX || r < 1 || r > FEC_R_MAX)
        return -EINVAL;
    *e = (struct fec_enc){.k = (uint8_t)k, .r = (uint8_t)r};
    return 0;
}

static void put_parity(struct fec_enc *e, struct fec_pools *pools, unsigned n)
{
    while (n > 0)
        pool_put(&pools->symbols, e->parity[--n]);
}

static int open_block(struct fec_enc *e, struct fec_pools *pools, uint64_t now)
{
    for (unsigned i = 0; i < e->r; i++) {
        e->parity[i] = pool_get(&pools->symbols);
        if (e->parity[i] == NULL) {
            put_parity(e, pools, i);
            return -ENOBUFS;
        }
    }
    e->opened_at = now;
    e->longest = 0;
    return 0;
}

/* Symbols are zero-padded to the longest: so are their sums, one longest symbol after the other. */
static void grow(struct fec_enc *e, uint32_t len)
{
    for (unsigned i = 0; i < e->r; i++)
        memset(e->parity[i] + e->longest, 0, len - e->longest);
    e->longest = (uint16_t)len;
}

int fec_enc_add(struct fec_enc *e, struct fec_pools *pools, uint64_t now, const uint8_t *symbol,
                uint32_t len)
{
    assert(e->count < e->k); /* a full block was closed */
    if (len > pools->symbol_max)
        return -EMSGSIZE;
    if (e->count == 0 && open_block(e, pools, now) != 0)
        return -ENOBUFS;
    if (len > e->longest)
        grow(e, len);
    fec_gf_mad(fec_gf_tables[e->count], e->r, symbol, len, e->parity);
    return ++e->count == e->k;
}

const uint8_t *fec_enc_repair(const struct fec_enc *e, unsigned index)
{
    assert(e->count > 0 && index < e->r);
    return e->parity[index];
}

void fec_enc_close(struct fec_enc *e, struct fec_pools *pools)
{
    assert(e->count > 0);
    put_parity(e, pools, e->r);
    e->count = 0;
    e->block++;
}

void fec_enc_fini(struct fec_enc *e, struct fec_pools *pools)
{
    if (e->count > 0)
        fec_enc_close(e, pools);
}
