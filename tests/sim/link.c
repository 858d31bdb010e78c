#include "link.h"

#include <assert.h>

/* A packet on its way. */
struct link_transit {
    struct link *link;
    struct link_transit *next, **prev; /* in link->transits */
    struct link_packet packet;
    uint8_t bytes[];
};

void link_init(struct link *l, struct sim *s, const struct link_config *config,
               link_deliver_fn *deliver, void *arg)
{
    *l = (struct link){.config = *config, .sim = s, .deliver = deliver, .arg = arg};
}

static void transit_free(struct link_transit *t)
{
    if (t->next)
        t->next->prev = t->prev;
    *t->prev = t->next;
    free(t);
}

void link_fini(struct link *l)
{
    while (l->transits)
        transit_free(l->transits);
}

static void arrive(void *arg)
{
    struct link_transit *t = arg;
    struct link *l = t->link;

    if (l->nat_in && t->packet.to != l->nat_in->outside) {
        l->stats.nat_drops++;
    } else {
        if (l->nat_in)
            t->packet.to = l->nat_in->inside;
        l->stats.delivered++;
        l->stats.bytes += t->packet.len;
        l->deliver(l->arg, &t->packet);
    }
    transit_free(t);
}

/* Put a copy on its way, to arrive at `at`. */
static void launch(struct link *l, const struct link_packet *p, uint64_t at)
{
    struct link_transit *t = malloc(sizeof(*t) + p->len);

    assert(t != NULL);
    *t = (struct link_transit){.link = l, .next = l->transits, .prev = &l->transits, .packet = *p};
    memcpy(t->bytes, p->bytes, p->len);
    t->packet.bytes = t->bytes;
    if (t->next)
        t->next->prev = &t->next;
    l->transits = t;
    if (p->len > 0 && sim_chance(l->sim, l->config.corrupt)) {
        t->bytes[rng_below(&l->sim->rng, p->len)] ^= (uint8_t)(1 << rng_below(&l->sim->rng, 8));
        t->packet.corrupt = true;
        l->stats.corrupted++;
    }
    sim_at(l->sim, at, arrive, t);
}

/* Bytes that wait or are on their way out. */
static uint64_t backlog(const struct link *l)
{
    uint64_t now_ns = l->sim->now * 1000;

    if (l->config.rate == 0 || l->busy_until_ns <= now_ns)
        return 0;
    return (l->busy_until_ns - now_ns) * (l->config.rate / 8) / 1000000000;
}

/* Queue the packet: when its last bit leaves, in us, or false when the queue is full. */
static bool enqueue(struct link *l, struct link_packet *p, uint64_t *leaves)
{
    uint64_t waiting = backlog(l), now_ns = l->sim->now * 1000;

    if (l->config.queue > 0 && waiting + p->len > l->config.queue)
        return false;
    if (waiting + p->len > l->stats.longest_queue)
        l->stats.longest_queue = (uint32_t)(waiting + p->len);
    if (l->config.mark > 0 && waiting > l->config.mark && p->ecn != LINK_NOT_ECT) {
        p->ecn = LINK_CE;
        l->stats.marked++;
    }
    if (l->busy_until_ns < now_ns)
        l->busy_until_ns = now_ns;
    if (l->config.rate > 0)
        l->busy_until_ns += (uint64_t)p->len * 8000000000 / l->config.rate;
    *leaves = (l->busy_until_ns + 999) / 1000;
    return true;
}

/* Whether the wire loses this packet. */
static bool loses(struct link *l)
{
    if (sim_chance(l->sim, l->bad ? l->config.burst_end : l->config.burst_begin))
        l->bad = !l->bad;
    return sim_chance(l->sim, l->bad ? l->config.burst_loss : l->config.loss);
}

void link_send(struct link *l, const struct link_packet *packet)
{
    const struct link_config *c = &l->config;
    struct link_packet p = *packet;
    uint64_t at;

    l->stats.sent++;
    if (l->nat_out && p.from == l->nat_out->inside)
        p.from = l->nat_out->outside;
    if (c->blackhole) {
        l->stats.blackholed++;
        return;
    }
    if (c->mtu > 0 && p.len > c->mtu) {
        l->stats.longer++;
        return;
    }
    if (!enqueue(l, &p, &at)) {
        l->stats.tail_drops++;
        return;
    }
    if (loses(l)) {
        l->stats.losses++;
        return;
    }
    at += c->delay_us;
    if (c->reorder_us > 0 && sim_chance(l->sim, c->reorder)) {
        l->stats.reordered++;
        at += 1 + rng_below(&l->sim->rng, c->reorder_us);
    }
    launch(l, &p, at);
    if (sim_chance(l->sim, c->duplicate)) {
        l->stats.duplicates++;
        launch(l, &p, at + rng_below(&l->sim->rng, c->reorder_us + 1));
    }
}

struct link_config link_path(uint64_t rate, uint32_t rtt_us)
{
    uint64_t bdp = rate / 8 * rtt_us / 1000000;

    return (struct link_config){
        .rate = rate, .delay_us = rtt_us / 2, .queue = bdp > 65536 ? (uint32_t)bdp : 65536};
}
