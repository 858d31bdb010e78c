/* steer: packets of other lcores' sessions go to their owners. A full ring drops: nobody waits for
 * anybody. */
#include "ingress.h"

static void hand_over(struct lcore *lc, unsigned owner, struct rte_mbuf *const *m, unsigned n)
{
    unsigned taken =
        rte_ring_enqueue_burst(lc->dp->lcore[owner]->steered, (void *const *)m, n, NULL);

    count(lc, JP_misdirected, n);
    for (unsigned i = taken; i < n; i++)
        drop(lc, m[i], JP_steer_full);
}

uint16_t ingress_steer(struct lcore *lc, struct burst *b)
{
    struct rte_mbuf *away[BURST_MAX];
    uint8_t owner[BURST_MAX];
    uint16_t kept = 0, foreign = 0;

    if (lc->dp->lcores == 1)
        return b->n;
    for (uint16_t i = 0; i < b->n; i++) {
        unsigned o = owner_of(lc->dp, packet_of(b->m[i])->spi);

        if (o == lc->index) {
            b->m[kept++] = b->m[i];
        } else {
            owner[foreign] = (uint8_t)o;
            away[foreign++] = b->m[i];
        }
    }
    while (foreign > 0) { /* each round takes one owner's packets out, in order */
        struct rte_mbuf *same[BURST_MAX];
        uint16_t n = 0, rest = 0;
        uint8_t o = owner[0];

        for (uint16_t i = 0; i < foreign; i++) {
            if (owner[i] == o) {
                same[n++] = away[i];
            } else {
                owner[rest] = owner[i];
                away[rest++] = away[i];
            }
        }
        hand_over(lc, o, same, n);
        foreign = rest;
    }
    return b->n = kept;
}
