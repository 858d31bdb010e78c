#include "sim.h"

#include <assert.h>

void sim_init(struct sim *s, uint64_t seed)
{
    *s = (struct sim){.rng = rng_new(seed)};
}

void sim_fini(struct sim *s)
{
    free(s->heap);
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_at(struct sim *s, uint64_t at, sim_fn *fn, void *arg)
{
    struct sim_event e = {.at = at > s->now ? at : s->now, .order = s->events++, fn, arg};
    size_t i = s->n++;

    if (s->n > s->capacity) {
        s->capacity = s->capacity > 0 ? 2 * s->capacity : 64;
        s->heap = realloc(s->heap, s->capacity * sizeof(*s->heap));
        assert(s->heap != NULL);
    }
    for (; i > 0 && before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = e;
}

static struct sim_event take(struct sim *s)
{
    struct sim_event first = s->heap[0], last = s->heap[--s->n];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < s->n) {
        if (child + 1 < s->n && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return first;
}

void sim_run(struct sim *s, uint64_t until)
{
    while (s->n > 0 && s->heap[0].at <= until) {
        struct sim_event e = take(s);

        s->now = e.at;
        e.fn(e.arg);
    }
    s->now = until;
}

bool sim_chance(struct sim *s, uint32_t ppm)
{
    return ppm > 0 && rng_below(&s->rng, 1000000) < ppm;
}

/* An event of the timer's: it fires, or was set too early and waits on. */
static void on_timer(void *arg)
{
    struct sim_timer *t = arg;

    if (t->sim->now < t->event_at) /* one left over from a later deadline */
        return;
    t->event_at = UINT64_MAX;
    if (t->deadline > t->sim->now) {
        sim_timer_set(t, t->deadline);
        return;
    }
    t->deadline = UINT64_MAX;
    t->fn(t->arg);
}

void sim_timer_init(struct sim_timer *t, struct sim *s, sim_fn *fn, void *arg)
{
    *t = (struct sim_timer){s, fn, arg, UINT64_MAX, UINT64_MAX};
}

void sim_timer_set(struct sim_timer *t, uint64_t deadline)
{
    t->deadline = deadline;
    if (deadline >= t->event_at)
        return;
    t->event_at = deadline > t->sim->now ? deadline : t->sim->now;
    sim_at(t->sim, t->event_at, on_timer, t);
}
