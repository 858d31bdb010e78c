/* deliver: each data frame goes to the sink of its session's listener. */
#include "ingress.h"
#include "session.h"
#include "sinks/sink.h"

uint16_t ingress_deliver(struct lcore *lc, struct burst *b)
{
    uint64_t bytes = 0;

    for (uint16_t i = 0; i < b->n; i++)
        bytes += packet_of(b->m[i])->data_len;
    count(lc, JP_delivered, b->n);
    count(lc, JP_delivered_bytes, bytes);
    for (uint16_t i = 0; i < b->n; i++) {
        struct session *s = packet_of(b->m[i])->session;

        sink_of(lc, s)->take(lc, s, b->m[i]);
    }
    return b->n = 0;
}
