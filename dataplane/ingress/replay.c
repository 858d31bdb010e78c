/* replay: the packets are authentic now. Take their numbers, and let the newest say where the peer
 * is. */
#include "bytes.h"
#include "egress/egress.h"
#include "ingress.h"
#include "session.h"

enum { UDP_HDR = 8 };

/* Answers go to where the newest packet came from. */
static void follow_path(struct lcore *lc, struct session *s, struct rte_mbuf *m)
{
    struct jp_path path;

    if (likely(packet_is_along(lc->dp, m, &s->path)))
        return;
    packet_path(lc->dp, m, &path);
    if (memcmp(path.peer_ip, s->path.peer_ip, sizeof(path.peer_ip)) != 0 ||
        path.peer_port != s->path.peer_port)
        count(lc, JP_paths_changed, 1);
    egress_session_path(lc, s, &path);
}

static enum replay_verdict accept_packet(struct lcore *lc, struct session *s, struct rte_mbuf *m)
{
    const struct packet *p = packet_of(m);
    uint64_t pn = p->pn;
    enum replay_verdict verdict = replay_commit(&s->replay, pn);

    if (verdict != REPLAY_FRESH) /* its twin was in the same burst */
        return verdict;
    if (epoch_of(pn) > s->rx.epoch) {
        epoch_rx_commit(&s->rx, lc->aead, pn);
        s->epoch_acked = false;
        count(lc, JP_rekeys, 1);
    }
    if (pn + 1 == s->replay.end)
        follow_path(lc, s, m);
    s->confirmed = true;
    s->last_rx = lc->now;
    s->rx_packets++;
    s->rx_bytes += be16_load(rte_pktmbuf_mtod_offset(m, uint8_t *, p->udp - 4)) - UDP_HDR;
    return REPLAY_FRESH;
}

uint16_t ingress_replay(struct lcore *lc, struct burst *b)
{
    uint16_t kept = 0;

    for (uint16_t i = 0; i < b->n; i++) {
        enum replay_verdict verdict = accept_packet(lc, packet_of(b->m[i])->session, b->m[i]);

        if (verdict == REPLAY_FRESH)
            b->m[kept++] = b->m[i];
        else
            drop(lc, b->m[i], verdict == REPLAY_SEEN ? JP_replay_seen : JP_replay_old);
    }
    return b->n = kept;
}
