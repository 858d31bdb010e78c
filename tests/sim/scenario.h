/* A session in a world drawn from a seed: links, limits, algorithms, what the applications do, and
 * what happens to the path meanwhile. */
#ifndef TESTS_SCENARIO_H
#define TESTS_SCENARIO_H

#include "app.h"

enum fate { FATE_DONE, FATE_ABANDONED, FATE_HOSTILE };

struct scenario {
    uint64_t seed;
    struct rng rng;
    struct net net;
    struct app app;
    struct end *client, *server;
    struct end_config config[2]; /* client, server */
    struct link_config link[2];  /* UP, DOWN: before anything happened to them */
    enum fate fate;
    uint64_t end_at; /* abandoned, or a hostile peer was endured, then */
    bool multipath;
    bool small; /* pools */
    unsigned migrations;
};

/* Draw it; nothing has happened yet. */
void scenario_init(struct scenario *s, uint64_t seed);
void scenario_fini(struct scenario *s);

#endif
