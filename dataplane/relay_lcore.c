#include "egress/egress.h"
#include "ingress/ingress.h"
#include "ingress/origin.h"
#include "pipeline.h"
#include "relay.h"
#include "session.h"
#include "transport/transport.h"

/* A connection is no more: nor is the path. A light session's client comes along another. */
static void end_path(struct lcore *lc, struct rte_mbuf *m)
{
    struct session *s = session_find(lc->sessions, packet_of(m)->spi);
    struct jp_path path;

    packet_path(lc->dp, m, &path);
    rte_pktmbuf_free(m);
    if (s && s->full && !s->doom)
        transport_path_lost(lc, s, &path);
}

unsigned relay_take(struct lcore *lc)
{
    struct burst *b = &lc->rx;
    struct rte_mbuf *ended[BURST_MAX];
    unsigned n = rte_ring_dequeue_burst(lc->relay_in, (void **)b->m, BURST_MAX, NULL), ends = 0;

    if (n == 0)
        return 0;
    b->n = 0;
    for (unsigned i = 0; i < n; i++) {
        if (packet_of(b->m[i])->text_len == 0) { /* which no packet has */
            ended[ends++] = b->m[i];
        } else {
            session_expect(lc->sessions, packet_of(b->m[i])->spi);
            b->m[b->n++] = b->m[i];
        }
    }
    pipeline_owned(lc, b);
    for (unsigned i = 0; i < ends; i++) /* behind what came before the end */
        end_path(lc, ended[i]);
    return n;
}

void relay_send(struct lcore *lc, const struct session *s, struct rte_mbuf *m)
{
    packet_of(m)->spi = s && s->confirmed ? s->server_spi : 0;
    if (rte_ring_enqueue(lc->relay_out, m) == 0)
        return;
    count(lc, JP_relay_tx_full, 1);
    rte_pktmbuf_free(m);
}
