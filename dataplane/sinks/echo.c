#include "egress.h"
#include "session.h"
#include "sink.h"

/* The number this fragment's message goes back under. Fragments come in order and a message that
 * lost a part comes no further, so one that begins while another has not ended leaves that one
 * broken. */
static uint64_t number(struct stream *st, const struct packet *p)
{
    if (p->node.offset == 0 && st->tx_open)
        st->tx_seq++;
    st->tx_open = !p->node.fin;
    return p->node.fin ? st->tx_seq++ : st->tx_seq;
}

static void echo(struct lcore *lc, struct session *s, struct rte_mbuf *m)
{
    struct packet *p = packet_of(m);

    if (!p->is_datagram) {
        struct stream *st = streams_get(&s->streams, &lc->streams, p->stream_id);

        if (unlikely(!st)) { /* it came on this stream, so there is one */
            rte_pktmbuf_free(m);
            return;
        }
        p->node.seq = number(st, p);
    }
    egress_data(lc, s, m);
}

static void echo_take(struct lcore *lc, struct rte_mbuf **m, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        echo(lc, packet_of(m[i])->session, m[i]);
}

const struct sink sink_echo = {.take = echo_take};
