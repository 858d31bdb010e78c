#include "pipeline.h"

#include "ingress/ingress.h"

void pipeline_rx(struct lcore *lc, struct burst *b)
{
    ingress_parse(lc, b);
    ingress_steer(lc, b);
    pipeline_owned(lc, b);
}

void pipeline_owned(struct lcore *lc, struct burst *b)
{
    ingress_decrypt(lc, b);
    ingress_replay(lc, b);
    while (ingress_fec(lc, b) > 0)
        while (ingress_reorder(lc, b) > 0)
            ingress_deliver(lc, b);
}

void pipeline_released(struct lcore *lc)
{
    struct burst b = {.n = 0};

    while (ingress_reorder(lc, &b) > 0)
        ingress_deliver(lc, &b);
}
