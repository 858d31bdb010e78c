/* A deterministic simulator's clock: events in virtual time. Everything random comes from its
 * seed, and events due at the same time happen in the order they were set, so a seed replays
 * exactly. Times are microseconds since the start. One thread. */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rng.h"

typedef void sim_fn(void *arg);

struct sim_event {
    uint64_t at;
    uint64_t order; /* counts events: of those due at once, the first set is first */
    sim_fn *fn;
    void *arg;
};

struct sim {
    uint64_t now;
    uint64_t events; /* set so far */
    struct rng rng;
    struct sim_event *heap; /* a binary heap, the next event first */
    size_t n, capacity;
};

/* Prints the seed; TEST_SEED overrides it. */
void sim_init(struct sim *s, uint64_t seed);
/* Events that are still due are dropped. */
void sim_fini(struct sim *s);
/* Call fn(arg) at time `at`, now if that has passed. */
void sim_at(struct sim *s, uint64_t at, sim_fn *fn, void *arg);
/* Run every event due up to and including `until`; that is what the time is then. */
void sim_run(struct sim *s, uint64_t until);
/* True once in a million / ppm. */
bool sim_chance(struct sim *s, uint32_t ppm);

/* A timer that can be moved; moving it later costs nothing. */
struct sim_timer {
    struct sim *sim;
    sim_fn *fn;
    void *arg;
    uint64_t deadline; /* UINT64_MAX: not set */
    uint64_t event_at; /* the earliest event in the heap; UINT64_MAX: none */
};

void sim_timer_init(struct sim_timer *t, struct sim *s, sim_fn *fn, void *arg);
/* Fire once, at `deadline` or now if that has passed; UINT64_MAX: not at all. */
void sim_timer_set(struct sim_timer *t, uint64_t deadline);

#endif
