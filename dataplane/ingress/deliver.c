/* deliver: each data frame goes to the sink of its session's listener. */
#include "ingress.h"
#include "session.h"
#include "sinks/sink.h"

uint16_t ingress_deliver(struct lcore *lc, struct burst *b)
{
    const struct sink *sink = NULL;
    uint64_t bytes = 0;
    unsigned first = 0;

    for (unsigned i = 0; i < b->n; i++) {
        const struct packet *p = packet_of(b->m[i]);
        const struct sink *next = sink_of(lc, p->session);

        bytes += p->data_len;
        if (next != sink && i > 0) {
            sink->take(lc, b->m + first, i - first);
            first = i;
        }
        sink = next;
    }
    count(lc, JP_delivered, b->n);
    count(lc, JP_delivered_bytes, bytes);
    if (sink)
        sink->take(lc, b->m + first, b->n - first);
    return b->n = 0;
}
