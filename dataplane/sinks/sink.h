/* What a listener does with what its sessions deliver. */
#ifndef DATAPLANE_SINK_H
#define DATAPLANE_SINK_H

#include <rte_mbuf.h>

#include "lcore.h"

struct session;

struct sink {
    /* Take n <= BURST_MAX delivered data frames: each packet_of(m[i])'s data [data, data_len), of
     * its session. Takes the mbufs; their fates are already counted. */
    void (*take)(struct lcore *lc, struct rte_mbuf **m, unsigned n);
    /* Run what is due now; returns when to be called again (us, 0: when data came again). NULL: no
     * clock. */
    uint64_t (*tick)(struct lcore *lc, struct session *s);
};

/* By enum jp_sink. */
extern const struct sink sink_echo, sink_discard, sink_source;
const struct sink *sink_of(const struct lcore *lc, const struct session *s);

#endif
