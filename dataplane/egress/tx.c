#include <rte_ethdev.h>

#include "egress.h"
#include "relay.h"
#include "stages.h"

/* The port took so many, and others are lost for this reason. Of the rest full sessions' packets
 * wait, for a loss would slow down whoever it hits, and nobody sends more until they are gone; the
 * others are dropped. While it is full no more than it takes is sealed at a time: what waits delays
 * what is more urgent. */
static void keep_rest(struct lcore *lc, struct tx_buffer *tx, uint16_t sent, enum jp_counter lost)
{
    uint16_t kept = 0;

    for (unsigned i = sent; i < tx->n; i++) {
        if (tx->waits[i] && kept < BURST_MAX) {
            tx->waits[kept] = true;
            tx->m[kept++] = tx->m[i];
        } else {
            rte_pktmbuf_free(tx->m[i]);
        }
    }
    count(lc, lost, tx->n - sent - kept);
    tx->room = kept > 0 ? RTE_MAX(sent, (uint16_t)1) : (uint16_t)RTE_MIN(2 * tx->room, BURST_MAX);
    tx->n = kept;
}

/* Hand a port what it takes now. */
static void flush(struct lcore *lc, uint16_t port, struct tx_buffer *tx)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < tx->n; i++)
        bytes += tx->m[i]->pkt_len; /* what was sent must not be touched any more */
    uint16_t sent = rte_eth_tx_burst(port, (uint16_t)lc->index, tx->m, tx->n);

    for (unsigned i = sent; i < tx->n; i++)
        bytes -= tx->m[i]->pkt_len;
    count(lc, JP_tx_packets, sent);
    count(lc, JP_tx_bytes, bytes);
    keep_rest(lc, tx, sent, JP_tx_full);
}

void tx_flush(struct lcore *lc)
{
    const struct dataplane *dp = lc->dp;

    for (unsigned port = 0; port < dp->ports; port++) {
        struct tx_buffer *tx = &lc->egress->tx[port];

        if (tx->n == 0)
            continue;
        if (port_is_off(&dp->port[port]))
            keep_rest(lc, tx, 0, JP_tx_reset);
        else if (port_is_linked(&dp->port[port]))
            flush(lc, dp->port[port].id, tx);
        else
            keep_rest(lc, tx, 0, JP_tx_full);
    }
}

unsigned egress_room(const struct lcore *lc, unsigned port)
{
    const struct tx_buffer *tx = &lc->egress->tx[port];

    if (port == lc->dp->ports)
        return RTE_MIN(rte_ring_free_count(lc->relay_out), (unsigned)BURST_MAX);
    return tx->n == 0 ? tx->room : 0;
}

void tx_burst(struct lcore *lc, struct egress_burst *b)
{
    const struct dataplane *dp = lc->dp;
    struct tx_buffer *tx = lc->egress->tx;

    for (unsigned i = 0; i < b->n; i++) {
        unsigned port = port_index(dp, b->item[i].port);

        if (likely(port < dp->ports)) {
            tx[port].waits[tx[port].n] = b->item[i].kind == ITEM_NUMBERED;
            tx[port].m[tx[port].n++] = b->item[i].m;
        } else if (b->item[i].port == JP_IPC_RELAY_PORT) {
            relay_send(lc, b->item[i].s, b->item[i].m);
        } else { /* a path from elsewhere */
            count(lc, JP_tx_refused, 1);
            rte_pktmbuf_free(b->item[i].m);
        }
    }
    tx_flush(lc);
}
