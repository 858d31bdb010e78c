/* What the main lcore and the workers say to each other: commands down, events up, over one
 * single-producer single-consumer ring each way per worker. Objects come from a mempool; who
 * dequeues one frees it. Workers take at most a few commands a turn, so the cold path never stalls
 * the hot one. */
#ifndef DATAPLANE_COMMAND_H
#define DATAPLANE_COMMAND_H

#include <stdint.h>

#include "jetplane/ipc.h"

struct lcore;

struct command {
    uint16_t type; /* enum jp_ipc_type: INSTALL, RETIRE, LIST, QUERY or SEND */
    union {
        struct jp_ipc_install install; /* wiped by the worker once done */
        struct jp_ipc_retire retire;
        struct jp_ipc_packet send; /* to transmit: any worker will do */
        struct jp_ipc_list list;   /* cursor: slot of this worker's table to begin at */
        struct jp_ipc_query query;
    } u;
};

struct event {
    uint16_t type; /* enum jp_ipc_type: INSTALLED, RETIRED, UNKNOWN_SPI, SESSION or LIST_END */
    union {
        struct jp_ipc_installed installed;
        struct jp_ipc_retired retired;
        struct jp_ipc_unknown unknown;
        struct jp_ipc_session session;
        struct jp_ipc_list_end list_end; /* cursor: next slot, 0: done with this worker's table */
    } u;
};

#define LIST_END_ALL UINT64_MAX /* cursor of a QUERY's end: no other worker need be asked */

/* Worker side (command.c): take and carry out a few commands. Returns how many. */
unsigned commands_run(struct lcore *lc);
/* The worker has ended: what it did not get to, keys included, is wiped. */
void commands_wipe(struct lcore *lc);

/* Worker side: tell the main lcore, dropping the event when its ring or pool is exhausted (the
 * control plane resynchronises by LIST). */
/* zeroed; NULL when exhausted, for UNKNOWN_SPI already when half is in use */
struct event *event_new(struct lcore *lc, uint16_t type);
void event_send(struct lcore *lc, struct event *e);

#endif
