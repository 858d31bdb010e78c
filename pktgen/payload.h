/* What messages carry: who sent them, when, whether their packet was let through, and bytes that
 * follow from seed, session and number, so that every byte of every echo is checked. */
#ifndef PKTGEN_PAYLOAD_H
#define PKTGEN_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PAYLOAD_MIN = 48, /* the header below */
    PAYLOAD_MAX = 8900,
    PAYLOAD_TABLE = 1 << 16,
};

enum payload_flag {
    PAYLOAD_LOST = 1, /* its packet was lost or damaged on purpose: only FEC can bring it back */
    PAYLOAD_DATAGRAM = 2, /* sent as DATAGRAM */
};

struct payload {
    uint64_t counter; /* message of this session, from 0 */
    uint64_t sent_at; /* TSC */
    uint32_t session;
    uint32_t stream;
    uint32_t phase;
    uint16_t flags;
    uint16_t len; /* bytes, this header included */
};

/* The pattern of a seed. Read-only once made. */
struct payload_pattern {
    uint64_t seed;
    uint8_t table[PAYLOAD_TABLE + PAYLOAD_MAX];
};
void payload_pattern_init(struct payload_pattern *pattern, uint64_t seed);

/* Write p->len bytes at out. */
void payload_put(const struct payload_pattern *pattern, const struct payload *p, uint8_t *out);
/* Read and check len bytes at in: false when they are not, every one of them, what payload_put
 * wrote. */
bool payload_get(const struct payload_pattern *pattern, struct payload *p, const uint8_t *in,
                 uint32_t len);

#endif
