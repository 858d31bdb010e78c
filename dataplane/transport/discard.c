/* discard: every message is read at once. */
#include "state.h"

static void discard_readable(struct transport *t, uint32_t stream)
{
    struct conn *c = conn_of(t);
    struct reassembly_message *m;

    while ((m = conn_read(c, stream))) {
        count_delivered(t, m->len);
        conn_release(c, stream, m, t->lc->now);
    }
}

static void discard_finished(struct transport *t, uint32_t stream)
{
    conn_finish(conn_of(t), stream, t->lc->now);
}

static void discard_datagram(struct transport *t, const uint8_t *data, uint32_t len)
{
    (void)data;
    count_delivered(t, len);
}

const struct service service_discard = {
    .readable = discard_readable,
    .finished = discard_finished,
    .datagram = discard_datagram,
};
