#include "sink.h"

static void discard_take(struct lcore *lc, struct session *s, struct rte_mbuf *m)
{
    (void)lc;
    (void)s;
    rte_pktmbuf_free(m);
}

const struct sink sink_discard = {.take = discard_take};
