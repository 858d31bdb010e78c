/* jetplaned as a whole. */
#ifndef CONTROL_DAEMON_H
#define CONTROL_DAEMON_H

#include "api.h"
#include "config.h"
#include "dp.h"
#include "handshakes.h"
#include "loop.h"
#include "query.h"
#include "resync.h"
#include "sessions.h"
#include "tcp.h"

struct daemon {
    const struct config *config;
    uint64_t started; /* us */
    struct loop loop;
    struct loop_watch ticks, signals;
    struct dp_user dp_user;
    struct tcp_user tcp_user;
    struct dp dp;
    struct queries queries;
    struct sessions sessions;
    struct resync resync;
    struct handshakes handshakes;
    struct tcp tcp;
    struct api api;
};

/* Run until a signal or the command to stop. 0 or -errno, said in the log. */
int daemon_run(const struct config *config);

#endif
