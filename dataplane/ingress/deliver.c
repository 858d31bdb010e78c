/* deliver: each data frame goes to the sink of its session's listener. */
#include "ingress.h"
#include "session.h"
#include "sinks/sink.h"

uint16_t ingress_deliver(struct lcore *lc, struct burst *b)
{
    for (unsigned first = 0, i = 0; first < b->n; first = i) {
        const struct sink *sink = sink_of(lc, packet_of(b->m[first])->session);
        uint64_t bytes = 0;

        for (; i < b->n && sink_of(lc, packet_of(b->m[i])->session) == sink; i++)
            bytes += packet_of(b->m[i])->data_len;
        count(lc, JP_delivered, i - first);
        count(lc, JP_delivered_bytes, bytes);
        sink->take(lc, b->m + first, i - first);
    }
    return b->n = 0;
}
