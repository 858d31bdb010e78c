#include <rte_ethdev.h>

#include "egress.h"
#include "relay.h"
#include "stages.h"

/* Hand a port what it takes now; the rest is dropped, never waited for. */
static void flush(struct lcore *lc, uint16_t port, struct tx_buffer *tx)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < tx->n; i++)
        bytes += tx->m[i]->pkt_len; /* what was sent must not be touched any more */
    uint16_t sent = rte_eth_tx_burst(port, (uint16_t)lc->index, tx->m, tx->n);

    for (unsigned i = sent; i < tx->n; i++)
        bytes -= tx->m[i]->pkt_len;
    rte_pktmbuf_free_bulk(tx->m + sent, tx->n - sent);
    count(lc, JP_tx_packets, sent);
    count(lc, JP_tx_bytes, bytes);
    count(lc, JP_tx_full, tx->n - sent);
    tx->n = 0;
}

void tx_burst(struct lcore *lc, struct egress_burst *b)
{
    const struct dataplane *dp = lc->dp;
    struct tx_buffer *tx = lc->egress->tx;

    for (unsigned i = 0; i < b->n; i++) {
        unsigned port = port_index(dp, b->item[i].port);

        if (likely(port < dp->ports)) {
            tx[port].m[tx[port].n++] = b->item[i].m;
        } else if (b->item[i].port == JP_IPC_RELAY_PORT) {
            relay_send(lc, b->item[i].s, b->item[i].m);
        } else { /* a path from elsewhere */
            count(lc, JP_tx_refused, 1);
            rte_pktmbuf_free(b->item[i].m);
        }
    }
    for (unsigned port = 0; port < dp->ports; port++)
        if (tx[port].n > 0)
            flush(lc, dp->port[port].id, &tx[port]);
}
