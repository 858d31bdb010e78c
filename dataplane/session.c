#include "session.h"

#include <errno.h>

#include <sodium.h>

#include <rte_cycles.h>

#include "command.h"
#include "egress/egress.h"
#include "ingress/ingress.h"
#include "sinks/sink.h"
#include "transport/transport.h"
#include "wire.h"

/* ---- beginning ---- */

enum { MAX_PACKET_MIN = 1280 }; /* docs/protocol.md section 2.6 */

static bool has_port(const struct dataplane *dp, const struct jp_path *path)
{
    for (unsigned i = 0; i <= dp->ports; i++) /* the relay too */
        if (dp->port[i].id == path->port)
            return path->ip_version == 4 || path->ip_version == 6;
    return false;
}

/* Is this a session we can serve? The control plane is trusted, but a bug of its must not be ours.
 */
static bool is_valid(const struct lcore *lc, const struct jp_ipc_install *in)
{
    return in->server_spi >= WIRE_SPI_MIN && in->client_spi >= WIRE_SPI_MIN &&
           owner_of(lc->dp, in->server_spi) == lc->index && has_port(lc->dp, &in->path) &&
           lc->dp->listener_of[in->path.our_port] != 0 && in->idle_timeout_ms > 0 &&
           in->max_streams > 0 && in->max_packet >= MAX_PACKET_MIN &&
           in->reply_len + in->early_len <= sizeof(in->reply) &&
           in->ticket_len <= sizeof(in->ticket);
}

static void refuse(struct lcore *lc, struct session *s)
{
    epoch_rx_wipe(&s->rx);
    epoch_tx_wipe(&s->tx);
    streams_fini(&s->streams, &lc->streams);
    session_table_remove(lc->sessions, s);
}

/* Fill a new session. 0 or -EINVAL. */
static int begin(struct lcore *lc, struct session *s, const struct jp_ipc_install *in)
{
    const struct config *config = &lc->dp->config;

    s->client_spi = in->client_spi;
    s->listener = (uint8_t)(lc->dp->listener_of[in->path.our_port] - 1);
    s->max_packet = in->max_packet;
    s->max_streams = in->max_streams;
    s->idle_timeout_ms = RTE_MIN(in->idle_timeout_ms, config->idle_timeout_max_ms);
    s->created = s->last_rx = lc->now;
    egress_session_path(lc, s, &in->path);
    streams_init(&s->streams, &lc->streams, config->max_streams);
    if (epoch_rx_init(&s->rx, lc->aead, in->alg, in->c2s_secret) != 0 ||
        epoch_tx_init(&s->tx, lc->aead, in->alg, in->s2c_secret) != 0)
        return -EINVAL;
    if (in->ours.max_data > 0 && in->theirs.max_data > 0)
        return transport_begin(lc, s, in);
    /* without a free encoder the session goes on unprotected */
    return egress_session_start(lc, s, in->fec_k, in->fec_r) == -EINVAL ? -EINVAL : 0;
}

static int install(struct lcore *lc, const struct jp_ipc_install *in)
{
    struct session *s;
    int error;

    if (!is_valid(lc, in))
        return -EINVAL;
    if (session_find(lc->sessions, in->server_spi))
        return -EEXIST;
    if (!(s = session_table_add(lc->sessions, in->server_spi)))
        return -ENOSPC;
    if ((error = begin(lc, s, in)) != 0) {
        refuse(lc, s);
        return error;
    }
    session_schedule(lc, s);
    if (in->reply_len > 0)
        egress_datagram(lc, &in->path, in->reply, in->reply_len);
    if (s->full && in->early_len > 0)
        transport_early(lc, s, in);
    return 0;
}

int session_install(struct lcore *lc, const struct jp_ipc_install *in)
{
    int error = install(lc, in);

    count(lc, error == 0 ? JP_sessions_installed : JP_sessions_refused, 1);
    lc->counter[JP_sessions] = session_table_count(lc->sessions);
    return error;
}

/* ---- ending ---- */

void session_doom(struct lcore *lc, struct session *s, enum jp_retired why, uint64_t code)
{
    if (s->doom)
        return;
    s->doom = (uint8_t)why;
    s->doom_code = code;
    s->next = lc->doomed;
    lc->doomed = s;
}

static void count_end(struct lcore *lc, const struct session *s)
{
    static const enum jp_counter counter[] = {
        [JP_RETIRED_OPERATOR] = JP_sessions_retired,
        [JP_RETIRED_IDLE] = JP_sessions_idle,
        [JP_RETIRED_UNCONFIRMED] = JP_sessions_unconfirmed,
        [JP_RETIRED_PEER] = JP_sessions_closed,
        [JP_RETIRED_VIOLATION] = JP_sessions_failed,
        [JP_RETIRED_EVICTED] = JP_sessions_evicted,
    };

    count(lc, counter[s->doom], 1);
    lc->counter[JP_sessions] = session_table_count(lc->sessions) - 1;
}

/* Packets held for the session's streams go; so do the streams. */
static void drop_streams(struct lcore *lc, struct session *s)
{
    struct streams_walk at = {0};

    for (struct stream *st; (st = streams_next(&s->streams, &at));) {
        struct reorder_node *n = reorder_drain(&st->rx, &s->held);

        for (struct reorder_node *next; n; n = next) {
            next = n->next;
            lc->counter[JP_held]--;
            drop(lc, mbuf_of(n), JP_session_gone);
        }
    }
    streams_fini(&s->streams, &lc->streams);
}

static void say_retired(struct lcore *lc, const struct session *s)
{
    struct event *e = event_new(lc, JP_IPC_RETIRED);

    if (!e)
        return;
    e->u.retired.server_spi = s->server_spi;
    e->u.retired.reason = s->doom;
    event_send(lc, e);
}

static void end(struct lcore *lc, struct session *s)
{
    uint8_t frame[16];

    if (s->full)
        transport_end(lc, s);
    else if (s->doom_code != CLOSE_NONE && s->confirmed)
        egress_frames(lc, s, frame, (uint32_t)(frame_put_close(frame, s->doom_code, "") - frame));
    egress_session_end(lc, s);
    wheel_cancel(&s->timer);
    drop_streams(lc, s);
    if (s->dec) {
        fec_dec_fini(s->dec, &lc->fec);
        pool_put(&lc->fec_decoders, s->dec);
    }
    say_retired(lc, s);
    count_end(lc, s);
    epoch_rx_wipe(&s->rx);
    epoch_tx_wipe(&s->tx);
    session_table_remove(lc->sessions, s);
}

void sessions_reap(struct lcore *lc)
{
    while (lc->doomed) {
        struct session *s = lc->doomed;

        lc->doomed = s->next;
        end(lc, s);
    }
}

void sessions_shutdown(struct lcore *lc, uint64_t limit_us)
{
    uint64_t deadline = rte_rdtsc() + (uint64_t)((double)limit_us * lc->dp->tsc_per_us);

    for (uint32_t i = 0; i < session_table_slots(lc->sessions) && rte_rdtsc() < deadline; i++) {
        struct session *s = session_at(lc->sessions, i);

        if (s)
            session_doom(lc, s, JP_RETIRED_OPERATOR, CLOSE_SHUTDOWN);
        if (i % BURST_MAX == 0)
            sessions_reap(lc);
    }
    sessions_reap(lc);
}

/* ---- the rest ---- */

void session_ack(struct lcore *lc, struct session *s)
{
    uint8_t frame[ACK_FRAME_MAX];

    egress_frames(lc, s, frame, (uint32_t)(ack_put(&s->ack, &s->replay, lc->now, frame) - frame));
    s->epoch_acked = true;
    count(lc, JP_acks_sent, 1);
}

void session_describe(const struct lcore *lc, const struct session *s, struct jp_ipc_session *out)
{
    out->path = s->path;
    out->server_spi = s->server_spi;
    out->client_spi = s->client_spi;
    out->age_ms = (lc->now - s->created) / 1000;
    out->idle_ms = (lc->now - s->last_rx) / 1000;
    out->rx_packets = s->rx_packets;
    out->rx_bytes = s->rx_bytes;
    out->tx_packets = s->tx_packets;
    out->tx_bytes = s->tx_bytes;
    out->rx_pn = s->replay.end > 0 ? s->replay.end - 1 : 0;
    out->tx_pn = s->tx.next_pn;
    out->rx_epoch = s->rx.current.epoch;
    out->tx_epoch = s->tx.epoch;
    out->fec_recovered = s->fec_recovered;
    out->idle_timeout_ms = s->idle_timeout_ms;
    out->held = s->held;
    out->streams = s->streams.count;
    out->lcore = (uint8_t)lc->index;
    out->alg = s->rx.current.alg;
    out->fec_k = s->enc ? s->enc->k : 0;
    out->fec_r = s->enc ? s->enc->r : 0;
    out->confirmed = s->confirmed;
    out->sink = lc->dp->config.listener[s->listener].sink;
    if (s->full)
        transport_describe(s, out);
}
