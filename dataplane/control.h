/* Private to the control socket: its two halves. */
#ifndef DATAPLANE_CONTROL_H
#define DATAPLANE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "jetplane/ipc.h"

struct dataplane;
struct lcore;

/* ---- control_socket.c: who is on the other end. File descriptors, -1 when there is none ---- */

struct config;
/* Listen at control_socket, taking over the place of one that died, as the user to become. The
 * socket or -errno, said on stderr. */
int control_listen(const struct config *config);
/* Take a new connection whose peer may control us; -1 when nobody (entitled) is there. */
int control_accept(int listener);
/* Receive a CONTROL_HELLO, and the relay that may come along; *relay is -1 without. 0, -EAGAIN when
 * it is not there yet, or another -errno after saying why. */
int control_greeted(int candidate, int *relay);
/* Answer it, with the descriptor of the statistics. 0 or -errno. */
int control_welcome(int fd, const struct dataplane *dp);

/* ---- control_outbox.c: messages to the control plane, sent in batches ---- */

enum { OUTBOX_MAX = 64 };

bool outbox_empty(void);
unsigned outbox_room(void);
/* A message of this type and size to be filled in, header done and the rest undefined. There must
 * be room. `punter` is the worker in whose counters a hello's end is counted, NULL for others. */
void *outbox_add(enum jp_ipc_type type, size_t size, struct lcore *punter);
/* Send what the socket takes; 0, or -errno when the connection is gone. */
int outbox_send(int fd);
/* Drop what was not sent. */
void outbox_clear(void);

#endif
