/* What a worker does that has found nothing for a while: config.idle. */
#ifndef DATAPLANE_REST_H
#define DATAPLANE_REST_H

#include <stdbool.h>

struct lcore;

/* Prepare worker lc's rests, on the main lcore once the ports have started. 0, or -errno said on
 * stderr where this CPU, or a port the worker polls, does not have what the mode takes. */
int rest_open(struct lcore *lc);
/* Port i is about to be reset: the main lcore takes it out of the worker's rests, while the worker
 * leaves it alone, and into them again when it is back. 0, or -errno said on stderr. */
void rest_remove(struct lcore *lc, unsigned port);
int rest_add(struct lcore *lc, unsigned port);
/* Rest once. True: an interrupt of the worker's queues ended it. */
bool rest(struct lcore *lc);

#endif
