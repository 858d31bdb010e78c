#include <string.h>

#include <rte_cycles.h>

#include "egress.h"
#include "session.h"
#include "sink.h"

enum {
    SOURCE_STREAM = 1,
    LAG_US = 4 * TIMER_TICK_US, /* what is overdue by more is never made up for */
    PERIOD = 256,               /* of the payload */
    RATE = 1000,                /* where none is said: nothing slows a light session down */
};

/* Byte i of message n is (n + i) mod 256 (docs/protocol.md section 5). */
static void fill(uint8_t *p, uint32_t len, uint64_t first)
{
    uint32_t done = len < PERIOD ? len : PERIOD;

    for (uint32_t i = 0; i < done; i++)
        p[i] = (uint8_t)(first + i);
    for (; len - done >= PERIOD; done += PERIOD)
        memcpy(p + done, p, PERIOD);
    memcpy(p + done, p, len - done);
}

static bool send_fragment(struct lcore *lc, struct session *s, uint64_t seq, uint32_t offset,
                          uint32_t len, bool fin)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(lc->mbufs);

    if (!m) {
        count(lc, JP_tx_no_mbuf, 1);
        return false;
    }
    *packet_of(m) = (struct packet){
        .data_len = (uint16_t)len,
        .stream_id = SOURCE_STREAM,
        .node = {.seq = seq, .offset = offset, .fin = fin},
    };
    fill(rte_pktmbuf_mtod(m, uint8_t *), len, seq + offset);
    egress_data(lc, s, m);
    return true;
}

static void send_message(struct lcore *lc, struct session *s, struct stream *st, uint32_t size)
{
    uint32_t max = egress_data_max(s), room = rte_pktmbuf_data_room_size(lc->mbufs);
    uint64_t seq = st->tx_seq++;

    if (max > room - RTE_PKTMBUF_HEADROOM - 64)
        max = room - RTE_PKTMBUF_HEADROOM - 64;
    for (uint32_t offset = 0; offset < size; offset += max) {
        uint32_t left = size - offset, len = left < max ? left : max;

        if (!send_fragment(lc, s, seq, offset, len, len == left))
            return;
    }
}

static void source_take(struct lcore *lc, struct rte_mbuf **m, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct session *s = packet_of(m[i])->session;

        if (s->source_next == 0) {
            s->source_next = lc->now + 1;
            session_wake(lc, s, s->source_next);
        }
    }
    rte_pktmbuf_free_bulk(m, n);
}

static uint64_t source_tick(struct lcore *lc, struct session *s)
{
    const struct config_listener *listener = &lc->dp->config.listener[s->listener];
    uint64_t rate = listener->source_rate > 0 ? listener->source_rate : RATE;
    struct stream *st = streams_get(&s->streams, &lc->streams, SOURCE_STREAM);

    if (!st) /* the next data tries again */
        return 0;
    if (s->source_next + LAG_US < lc->now)
        s->source_next = lc->now - LAG_US;
    if (s->source_next <= lc->now) {
        uint64_t n = 1 + (lc->now - s->source_next) * rate / US_PER_S;

        for (uint64_t i = 0; i < n; i++)
            send_message(lc, s, st, listener->source_size);
        s->source_next += n * US_PER_S / rate;
    }
    return s->source_next;
}

const struct sink sink_source = {.take = source_take, .tick = source_tick};
