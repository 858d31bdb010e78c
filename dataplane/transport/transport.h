/* Sessions with the full transport: what struct conn (proto/conn.h) says, bound to a lcore's packet
 * buffers, keys, timers and sinks. All others do not pass here.
 *
 *   ingress/replay  ->  transport_can_receive, then transport_receive  ->  conn, service
 *   worker_turn     ->  transports_run: services read and write, then sessions send in turns
 *   timers          ->  transport_deadline, transport_timeout */
#ifndef DATAPLANE_TRANSPORT_H
#define DATAPLANE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "lcore.h"

struct session;
struct transport;  /* a session's */
struct transports; /* a lcore's */

/* What the full sessions of a lcore share, as config.full says. NULL: no memory. */
struct transports *transports_new(const struct config *config);
void transports_free(struct transports *ts);
/* Objects in use in their pools: none when no full session is there. */
uint32_t transports_used(const struct transports *ts);
/* Bytes of a lcore's memory that they take when all is in use. */
size_t transports_footprint(const struct config *config);
/* Bytes of one idle session, struct session not included. */
size_t transport_size(void);
/* Let services work and sessions send, some at a time. Returns how much there was to do. */
unsigned transports_run(struct lcore *lc);

/* s, with keys and path, becomes a full session: sets s->full. 0, -EINVAL, -ENOSPC. */
int transport_begin(struct lcore *lc, struct session *s, const struct jp_ipc_install *in);
/* s ends: say so to the client, if s->doom_code does, and give everything back. The keys are good
 * until what was submitted to egress is sent. */
void transport_end(struct lcore *lc, struct session *s);

/* The early data of a session that was resumed, just installed. */
void transport_early(struct lcore *lc, struct session *s, const struct jp_ipc_install *in);

/* False: its packets must wait, uncounted, for memory. */
bool transport_can_receive(const struct session *s);
/* An authentic packet, its number just committed. Takes m. */
void transport_receive(struct lcore *lc, struct session *s, struct rte_mbuf *m);

/* A connection ended that was this path. */
void transport_path_lost(struct lcore *lc, struct session *s, const struct jp_path *path);

/* When transport_timeout has work, us. */
uint64_t transport_deadline(const struct lcore *lc, const struct session *s);
void transport_timeout(struct lcore *lc, struct session *s);

/* Add what there is to say of a full session (session_describe). */
void transport_describe(const struct session *s, struct jp_ipc_session *out);

#endif
