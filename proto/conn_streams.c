/* The streams of a session: opened by either side, ended by both; what is sent and read on them. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "conn_state.h"
#include "wire.h"

enum {
    STREAM_RANGES = 4096,
    STREAM_IDS_STEP = 2,
    WAKE_MAX = 16, /* streams, each time a packet came or is to go */
    DATAGRAM_HDR = 1 + 4
};

const struct conn_stream_config conn_stream_default = {
    .max_retransmissions = SENDQ_RELIABLE,
    .priority = DRR_CHAT,
    .protection = CONN_PLAIN,
};

size_t conn_stream_size(void)
{
    return sizeof(struct conn_stream);
}

static void release(void *context, void *user, enum sendq_fate fate)
{
    struct conn *c = context;

    c->ops->released(c, user, fate);
}

/* Ids of one side up to here are max_streams. */
static uint32_t first_limit(uint32_t max_streams)
{
    return max_streams < FRAME_STREAM_IDS / STREAM_IDS_STEP ? STREAM_IDS_STEP * max_streams
                                                            : FRAME_STREAM_IDS;
}

void conn_streams_init(struct conn *c, uint64_t now)
{
    const struct hs_params *local = &c->config.local, *peer = &c->config.peer;

    drr_init(&c->drr, CONN_PACKET_MIN); /* grows with the paths' MTU */
    for (unsigned i = 0; i < DRR_PRIORITIES; i++)
        c->datagrams[i].tail = &c->datagrams[i].head;
    c->tx.limit = peer->max_data;
    c->ids_limit = first_limit(peer->max_streams);
    c->next_id = c->config.server ? 2 : 1;
    c->expire_at = UINT64_MAX;
    flow_rx_init(&c->rx, local->max_data, c->config.window_max, now);
    c->ids_told = first_limit(local->max_streams);
}

/* ---- opened and closed ---- */

struct conn_stream *stream_find(const struct conn *c, uint32_t id)
{
    return (struct conn_stream *)entry_find(c, id);
}

static bool config_valid(const struct conn_stream_config *config)
{
    return config->priority < DRR_PRIORITIES && config->protection <= CONN_PLAIN;
}

static void configure(struct conn_stream *s, const struct conn_stream_config *config)
{
    s->config = *config;
    s->queue_config = (struct sendq_config){
        .ttl_us = config->ttl_us,
        .max_retransmissions = config->max_retransmissions,
        .max_messages = CONN_MESSAGES_MAX,
        .max_ranges = STREAM_RANGES,
        .release = release,
        .context = s->entry.conn,
    };
}

static struct conn_stream *stream_new(struct conn *c, uint32_t id, bool peers,
                                      const struct conn_stream_config *config, uint64_t now)
{
    struct conn_stream *s = pool_get(&c->pools->streams);

    if (!s)
        return NULL;
    *s = (struct conn_stream){
        .id = id, .peers = peers, .tx.limit = c->config.peer.max_stream_data, .next = c->streams};
    entry_add(c, &s->entry, id);
    configure(s, config);
    sendq_init(&s->queue, &s->queue_config, &c->pools->sendq, &s->tx, &c->tx);
    flow_rx_init(&s->rx, c->config.local.max_stream_data, c->config.stream_window_max, now);
    reassembly_init(&s->in, &c->pools->reassembly, &s->rx, &c->rx, true);
    if (s->next)
        s->next->prev = s;
    c->streams = s;
    holding_note(c, CONN_HELD_STREAMS, ++c->n_streams, c->peers_over);
    return s;
}

static void stream_free(struct conn *c, struct conn_stream *s)
{
    if (c->cursor == s)
        c->cursor = s->next;
    drr_remove(&c->drr, &s->turn);
    list_remove(&c->due, &s->due);
    list_remove(&c->waiting, &s->waits);
    sendq_fini(&s->queue);
    reassembly_fini(&s->in);
    entry_remove(&s->entry);
    *(s->prev ? &s->prev->next : &c->streams) = s->next;
    if (s->next)
        s->next->prev = s->prev;
    holding_note(c, CONN_HELD_STREAMS, --c->n_streams, c->peers_over);
    messages_note(c);
    pool_put(&c->pools->streams, s);
}

void conn_streams_fini(struct conn *c)
{
    while (c->streams)
        stream_free(c, c->streams);
    closed_ids_fini(c);
    c->datagrams_full = false; /* nobody is told of the room */
    for (unsigned i = 0; i < DRR_PRIORITIES; i++)
        while (c->datagrams[i].head)
            datagram_free(c, &c->datagrams[i], SENDQ_ABANDONED);
}

/* Of the first max_streams ids either side may open any; from there on clients open odd ones and
 * servers even ones. So each has max_streams that are its own alone, and every one that is over
 * makes room for the next. */
static bool may_open(bool server, uint32_t id, uint32_t first, uint64_t limit)
{
    return id < limit && (id < first || id % 2 != server);
}

static void grant_ids(struct conn *c)
{
    uint32_t max = c->config.local.max_streams, first = first_limit(max);
    uint32_t told = max + (c->ids_told - first) / STREAM_IDS_STEP;
    uint32_t more = max + c->peers_over - told;
    uint32_t left = told > c->peers_opened ? told - c->peers_opened : 0;
    uint32_t limit = first + STREAM_IDS_STEP * c->peers_over;

    if (more <= max / 8 && left > max / 2 + 1)
        return;
    c->ids_told = limit < FRAME_STREAM_IDS ? limit : FRAME_STREAM_IDS;
    c->max_streams_due = c->ids_told;
}

/* Both directions are over. */
static void close_stream(struct conn *c, struct conn_stream *s, uint64_t now)
{
    uint32_t id = s->id;
    bool peers = s->peers;

    stream_free(c, s);
    if (!closed_ids_add(c, id)) {
        conn_close(c, CLOSE_LIMIT, "too many streams were used up", now);
        return;
    }
    if (peers) {
        c->peers_over++;
        grant_ids(c);
    }
    c->ops->ended(c, id, CONN_END_BOTH);
}

struct conn_stream *stream_of_peer(struct conn *c, uint32_t id, uint64_t now)
{
    struct conn_stream *s = stream_find(c, id);

    if (s || closed_ids_has(c, id))
        return s;
    if (!may_open(!c->config.server, id, c->config.local.max_streams, c->ids_told)) {
        conn_violation(c, "a stream that it may not open", now);
        return NULL;
    }
    s = stream_new(c, id, true, &conn_stream_default, now);
    if (!s) {
        conn_close(c, CLOSE_LIMIT, "no memory for streams", now);
        return NULL;
    }
    c->peers_opened++;
    c->ops->opened(c, id);
    return stream_find(c, id);
}

/* The next free id of ours, -EAGAIN when the peer allows none. */
static int64_t any_id(struct conn *c)
{
    while ((uint64_t)c->next_id < c->ids_limit) {
        uint32_t id = (uint32_t)c->next_id;

        c->next_id += STREAM_IDS_STEP;
        if (!stream_find(c, id) && !closed_ids_has(c, id))
            return id;
    }
    return -EAGAIN;
}

int conn_open(struct conn *c, int id, const struct conn_stream_config *config, uint64_t now)
{
    int64_t chosen = id;

    if (!config_valid(config) || id < CONN_STREAM_ANY || id >= FRAME_STREAM_IDS)
        return -EINVAL;
    if (c->closed)
        return -EPIPE;
    if (pool_left(&c->pools->streams) <= CONN_RESERVE_STREAMS)
        return -ENOBUFS;
    if (id == CONN_STREAM_ANY)
        chosen = any_id(c);
    else if (stream_find(c, (uint32_t)id) || closed_ids_has(c, (uint32_t)id))
        return -EEXIST;
    else if (!may_open(c->config.server, (uint32_t)id, c->config.peer.max_streams,
                       FRAME_STREAM_IDS))
        return -EINVAL;
    else if ((uint64_t)id >= c->ids_limit)
        return -EAGAIN;
    if (chosen < 0)
        return (int)chosen;
    stream_new(c, (uint32_t)chosen, false, config, now);
    return (int)chosen;
}

int conn_configure(struct conn *c, uint32_t stream, const struct conn_stream_config *config)
{
    struct conn_stream *s = stream_find(c, stream);

    if (!s)
        return -ENOENT;
    if (!config_valid(config) ||
        (config->unordered != s->config.unordered && s->queue.next_seq + s->queue.messages > 0))
        return -EINVAL;
    configure(s, config);
    if (drr_waits(&s->turn)) {
        drr_remove(&c->drr, &s->turn);
        drr_add(&c->drr, &s->turn, config->priority);
    }
    return 0;
}

/* ---- what they wait for ---- */

void stream_due(struct conn_stream *s)
{
    list_add(&s->entry.conn->due, &s->due);
}

void stream_settle(struct conn_stream *s, uint64_t now)
{
    struct conn *c = s->entry.conn;
    struct sendq_control control;
    uint32_t id = s->id;

    if (s->queue.lost > 0 || (s->queue.unsent && !s->blocked && !s->waits.at)) {
        if (!drr_waits(&s->turn))
            drr_add(&c->drr, &s->turn, s->config.priority);
    } else {
        drr_remove(&c->drr, &s->turn);
    }
    if (s->max_due || s->blocked_due || sendq_control_next(&s->queue, &control))
        stream_due(s);
    if (s->full_told && s->queue.messages < CONN_MESSAGES_MAX / 2) {
        s->full_told = false;
        c->ops->writable(c, (int)id);
        s = stream_find(c, id);
    }
    if (s && sendq_done(&s->queue) && reassembly_done(&s->in))
        close_stream(c, s, now);
}

bool streams_wake(struct conn *c, uint64_t now)
{
    for (unsigned i = 0; i < WAKE_MAX && c->to_wake > 0 && c->waiting.head; i++) {
        struct list_node *n = c->waiting.head;

        c->to_wake--;
        list_remove(&c->waiting, n);
        stream_settle((struct conn_stream *)((uint8_t *)n - offsetof(struct conn_stream, waits)),
                      now);
    }
    if (!c->waiting.head)
        c->to_wake = 0;
    return c->to_wake > 0;
}

static void datagrams_settle(struct conn *c)
{
    if (!c->datagrams_full || c->n_datagrams >= CONN_DATAGRAMS_MAX / 2)
        return;
    c->datagrams_full = false;
    c->ops->writable(c, CONN_STREAM_ANY);
}

void streams_expire(struct conn *c, uint64_t now)
{
    datagrams_settle(c);
    c->expire_at = c->datagrams_full ? now + CONN_RETRY_US : UINT64_MAX;
    for (struct conn_stream *s = c->streams; s; s = c->cursor) {
        c->cursor = s->next;
        sendq_expire(&s->queue, now);
        s->blocked = false;
        if (sendq_deadline(&s->queue) < c->expire_at)
            c->expire_at = sendq_deadline(&s->queue);
        if (s->forward[0].seq > 0)
            forward_apply(c, s, false, now);
        else
            stream_settle(s, now);
    }
}

/* ---- to send ---- */

int conn_write(struct conn *c, uint32_t stream, const uint8_t *data, uint32_t len, bool compressed,
               void *user, uint64_t now)
{
    struct conn_stream *s = stream_find(c, stream);
    int ret;

    if (!s)
        return -ENOENT;
    if (c->closed)
        return -EPIPE;
    if (len > c->config.peer.max_message)
        return -EMSGSIZE;
    ret = sendq_push(&s->queue, data, len, user, now);
    if (ret < 0) {
        s->full_told |= ret == -ENOBUFS;
        if (ret == -ENOBUFS && now + CONN_RETRY_US < c->expire_at)
            c->expire_at = now + CONN_RETRY_US;
        return ret;
    }
    s->queue.tail->compressed = compressed;
    if (s->queue.tail->expires_at < c->expire_at)
        c->expire_at = s->queue.tail->expires_at;
    stream_settle(s, now);
    return 0;
}

int conn_finish(struct conn *c, uint32_t stream, uint64_t now)
{
    struct conn_stream *s = stream_find(c, stream);

    if (!s)
        return -ENOENT;
    sendq_finish(&s->queue);
    stream_settle(s, now);
    return 0;
}

int conn_reset(struct conn *c, uint32_t stream, uint64_t now)
{
    struct conn_stream *s = stream_find(c, stream);

    if (!s)
        return -ENOENT;
    sendq_reset(&s->queue);
    stream_settle(s, now);
    return 0;
}

/* ---- datagrams ---- */

void datagram_free(struct conn *c, struct conn_datagrams *d, enum sendq_fate fate)
{
    struct sendq_message *m = d->head;

    d->head = m->next;
    if (!d->head) {
        d->tail = &d->head;
        drr_remove(&c->drr, &d->turn);
    }
    c->n_datagrams--;
    c->ops->released(c, m->user, fate);
    pool_put(&c->pools->sendq.messages, m);
    datagrams_settle(c);
}

uint32_t datagram_max(const struct conn_path *path)
{
    return path->mtu - WIRE_OVERHEAD_MAX - FRAME_FEC_HDR_MAX - DATAGRAM_HDR;
}

uint32_t conn_datagram_max(const struct conn *c)
{
    return datagram_max(&c->path[c->active]);
}

int conn_datagram(struct conn *c, const uint8_t *data, uint32_t len, enum drr_priority priority,
                  void *user)
{
    struct conn_datagrams *d = &c->datagrams[priority];
    struct sendq_message *m;

    if (c->closed)
        return -EPIPE;
    if (len > conn_datagram_max(c))
        return -EMSGSIZE;
    m = c->n_datagrams < CONN_DATAGRAMS_MAX ? pool_get(&c->pools->sendq.messages) : NULL;
    if (!m) {
        c->expire_at = c->datagrams_full ? c->expire_at : 0; /* soon: what time it is it knows */
        c->datagrams_full = true;
        return -ENOBUFS;
    }
    *m = (struct sendq_message){.data = data, .len = len, .user = user};
    *d->tail = m;
    d->tail = &m->next;
    c->n_datagrams++;
    if (!drr_waits(&d->turn))
        drr_add(&c->drr, &d->turn, priority);
    return 0;
}

/* ---- received ---- */

void messages_note(struct conn *c)
{
    holding_note(c, CONN_HELD_MESSAGES, c->rx.counted - c->rx.consumed, c->rx.consumed);
}

static bool is_memory_short(const struct conn *c)
{
    const struct pool *blocks = &c->pools->reassembly.blocks;

    return pool_left(blocks) < blocks->capacity / 2;
}

/* The session's window is what it may hold, whatever those of its streams are: memory that is short
 * leaves it what it had first. */
void session_credit(struct conn *c, uint64_t now)
{
    bool is_short = is_memory_short(c);

    if (is_short)
        flow_rx_shrink(&c->rx, c->config.local.max_data);

    uint64_t limit = flow_rx_update(&c->rx, is_short ? 0 : conn_rtt(c), now);

    if (limit > 0)
        c->max_data_due = limit;
}

void streams_credit(struct conn *c, struct conn_stream *s, uint64_t now)
{
    uint64_t limit = flow_rx_update(&s->rx, conn_rtt(c), now);

    if (limit > 0 && !reassembly_done(&s->in)) {
        s->max_due = limit;
        stream_due(s);
    }
    session_credit(c, now);
}

void stream_announce(struct conn *c, uint32_t id, uint64_t now)
{
    struct conn_stream *s = stream_find(c, id);

    if (s && s->in.ready && !s->readable_told) {
        s->readable_told = true;
        c->ops->readable(c, id);
        s = stream_find(c, id);
    }
    if (s && reassembly_done(&s->in) && !s->end_told) {
        s->end_told = true;
        c->ops->ended(c, id, s->in.reset ? CONN_END_RESET : CONN_END_PEER);
        s = stream_find(c, id);
    }
    if (s)
        stream_settle(s, now);
}

void stream_judge(struct conn *c, struct conn_stream *s, int verdict, const char *what,
                  uint64_t now)
{
    uint32_t id = s->id;

    if (verdict == -ENOBUFS)
        conn_close(c, CLOSE_LIMIT, "no memory for messages", now);
    else if (verdict < 0)
        conn_violation(c, verdict == -EDQUOT ? "more data than credit" : what, now);
    else {
        streams_credit(c, s, now);
        stream_announce(c, id, now);
    }
}

void stream_read(struct conn *c, const struct frame *f, uint64_t now)
{
    struct conn_stream *s = stream_of_peer(c, f->u.stream.id, now);

    if (s && s->forward[0].seq > 0 && f->u.stream.seq >= s->in.floor + FLOW_MESSAGES_AHEAD) {
        forward_apply(c, s, true, now);
        s = c->closed ? NULL : stream_find(c, f->u.stream.id);
    }
    if (!s)
        return;
    if (!s->order_known)
        s->in.ordered = !f->u.stream.unordered;
    else if (s->in.ordered == f->u.stream.unordered) {
        conn_violation(c, "a stream changed its order", now);
        return;
    }
    s->order_known = true;
    c->stats.stream_bytes_received += f->u.stream.len;
    stream_judge(c, s,
                 reassembly_push(&s->in, f->u.stream.seq, f->u.stream.offset, f->u.stream.data,
                                 f->u.stream.len,
                                 (f->u.stream.fin ? REASSEMBLY_FIN : 0) |
                                     (f->u.stream.compressed ? REASSEMBLY_COMPRESSED : 0)),
                 "contradictory message", now);
}

bool conn_stream_info(const struct conn *c, uint32_t stream, struct conn_stream_info *out)
{
    const struct conn_stream *s = stream_find(c, stream);

    if (s)
        *out = (struct conn_stream_info){s->queue.messages, s->order_known && !s->in.ordered};
    return s;
}

struct reassembly_message *conn_read(struct conn *c, uint32_t stream)
{
    struct conn_stream *s = stream_find(c, stream);
    struct reassembly_message *m = s ? reassembly_take(&s->in) : NULL;

    if (s && !m)
        s->readable_told = false;
    return m;
}

void conn_release(struct conn *c, uint32_t stream, struct reassembly_message *m, uint64_t now)
{
    struct conn_stream *s = stream_find(c, stream);

    reassembly_release(&s->in, m);
    messages_note(c);
    streams_credit(c, s, now);
    stream_announce(c, stream, now);
}
