/* A packet goes out: what is most urgent first, as much of it as fits. */
#include <assert.h>
#include <string.h>

#include "conn_state.h"
#include "wire.h"

enum {
    FRAGMENT_MIN = 64, /* bytes of a message not worth a frame when more are left */
    PROBES_KEPT = 64,  /* records that only probes may take */
    TRIES = 64         /* bursts of streams that turn out blocked */
};

/* UDP payload of a packet with so many bytes of frames. */
static uint32_t payload_of(size_t frames)
{
    return WIRE_DATA_HDR + (uint32_t)((frames + WIRE_TRAILER_MIN + 3) & ~(size_t)3) + WIRE_TAG;
}

static void build_init(struct build *b, struct conn *c, struct conn_path *path, uint64_t now,
                       uint64_t pn, const struct conn_packet *p)
{
    uint32_t room = path_room(path);

    room = room < path->mtu ? room : path->mtu;
    room = room > WIRE_OVERHEAD_MAX ? room - WIRE_OVERHEAD_MAX : 0;
    room = p->room == 0 || room < p->room ? room : p->room;
    *b = (struct build){
        .c = c, .path = path, .now = now, .pn = pn, .start = p->frames, .p = p->frames};
    b->end = b->start + room;
    if (c->drr.quantum < path->mtu)
        c->drr.quantum = path->mtu;
}

/* The packet can be remembered until it is acknowledged. No path has more records than are left for
 * all others: a peer that acknowledges nothing stops only itself. */
static bool can_elicit(const struct conn *c, const struct conn_path *path, bool probe)
{
    uint32_t kept = probe ? 0 : PROBES_KEPT, left = pool_left(&c->pools->sent);

    return left > kept && path->sent.count + kept < path->sent.max &&
           (probe || path->sent.count < left);
}

/* ---- data ---- */

static struct conn_stream *stream_of(struct drr_node *node)
{
    return (struct conn_stream *)((uint8_t *)node - offsetof(struct conn_stream, turn));
}

static struct conn_datagrams *datagrams_of(struct conn *c, const struct drr_node *node)
{
    for (unsigned i = 0; i < DRR_PRIORITIES; i++)
        if (node == &c->datagrams[i].turn)
            return &c->datagrams[i];
    return NULL;
}

static enum conn_protection class_of(struct conn *c, struct drr_node *node)
{
    return datagrams_of(c, node) ? CONN_LATENCY
                                 : (enum conn_protection)stream_of(node)->config.protection;
}

/* The stream cannot go on: ask for what it lacks. */
static void blocked(struct conn *c, struct conn_stream *s, enum sendq_verdict verdict,
                    uint64_t want, uint64_t now)
{
    if (verdict == SENDQ_BLOCKED_STREAM && s->blocked_at < want) {
        s->blocked_at = s->blocked_due = want;
        stream_due(s);
    } else if (verdict == SENDQ_BLOCKED_SESSION) {
        list_add(&c->waiting, &s->waits);
        if (c->data_blocked_at < want)
            c->data_blocked_at = c->data_blocked_due = want;
    } else if (verdict == SENDQ_FULL && now + CONN_RETRY_US < c->expire_at) {
        c->expire_at = now + CONN_RETRY_US; /* what it lacks may be another session's */
    }
    s->blocked = verdict == SENDQ_BLOCKED_STREAM || verdict == SENDQ_FULL;
    drr_remove(&c->drr, &s->turn);
}

static unsigned flags_of(const struct conn_stream *s, const struct sendq_fragment *f)
{
    return FRAME_STREAM_LEN | (f->fin ? FRAME_STREAM_FIN : 0) |
           (s->config.unordered ? FRAME_STREAM_UNORDERED : 0) |
           (f->fin && f->message->compressed ? FRAME_STREAM_COMPRESSED : 0);
}

/* Room for data behind the header of a fragment; 0: not worth it. */
static uint32_t fragment_room(const struct build *b, const struct conn_stream *s,
                              const struct sendq_fragment *f)
{
    size_t hdr = frame_stream_hdr_size(s->id, f->seq, f->offset) + 2;
    size_t room = (size_t)(b->end - b->p);

    if (room <= hdr || (f->len > room - hdr && room - hdr < FRAGMENT_MIN && b->p > b->start))
        return 0;
    return (uint32_t)(room - hdr);
}

/* One fragment of s. False: the packet is full. */
static bool put_fragment(struct build *b, struct conn_stream *s)
{
    struct conn *c = b->c;
    struct sendq_fragment f;
    enum sendq_verdict verdict = sendq_next(&s->queue, b->now, &f);
    uint8_t *frame = b->p;
    uint32_t room;

    if (verdict != SENDQ_READY) {
        blocked(c, s, verdict, f.want, b->now);
        stream_settle(s, b->now);
        return true;
    }
    room = fragment_room(b, s, &f);
    if (room == 0)
        return false;
    sendq_fit(&f, room);
    unsigned flags = flags_of(s, &f);

    b->p = frame_put_stream_flags(b->p, flags, s->id, f.seq, f.offset, f.len);
    memcpy(b->p, f.data, f.len);
    b->p += f.len;
    build_item(b, (struct sent_item){.type = (uint8_t)(FRAME_STREAM | flags),
                                     .seq = f.seq,
                                     .offset = f.offset & 0xffffff,
                                     .stream = (uint16_t)s->id,
                                     .len = (uint16_t)f.len});
    sendq_sent(&s->queue, &f);
    c->stats.stream_bytes_sent += f.len;
    c->stats.stream_bytes_again += f.again ? f.len : 0;
    drr_charge(&c->drr, &s->turn, (uint32_t)(b->p - frame));
    stream_settle(s, b->now);
    return true;
}

/* One datagram. False: the packet is full. */
static bool put_datagram(struct build *b, struct conn_datagrams *d)
{
    struct conn *c = b->c;
    const struct sendq_message *m = d->head;
    uint8_t *frame = b->p;

    if ((size_t)(b->end - b->p) < 1 + 4 + (size_t)m->len) {
        if (m->len <= datagram_max(b->path))
            return false;
        datagram_free(c, d, SENDQ_ABANDONED); /* the path got narrower since */
        return true;
    }
    b->p = frame_put_datagram_hdr_len(b->p, m->len);
    memcpy(b->p, m->data, m->len);
    b->p += m->len;
    b->eliciting = b->datagrams = true;
    drr_charge(&c->drr, &d->turn, (uint32_t)(b->p - frame));
    datagram_free(c, d, SENDQ_ACKED);
    return true;
}

/* Data of one class of protection, in the order of the schedule. */
static void put_data(struct build *b)
{
    struct conn *c = b->c;
    struct drr_node *node = drr_next(&c->drr);
    enum conn_protection class;
    uint8_t *header = b->p, *first;
    uint32_t hdr;

    if (!node)
        return;
    class = class_of(c, node);
    hdr = fec_header(b, class);
    if ((size_t)(b->end - b->p) <= hdr)
        return;
    first = b->p = header + hdr;
    for (unsigned frames = 0; frames < FRAME_DATA_MAX && b->n + 1 < SENT_ITEMS; frames++) {
        node = drr_next(&c->drr);
        if (!node || class_of(c, node) != class)
            break;
        struct conn_datagrams *d = datagrams_of(c, node);

        if (!(d ? put_datagram(b, d) : put_fragment(b, stream_of(node))))
            break;
    }
    if (b->p == first) {
        b->p = header;
    } else if (hdr > 0) {
        fec_wrap(b, class, header, b->p);
        b->datagrams &= b->items[b->n - 1].type != FRAME_FEC_SOURCE &&
                        b->items[b->n - 1].type != FRAME_RLC_SOURCE;
    }
}

/* ---- the packet ---- */

static void put_ping(struct build *b)
{
    if (b->p < b->end) {
        b->p = frame_put_ping(b->p);
        b->eliciting = true;
    }
}

/* So that the packet's UDP payload is of this size, or all there is room for. */
static void pad(struct build *b, uint32_t size)
{
    ptrdiff_t frames = (ptrdiff_t)(size & ~3U) - (WIRE_DATA_HDR + WIRE_TRAILER_MIN + WIRE_TAG);

    frames = frames < b->end - b->start ? frames : b->end - b->start;
    if (frames <= b->p - b->start)
        return;
    memset(b->p, FRAME_PADDING, (size_t)(b->start + frames - b->p));
    b->p = b->start + frames;
}

static void note(struct conn *c, const struct build *b)
{
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (c->path[i].open && &c->path[i] != b->path)
            sent_note(&c->path[i].sent, b->pn);
    c->next_pn = b->pn + 1;
}

/* What was built leaves. */
static int finish(struct build *b, struct conn_packet *p)
{
    struct conn *c = b->c;
    struct conn_path *path = b->path;
    size_t len = (size_t)(b->p - b->start);
    uint32_t bytes = payload_of(len);
    bool ect = b->eliciting && path->ecn && !b->probe;

    if (len == 0)
        return 0;
    if (b->eliciting) {
        struct sent_packet *record = sent_add(&path->sent, &c->pools->sent, b->pn, b->now);

        record->bytes = (uint16_t)bytes;
        record->n = b->n;
        memcpy(record->items, b->items, b->n * sizeof(b->items[0]));
        record->flags |=
            (ect ? SENT_ECT : 0) | (b->probe ? SENT_MTU_PROBE : 0) | (b->copy ? SENT_COPY : 0);
        congestion_on_sent(&path->congestion, record, b->now);
        pacer_on_sent(&path->pacer, path->congestion.pacing_rate, bytes, b->now);
        path->probes -= path->probes > 0;
    } else {
        sent_note(&path->sent, b->pn);
    }
    note(c, b);
    path_sent(c, path, bytes, b->now);
    c->last_sent = b->now;
    c->stats.packets_sent++;
    c->stats.bytes_sent += bytes;
    *p = (struct conn_packet){.frames = b->start,
                              .path = &path->address,
                              .len = (uint32_t)len,
                              .ecn = ect ? ECN_ECT0 : ECN_NOT_ECT,
                              .acks = b->acks};
    return 1;
}

static int send_close(struct conn *c, uint64_t now, uint64_t pn, struct conn_packet *p)
{
    struct build b;

    if (!c->close_due)
        return 0;
    c->close_due = false;
    build_init(&b, c, &c->path[c->active], now, pn, p);
    if ((size_t)(b.end - b.p) < 1 + 8 + 1 + UINT8_MAX)
        return 0;
    b.p = frame_put_close(b.p, c->close_code, c->close_reason);
    return finish(&b, p);
}

/* PATH_CHALLENGE and the like, with what else may go along. */
static int send_path_frames(struct conn_path *path, struct conn *c, uint64_t now, uint64_t pn,
                            struct conn_packet *p)
{
    struct build b;
    uint32_t size;

    build_init(&b, c, path, now, pn, p);
    if (!can_elicit(c, path, true))
        b.n = SENT_ITEMS; /* only what needs no record */
    size = path_put(&b);
    if (path == &c->path[c->active])
        ack_write(&b);
    pad(&b, size);
    return finish(&b, p);
}

static int send_mtu_probe(struct conn_path *path, uint32_t size, struct conn *c, uint64_t now,
                          uint64_t pn, struct conn_packet *p)
{
    struct build b;

    build_init(&b, c, path, now, pn, p);
    b.end = b.start + size; /* more than the path is known to carry */
    b.probe = true;
    put_ping(&b);
    pad(&b, size);
    mtu_sent(path, now);
    return finish(&b, p);
}

/* Who only acknowledges large packets, which then come no more, has to find out whether the path
 * still carries them; the server cannot take another. */
static bool shows_size(const struct conn *c, const struct conn_path *path)
{
    return !c->config.server && !path->address.tcp && path->large_at > path->shown_at;
}

/* Whatever waits, on a path that may take it. probe: something must go. */
static int send_on(struct conn_path *path, bool probe, struct conn *c, uint64_t now, uint64_t pn,
                   struct conn_packet *p)
{
    struct build b;

    build_init(&b, c, path, now, pn, p);
    ack_write(&b);
    if (probe && path_failing(c, path)) {
        put_ping(&b);
        pad(&b, CONN_PACKET_MIN); /* or it would come back for what is too large for it */
        return finish(&b, p);
    }
    if (fec_report_due(c))
        fec_put_reports(&b);
    control_put(&b);
    if (fec_repair_due(c) && !probe && b.p == b.start && fec_put_repair(&b))
        return finish(&b, p);
    put_data(&b);
    if ((probe || c->ping_due) && !b.eliciting) {
        put_ping(&b);
        if (probe && shows_size(c, path))
            pad(&b, CONN_PACKET_MIN);
    }
    if (p->room == 0) /* a packet in a ResumeHello confirms no keys */
        c->ping_due &= !b.eliciting;
    if (!finish(&b, p))
        return 0;
    copy_keep(&b, payload_of(p->len));
    return 1;
}

static int send_copy(struct conn_path *path, struct conn *c, uint64_t now, uint64_t pn,
                     struct conn_packet *p)
{
    struct build b;

    build_init(&b, c, path, now, pn, p);
    copy_put(&b);
    return finish(&b, p);
}

static int send_ack(struct conn *c, uint64_t now, uint64_t pn, struct conn_packet *p)
{
    struct build b;

    build_init(&b, c, &c->path[c->active], now, pn, p);
    ack_write(&b);
    if (fec_report_due(c))
        fec_put_reports(&b);
    return finish(&b, p);
}

static bool data_due(const struct conn *c)
{
    for (unsigned i = 0; i < DRR_PRIORITIES; i++)
        if (c->drr.turn[i])
            return true;
    return false;
}

static bool something_due(const struct conn *c)
{
    return data_due(c) || c->to_wake > 0 || control_due(c) || c->ping_due || fec_repair_due(c);
}

/* A path that owes probes after a timeout. */
static struct conn_path *path_to_probe(struct conn *c)
{
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (c->path[i].open && c->path[i].probes > 0 && can_elicit(c, &c->path[i], true) &&
            path_room(&c->path[i]) >= CONN_PACKET_MIN)
            return &c->path[i];
    return NULL;
}

/* Nothing waits although there is room: what is measured is the application. */
static void app_limited(struct conn *c)
{
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (c->path[i].open && congestion_has_room(&c->path[i].congestion))
            congestion_app_limited(&c->path[i].congestion);
}

static int send_any(struct conn *c, uint64_t now, uint64_t pn, struct conn_packet *p)
{
    struct conn_path *path;
    uint32_t size;

    c->pace_at = UINT64_MAX;
    while ((path = copy_next(c, now)) != NULL)
        if (can_elicit(c, path, false))
            return send_copy(path, c, now, pn, p);
    if ((path = path_control_due(c, now)) != NULL && send_path_frames(path, c, now, pn, p))
        return 1;
    if ((path = path_to_probe(c)) != NULL)
        return send_on(path, true, c, now, pn, p);
    for (unsigned i = 0; i < CONN_PATHS; i++) {
        path = &c->path[i];
        if (!path->open || (size = mtu_probe(c, path, now)) == 0)
            continue;
        if (p->room == 0 && can_elicit(c, path, false))
            return send_mtu_probe(path, size, c, now, pn, p);
        path->mtu_at = now + CONN_RETRY_US;
    }
    for (unsigned tries = 0; streams_wake(c, now) || something_due(c); tries++) {
        path = path_choose(c, now, &c->pace_at);
        if (!path)
            break;
        if (!can_elicit(c, path, false)) { /* others have it all, maybe */
            c->pace_at = now + CONN_RETRY_US;
            break;
        }
        if (send_on(path, false, c, now, pn, p))
            return 1;
        if (tries == TRIES) {
            c->pace_at = now + RTT_GRANULARITY_US;
            break;
        }
    }
    if (!something_due(c))
        app_limited(c);
    return (ack_due(c) || ack_at(c) <= now || fec_report_due(c)) && send_ack(c, now, pn, p);
}

int conn_send(struct conn *c, uint64_t now, uint64_t pn, struct conn_packet *p)
{
    assert(pn >= c->next_pn);
    return c->closed ? send_close(c, now, pn, p) : send_any(c, now, pn, p);
}

unsigned conn_priority(const struct conn *c)
{
    if (c->close_due)
        return DRR_SYSTEM;
    if (c->closed)
        return DRR_PRIORITIES;
    if (control_due(c) || c->ping_due || ack_due(c) || fec_report_due(c))
        return DRR_SYSTEM;
    for (unsigned i = 0; i < DRR_PRIORITIES; i++)
        if (c->drr.turn[i])
            return i;
    return fec_repair_due(c) ? DRR_BULK : DRR_PRIORITIES;
}
