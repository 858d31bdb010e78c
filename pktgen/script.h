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

struct script;

struct script_host {
    void *arg;
    /* Run a phase to its end. 0 with *results filled, or -1 with the reason in error. */
    int (*run)(void *arg, const struct phase *phase, struct results *results,
               char error[SCRIPT_ERROR_MAX]);
    bool (*interrupted)(void *arg);
};

/* Read the script in file `path`, to be run with the given KEY=VALUE arguments. NULL when it cannot
 * be: message (SCRIPT_ERROR_MAX bytes) then says why, as SCRIPT:LINE: text if it is the script.
 * path and args stay the caller's, and must stay. */
struct script *script_load(const char *path, char **args, int n_args, char *message);
/* Run it, once. What is wrong goes into message, as SCRIPT:LINE: text, "" when all is well. */
enum script_status script_run(struct script *script, const struct script_host *host, char *message);
void script_free(struct script *script);

#endif
