/* steer: packets of other lcores' sessions go to their owners. A full ring drops: nobody waits for
 * anybody. */
#include "ingress.h"

/* owner_of(), by table. */
static unsigned owner(const struct lcore *lc, uint32_t spi)
{
    unsigned hash = lc->spi_hash[3][spi >> 24] ^ lc->spi_hash[2][spi >> 16 & 0xff] ^
                    lc->spi_hash[1][spi >> 8 & 0xff] ^ lc->spi_hash[0][spi & 0xff];

    return lc->dp->reta[hash & lc->dp->reta_mask];
}

static void hand_over(struct lcore *lc, unsigned to, struct rte_mbuf *const *m, unsigned n)
{
    unsigned taken = rte_ring_enqueue_burst(lc->dp->lcore[to]->steered, (void *const *)m, n, NULL);

    count(lc, JP_misdirected, n);
    for (unsigned i = taken; i < n; i++)
        drop(lc, m[i], JP_steer_full);
}

/* Hand over all packets of the first one's owner, in order; returns how many others are left. */
static uint16_t hand_over_first(struct lcore *lc, struct rte_mbuf **m, uint8_t *owners, uint16_t n)
{
    struct rte_mbuf *same[BURST_MAX];
    uint16_t taken = 0, rest = 0;
    uint8_t first = owners[0];

    for (uint16_t i = 0; i < n; i++) {
        if (owners[i] == first) {
            same[taken++] = m[i];
        } else {
            owners[rest] = owners[i];
            m[rest++] = m[i];
        }
    }
    hand_over(lc, first, same, taken);
    return rest;
}

uint16_t ingress_steer(struct lcore *lc, struct burst *b)
{
    struct rte_mbuf *away[BURST_MAX];
    uint8_t owners[BURST_MAX];
    uint16_t kept = 0, foreign = 0;

    for (uint16_t i = 0; i < b->n; i++) {
        unsigned o = owner(lc, packet_of(b->m[i])->spi);

        if (o == lc->index) {
            b->m[kept++] = b->m[i];
        } else {
            owners[foreign] = (uint8_t)o;
            away[foreign++] = b->m[i];
        }
    }
    while (foreign > 0)
        foreign = hand_over_first(lc, away, owners, foreign);
    return b->n = kept;
}
