#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "handshakes.h"
#include "kinds.h"
#include "receive.h"
#include "send.h"

enum { IDLE_TURNS = 1024, HANDED_RING = 4096, LAST_FLUSH_US = 200000, SILENCE_US = 1000000 };

static const struct kind *const kinds[] = {
    [PHASE_OPEN] = &kind_open,
    [PHASE_RUN] = &kind_run,
    [PHASE_FLOOD] = &kind_flood,
    [PHASE_CLOSE] = &kind_close,
};

struct worker *worker_new(struct jetgen *g, unsigned index)
{
    struct worker *w = rte_zmalloc("worker", sizeof(*w), RTE_CACHE_LINE_SIZE);
    uint32_t workers = g->options.workers;
    char name[32];

    snprintf(name, sizeof(name), "handed%u", index);
    if (w) {
        w->g = g;
        w->index = index;
        w->lcore = index + 1;
        w->queues = (g->options.queues + workers - 1 - index) / workers;
        w->aead = aead_new(aead_best());
        w->handed = rte_ring_create(name, HANDED_RING, SOCKET_ID_ANY, RING_F_SC_DEQ);
        w->tx = rte_zmalloc("tx", w->queues * sizeof(*w->tx), RTE_CACHE_LINE_SIZE);
        w->recall = calloc(1, sizeof(*w->recall));
        wheel_init(&w->wheel, 0);
        session_queue_init(&w->waiting);
        w->prng.state = prng_mix(g->options.seed ^ prng_mix(index + 1));
    }
    if (!w || !w->aead || !w->handed || !w->tx || !w->recall) {
        fprintf(stderr, "jetgen: no memory for worker %u\n", index);
        if (w)
            worker_free(w);
        return NULL;
    }
    for (unsigned i = 0; i < w->queues; i++)
        w->tx[i].id = (uint16_t)(i * workers + index);
    return w;
}

void worker_free(struct worker *w)
{
    aead_free(w->aead);
    rte_ring_free(w->handed);
    rte_free(w->tx);
    free(w->recall);
    rte_free(w);
}

/* What time it is, whether the port may be used, and where to send. */
static void look_up(struct worker *w)
{
    bool halt = __atomic_load_n(&w->g->halt, __ATOMIC_ACQUIRE);

    __atomic_store_n(&w->halted, halt, __ATOMIC_RELEASE);
    w->tsc = rte_rdtsc();
    w->now = jetgen_us(w->g, w->tsc);
    if (unlikely(w->peer_mac != __atomic_load_n(&w->g->peer_mac, __ATOMIC_RELAXED)))
        sessions_redirect(w);
}

/* Nothing comes back: the target may have come back with another Ethernet address. */
static void ask_again(struct worker *w)
{
    struct rte_mbuf *m = w->index == 0 ? send_new(w) : NULL;

    w->heard = w->now;
    if (!m)
        return;
    neighbour_ask(w->g, m);
    send_raw(w, 0, m);
}

/* Returns whether there was something to do. */
static bool turn(struct worker *w, const struct kind *kind)
{
    uint64_t start = w->tsc, received;
    unsigned n, made;

    n = receive(w);
    received = rte_rdtsc();
    if (n > 0)
        w->heard = w->now;
    else if (unlikely(w->now - w->heard > SILENCE_US))
        ask_again(w);
    if (send_room(w)) /* repairs and ACKs can wait, but there is no end to what may be due */
        timers_run(w);
    made = handshakes_run(w);
    made += kind->make(w);
    send_flush(w);
    if (n > 0)
        count(w, C_rx_cycles, received - start);
    if (made > 0)
        count(w, C_tx_cycles, rte_rdtsc() - received);
    return n + made > 0;
}

/* Everything that was made is to leave. */
static void flush_all(struct worker *w)
{
    uint64_t until = w->now + LAST_FLUSH_US;
    bool empty = false;

    while (!empty && w->now < until) {
        look_up(w);
        send_flush(w);
        empty = true;
        for (unsigned i = 0; i < w->queues; i++)
            empty &= w->tx[i].n == 0;
    }
}

static void begin(struct worker *w)
{
    look_up(w);
    w->error[0] = '\0';
    w->started = w->last = w->tsc;
    w->began = w->heard = w->now;
    w->ends_at = w->handshakes_begun = w->allowance_used = 0;
}

/* A worker that is through goes on receiving, for the others, until they all are. */
static bool all_over(struct worker *w, const struct kind *kind)
{
    const struct jetgen *g = w->g;

    bool over = w->over || w->error[0] != '\0' || kind->over(w);

    __atomic_store_n(&w->over, over, __ATOMIC_RELAXED);
    for (unsigned i = 0; over && i < g->options.workers; i++)
        over = __atomic_load_n(&g->worker[i]->over, __ATOMIC_RELAXED);
    return over;
}

static void next_turn(struct worker *w)
{
    look_up(w);
    __atomic_store_n(&w->turns, w->turns + 1, __ATOMIC_RELEASE);
}

/* The phase, until all workers are through it. */
static void play(struct worker *w, const struct kind *kind)
{
    unsigned idle = 0;

    for (; !all_over(w, kind); next_turn(w)) {
        idle = turn(w, kind) ? 0 : idle + 1;
        if (idle > IDLE_TURNS && w->g->options.idle_sleep_us > 0)
            rte_delay_us_sleep(w->g->options.idle_sleep_us);
    }
    kind->end(w);
    flush_all(w);
}

int worker_run(void *arg)
{
    struct worker *w = arg;
    const struct kind *kind = kinds[w->g->phase->kind];
    int ret;

    begin(w);
    ret = kind->begin(w);
    if (ret == 0) {
        play(w, kind);
    } else {
        snprintf(w->error, sizeof(w->error), "%s", strerror(-ret));
        __atomic_store_n(&w->over, true, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&w->halted, true, __ATOMIC_RELEASE);
    return ret;
}
