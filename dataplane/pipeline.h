/* The receive path as a whole: the order of its stages. */
#ifndef DATAPLANE_PIPELINE_H
#define DATAPLANE_PIPELINE_H

#include "lcore.h"

/* Take packets as they came from a port (packet_of(m)->port says which) all the way. Leaves b
 * empty. */
void pipeline_rx(struct lcore *lc, struct burst *b);
/* The same from decrypt on: packets that another lcore parsed and handed over. */
void pipeline_owned(struct lcore *lc, struct burst *b);
/* Deliver what timers released. */
void pipeline_released(struct lcore *lc);

#endif
