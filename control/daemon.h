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
    struct api_user api_user;
    struct dp dp;
    struct queries queries;
    struct sessions sessions;
    struct resync resync;
    struct handshakes handshakes;
    struct tcp tcp;
    struct api api;
};

/* Everything but signals: the loop is ready to run. 0 or -errno, said in the log; daemon_close it
 * either way. */
int daemon_open(struct daemon *d, const struct config *config);
void daemon_close(struct daemon *d);
/* Run until a signal or the command to stop. 0 or -errno, said in the log. */
int daemon_run(const struct config *config);

#endif
