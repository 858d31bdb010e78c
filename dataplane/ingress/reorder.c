/* reorder: stream fragments leave in order, per stream; datagrams pass. */
#include "ingress.h"
#include "session.h"

/* Is n of a message that lost a part it would follow? The gap itself may be in the middle of n's
 * message. */
static bool is_broken(struct stream *st, const struct reorder_node *n)
{
    if (n->gap && n->offset > 0)
        st->rx_broken = n->seq + 1;
    return st->rx_broken == n->seq + 1;
}

void reorder_release(struct lcore *lc, struct stream *st, struct reorder_node *list)
{
    for (struct reorder_node *n = list, *next; n; n = next) {
        next = n->next;
        if (n->gap)
            count(lc, JP_gaps_skipped, 1);
        if (is_broken(st, n))
            drop(lc, mbuf_of(n), JP_gap_broken);
        else
            queue_push(&lc->released, n);
    }
}

/* A session may hold its limit, or a quarter of what all may still hold: so nobody can take it all,
 * and the more is held the less each may add. */
static uint32_t may_hold(const struct lcore *lc)
{
    uint64_t held = lc->counter[JP_held];
    uint64_t share = held < lc->held_max ? (lc->held_max - held) / 4 : 0;

    return (uint32_t)RTE_MIN(share, lc->reorder.max_held);
}

static void push_fragment(struct lcore *lc, struct session *s, struct rte_mbuf *m)
{
    struct packet *p = packet_of(m);
    struct reorder_limits limits = lc->reorder;
    struct stream *st = streams_get(&s->streams, &lc->streams, p->stream_id);
    struct reorder_node *out;
    uint32_t held = s->held;
    enum reorder_verdict verdict;

    if (!st) {
        drop(lc, m, JP_stream_limit);
        return;
    }
    limits.max_held = may_hold(lc);
    verdict = reorder_push(&st->rx, &s->held, &limits, &p->node, lc->now, &out);
    lc->counter[JP_held] += (uint64_t)s->held - held;
    if (verdict == REORDER_DUPLICATE) {
        drop(lc, m, JP_reorder_duplicate);
        return;
    }
    reorder_release(lc, st, out);
    if (verdict != REORDER_RELEASED)
        session_wake(lc, s, reorder_deadline(&st->rx, &lc->reorder));
}

/* Most packets need no queue: datagrams, and the next fragment of a stream that waits for none. */
static bool passes(struct lcore *lc, struct packet *p)
{
    struct streams *streams = &p->session->streams;
    struct stream *st;

    if (p->is_datagram)
        return true;
    st = streams_get(streams, &lc->streams, p->stream_id);
    return likely(st && st->rx_broken != p->node.seq + 1) && reorder_pass(&st->rx, &p->node);
}

/* Once one had to be queued all that follow are, to keep their order. */
uint16_t ingress_reorder(struct lcore *lc, struct burst *b)
{
    uint16_t kept = 0;

    for (uint16_t i = 0; i < b->n; i++) {
        struct packet *p = packet_of(b->m[i]);

        if (likely(lc->released.n == 0 && passes(lc, p)))
            b->m[kept++] = b->m[i];
        else if (p->is_datagram)
            queue_push(&lc->released, &p->node);
        else
            push_fragment(lc, p->session, b->m[i]);
    }
    return kept > 0 ? (b->n = kept) : burst_refill(b, &lc->released);
}
