#include "pipeline.h"

#include "ingress/ingress.h"

void pipeline_rx(struct lcore *lc, struct burst *b)
{
    ingress_parse(lc, b);
    lap(lc, JP_parse_cycles);
    if (lc->dp->lcores > 1) {
        ingress_steer(lc, b);
        lap(lc, JP_steer_cycles);
    }
    pipeline_owned(lc, b);
}

/* Deliver what is in b, if anything, and what is released besides. */
static void deliver(struct lcore *lc, struct burst *b)
{
    while (ingress_reorder(lc, b) > 0) {
        lap(lc, JP_reorder_cycles);
        ingress_deliver(lc, b);
        lap(lc, JP_deliver_cycles);
    }
}

void pipeline_owned(struct lcore *lc, struct burst *b)
{
    ingress_decrypt(lc, b);
    lap(lc, JP_decrypt_cycles);
    ingress_replay(lc, b);
    lap(lc, JP_replay_cycles);
    while (ingress_fec(lc, b) > 0) {
        lap(lc, JP_fec_cycles);
        deliver(lc, b);
    }
    lap(lc, JP_fec_cycles);
}

void pipeline_released(struct lcore *lc)
{
    struct burst b = {.n = 0};

    deliver(lc, &b);
}
