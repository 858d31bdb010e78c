/* What a worker does in each kind of phase, besides receiving and keeping its sessions. */
#ifndef PKTGEN_KINDS_H
#define PKTGEN_KINDS_H

#include "worker.h"

struct kind {
    /* The phase begins. 0, or -errno. */
    int (*begin)(struct worker *w);
    /* Make some of what the phase is to send; returns how many packets or sessions that were. */
    unsigned (*make)(struct worker *w);
    /* Is the phase over? */
    bool (*over)(struct worker *w);
    void (*end)(struct worker *w);
};

extern const struct kind kind_open, kind_run, kind_flood, kind_close;

/* Packets that a rate (a second, of all workers) allows this one now, at most max; 0: no limit.
 * What was not used in time is forgotten. */
unsigned allowance(struct worker *w, double rate, unsigned max);

#endif
