/* replay: the packets are authentic now. Take their numbers, and let the newest say where the peer
 * is. */
#include <sodium.h>

#include "bytes.h"
#include "egress/egress.h"
#include "frame.h"
#include "headers.h"
#include "ingress.h"
#include "origin.h"
#include "session.h"
#include "transport/transport.h"

enum {
    AMPLIFICATION = 3,     /* bytes to an unproven address for each from it */
    CHALLENGE_US = 100000, /* between two challenges: each costs a system call */
};

/* Answers go to where the newest packet came from. */
static void follow_path(struct lcore *lc, struct session *s, struct rte_mbuf *m)
{
    struct jp_path path;

    if (packet_is_along(m, s))
        return;
    packet_path(lc->dp, m, &path);
    if (memcmp(path.peer_ip, s->path.peer_ip, sizeof(path.peer_ip)) != 0 ||
        path.peer_port != s->path.peer_port) {
        count(lc, JP_paths_changed, 1);
        s->unproven = true;
        s->challenged = false;
        s->room = 0;
    }
    egress_session_path(lc, s, &path);
}

/* Who moves a session to somebody else's address must not have him flooded. */
static __rte_noinline void prove_path(struct lcore *lc, struct session *s, struct rte_mbuf *m,
                                      uint32_t bytes)
{
    uint8_t frame[16];

    if (!packet_is_along(m, s))
        return;
    if (s->room < UINT32_MAX / 2)
        s->room += AMPLIFICATION * bytes;
    if (lc->now < s->challenge_at)
        return;
    if (!s->challenged)
        randombytes_buf(s->challenge, sizeof(s->challenge));
    s->challenged = true;
    s->challenge_at = lc->now + CHALLENGE_US;
    egress_frames(lc, s, frame,
                  (uint32_t)(frame_put_path(frame, FRAME_PATH_CHALLENGE, s->challenge) - frame));
}

/* m may be the first of its epoch, or the newest from elsewhere. */
static __rte_noinline void accept_unusual(struct lcore *lc, struct session *s, struct rte_mbuf *m)
{
    uint64_t pn = packet_of(m)->pn;

    if (epoch_of(pn) > s->rx.current.epoch) {
        epoch_rx_commit(&s->rx, lc->aead, pn);
        s->epoch_acked = false;
        count(lc, JP_rekeys, 1);
    }
    if (pn + 1 == s->replay.end && !s->full) /* its transport knows better */
        follow_path(lc, s, m);
}

static inline enum replay_verdict accept_packet(struct lcore *lc, struct session *s,
                                                struct rte_mbuf *m)
{
    const struct packet *p = packet_of(m);
    uint32_t bytes = be16_load(rte_pktmbuf_mtod_offset(m, uint8_t *, p->layers.udp - 4)) - UDP_HDR;
    enum replay_verdict verdict = replay_commit(&s->replay, p->pn);

    if (unlikely(verdict != REPLAY_FRESH)) /* its twin was in the same burst */
        return verdict;
    if (unlikely(p->is_unusual || lc->moved))
        accept_unusual(lc, s, m);
    s->confirmed = true;
    s->last_rx = lc->now;
    s->rx_packets++;
    s->rx_bytes += bytes;
    if (unlikely(s->unproven))
        prove_path(lc, s, m, bytes);
    return REPLAY_FRESH;
}

static void drop_replayed(struct lcore *lc, struct rte_mbuf *m, enum replay_verdict verdict)
{
    drop(lc, m, verdict == REPLAY_SEEN ? JP_replay_seen : JP_replay_old);
}

/* A packet of a full session ends here, one by one: whether there is memory for the next shows only
 * when this one was read. Its number must not count unless there is. */
static __rte_noinline void accept_full(struct lcore *lc, struct session *s, struct rte_mbuf *m)
{
    enum replay_verdict verdict;

    if (s->doom) {
        drop(lc, m, JP_session_gone);
    } else if (!transport_can_receive(s)) {
        drop(lc, m, JP_transport_full);
    } else {
        verdict = accept_packet(lc, s, m);
        if (verdict == REPLAY_FRESH)
            transport_receive(lc, s, m);
        else
            drop_replayed(lc, m, verdict);
    }
}

uint16_t ingress_replay(struct lcore *lc, struct burst *b)
{
    uint16_t kept = 0;

    for (uint16_t i = 0; i < b->n; i++) {
        struct session *s = packet_of(b->m[i])->session;

        if (unlikely(s->full)) {
            accept_full(lc, s, b->m[i]);
            continue;
        }
        enum replay_verdict verdict = accept_packet(lc, s, b->m[i]);

        if (verdict == REPLAY_FRESH)
            b->m[kept++] = b->m[i];
        else
            drop_replayed(lc, b->m[i], verdict);
    }
    return b->n = kept;
}
