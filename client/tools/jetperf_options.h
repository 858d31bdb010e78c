/* jetperf's command line. */
#ifndef TOOLS_JETPERF_OPTIONS_H
#define TOOLS_JETPERF_OPTIONS_H

#include "jetperf.h"

struct options {
    struct tool tool;
    struct plan plan;
    jp_settings settings;
    uint64_t interval; /* us; 0: none */
    uint64_t migrate;  /* us between a client's moves; 0: none */
    bool once;         /* a server: leave after a test */
};

/* Fill *o; exits when they are wrong, or ask for help. */
void options_parse(struct options *o, int argc, char **argv);

#endif
