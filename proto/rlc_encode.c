#include "rlc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "fec_gf.h"

enum { WINDOW_DEFAULT = 32, SEED_BITS = 16 };

uint8_t rlc_coefficient(uint16_t seed, uint64_t id)
{
    uint32_t x = (uint32_t)seed << SEED_BITS | (uint16_t)id;

    x = (x ^ x >> 16) * 0x7feb352d;
    x = (x ^ x >> 15) * 0x846ca68b;
    return (uint8_t)(1 + (x ^ x >> 16) % 255);
}

void rlc_enc_init(struct rlc_enc *e)
{
    *e = (struct rlc_enc){.window = WINDOW_DEFAULT};
}

int rlc_enc_set(struct rlc_enc *e, unsigned window, unsigned ratio)
{
    if (window < 1 || window > RLC_WINDOW_MAX || ratio > RLC_RATIO_ONE)
        return -EINVAL;
    e->window = (uint8_t)window;
    e->ratio = (uint16_t)ratio;
    return 0;
}

void rlc_enc_forget(struct rlc_enc *e, struct fec_pools *pools, uint64_t id)
{
    for (; e->first < id && e->first < e->next; e->first++)
        pool_put(&pools->symbols, e->symbol[e->first % RLC_WINDOW_MAX]);
    if (e->first == e->next)
        e->unrepaired = 0;
}

int rlc_enc_add(struct rlc_enc *e, struct fec_pools *pools, const uint8_t *symbol, uint32_t len)
{
    unsigned slot = e->next % RLC_WINDOW_MAX;

    if (len > pools->symbol_max)
        return -EMSGSIZE;
    if (e->next + 1 > e->window) /* room for one */
        rlc_enc_forget(e, pools, e->next + 1 - e->window);
    e->symbol[slot] = pool_get(&pools->symbols);
    if (e->symbol[slot] == NULL)
        return -ENOBUFS;
    memcpy(e->symbol[slot], symbol, len);
    e->len[slot] = (uint16_t)len;
    e->next++;
    e->unrepaired++;
    e->credit += e->ratio;
    if (e->credit < RLC_RATIO_ONE)
        return 0;
    e->credit -= RLC_RATIO_ONE;
    return 1;
}

void rlc_enc_repair(struct rlc_enc *e, uint8_t *out, struct rlc_repair *repair)
{
    uint32_t longest = 0;

    assert(e->first < e->next);
    for (uint64_t id = e->first; id < e->next; id++)
        if (e->len[id % RLC_WINDOW_MAX] > longest)
            longest = e->len[id % RLC_WINDOW_MAX];
    memset(out, 0, longest);
    for (uint64_t id = e->first; id < e->next; id++)
        fec_gf_add(rlc_coefficient(e->seed, id), e->symbol[id % RLC_WINDOW_MAX],
                   e->len[id % RLC_WINDOW_MAX], out);
    *repair = (struct rlc_repair){.first = e->first,
                                  .n = (uint8_t)(e->next - e->first),
                                  .seed = e->seed++,
                                  .symbol = out,
                                  .len = longest};
    e->unrepaired = 0;
}

void rlc_enc_fini(struct rlc_enc *e, struct fec_pools *pools)
{
    rlc_enc_forget(e, pools, e->next);
}
