/* A worker lcore on a bench of its own: a port that gives back what it sends, pools small enough to
 * run dry, and the peer's half of a session's keys. One rig a program: DPDK starts once. */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <rte_mbuf.h>

#include "egress.h"
#include "epoch.h"
#include "frame.h"
#include "lcore.h"
#include "session.h"

enum { RIG_MBUF_ROOM = 4096, RIG_RING = 1023, RIG_OUT_MAX = 2 * RIG_RING };

struct rig {
    struct dataplane dp;
    struct lcore lc;
    uint64_t counter[JP_COUNTER_COUNT];
    struct jp_path path4, path6; /* of a client, over IPv4 and over IPv6 with a VLAN tag */
    unsigned taken;              /* pools' objects in use when a test began */
};

/* Start DPDK, one port (dp.port[0], looped back) and one worker with its pools. */
struct rig *rig_start(void);
/* cmocka set-up and tear-down: *state is the rig; counters at 0, and nothing leaked afterwards. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* One session and its client's end. */
struct rig_session {
    struct session s;
    struct epoch_rx peer;
};
/* A session along path with max_packet 1472, its epochs begun with a fixed secret; freed by
 * rig_session_free. */
struct rig_session *rig_session(struct rig *rig, const struct jp_path *path, enum aead_alg alg);
void rig_session_free(struct rig *rig, struct rig_session *rs);

/* A packet with len bytes of data at offset `at`, byte i being first + i, as deliver would hand it
 * over. */
struct rte_mbuf *rig_data(struct rig *rig, uint32_t at, uint32_t len, uint8_t first);

/* Take up to max packets that the port sent. */
unsigned rig_sent(struct rte_mbuf **out, unsigned max);

/* One sent packet, taken apart and checked against RFC 791, 8200, 768, 4303: every length and
 * checksum; aborts the test where one is wrong. */
struct seen {
    struct rte_mbuf *m;
    const uint8_t *eth, *ip, *udp, *payload;
    uint32_t payload_len;
    uint8_t ecn; /* light sessions never set it */
    uint64_t pn;
    uint8_t *frames; /* opened in place */
    uint32_t frames_len;
};
struct seen rig_dissect(struct rte_mbuf *m, const struct jp_path *path);
/* The same for a data packet to rs, opened with the client's keys. */
struct seen rig_open(struct rig *rig, struct rig_session *rs, struct rte_mbuf *m);
/* Take exactly one packet that the port sent. */
struct rte_mbuf *rig_one(void);

#endif
