/* Path MTU discovery by probes, RFC 8899: a PING padded to a size that is acknowledged shows that
 * the path carries it. Sizes are UDP payloads, and multiples of 4 as packets are. */
#include "conn_state.h"
#include "wire.h"

enum {
    TRIES = 3,
    BASE = CONN_PACKET_MIN - 4, /* as full packets with FEC are */
    LOSSES = 6,                 /* times that large packets were lost and none acknowledged */
    STEP_MIN = 16,              /* not worth a probe */
    RAISE_US = 600000000,
};
static_assert((WIRE_DATA_HDR + WIRE_TAG) % 4 == 0, "packets are multiples of 4");

/* What usual links carry: Ethernet under IPv6, under IPv4, and the same with jumbo frames. */
static const uint16_t usual[] = {1452, 1472, 8952, 8972};

static uint16_t limit(const struct conn *c)
{
    uint16_t local = c->config.local.max_packet, peer = c->config.peer.max_packet;

    return (local < peer ? local : peer) & ~3;
}

static void set_mtu(struct conn_path *path, uint16_t mtu)
{
    path->mtu = path->mtu_low = mtu;
    congestion_resize(&path->congestion, mtu);
}

/* The size to try between what is known to get through and what is not known not to. */
static uint16_t candidate(const struct conn_path *path)
{
    for (unsigned i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        if (usual[i] > path->mtu_low && usual[i] <= path->mtu_high)
            return usual[i];
    if (path->mtu_high - path->mtu_low < 2 * STEP_MIN)
        return path->mtu_high;
    return (uint16_t)((path->mtu_low + path->mtu_high) / 2) & ~3;
}

static void search(struct conn_path *path, uint64_t now)
{
    path->mtu_tries = 0;
    if (path->mtu_high - path->mtu_low < STEP_MIN) {
        path->mtu_state = MTU_WAIT;
        path->mtu_at = now + RAISE_US;
        return;
    }
    path->mtu_probe = candidate(path);
    path->mtu_state = MTU_PROBING;
    path->mtu_at = now;
}

void mtu_start(struct conn *c, struct conn_path *path, uint64_t now)
{
    path->mtu_high = limit(c);
    path->mtu_state = MTU_OFF;
    if (!c->config.mtu_discovery || path->address.tcp) { /* a stream has none */
        set_mtu(path, path->mtu_high);
        return;
    }
    set_mtu(path, CONN_PACKET_MIN);
    if (path->mtu_high - path->mtu_low >= STEP_MIN)
        search(path, now);
}

/* A probe is to be sent when its time has come. */
static bool may_probe(const struct conn_path *path)
{
    const struct congestion *congestion = &path->congestion;

    return path->validated && !path->quiet &&
           (path->mtu_state == MTU_WAIT ||
            (path->mtu_state == MTU_PROBING &&
             congestion->in_flight + path->mtu_probe <= congestion->cwnd));
}

uint32_t mtu_probe(struct conn *c, struct conn_path *path, uint64_t now)
{
    if (path->mtu_state == MTU_WAIT && now >= path->mtu_at) {
        path->mtu_high = limit(c);
        search(path, now);
    }
    return path->mtu_state == MTU_PROBING && may_probe(path) && now >= path->mtu_at
               ? path->mtu_probe
               : 0;
}

void mtu_sent(struct conn_path *path, uint64_t now)
{
    path->mtu_state = MTU_FLYING;
    path->mtu_at = now;
}

void mtu_acked(struct conn *c, struct conn_path *path, uint32_t bytes, uint64_t now)
{
    (void)c;
    if (bytes <= path->mtu_low || path->mtu_state == MTU_OFF)
        return;
    set_mtu(path, (uint16_t)bytes);
    if (path->mtu_high < bytes) /* given up too early */
        path->mtu_high = (uint16_t)bytes;
    search(path, now);
}

void mtu_lost(struct conn *c, struct conn_path *path, uint32_t bytes, uint64_t now)
{
    (void)c;
    if (path->mtu_state != MTU_FLYING || bytes != path->mtu_probe)
        return;
    if (++path->mtu_tries < TRIES) {
        path->mtu_state = MTU_PROBING;
        return;
    }
    path->mtu_high = path->mtu_probe - 4;
    search(path, now);
}

/* How often packets of such sizes were lost since one, or a larger one, was acknowledged; returns
 * whether one was just now. */
static bool count_losses(uint8_t *losses, const struct conn_path *path, const struct loss_event *ev,
                         uint32_t least, uint32_t most)
{
    bool lost = false, acked = false;

    for (const struct sent_packet *p = ev->lost; p != path->sent.live; p = p->next)
        lost |= p->bytes >= least && p->bytes <= most && !(p->flags & SENT_MTU_PROBE);
    for (const struct sent_packet *p = ev->acked; p; p = p->next)
        acked |= p->bytes >= least && !(p->flags & SENT_MTU_PROBE);
    *losses = acked ? 0 : (uint8_t)(*losses + (lost && *losses < LOSSES));
    return acked;
}

/* RFC 8899 calls it an error that packets of the base size are lost. */
static void settle_base(struct conn_path *path, const struct loss_event *ev, uint64_t now)
{
    if (count_losses(&path->base_losses, path, ev, BASE, CONN_PACKET_MIN)) {
        path->shown_at = now;
        path->narrow = false;
    }
    if (path->base_losses < LOSSES || path->narrow || path->address.tcp)
        return;
    path->narrow = true;
    path->probes = 1;
}

void mtu_settle(struct conn *c, struct conn_path *path, const struct loss_event *ev, uint64_t now)
{
    settle_base(path, ev, now);
    count_losses(&path->mtu_losses, path, ev, CONN_PACKET_MIN + 1, UINT16_MAX);
    if (path->mtu_losses >= LOSSES)
        mtu_black_hole(c, path, now);
}

void mtu_black_hole(struct conn *c, struct conn_path *path, uint64_t now)
{
    path->mtu_losses = 0;
    if (path->mtu_state == MTU_OFF || path->mtu == CONN_PACKET_MIN)
        return;
    set_mtu(path, CONN_PACKET_MIN);
    path->mtu_high = limit(c);
    search(path, now + rtt_pto(&path->rtt));
}

uint64_t mtu_deadline(const struct conn_path *path)
{
    return may_probe(path) ? path->mtu_at : UINT64_MAX;
}
