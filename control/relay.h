/* The relay: data packets between TCP connections (tcp.h) and the data plane, over a socket of its
 * own (struct jp_ipc_relay), so that nothing else waits behind them. */
#ifndef CONTROL_RELAY_H
#define CONTROL_RELAY_H

#include <stdint.h>

#include "jetplane/ipc.h"
#include "loop.h"

struct relay_user {
    /* len bytes for a connection. */
    void (*packet)(void *arg, const struct jp_ipc_relay *head, const uint8_t *packet);
    void (*pause)(void *arg); /* those that were at hand were told */
    void *arg;
};

struct relay {
    struct loop *loop;
    const struct relay_user *user;
    struct loop_watch watch; /* fd -1: no data plane */
    uint64_t dropped;        /* packets that found no room or no data plane */
};

/* user must outlive r. */
void relay_init(struct relay *r, struct loop *loop, const struct relay_user *user);
/* A new relay in place of the old: the descriptor of the data plane's end, the caller's to close,
 * or -errno. */
int relay_open(struct relay *r);
void relay_close(struct relay *r);
/* Send a packet of head->len bytes, or lose it. */
void relay_send(struct relay *r, const struct jp_ipc_relay *head, const uint8_t *packet);

#endif
