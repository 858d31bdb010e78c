/* Messages that the peer gave up. It does so when they are lost, or too late, without knowing what
 * FEC will still rebuild here: so while the peer protects what it sends, its mark waits. */
#include "conn_state.h"

static void soon(struct conn *c, const struct conn_stream *s)
{
    if (s->forward[0].seq > 0 && s->forward[0].at < c->expire_at)
        c->expire_at = s->forward[0].at;
}

void forward_read(struct conn *c, struct conn_stream *s, uint64_t seq, uint64_t total, uint64_t now)
{
    uint64_t patience = fec_patience(c);
    unsigned slot = s->forward[0].seq > 0;

    if (seq <= s->forward[slot].seq) /* an old one, late */
        return;
    s->forward[slot] = (struct conn_forward){seq, total, now + patience};
    if (patience == 0)
        forward_apply(c, s, true, now);
    else
        soon(c, s);
}

void forward_apply(struct conn *c, struct conn_stream *s, bool all, uint64_t now)
{
    uint32_t id = s->id;

    while (s && !c->closed && s->forward[0].seq > 0 && (all || s->forward[0].at <= now)) {
        struct conn_forward f = s->forward[0];

        s->forward[0] = s->forward[1];
        s->forward[1] = (struct conn_forward){0};
        stream_judge(c, s, reassembly_forward(&s->in, f.seq, f.total), "impossible FORWARD", now);
        s = stream_find(c, id);
    }
    if (s && !c->closed) {
        soon(c, s);
        stream_settle(s, now);
    }
}
