/* Acknowledgements: ours, of what the peer sent, and the peer's, of what we sent: loss detection,
 * congestion control, and the fate of every frame. */
#include "conn_state.h"

enum { ACK_PACKETS = 2 }; /* that wait at most, when no more come at once */

/* ---- ours ---- */

void ack_arrived(struct conn *c, const struct conn_received *p, bool eliciting, uint64_t now)
{
    c->ect += p->ecn == ECN_ECT0 || p->ecn == ECN_ECT1;
    c->ce += p->ecn == ECN_CE;
    if (!eliciting)
        return;
    ack_note(&c->ack, now);
    c->ack_now |= p->pn != c->newest || p->ecn == ECN_CE;
}

bool ack_due(const struct conn *c)
{
    return c->ack_now || c->ack.pending >= ACK_PACKETS;
}

uint64_t ack_at(const struct conn *c)
{
    uint64_t wait = conn_rtt(c) / 4;

    if (c->ack.pending == 0)
        return UINT64_MAX;
    wait = wait > ACK_DELAY_US         ? ACK_DELAY_US
           : wait < RTT_GRANULARITY_US ? RTT_GRANULARITY_US
                                       : wait;
    return c->ack.first_at + wait;
}

void ack_write(struct build *b)
{
    struct conn *c = b->c;
    struct frame_ack_range ranges[FRAME_ACK_RANGES_MAX];
    size_t room = (size_t)(b->end - b->p), fixed = ACK_FRAME_MAX - 16 * FRAME_ACK_RANGES_MAX + 16;
    unsigned max = room > fixed ? (unsigned)((room - fixed) / 16) : 0, n;
    uint64_t delay = b->now - c->ack.last_at;

    if (c->ack.pending == 0)
        return;
    n = ack_ranges(c->config.replay, ranges,
                   max < FRAME_ACK_RANGES_MAX ? max : FRAME_ACK_RANGES_MAX);
    c->ack_now = false;
    if (n == 0) { /* an unproven path takes no more: the peer will ask again */
        c->ack.pending = 0;
        return;
    }
    b->p = c->ect + c->ce > 0 ? frame_put_ack_ecn(b->p, delay, c->ect, c->ce, ranges, n)
                              : frame_put_ack(b->p, delay, ranges, n);
    b->acks = true;
    c->ack = (struct ack){0};
}

/* ---- the peer's ---- */

static void packet_acked(struct conn *c, struct conn_path *path, const struct sent_packet *p,
                         uint64_t now)
{
    c->stats.packets_late += p->flags & SENT_LOST;
    c->ect_acked += (p->flags & SENT_ECT) != 0;
    if (p->flags & SENT_MTU_PROBE)
        mtu_acked(c, path, p->bytes, now);
    for (unsigned i = 0; i < p->n; i++) {
        if (p->items[i].type == FRAME_PATH_USE)
            path_item_acked(c, path, &p->items[i]);
        item_acked(c, &p->items[i], now);
    }
}

/* What FEC rebuilt was lost on the path, but the peer has its data. */
static void packet_lost(struct conn *c, struct conn_path *path, const struct sent_packet *p,
                        uint64_t now)
{
    c->stats.packets_lost++;
    path->packets_lost++;
    if (p->flags & SENT_MTU_PROBE)
        mtu_lost(c, path, p->bytes, now);
    for (unsigned i = 0; i < p->n && !(p->flags & SENT_COPY); i++) {
        if (p->items[i].type == FRAME_PATH_USE)
            path_item_lost(c, path, &p->items[i]);
        if (p->flags & SENT_RECOVERED && is_fragment(&p->items[i]))
            item_acked(c, &p->items[i], now);
        else
            item_lost(c, &p->items[i], now);
    }
}

/* All that an ACK or a timeout did on a path. */
static void settle(struct conn *c, struct conn_path *path, struct loss_event *ev, uint64_t ce,
                   uint64_t now)
{
    const struct sent_packet *lost_end = path->sent.live;
    struct congestion_sample sample = congestion_begin(&path->congestion, now);

    if (!ev->acked && ev->lost == lost_end && ce == 0)
        return;
    path->settling = true;
    if (ev->acked)
        path->answered_at = now;
    for (struct sent_packet *p = ev->acked; p; p = p->next) {
        congestion_acked(&path->congestion, &sample, p);
        packet_acked(c, path, p, now);
    }
    for (struct sent_packet *p = ev->lost; p != lost_end; p = p->next) {
        congestion_lost(&path->congestion, &sample, p);
        packet_lost(c, path, p, now);
    }
    fec_settle(c, path, ev);
    mtu_settle(c, path, ev, now);
    sample.persistent = ev->persistent;
    sample.ce_packets = (uint32_t)ce;
    c->stats.persistent += ev->persistent;
    congestion_update(&path->congestion, &sample, &path->rtt);
    loss_done(&path->rtt, &path->sent, &c->pools->sent, now, ev);
    path->settling = false;
}

/* New CE marks, once for all paths. Where packets we marked are acknowledged without being counted
 * ECN does not get through. */
static uint64_t ce_news(struct conn *c, const struct frame *f)
{
    uint64_t news = 0;

    if (f->u.ack.ce > c->peer_ce) {
        news = f->u.ack.ce - c->peer_ce;
        c->peer_ce = f->u.ack.ce;
    }
    if (f->u.ack.ect > c->peer_ect)
        c->peer_ect = f->u.ack.ect;
    return news;
}

static void ecn_check(struct conn *c)
{
    if (c->peer_ect + c->peer_ce >= c->ect_acked)
        return;
    for (unsigned i = 0; i < CONN_PATHS; i++)
        c->path[i].ecn = false;
}

void ack_read(struct conn *c, const struct frame *f, uint64_t now)
{
    uint64_t ce = ce_news(c, f);

    if (f->u.ack.largest >= c->next_pn) {
        conn_violation(c, "acknowledges what was never sent", now);
        return;
    }
    for (unsigned i = 0; i < CONN_PATHS && !c->closed; i++) {
        struct conn_path *path = &c->path[i];
        struct loss_event ev;

        if (!path->open)
            continue;
        if (loss_on_ack(&path->loss, &path->sent, &path->rtt, f->u.ack.ranges, f->u.ack.n,
                        f->u.ack.delay_us, now, &ev) < 0) {
            conn_violation(c, "acknowledges what was never sent", now);
            return;
        }
        settle(c, path, &ev, ev.acked ? ce : 0, now);
    }
    c->stats.ce_reported += ce;
    if (f->u.ack.largest < c->acked_end || c->closed)
        return;
    c->acked_end = f->u.ack.largest + 1;
    ecn_check(c);
    if (c->ops->acked(c, f->u.ack.largest) != 0)
        conn_violation(c, "acknowledges what was never sent", now);
}

void nack_read(struct conn *c, uint64_t largest, uint64_t now)
{
    for (unsigned i = 0; i < CONN_PATHS; i++) {
        struct sent *sent = &c->path[i].sent;
        uint64_t cutoff = 0;

        if (!c->path[i].open)
            continue;
        for (const struct sent_packet *p = sent->live;
             p && p->pn <= largest && p->order < sent->acked_end; p = p->next)
            cutoff = p->sent_at + 1;
        if (cutoff == 0)
            continue;
        struct loss_event ev = {.lost = sent_lose(sent, UINT32_MAX, cutoff)};

        settle(c, &c->path[i], &ev, 0, now);
    }
}

void ack_give_up(struct conn *c, struct conn_path *path, uint64_t now)
{
    struct loss_event ev = {.lost = sent_lose_all(&path->sent)};

    settle(c, path, &ev, 0, now);
}

/* RFC 9002 section 6.2.4: probes bring what was sent first. */
static void load_probes(struct conn *c, struct conn_path *path, uint64_t now)
{
    const struct sent_packet *p = path->sent.live;

    for (uint32_t n = path->probes; p && n > 0; p = p->next, n--)
        for (unsigned i = 0; i < p->n && !(p->flags & SENT_COPY); i++)
            if (p->items[i].type != FRAME_PATH_USE)
                item_again(c, &p->items[i], now);
}

void ack_timeout(struct conn *c, struct conn_path *path, uint64_t now)
{
    struct loss_event ev;

    loss_on_timeout(&path->loss, &path->sent, &path->rtt, now, &ev);
    path->probes = ev.probes > 0 ? ev.probes : path->probes;
    c->stats.probe_timeouts += ev.probes > 0;
    path->settling = true;
    if (ev.probes > 0)
        load_probes(c, path, now);
    settle(c, path, &ev, 0, now);
    path->settling = false;
    if (ev.probes > 0 && path->loss.probe_count >= 2)
        mtu_black_hole(c, path, now);
    if (ev.probes > 0 && (pool_left(&c->pools->sent) == 0 || path->sent.count == path->sent.max))
        ack_give_up(c, path, now); /* nothing is left to probe with */
}
