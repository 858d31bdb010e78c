/* The flood phase: hellos from addresses that are not ours. A Retry to one of them comes here all
 * the same, so that they can be shown to be somebody's. */
#ifndef PKTGEN_FLOOD_H
#define PKTGEN_FLOOD_H

#include "receive.h"

struct flood;

/* A Retry answers one of its hellos. */
void flood_retry(struct flood *f, const struct datagram *d);

#endif
