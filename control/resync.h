/* Keeps the table of known SPIs like the data plane's: pages through all its sessions on
 * connecting, and again when the numbers drift apart (the data plane may drop notices of ended
 * sessions when very many end at once). */
#ifndef CONTROL_RESYNC_H
#define CONTROL_RESYNC_H

#include "query.h"
#include "sessions.h"

struct resync {
    struct dp *dp;
    struct queries *queries;
    struct sessions *sessions;
    bool running;
    bool done;      /* since the connection came up */
    uint64_t began; /* us */
    uint64_t check_at;
    uint64_t completed;
};

void resync_init(struct resync *r, struct dp *dp, struct queries *queries,
                 struct sessions *sessions);
/* Begin; the connection is up and no other run is going on. */
void resync_start(struct resync *r);
void resync_tick(struct resync *r, uint64_t now);

#endif
