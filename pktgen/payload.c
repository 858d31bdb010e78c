#include "payload.h"

#include <string.h>

#include "bytes.h"
#include "prng.h"

/* magic (4) | session (4) | stream (4) | phase (4) | flags (2) | length (2) | 0 (4) | counter (8) |
 * TSC (8) | check (8) */
enum { MAGIC = 0x6a657467, AT_SESSION = 4, AT_STREAM = 8, AT_PHASE = 12, AT_FLAGS = 16 };
enum { AT_LEN = 18, AT_ZERO = 20, AT_COUNTER = 24, AT_TSC = 32, AT_CHECK = 40 };

void payload_pattern_init(struct payload_pattern *pattern, uint64_t seed)
{
    struct prng r = {seed};

    pattern->seed = seed;
    prng_fill(&r, pattern->table, sizeof(pattern->table));
}

/* Depends on every bit in front of it. */
static uint64_t check_of(uint64_t seed, const uint8_t *header)
{
    uint64_t check = seed;

    for (unsigned i = 0; i < AT_CHECK; i += 8)
        check = prng_mix(check + UINT64_C(0x9e3779b97f4a7c15) + be64_load(header + i));
    return check;
}

static const uint8_t *pattern_of(const struct payload_pattern *pattern, const struct payload *p)
{
    uint64_t hash = prng_mix(pattern->seed ^ prng_mix((uint64_t)p->session << 40 ^ p->counter));

    return pattern->table + hash % PAYLOAD_TABLE;
}

void payload_put(const struct payload_pattern *pattern, const struct payload *p, uint8_t *out)
{
    be32_store(out, MAGIC);
    be32_store(out + AT_SESSION, p->session);
    be32_store(out + AT_STREAM, p->stream);
    be32_store(out + AT_PHASE, p->phase);
    be16_store(out + AT_FLAGS, p->flags);
    be16_store(out + AT_LEN, p->len);
    be32_store(out + AT_ZERO, 0);
    be64_store(out + AT_COUNTER, p->counter);
    be64_store(out + AT_TSC, p->sent_at);
    be64_store(out + AT_CHECK, check_of(pattern->seed, out));
    memcpy(out + PAYLOAD_MIN, pattern_of(pattern, p), (size_t)p->len - PAYLOAD_MIN);
}

bool payload_get(const struct payload_pattern *pattern, struct payload *p, const uint8_t *in,
                 uint32_t len)
{
    if (len < PAYLOAD_MIN || len > PAYLOAD_MAX || be32_load(in) != MAGIC)
        return false;
    p->session = be32_load(in + AT_SESSION);
    p->stream = be32_load(in + AT_STREAM);
    p->phase = be32_load(in + AT_PHASE);
    p->flags = be16_load(in + AT_FLAGS);
    p->len = be16_load(in + AT_LEN);
    p->counter = be64_load(in + AT_COUNTER);
    p->sent_at = be64_load(in + AT_TSC);
    return p->len == len && be64_load(in + AT_CHECK) == check_of(pattern->seed, in) &&
           memcmp(in + PAYLOAD_MIN, pattern_of(pattern, p), len - PAYLOAD_MIN) == 0;
}
