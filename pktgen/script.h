/* Lua scripts: what is to be done, and what is to be expected of it. No DPDK here: whoever runs
 * phases is a host. */
#ifndef PKTGEN_SCRIPT_H
#define PKTGEN_SCRIPT_H

#include <stdbool.h>

#include "phase.h"
#include "results.h"

enum { SCRIPT_ERROR_MAX = 256 };

enum script_status {
    SCRIPT_OK = 0,
    SCRIPT_ERROR = 2,       /* wrong script, wrong arguments, or a phase that could not be run */
    SCRIPT_EXPECTATION = 3, /* jetgen.expect did not hold */
    SCRIPT_INTERRUPTED = 130,
};

struct script_host {
    void *arg;
    /* Run a phase to its end. 0 with *results filled, or -1 with the reason in error. */
    int (*run)(void *arg, const struct phase *phase, struct results *results,
               char error[SCRIPT_ERROR_MAX]);
    bool (*interrupted)(void *arg);
};

/* Run the script in file `path` with the given KEY=VALUE arguments. What is wrong goes to stderr,
 * as SCRIPT:LINE: message, and into message (SCRIPT_ERROR_MAX bytes, "" when all is well). */
enum script_status script_run(const struct script_host *host, const char *path, char **args,
                              int n_args, char *message);

#endif
