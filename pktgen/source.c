/* Where sessions send from. */
#include "bytes.h"
#include "session.h"

enum { HOST_MAX = 254 };

void source_address(const struct address *base, uint32_t i, uint8_t out[16])
{
    memcpy(out, base->ip, 16);
    if (base->version == 4)
        be32_store(out + 12, be32_load(out + 12) + (i << 8));
    else
        be64_store(out, be64_load(out) + ((uint64_t)i << 8));
}

uint32_t source_session(const struct jetgen *g, const uint8_t ip[16], uint16_t port)
{
    const struct address *base = &g->options.source;
    uint8_t expected[16];
    uint64_t i;

    if (base->version == 4)
        i = (be32_load(ip + 12) - be32_load(base->ip + 12)) >> 8;
    else
        i = (be64_load(ip) - be64_load(base->ip)) >> 8;
    if (i >= g->options.sources || port < SOURCE_PORT_MIN)
        return UINT32_MAX;
    source_address(base, (uint32_t)i, expected);
    if (memcmp(expected, ip, 16) != 0)
        return UINT32_MAX;
    return (uint32_t)(port - SOURCE_PORT_MIN) * g->options.sources + (uint32_t)i;
}

void path_spoof(struct jp_path *path, const struct address *base, uint32_t prefixes,
                struct prng *prng)
{
    source_address(base, prng_below(prng, prefixes), path->our_ip);
    if (base->version == 4)
        path->our_ip[15] = (uint8_t)(1 + prng_below(prng, HOST_MAX));
    else
        prng_fill(prng, path->our_ip + 8, 8);
    path->our_port = (uint16_t)(SOURCE_PORT_MIN + prng_below(prng, 65536 - SOURCE_PORT_MIN));
}
