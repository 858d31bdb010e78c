#include "app.h"

#include <errno.h>

#include "bytes.h"

enum { RETRY_US = 20000, OFFSETS = 1 << 16, PATTERN = FRAME_MESSAGE_MAX + OFFSETS, TAG = 4 };

struct app_message {
    struct flow *flow;
    uint32_t index;
    uint8_t bytes[]; /* of those that say their index */
};

static uint8_t pattern[PATTERN];

static uint64_t mix(uint64_t seed, uint64_t i)
{
    struct rng rng = {seed + i * UINT64_C(0x9e3779b97f4a7c15)};

    return rng_next(&rng);
}

/* ---- what a message is ---- */

static bool is_datagrams(const struct flow *f)
{
    return f->id == CONN_STREAM_ANY;
}

static bool is_reliable(const struct flow *f)
{
    return !is_datagrams(f) && f->plan.config.max_retransmissions == SENDQ_RELIABLE &&
           f->plan.config.ttl_us == 0 && f->plan.reset_after == 0;
}

/* Its place does not say which it is: its first bytes do. */
static bool is_tagged(const struct flow *f)
{
    return !is_reliable(f) || f->plan.config.unordered;
}

static uint32_t size_of(const struct flow *f, uint32_t index)
{
    uint32_t min = f->plan.size_min, max = f->plan.size_max;
    uint32_t size = min + (uint32_t)(mix(f->seed, 2 * (uint64_t)index) % (max - min + 1));

    return size < TAG && is_tagged(f) ? TAG : size;
}

static const uint8_t *body_of(const struct flow *f, uint32_t index)
{
    return pattern + mix(f->seed, 2 * (uint64_t)index + 1) % OFFSETS;
}

static struct app_message *message_new(struct flow *f, uint32_t index, const uint8_t **data)
{
    uint32_t len = size_of(f, index);
    struct app_message *m = malloc(sizeof(*m) + (is_tagged(f) ? len : 0));

    net_check(f->app->net, m, "no memory");
    m->flow = f;
    m->index = index;
    *data = body_of(f, index);
    if (is_tagged(f)) {
        be32_store(m->bytes, index);
        memcpy(m->bytes + TAG, *data, len - TAG);
        *data = m->bytes;
    }
    return m;
}

/* ---- written ---- */

static void write_more(struct flow *f);

static void write_later(void *arg)
{
    struct flow *f = arg;

    if (!f->from->conn || f->finished || f->reset)
        return;
    write_more(f);
    end_pump(f->from);
}

/* False: there is no room for it now. */
static bool write_one(struct flow *f)
{
    struct conn *c = f->from->conn;
    uint64_t now = f->app->net->sim.now;
    const uint8_t *data;
    struct app_message *m = message_new(f, f->written, &data);
    uint32_t len = size_of(f, f->written);
    int ret;

    f->marks[f->written] |= WRITTEN;
    f->written_at[f->written] = now;
    f->written++;
    ret = is_datagrams(f)
              ? conn_datagram(c, data, len, (enum drr_priority)f->plan.config.priority, m)
              : conn_write(c, (uint32_t)f->id, data, len, false, m, now);
    if (ret == 0)
        return true;
    f->marks[--f->written] = 0;
    free(m);
    if (ret == -EPIPE || (ret == -EMSGSIZE && is_datagrams(f)))
        f->finished = true;
    net_check(f->app->net, ret == -ENOBUFS || f->finished, "conn_write: %d", ret);
    return false;
}

static void flow_end(struct flow *f)
{
    uint64_t now = f->app->net->sim.now;

    if (f->plan.reset_after > 0 && f->written >= f->plan.reset_after) {
        f->reset = true;
        conn_reset(f->from->conn, (uint32_t)f->id, now);
    } else if (f->written == f->plan.messages) {
        f->finished = true;
        if (!is_datagrams(f))
            conn_finish(f->from->conn, (uint32_t)f->id, now);
    }
}

static void write_more(struct flow *f)
{
    struct sim *sim = &f->app->net->sim;

    while (f->written < f->plan.messages && !f->finished && !f->reset) {
        if (!write_one(f)) {
            if (f->plan.interval_us > 0 && !f->finished) /* no callback may come in between */
                sim_at(sim, sim->now + f->plan.interval_us, write_later, f);
            return;
        }
        if (f->plan.reset_after > 0 && f->written >= f->plan.reset_after)
            break;
        if (f->plan.interval_us > 0 && f->written < f->plan.messages) {
            sim_at(sim, sim->now + f->plan.interval_us, write_later, f);
            return;
        }
    }
    if (!f->finished && !f->reset)
        flow_end(f);
}

static void on_released(struct conn *c, void *user, enum sendq_fate fate)
{
    struct app_message *m = user;
    struct flow *f = m->flow;
    uint8_t *mark = &f->marks[m->index];

    (void)c;
    net_check(f->app->net, !(*mark & RELEASED), "released twice: stream %d, message %u", f->id,
              m->index);
    net_check(f->app->net, fate == SENDQ_ACKED || !is_reliable(f) || f->reset || f->app->over,
              "given up: stream %d, message %u", f->id, m->index);
    *mark |= RELEASED | (fate == SENDQ_ACKED ? ACKED : 0);
    f->released++;
    f->acked += fate == SENDQ_ACKED;
    free(m);
}

static struct app_stream *stream_of(struct app *a, int id)
{
    return a->by_id[id] < 0 ? NULL : &a->stream[a->by_id[id]];
}

static struct app *app_of(struct conn *c)
{
    return ((struct end *)conn_user(c))->app;
}

static bool is_server(struct conn *c)
{
    return ((struct end *)conn_user(c))->server;
}

/* What an end sends on a stream, and what it receives. */
static struct flow *flow_out(struct app_stream *s, bool server)
{
    return &s->flow[server != s->by_server];
}

static struct flow *flow_in(struct app_stream *s, bool server)
{
    return &s->flow[server == s->by_server];
}

static void on_writable(struct conn *c, int stream)
{
    struct app *a = app_of(c);
    struct app_stream *s = stream == CONN_STREAM_ANY ? NULL : stream_of(a, stream);
    struct flow *f = s ? flow_out(s, is_server(c)) : &a->datagrams[is_server(c)];

    a->state[is_server(c)].writable++;
    if (f->plan.interval_us == 0)
        write_more(f);
}

/* ---- opened ---- */

static void flow_begin(struct flow *f, struct end *from, int id)
{
    f->from = from;
    f->id = id;
    write_more(f);
}

static void open_stream(void *arg)
{
    struct flow *f = arg;
    struct app *a = f->app;
    struct app_stream *s = (struct app_stream *)f;
    struct end *e = a->end[s->by_server];
    int id;

    if (!e->conn)
        return;
    id = conn_open(e->conn, CONN_STREAM_ANY, &f->plan.config, a->net->sim.now);
    if (id == -EPIPE)
        return;
    if (id == -EAGAIN || id == -ENOBUFS) {
        sim_at(&a->net->sim, a->net->sim.now + RETRY_US, open_stream, f);
        return;
    }
    net_check(a->net, id >= 0, "conn_open: %d", id);
    s->id = id;
    a->by_id[id] = (int16_t)(s - a->stream);
    flow_begin(f, e, id);
    end_pump(e);
}

static void on_opened(struct conn *c, uint32_t stream)
{
    struct app *a = app_of(c);
    struct app_stream *s = stream_of(a, (int)stream);
    struct flow *f;

    if (!s && a->hostile)
        return;
    net_check(a->net, s && s->by_server != is_server(c), "stream %u is not one of ours", stream);
    f = flow_out(s, is_server(c));
    net_check(a->net, !f->from, "stream %u opened twice", stream);
    net_check(a->net, conn_configure(c, stream, &f->plan.config) == 0, "conn_configure");
    flow_begin(f, conn_user(c), (int)stream);
}

/* ---- read ---- */

static void arrived(struct flow *f, uint32_t index)
{
    struct app *a = f->app;
    uint64_t latency = a->net->sim.now - f->written_at[index];

    net_check(a->net, !(f->marks[index] & GOT) || is_datagrams(f), "twice: stream %d, message %u",
              f->id, index);
    net_check(a->net, f->marks[index] & WRITTEN, "never sent: stream %d, message %u", f->id, index);
    f->marks[index] |= GOT;
    f->received++;
    f->bytes += size_of(f, index);
    if (latency > f->latency_max)
        f->latency_max = latency;
    a->progress_at = a->net->sim.now;
}

static void take(struct flow *f, const struct reassembly_message *m)
{
    struct net *n = f->app->net;
    uint32_t index = f->next, at = 0;
    const uint8_t *data, *body;

    if (is_tagged(f)) {
        net_check(n, m->len >= TAG, "cut");
        reassembly_read(m, 0, &data);
        index = be32_load(data);
        at = TAG;
    }
    net_check(n, index < f->plan.messages, "never sent: stream %d, message %u", f->id, index);
    net_check(n, m->len == size_of(f, index), "stream %d, message %u: %u bytes are %u", f->id,
              index, size_of(f, index), m->len);
    net_check(n, f->plan.config.unordered || index >= f->next, "stream %d: %u after %u", f->id,
              index, f->next);
    f->next = index + 1;
    body = body_of(f, index);
    for (uint32_t len; at < m->len; at += len) {
        len = reassembly_read(m, at, &data);
        net_check(n, memcmp(data, body + at - (is_tagged(f) ? TAG : 0), len) == 0,
                  "damaged: stream %d, message %u at %u", f->id, index, at);
    }
    arrived(f, index);
}

/* False: messages are left. */
static bool read_some(struct conn *c, uint32_t stream, uint32_t batch)
{
    struct app *a = app_of(c);
    struct reassembly_message *m;

    for (uint32_t n = 0; (m = conn_read(c, stream)) != NULL;) {
        struct app_stream *s = stream_of(a, (int)stream);

        if (s && !a->hostile)
            take(flow_in(s, is_server(c)), m);
        conn_release(c, stream, m, a->net->sim.now);
        if (batch > 0 && ++n == batch)
            return false;
    }
    return true;
}

/* For the receiver of a flow. */
static void read_later(void *arg)
{
    struct flow *f = arg;
    struct app *a = f->app;
    struct end *e = f->receiver;
    struct app_end *state = &a->state[e->server];

    if (!e->conn || conn_is_closed(e->conn))
        return;
    if (!read_some(e->conn, (uint32_t)f->id, state->read_batch))
        sim_at(&a->net->sim, a->net->sim.now + state->read_delay_us, read_later, f);
    end_pump(e);
}

static void on_readable(struct conn *c, uint32_t stream)
{
    struct app *a = app_of(c);
    struct app_end *state = &a->state[is_server(c)];
    struct app_stream *s = stream_of(a, (int)stream);
    struct flow *f;

    if (state->read_delay_us == 0 || !s) {
        read_some(c, stream, 0);
        return;
    }
    f = flow_in(s, is_server(c));
    f->receiver = conn_user(c);
    f->id = (int)stream;
    sim_at(&a->net->sim, a->net->sim.now + state->read_delay_us, read_later, f);
}

static void on_datagram(struct conn *c, const uint8_t *data, uint32_t len)
{
    struct app *a = app_of(c);
    struct flow *f = &a->datagrams[!is_server(c)];
    uint32_t index;

    if (a->hostile)
        return;
    net_check(a->net, len >= TAG, "datagram cut");
    index = be32_load(data);
    net_check(a->net,
              index < f->plan.messages && len == size_of(f, index) &&
                  memcmp(data + TAG, body_of(f, index), len - TAG) == 0,
              "datagram %u damaged", index);
    net_check(a->net, !(f->marks[index] & GOT), "datagram %u twice", index);
    arrived(f, index);
}

/* ---- ended ---- */

static void on_ended(struct conn *c, uint32_t stream, enum conn_end how)
{
    struct app *a = app_of(c);
    struct app_stream *s = stream_of(a, (int)stream);
    struct flow *f;

    if (!s && a->hostile)
        return;
    net_check(a->net, s, "stream %u ended, which is not one of ours", stream);
    f = flow_in(s, is_server(c));
    if (how == CONN_END_BOTH) {
        net_check(a->net, !s->over[is_server(c)], "stream %u over twice", stream);
        s->over[is_server(c)] = true;
        return;
    }
    net_check(a->net, !f->ended, "stream %u ended twice", stream);
    f->ended = true;
    if (a->hostile)
        return;
    net_check(a->net, how == (f->reset ? CONN_END_RESET : CONN_END_PEER), "ended by %d", how);
    if (how == CONN_END_PEER && is_reliable(f))
        net_check(a->net, f->received == f->plan.messages, "stream %u: %u of %u messages", stream,
                  f->received, f->plan.messages);
}

static void on_path(struct conn *c, unsigned path, enum conn_path_event event)
{
    (void)path;
    app_of(c)->state[is_server(c)].paths[event]++;
}

static void on_ticket(struct conn *c, const uint8_t *ticket, uint32_t len)
{
    struct app_end *state = &app_of(c)->state[is_server(c)];

    state->tickets++;
    memcpy(state->ticket, ticket, len);
}

static int on_acked(struct conn *c, uint64_t pn)
{
    return pn < ((struct end *)conn_user(c))->next_pn ? 0 : -EPROTO;
}

static void on_closed(struct conn *c, uint64_t code, const char *reason, bool local)
{
    struct app *a = app_of(c);
    struct app_end *state = &a->state[is_server(c)];

    net_check(a->net, !state->closed, "closed twice");
    state->closed = true;
    state->local = local;
    state->code = code;
    snprintf(state->reason, sizeof(state->reason), "%s", reason);
}

const struct conn_ops app_ops = {
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

/* ---- the whole ---- */

void app_init(struct app *a, struct net *n, uint64_t seed)
{
    static bool filled;

    if (!filled) {
        struct rng rng = {1};

        for (size_t i = 0; i < PATTERN; i += 8) {
            uint64_t word = rng_next(&rng);

            memcpy(pattern + i, &word, 8);
        }
        filled = true;
    }
    memset(a, 0, sizeof(*a));
    a->net = n;
    a->by_id = malloc(FRAME_STREAM_IDS * sizeof(*a->by_id));
    net_check(n, a->by_id, "no memory");
    memset(a->by_id, 0xff, FRAME_STREAM_IDS * sizeof(*a->by_id));
    for (unsigned i = 0; i < 2; i++)
        a->datagrams[i] =
            (struct flow){.app = a, .id = CONN_STREAM_ANY, .seed = mix(seed, 1000000 + i)};
    (void)seed;
}

static void flow_init(struct flow *f, struct app *a, const struct flow_plan *plan, uint64_t seed)
{
    *f = (struct flow){.plan = *plan, .app = a, .id = CONN_STREAM_ANY, .seed = seed};
    f->marks = calloc(plan->messages + 1, sizeof(*f->marks));
    f->written_at = calloc(plan->messages + 1, sizeof(*f->written_at));
    net_check(a->net, f->marks && f->written_at, "no memory");
}

static void flow_fini(struct flow *f)
{
    free(f->marks);
    free(f->written_at);
}

void app_fini(struct app *a)
{
    for (unsigned i = 0; i < a->n; i++)
        for (unsigned d = 0; d < 2; d++)
            flow_fini(&a->stream[i].flow[d]);
    for (unsigned d = 0; d < 2; d++)
        flow_fini(&a->datagrams[d]);
    free(a->by_id);
}

struct app_stream *app_stream(struct app *a, bool by_server, uint64_t at,
                              const struct flow_plan *opener, const struct flow_plan *other)
{
    struct app_stream *s = &a->stream[a->n];

    net_check(a->net, a->n < APP_STREAMS, "too many streams");
    *s = (struct app_stream){.by_server = by_server, .open_at = at, .id = CONN_STREAM_ANY};
    flow_init(&s->flow[0], a, opener, mix(a->datagrams[0].seed, 2 * (uint64_t)a->n));
    flow_init(&s->flow[1], a, other, mix(a->datagrams[0].seed, 2 * (uint64_t)a->n + 1));
    s->flow[0].id = s->flow[1].id = 0;
    a->n++;
    return s;
}

void app_datagrams(struct app *a, bool from_server, const struct flow_plan *plan)
{
    struct flow *f = &a->datagrams[from_server];

    flow_init(f, a, plan, f->seed);
}

static void datagrams_begin(void *arg)
{
    struct flow *f = arg;

    if (!f->from->conn)
        return;
    write_more(f);
    end_pump(f->from);
}

void app_start(struct app *a, struct end *client)
{
    a->end[0] = client;
    a->end[1] = client->peer;
    for (unsigned i = 0; i < a->n; i++)
        sim_at(&a->net->sim, a->stream[i].open_at, open_stream, &a->stream[i].flow[0]);
    for (unsigned i = 0; i < 2; i++) {
        a->datagrams[i].from = a->end[i];
        if (a->datagrams[i].plan.messages > 0)
            sim_at(&a->net->sim, 0, datagrams_begin, &a->datagrams[i]);
    }
}

static bool flow_done(const struct flow *f)
{
    return (f->finished || f->reset) && f->released == f->written;
}

bool app_done(const struct app *a)
{
    for (unsigned i = 0; i < a->n; i++) {
        const struct app_stream *s = &a->stream[i];

        if (!s->over[0] || !s->over[1] || !flow_done(&s->flow[0]) || !flow_done(&s->flow[1]))
            return false;
    }
    for (unsigned i = 0; i < 2; i++)
        if (a->datagrams[i].plan.messages > 0 && !flow_done(&a->datagrams[i]))
            return false;
    return true;
}

void app_check(const struct app *a)
{
    for (unsigned i = 0; i < a->n; i++)
        for (unsigned d = 0; d < 2; d++) {
            const struct flow *f = &a->stream[i].flow[d];

            net_check(a->net, !is_reliable(f) || f->received == f->plan.messages,
                      "stream %d: %u of %u messages", f->id, f->received, f->plan.messages);
            for (uint32_t m = 0; m < f->written && !f->reset; m++)
                net_check(a->net, !(f->marks[m] & ACKED) || f->marks[m] & GOT,
                          "stream %d: message %u was acknowledged and did not come", f->id, m);
        }
}

uint64_t app_received(const struct app *a)
{
    uint64_t sum = a->datagrams[0].bytes + a->datagrams[1].bytes;

    for (unsigned i = 0; i < a->n; i++)
        sum += a->stream[i].flow[0].bytes + a->stream[i].flow[1].bytes;
    return sum;
}

void app_say(const struct app *a)
{
    for (unsigned i = 0; i < a->n; i++)
        for (unsigned d = 0; d < 2; d++) {
            const struct app_stream *s = &a->stream[i];
            const struct flow *f = &s->flow[d];

            fprintf(
                stderr,
                "stream %d %s: %u planned, %u written, %u released (%u acked), %u received%s%s%s, "
                "over %d %d, ttl %u, again %u, priority %u, protection %u%s\n",
                s->id, (d == 1) != s->by_server ? "from server" : "from client", f->plan.messages,
                f->written, f->released, f->acked, f->received, f->finished ? ", finished" : "",
                f->reset ? ", reset" : "", f->ended ? ", ended" : "", s->over[0], s->over[1],
                f->plan.config.ttl_us, f->plan.config.max_retransmissions, f->plan.config.priority,
                f->plan.config.protection, f->plan.config.unordered ? ", unordered" : "");
        }
    for (unsigned i = 0; i < 2; i++)
        fprintf(stderr, "datagrams of %s: %u planned, %u written, %u released, %u received\n",
                i ? "server" : "client", a->datagrams[i].plan.messages, a->datagrams[i].written,
                a->datagrams[i].released, a->datagrams[i].received);
}
