/* A full session's life between the data plane and its struct conn. */
#include "transport.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "egress/egress.h"
#include "ingress/ingress.h"
#include "ingress/origin.h"
#include "resume.h"
#include "setup.h"
#include "state.h"
#include "wire.h"

enum { SERVICES_A_TURN = 64, CLOSING_PACKETS = 2, COUNT_US = 100000, UDP_HDR = 8, IP4_HDR = 20 };

/* ---- what conn says ---- */

static void on_opened(struct conn *c, uint32_t stream)
{
    struct transport *t = conn_user(c);

    if (t->service->opened)
        t->service->opened(t, stream);
}

static void on_readable(struct conn *c, uint32_t stream)
{
    struct transport *t = conn_user(c);

    t->service->readable(t, stream);
}

static void on_ended(struct conn *c, uint32_t stream, enum conn_end how)
{
    struct transport *t = conn_user(c);

    if (how == CONN_END_BOTH)
        readers_trim(t);
    else
        t->service->finished(t, stream);
}

static void on_released(struct conn *c, void *user, enum sendq_fate fate)
{
    struct transport *t = conn_user(c);

    (void)fate;
    t->service->released(t, user);
}

static void on_writable(struct conn *c, int stream)
{
    (void)c;
    (void)stream;
}

static void on_datagram(struct conn *c, const uint8_t *data, uint32_t len)
{
    struct transport *t = conn_user(c);

    t->service->datagram(t, data, len);
}

static void on_path(struct conn *c, unsigned path, enum conn_path_event event)
{
    (void)c;
    (void)path;
    (void)event;
}

static void on_ticket(struct conn *c, const uint8_t *ticket, uint32_t len)
{
    (void)c;
    (void)ticket;
    (void)len;
}

static int on_acked(struct conn *c, uint64_t pn)
{
    struct transport *t = conn_user(c);

    return epoch_tx_acked(&t->session->tx, pn);
}

static enum jp_retired reason_of(uint64_t code, bool local)
{
    if (!local)
        return JP_RETIRED_PEER;
    if (code == CLOSE_LIMIT)
        return JP_RETIRED_EVICTED;
    return code == CLOSE_IDLE || code == CLOSE_DEAD ? JP_RETIRED_IDLE : JP_RETIRED_VIOLATION;
}

static void on_closed(struct conn *c, uint64_t code, const char *reason, bool local)
{
    struct transport *t = conn_user(c);

    (void)reason;
    readers_drop(t); /* its streams may be others' by now */
    session_doom(t->lc, t->session, reason_of(code, local), code);
}

static const struct conn_ops ops = {
    .opened = on_opened,
    .readable = on_readable,
    .ended = on_ended,
    .released = on_released,
    .writable = on_writable,
    .datagram = on_datagram,
    .path = on_path,
    .ticket = on_ticket,
    .acked = on_acked,
    .closed = on_closed,
};

/* ---- begin and end ---- */

static struct conn_config config_of(struct lcore *lc, struct session *s,
                                    const struct jp_ipc_install *in)
{
    const struct config_full *full = &lc->dp->config.full;
    uint16_t max_packet = ports_max_packet(lc->dp);

    return (struct conn_config){
        .ops = &ops,
        .user = s->full,
        .pools = &lc->transports->pools,
        .replay = &s->replay,
        .congestion = full->congestion,
        .goals = full->fec ? redundancy_goals : NULL,
        .local = {.idle_timeout_ms = s->idle_timeout_ms,
                  .max_streams = in->our_max_streams,
                  .max_packet = max_packet,
                  .max_data = in->ours.max_data,
                  .max_stream_data = in->ours.max_stream_data,
                  .max_message = in->ours.max_message},
        .peer = {.idle_timeout_ms = s->idle_timeout_ms,
                 .max_streams = in->max_streams,
                 .max_packet = RTE_MIN(in->max_packet, max_packet), /* of what we send */
                 .max_data = in->theirs.max_data,
                 .max_stream_data = in->theirs.max_stream_data,
                 .max_message = in->theirs.max_message},
        .path = s->path,
        .window_max = full->window_max,
        .stream_window_max = full->stream_window_max,
        .heartbeat_us = full->heartbeat_ms * 1000,
        .server = true,
        .ecn = full->ecn,
        .mtu_discovery = full->mtu_discovery,
    };
}

static const struct service *service_of(const struct lcore *lc, const struct session *s)
{
    static const struct service *const services[] = {
        [JP_SINK_ECHO] = &service_echo,
        [JP_SINK_DISCARD] = &service_discard,
        [JP_SINK_SOURCE] = &service_source,
    };

    return services[lc->dp->config.listener[s->listener].sink];
}

int transport_begin(struct lcore *lc, struct session *s, const struct jp_ipc_install *in)
{
    struct transports *ts = lc->transports;
    struct transport *t;
    struct conn_config config;

    if (!ts || in->our_max_streams == 0)
        return -EINVAL;
    if (!(t = pool_get(&ts->sessions)))
        return -ENOSPC;
    *t = (struct transport){
        .session = s,
        .lc = lc,
        .service = service_of(lc, s),
        .echoing = -1,
        .readers_tail = &t->readers,
        .write_at = UINT64_MAX,
        .counted_at = lc->now,
    };
    s->full = t;
    config = config_of(lc, s, in);
    if (conn_init(conn_of(t), &config, lc->now) != 0) {
        s->full = NULL;
        pool_put(&ts->sessions, t);
        return -EINVAL;
    }
    if (in->ticket_len > 0)
        conn_ticket(conn_of(t), in->ticket, in->ticket_len);
    lc->counter[JP_sessions_full]++;
    return 0;
}

/* Add to the lcore's counters what is new in the session's. */
static void count_news(struct transport *t)
{
    struct conn_stats stats;

    conn_stats(conn_of(t), &stats);
    count(t->lc, JP_packets_lost, stats.packets_lost - t->lost);
    count(t->lc, JP_bytes_again, stats.stream_bytes_again - t->again);
    t->lost = stats.packets_lost;
    t->again = stats.stream_bytes_again;
    t->counted_at = t->lc->now;
}

static void unwait(struct transport *t)
{
    if (!t->waits)
        return;
    TAILQ_REMOVE(&t->lc->transports->waiting, t, next);
    t->lc->transports->n_waiting--;
    t->waits = false;
}

void transport_end(struct lcore *lc, struct session *s)
{
    struct transport *t = s->full;
    struct transports *ts = lc->transports;

    if (s->doom_code != CLOSE_NONE && s->confirmed) {
        conn_close(conn_of(t), s->doom_code, "", lc->now);
        for (unsigned i = 0; i < CLOSING_PACKETS && transport_send(t) > 0; i++)
            ;
    }
    count_news(t);
    conn_fini(conn_of(t));
    readers_drop(t);
    transport_leave(t);
    unwait(t);
    pool_put(&ts->sessions, t);
    lc->counter[JP_sessions_full]--;
    s->full = NULL;
}

/* ---- turns ---- */

void service_wait(struct transport *t)
{
    if (t->waits)
        return;
    TAILQ_INSERT_TAIL(&t->lc->transports->waiting, t, next);
    t->lc->transports->n_waiting++;
    t->waits = true;
}

/* Each that waits works once. */
static unsigned run_services(struct transports *ts)
{
    unsigned n = RTE_MIN(ts->n_waiting, (uint32_t)SERVICES_A_TURN);

    for (unsigned i = 0; i < n; i++) {
        struct transport *t = TAILQ_FIRST(&ts->waiting);

        unwait(t);
        if (t->session->doom)
            continue;
        if (t->service->run(t))
            service_wait(t);
        transport_touch(t);
    }
    return n;
}

unsigned transports_run(struct lcore *lc)
{
    struct transports *ts = lc->transports;

    if (ts->sessions.used == 0)
        return 0;
    return run_services(ts) + transports_send(lc);
}

/* ---- packets in ---- */

bool transport_can_receive(const struct session *s)
{
    return conn_can_receive(conn_of(s->full));
}

/* RFC 3168: the low bits of IPv4's second byte, of IPv6's traffic class. */
static uint8_t ecn_of(struct rte_mbuf *m)
{
    const struct packet *p = packet_of(m);
    const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, p->layers.l2_len);

    return p->ip_version == 4 ? ip[1] & 3 : ip[1] >> 4 & 3;
}

/* Where the session is reached now, so that packets from there and to there need no second look. */
static void follow_path(struct lcore *lc, struct session *s)
{
    struct conn_stats stats;

    conn_stats(conn_of(s->full), &stats);
    for (unsigned i = 0; i < stats.paths; i++) {
        const struct jp_path *path = &stats.path[i].path;

        if (!stats.path[i].active || memcmp(path, &s->path, sizeof(*path)) == 0)
            continue;
        if (memcmp(path->peer_ip, s->path.peer_ip, sizeof(path->peer_ip)) != 0 ||
            path->peer_port != s->path.peer_port)
            count(lc, JP_paths_changed, 1);
        egress_session_path(lc, s, path);
        transport_leave(s->full); /* of the other port; callers have it touched */
    }
}

void transport_receive(struct lcore *lc, struct session *s, struct rte_mbuf *m)
{
    const struct packet *p = packet_of(m);
    const uint8_t *payload = rte_pktmbuf_mtod_offset(m, const uint8_t *, p->layers.udp);
    struct conn_received received = {
        .frames = payload + WIRE_DATA_HDR,
        .path = &s->path,
        .pn = p->pn,
        .len = p->text_len,
        .bytes = be16_load(payload - UDP_HDR + 4) - UDP_HDR,
        .ecn = ecn_of(m),
    };
    struct jp_path elsewhere;

    if (unlikely(!packet_is_along(m, s))) {
        packet_path(lc->dp, m, &elsewhere);
        received.path = &elsewhere;
    }
    conn_receive(conn_of(s->full), lc->now, &received);
    if (unlikely(received.path != &s->path))
        follow_path(lc, s);
    transport_touch(s->full);
    drop(lc, m, JP_transport);
}

void transport_path_lost(struct lcore *lc, struct session *s, const struct jp_path *path)
{
    conn_path_lost(conn_of(s->full), path, lc->now);
    follow_path(lc, s);
    transport_touch(s->full);
}

/* What answers early data goes to an address that nobody has proven: three times what came. */
void transport_early(struct lcore *lc, struct session *s, const struct jp_ipc_install *in)
{
    struct conn_received received = {
        .frames = in->reply + in->reply_len,
        .path = &s->path,
        .len = in->early_len,
        .bytes = RESUME_HELLO_LEN,
    };

    if (!transport_can_receive(s)) /* it comes again */
        return;
    s->full->unproven = CONN_AMPLIFICATION * RESUME_HELLO_LEN - in->reply_len;
    replay_commit(&s->replay, 0);
    conn_receive(conn_of(s->full), lc->now, &received);
    transport_touch(s->full);
}

bool transport_held(const struct transport *t)
{
    struct conn_stats stats;

    if (likely(t->session->confirmed))
        return false;
    conn_stats(conn_of(t), &stats);
    return stats.bytes_sent + UNPROVEN_FRAMES + WIRE_OVERHEAD_MAX > t->unproven;
}

/* ---- timers ---- */

uint64_t transport_deadline(const struct lcore *lc, const struct session *s)
{
    const struct transport *t = s->full;
    uint64_t at = transport_held(t) ? UINT64_MAX : conn_deadline(conn_of(t), lc->now);

    if (drr_waits(&t->turn)) /* what is due may be that it sends, which no timer makes sooner */
        at = RTE_MAX(at, lc->now + TIMER_TICK_US);
    return RTE_MIN(at, t->write_at);
}

void transport_timeout(struct lcore *lc, struct session *s)
{
    struct transport *t = s->full;

    if (t->write_at <= lc->now)
        service_wait(t);
    if (conn_deadline(conn_of(t), lc->now) <= lc->now) {
        conn_timeout(conn_of(t), lc->now);
        transport_touch(t);
    }
    if (lc->now - t->counted_at >= COUNT_US)
        count_news(t);
}

/* ---- the rest ---- */

static void describe_path(const struct conn_path_stats *path, struct jp_ipc_path *out)
{
    *out = (struct jp_ipc_path){
        .path = path->path,
        .rtt_us = path->rtt_us,
        .rtt_min_us = path->rtt_min_us,
        .rate = path->rate,
        .sent = path->sent,
        .received = path->received,
        .lost = path->lost,
        .cwnd = path->cwnd,
        .in_flight = path->in_flight,
        .mtu = path->mtu,
        .use = path->use,
        .validated = path->validated,
        .active = path->active,
    };
}

void transport_describe(const struct session *s, struct jp_ipc_session *out)
{
    struct conn_stats stats;

    static_assert((int)CONN_PATHS == (int)JP_IPC_PATHS, "every path is described");
    conn_stats(conn_of(s->full), &stats);
    out->full = 1;
    out->streams = stats.streams;
    out->fec_recovered = stats.fec_recovered;
    out->packets_lost = stats.packets_lost;
    out->packets_late = stats.packets_late;
    out->stream_bytes_sent = stats.stream_bytes_sent;
    out->stream_bytes_again = stats.stream_bytes_again;
    out->stream_bytes_received = stats.stream_bytes_received;
    out->fec_sources = stats.fec_sources;
    out->fec_repairs = stats.fec_repairs;
    out->peer_recovered = stats.peer_recovered;
    out->ce_received = stats.ce_received;
    out->ce_reported = stats.ce_reported;
    out->probe_timeouts = stats.probe_timeouts;
    out->paths = (uint8_t)stats.paths;
    for (unsigned i = 0; i < stats.paths; i++)
        describe_path(&stats.path[i], &out->path_of[i]);
}
