/* Results of all phases of a run, and how they are shown. */
#ifndef PKTGEN_REPORT_H
#define PKTGEN_REPORT_H

#include <stdio.h>

#include "results.h"

struct report {
    struct results total;
    struct results **phase;
    unsigned phases;
};

/* Note a phase that ended (copied). 0 or -ENOMEM. */
int report_add(struct report *report, const struct results *r);
void report_free(struct report *report);
/* The table. */
void report_table(const struct report *report, FILE *out);
/* One line: an object with every result of the total, `phases` with those of each phase, and
 * `error`, null when all is well. */
void report_json(const struct report *report, const char *error, FILE *out);
/* The exit code, once what was printed has really been written: `code`, or 1 for 0 if it was not,
 * after saying so. */
int report_finish(int code);

#endif
