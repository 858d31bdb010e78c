/* Runs the phases of a script on the workers. */
#ifndef PKTGEN_RUN_H
#define PKTGEN_RUN_H

#include "jetgen.h"
#include "report.h"
#include "script.h"

struct run {
    struct jetgen *g;
    struct report report;
};

/* Run one phase on all workers to its end, showing progress; note its results. 0, or -1 with the
 * reason in error. Main lcore. */
int run_phase(struct run *run, const struct phase *phase, struct results *results,
              char error[SCRIPT_ERROR_MAX]);

/* One line on stderr about a running phase, a second after the one before. */
struct progress {
    uint64_t began, next;  /* tsc */
    struct results before; /* at the last line */
};
void progress_begin(struct progress *p, const struct jetgen *g);
void progress_show(struct progress *p, const struct jetgen *g);

/* What all workers counted so far in this phase, and its parameters; the rates are of `seconds`. */
void run_collect(const struct jetgen *g, double seconds, struct results *results);

#endif
