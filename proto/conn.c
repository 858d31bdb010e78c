/* A session's life: its beginning, its timers, its end. */
#include <errno.h>
#include <string.h>

#include "conn_state.h"

size_t conn_size(void)
{
    return sizeof(struct conn);
}

uint32_t conn_pools_used(const struct conn_pools *p)
{
    return p->closed.used + p->streams.used + p->sent.used + p->sendq.messages.used +
           p->sendq.ranges.used + p->reassembly.messages.used + p->reassembly.blocks.used +
           p->fec.symbols.used + p->fec.blocks.used + p->protection.used;
}

int conn_init(struct conn *c, const struct conn_config *config, uint64_t now)
{
    const struct hs_params *local = &config->local, *peer = &config->peer;

    if (!hs_params_full(local, peer) || !config->congestion ||
        config->window_max < local->max_data || config->stream_window_max < local->max_stream_data)
        return -EINVAL;
    memset(c, 0, sizeof(*c));
    c->ops = config->ops;
    c->user = config->user;
    c->pools = config->pools;
    c->config = *config;
    c->created = c->last_rx = c->last_sent = now;
    c->idle_us = 1000 * smaller(local->idle_timeout_ms, peer->idle_timeout_ms);
    c->pace_at = UINT64_MAX;
    conn_streams_init(c, now);
    paths_init(c, now);
    if (config->goals)
        redundancy_init(&c->redundancy, config->goals);
    conn_set_heartbeat(c, config->heartbeat_us, now);
    c->ping_due = !config->server; /* the first packet confirms the client's keys */
    return 0;
}

void conn_fini(struct conn *c)
{
    conn_streams_fini(c);
    copy_drop(c);
    fec_fini(c);
    paths_fini(c);
}

void *conn_user(const struct conn *c)
{
    return c->user;
}

uint64_t conn_rtt(const struct conn *c)
{
    const struct rtt *rtt = &c->path[c->active].rtt;

    return rtt_known(rtt) ? rtt->smoothed : RTT_INITIAL_US;
}

/* ---- the end ---- */

void conn_over(struct conn *c, uint64_t code, const char *reason, bool local)
{
    if (c->closed)
        return;
    c->closed = true;
    c->ops->closed(c, code, reason, local);
}

void conn_close(struct conn *c, uint64_t code, const char *reason, uint64_t now)
{
    (void)now;
    if (c->closed)
        return;
    c->close_code = code;
    c->close_reason = reason;
    c->close_due = true;
    conn_over(c, code, reason, true);
}

void conn_violation(struct conn *c, const char *what, uint64_t now)
{
    conn_close(c, CLOSE_PROTOCOL, what, now);
}

bool conn_is_closed(const struct conn *c)
{
    return c->closed;
}

/* ---- heartbeats ---- */

void conn_set_heartbeat(struct conn *c, uint32_t us, uint64_t now)
{
    if (us > c->idle_us / 2) /* or the session would end between two */
        us = (uint32_t)(c->idle_us / 2);
    c->config.heartbeat_us = us;
    c->misses = 0;
    c->heartbeat_at = us > 0 ? c->last_rx + us : UINT64_MAX;
    if (c->heartbeat_at < now)
        c->heartbeat_at = now;
}

static void heartbeat(struct conn *c, uint64_t now)
{
    uint32_t us = c->config.heartbeat_us;

    if (now - c->last_rx < us) {
        c->heartbeat_at = c->last_rx + us;
        return;
    }
    if (c->misses++ == CONN_MISSES_MAX) {
        conn_over(c, CLOSE_DEAD, "the peer does not answer", true);
        return;
    }
    if (c->path[c->active].probes == 0) /* whatever the window says */
        c->path[c->active].probes = c->misses > 1 ? LOSS_PROBES : 1;
    c->heartbeat_at = now + us;
}

/* ---- timers ---- */

uint64_t conn_deadline(const struct conn *c, uint64_t now)
{
    uint64_t at = smaller(c->heartbeat_at, c->last_rx + c->idle_us);

    if (c->closed)
        return c->close_due ? now : UINT64_MAX;
    if (ack_due(c))
        return now;
    at = smaller(at, smaller(ack_at(c), c->expire_at));
    at = smaller(at, smaller(c->pace_at, paths_deadline(c)));
    at = smaller(at, fec_deadline(c));
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (c->path[i].open)
            at = smaller(at, loss_deadline(&c->path[i].loss, &c->path[i].sent, &c->path[i].rtt));
    return at;
}

void conn_timeout(struct conn *c, uint64_t now)
{
    if (c->closed)
        return;
    if (now >= c->last_rx + c->idle_us) {
        conn_close(c, CLOSE_IDLE, "idle", now);
        return;
    }
    if (now >= c->heartbeat_at)
        heartbeat(c, now);
    for (unsigned i = 0; i < CONN_PATHS && !c->closed; i++)
        if (c->path[i].open &&
            now >= loss_deadline(&c->path[i].loss, &c->path[i].sent, &c->path[i].rtt))
            ack_timeout(c, &c->path[i], now);
    if (c->closed)
        return;
    paths_timeout(c, now);
    fec_timeout(c, now);
    if (now >= c->expire_at)
        streams_expire(c, now);
}

/* ---- the rest ---- */

int conn_ticket(struct conn *c, const uint8_t *ticket, uint32_t len)
{
    if (len == 0 || len > FRAME_TICKET_MAX)
        return -EMSGSIZE;
    if (c->ticket_state != TICKET_NONE)
        return -EBUSY;
    memcpy(c->ticket, ticket, len);
    c->ticket_len = (uint8_t)len;
    c->ticket_state = TICKET_DUE;
    c->tickets++;
    return 0;
}

bool conn_is_idle(const struct conn *c)
{
    if (c->n_datagrams > 0)
        return false;
    for (const struct conn_stream *s = c->streams; s; s = s->next)
        if (s->queue.head)
            return false;
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (c->path[i].open && c->path[i].sent.live)
            return false;
    return true;
}

static void path_stats(const struct conn *c, unsigned i, struct conn_path_stats *out)
{
    const struct conn_path *path = &c->path[i];

    *out = (struct conn_path_stats){
        .path = path->address,
        .number = (uint8_t)i,
        .rtt_us = path->rtt.smoothed,
        .rtt_min_us = path->rtt.min,
        .rate = path->congestion.pacing_rate,
        .answered_at = path->answered_at,
        .sent = path->packets_sent,
        .received = path->packets_received,
        .lost = path->packets_lost,
        .cwnd = path->congestion.cwnd,
        .in_flight = path->congestion.in_flight,
        .mtu = path->mtu,
        .use = path->use,
        .validated = path->validated,
        .active = i == c->active,
    };
}

void conn_stats(const struct conn *c, struct conn_stats *out)
{
    *out = c->stats;
    out->streams = c->n_streams;
    out->paths = 0;
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (c->path[i].open)
            path_stats(c, i, &out->path[out->paths++]);
}
