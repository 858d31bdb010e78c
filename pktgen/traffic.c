/* Messages: the run phase. */
#include <rte_cycles.h>

#include "frame.h"
#include "kinds.h"
#include "mbuf.h"
#include "send.h"

enum { CATCH_UP_US = 100000 };

unsigned allowance(struct worker *w, double rate, unsigned max)
{
    double a_us = rate / w->g->options.workers / 1e6;
    uint64_t due, forget;

    if (rate == 0)
        return max;
    due = (uint64_t)((double)(w->now - w->began) * a_us) - w->allowance_used;
    forget = (uint64_t)(CATCH_UP_US * a_us) + 1;
    if (due > forget) {
        w->allowance_used += due - forget;
        due = forget;
    }
    return due < max ? (unsigned)due : max;
}

/* The session that sends now: the same for a whole train, then the next one that is up, in turn.
 * NULL when none is. */
static struct session *next_session(struct worker *w)
{
    for (uint32_t i = 0; w->up > 0 && i <= w->n_sessions; i++) {
        struct session *s = &w->sessions[w->cursor];

        if (likely(s->state == SESSION_UP) && w->train_left > 0) {
            w->train_left--;
            return s;
        }
        w->train_left = w->g->phase->run.train;
        w->cursor = w->cursor + 1 < w->n_sessions ? w->cursor + 1 : 0;
        rte_prefetch0(&w->sessions[w->cursor].state);
    }
    return NULL;
}

/* Write the frame's header in front of m's data. */
static void put_header(struct session *s, struct rte_mbuf *m, const struct payload *p)
{
    struct stream_state *st = &s->streams[p->stream];

    if (p->flags & PAYLOAD_DATAGRAM) {
        frame_put_datagram_hdr(mbuf_prepend(m, 1));
        return;
    }
    size_t size = frame_stream_hdr_size(p->stream, st->next_seq, 0);

    frame_put_stream_hdr(mbuf_prepend(m, size), p->stream, st->next_seq++, 0, true);
}

static struct payload next_payload(struct worker *w, struct session *s, unsigned actions)
{
    const struct run_params *run = &w->g->phase->run;
    bool lost = actions & (IMPAIR_LOSE | IMPAIR_CORRUPT);
    struct payload p = {
        .counter = s->counter++,
        .sent_at = rte_rdtsc(),
        .session = s->index,
        .phase = w->g->phase_id,
        .flags = lost ? PAYLOAD_LOST : 0,
        .len = run->size[prng_below(&w->prng, PHASE_SIZES)],
    };

    if (prng_chance(&w->prng, w->datagrams)) {
        p.flags |= PAYLOAD_DATAGRAM;
    } else {
        s->stream = s->stream < w->g->open.streams ? s->stream + 1 : 1;
        p.stream = s->stream;
    }
    count(w, C_sent_messages, 1);
    count(w, C_messages_lost, lost);
    if (!lost)
        window_sent(&w->window, p.sent_at >> WINDOW_SHIFT);
    return p;
}

/* One message to s. False when it cannot be sent now. */
static bool send_message(struct worker *w, struct session *s)
{
    unsigned actions;
    struct rte_mbuf *m;
    struct payload p;
    bool full;

    if (!send_may(w, s) || !(m = send_new(w)))
        return false;
    actions = impair_decide(&w->g->impair, &s->impaired, &w->prng);
    p = next_payload(w, s, actions);
    payload_put(&w->g->pattern, &p, mbuf_append(m, p.len));
    put_header(s, m, &p);
    full = fec_protect(w, s, m);
    send_frames(w, s, m, actions, true);
    if (full)
        fec_flush(w, s);
    return true;
}

static int run_begin(struct worker *w)
{
    const struct run_params *run = &w->g->phase->run;
    uint32_t workers = w->g->options.workers;

    w->messages_left =
        run->messages > 0 ? (run->messages + workers - 1 - w->index) / workers : UINT64_MAX;
    w->train_left = run->train;
    w->datagrams = prng_threshold(run->datagrams);
    w->window = (struct window){.tick = w->tsc >> WINDOW_SHIFT};
    return 0;
}

/* Messages to be made now. Those that nobody takes while they are due are held back, and counted
 * once they are forgotten; what is forgotten otherwise, this worker was too late for. */
static unsigned messages_due(struct worker *w)
{
    uint64_t used = w->allowance_used;
    unsigned n = allowance(w, w->g->phase->run.rate, BURST);

    if (send_room(w) && w->up > 0)
        return n;
    count(w, C_held_back, w->allowance_used - used);
    return 0;
}

static unsigned smaller(unsigned n, uint64_t limit)
{
    return n < limit ? n : (unsigned)limit;
}

static unsigned run_make(struct worker *w)
{
    const struct run_params *run = &w->g->phase->run;
    unsigned n = w->ends_at == 0 ? messages_due(w) : 0, made = 0;

    window_advance(&w->window, w->tsc >> WINDOW_SHIFT);
    if (run->window > 0)
        n = smaller(n, run->window > w->window.under_way ? run->window - w->window.under_way : 0);
    n = smaller(n, w->messages_left);
    for (unsigned i = 0; i < n; i++) {
        struct session *s = next_session(w);

        made += s && send_message(w, s);
    }
    w->messages_left -= made;
    w->allowance_used += made;
    return made;
}

/* Has everything come back that can be expected to? */
static bool run_complete(const struct worker *w)
{
    const uint64_t *c = w->results.counter;
    uint64_t gone = w->g->open.fec_k > 0 ? 0 : c[C_messages_lost];

    return c[C_delivered] + gone >= c[C_sent_messages];
}

static bool run_over(struct worker *w)
{
    const struct run_params *run = &w->g->phase->run;
    bool up = w->up > 0 || w->waiting.head || w->handshakes.used > 0;
    bool time = run->seconds > 0 && (double)(w->now - w->began) >= run->seconds * 1e6;

    if (is_stopped(w))
        return true;
    if (w->ends_at == 0 && (time || w->messages_left == 0 || !up))
        w->ends_at = w->now + (uint64_t)(run->drain * 1e6);
    return w->ends_at != 0 && (w->now >= w->ends_at || run_complete(w));
}

/* Keep nothing back. */
static void run_end(struct worker *w)
{
    for (uint32_t i = 0; i < w->n_sessions; i++)
        send_held(w, &w->sessions[i]);
}

const struct kind kind_run = {run_begin, run_make, run_over, run_end};
