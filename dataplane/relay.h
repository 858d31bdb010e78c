/* Packets that come and go by TCP: the connections are the control plane's, which relays each data
 * packet over a socket (struct jp_ipc_relay). To the lcores the relay is one more port, behind the
 * real ones in dp->port: a packet out of it wears the headers it would have had by UDP along its
 * path and meets every check from decrypt on; what egress sends through that port ends here.
 *
 *   in   main lcore: socket -> relay_in of the SPI's owner    worker: relay_take -> pipeline_owned
 *   out  worker: tx -> relay_send -> relay_out                main lcore: -> socket
 *
 * Every queue is bounded, and what finds it full is dropped and counted. */
#ifndef DATAPLANE_RELAY_H
#define DATAPLANE_RELAY_H

#include <rte_mbuf.h>

struct dataplane;
struct lcore;
struct session;

/* Make the port, behind the last real one: once those are known. */
void relay_setup(struct dataplane *dp);

/* ---- relay.c: the main lcore's ---- */

/* From now on relay over fd, or over nothing (-1). Takes fd. */
void relay_attach(int fd);
/* To be polled for reading; -1: none. */
int relay_fd(void);
/* Move some packets each way. Returns how many there were. */
unsigned relay_turn(struct dataplane *dp, bool readable);

/* ---- relay_lcore.c: a worker's ---- */

/* Take what came through the pipeline. Returns how many. */
unsigned relay_take(struct lcore *lc);
/* Send a frame with a path's headers that tx got for the relay; s: whose it is, NULL: nobody's.
 * Takes m. */
void relay_send(struct lcore *lc, const struct session *s, struct rte_mbuf *m);

#endif
