#include "bulk.h"

#include <assert.h>
#include <stdio.h>

#include "bytes.h"

/* ---- receiver ---- */

static void on_ack_timer(void *arg)
{
    struct bulk *b = arg;
    struct bulk_receiver *rx = &b->rx;
    uint8_t bytes[8 + ACK_FRAME_MAX];
    uint8_t *end;

    be64_store(bytes, rx->ce);
    end = ack_put(&rx->ack, &rx->replay, b->net->sim.now, bytes + 8);
    link_send(&b->net->down, &(struct link_packet){
                                 .bytes = bytes,
                                 .len = (uint32_t)(end - bytes),
                                 .from = b->index + BULK_FLOWS,
                                 .to = b->index,
                             });
}

static void keep(struct bulk_receiver *rx, uint64_t chunk)
{
    size_t byte = chunk / 8;
    uint8_t bit = (uint8_t)(1 << chunk % 8);

    if (byte >= rx->have_size) {
        size_t size = 2 * byte + 4096;

        rx->have = realloc(rx->have, size);
        assert(rx->have != NULL);
        memset(rx->have + rx->have_size, 0, size - rx->have_size);
        rx->have_size = size;
    }
    if (rx->have[byte] & bit)
        rx->again++;
    else
        rx->chunks++;
    rx->have[byte] |= bit;
}

static void receive_data(struct bulk *b, const struct link_packet *p)
{
    struct bulk_receiver *rx = &b->rx;

    if (p->corrupt || replay_commit(&rx->replay, be64_load(p->bytes)) != REPLAY_FRESH)
        return;
    keep(rx, be64_load(p->bytes + 8));
    rx->ce += p->ecn == LINK_CE;
    ack_note(&rx->ack, b->net->sim.now);
    sim_timer_set(&rx->timer, ack_deadline(&rx->ack));
}

/* ---- sender ---- */

static void send_chunk(struct bulk *b, uint64_t chunk)
{
    uint64_t now = b->net->sim.now;
    uint8_t bytes[BULK_PACKET] = {0};
    struct sent_packet *p;

    if (b->skip_one_in > 0 && rng_below(&b->net->sim.rng, b->skip_one_in) == 0)
        b->next_pn += rng_below(&b->net->sim.rng, 2) ? 1 : 1 << 22;
    p = sent_add(&b->sent, &b->pool, b->next_pn, now);
    assert(p != NULL);
    p->bytes = BULK_PACKET;
    p->flags |= b->ecn ? SENT_ECT : 0;
    p->items[p->n++] = (struct sent_item){.type = FRAME_STREAM, .seq = chunk, .len = BULK_CHUNK};
    congestion_on_sent(&b->congestion, p, now);
    pacer_on_sent(&b->pacer, b->congestion.pacing_rate, p->bytes, now);
    be64_store(bytes, b->next_pn++);
    be64_store(bytes + 8, chunk);
    link_send(&b->net->up, &(struct link_packet){
                               .bytes = bytes,
                               .len = sizeof(bytes),
                               .from = b->index,
                               .to = b->index + BULK_FLOWS,
                               .ecn = b->ecn ? LINK_ECT0 : LINK_NOT_ECT,
                           });
}

static bool has_data(const struct bulk *b)
{
    return b->again_n > 0 || b->next_chunk < b->chunks;
}

static uint64_t next_chunk(struct bulk *b)
{
    return b->again_n > 0 ? b->again[--b->again_n] : b->next_chunk++;
}

/* Send what may be sent, and wait for the rest. */
static void pump(struct bulk *b)
{
    uint64_t now = b->net->sim.now, at = UINT64_MAX, lost_at;

    while (has_data(b) && congestion_has_room(&b->congestion) && b->sent.count < b->sent.max) {
        at = pacer_deadline(&b->pacer, b->congestion.pacing_rate);
        if (at > now) {
            congestion_paced(&b->congestion);
            break;
        }
        at = UINT64_MAX;
        send_chunk(b, next_chunk(b));
    }
    if (!has_data(b) && congestion_has_room(&b->congestion))
        congestion_app_limited(&b->congestion);
    lost_at = loss_deadline(&b->loss, &b->sent, &b->rtt);
    sim_timer_set(&b->timer, at < lost_at ? at : lost_at);
}

static void send_again(struct bulk *b, uint64_t chunk)
{
    if (b->again_n == b->again_size) {
        b->again_size = 2 * b->again_size + 64;
        b->again = realloc(b->again, b->again_size * sizeof(*b->again));
        assert(b->again != NULL);
    }
    b->again[b->again_n++] = chunk;
}

/* What an ACK or a timeout did, for congestion control and the chunks. */
static void settle(struct bulk *b, struct loss_event *ev, uint64_t ce)
{
    uint64_t now = b->net->sim.now;
    struct congestion *c = &b->congestion;
    struct congestion_sample s = congestion_begin(c, now);

    for (struct sent_packet *p = ev->acked; p; p = p->next)
        congestion_acked(c, &s, p);
    for (struct sent_packet *p = ev->lost; p != b->sent.live; p = p->next) {
        congestion_lost(c, &s, p);
        send_again(b, p->items[0].seq);
    }
    s.persistent = ev->persistent;
    s.ce_packets = (uint32_t)ce;
    congestion_update(c, &s, &b->rtt);
    loss_done(&b->rtt, &b->sent, &b->pool, now, ev);
    b->persistent += s.persistent;
    b->cwnd_min = c->cwnd < b->cwnd_min ? c->cwnd : b->cwnd_min;
    b->cwnd_max = c->cwnd > b->cwnd_max ? c->cwnd : b->cwnd_max;
}

static void on_timer(void *arg)
{
    struct bulk *b = arg;
    struct loss_event ev;
    unsigned probes;

    loss_on_timeout(&b->loss, &b->sent, &b->rtt, b->net->sim.now, &ev);
    probes = ev.probes;
    if (ev.lost != b->sent.live)
        settle(b, &ev, 0);
    b->probes += probes > 0;
    for (; probes > 0; probes--)
        send_chunk(b, has_data(b) ? next_chunk(b) : b->sent.live->items[0].seq);
    pump(b);
}

static void receive_ack(struct bulk *b, const struct link_packet *packet)
{
    const uint8_t *p = packet->bytes + 8, *end = packet->bytes + packet->len;
    uint64_t ce = be64_load(packet->bytes), new_ce = ce > b->ce ? ce - b->ce : 0;
    struct loss_event ev;
    struct frame f;

    if (packet->corrupt || frame_next(&p, end, false, &f) != 1)
        return;
    assert(f.type == FRAME_ACK);
    b->ce += new_ce;
    b->error = loss_on_ack(&b->loss, &b->sent, &b->rtt, f.u.ack.ranges, f.u.ack.n, f.u.ack.delay_us,
                           b->net->sim.now, &ev);
    assert(b->error == 0);
    settle(b, &ev, new_ce);
    pump(b);
}

/* ---- both ---- */

static void deliver(void *arg, const struct link_packet *p)
{
    struct bulk_net *net = arg;

    if (p->to >= BULK_FLOWS)
        receive_data(&net->flows[p->to - BULK_FLOWS], p);
    else
        receive_ack(&net->flows[p->to], p);
}

void bulk_net_init(struct bulk_net *net, uint64_t seed, const struct link_config *config)
{
    struct link_config clean = {.rate = config->rate, .delay_us = config->delay_us};

    *net = (struct bulk_net){0};
    sim_init(&net->sim, seed);
    link_init(&net->up, &net->sim, config, deliver, net);
    link_init(&net->down, &net->sim, &clean, deliver, net);
}

void bulk_net_fini(struct bulk_net *net)
{
    for (unsigned i = 0; i < BULK_FLOWS; i++) {
        struct bulk *b = &net->flows[i];

        if (b->pool_memory)
            sent_fini(&b->sent, &b->pool);
        assert(b->pool.used == 0);
        free(b->pool_memory);
        free(b->again);
        free(b->rx.have);
    }
    link_fini(&net->up);
    link_fini(&net->down);
    sim_fini(&net->sim);
}

struct bulk *bulk_start(struct bulk_net *net, unsigned i, const char *algorithm, uint64_t at,
                        uint64_t chunks)
{
    struct bulk *b = &net->flows[i];
    size_t bytes = pool_footprint(sizeof(struct sent_packet), BULK_IN_FLIGHT);

    *b = (struct bulk){.net = net, .index = i, .chunks = chunks};
    b->pool_memory = aligned_alloc(64, bytes);
    assert(b->pool_memory != NULL);
    pool_init(&b->pool, b->pool_memory, sizeof(struct sent_packet), BULK_IN_FLIGHT);
    rtt_init(&b->rtt);
    sent_init(&b->sent, BULK_IN_FLIGHT);
    loss_init(&b->loss);
    congestion_init(&b->congestion, congestion_find(algorithm), BULK_PACKET, at);
    sim_timer_init(&b->timer, &net->sim, on_timer, b);
    sim_timer_init(&b->rx.timer, &net->sim, on_ack_timer, b);
    bulk_watch(b);
    sim_timer_set(&b->timer, at);
    return b;
}

void bulk_watch(struct bulk *b)
{
    b->cwnd_min = UINT32_MAX;
    b->cwnd_max = 0;
}

double bulk_goodput(struct bulk_net *net, const struct bulk *b, uint64_t us)
{
    uint64_t before = b->rx.chunks;

    sim_run(&net->sim, net->sim.now + us);
    return (double)(b->rx.chunks - before) * BULK_CHUNK * 8 / ((double)us / 1e6);
}
