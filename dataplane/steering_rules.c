#include <stdalign.h>

#include <rte_ethdev.h>

#include "bytes.h"
#include "steering_rules.h"
#include "wire.h"

enum { ETH_LEN = 14, IPV4_LEN = 20, IPV6_LEN = 40, UDP_LEN = 8, UDP_DST = 2, PROTO_UDP = 17 };

#define REPEATED(a, b, c, d) a, b, c, d, a, b, c, d, a, b, c, d
#define KEY(...)                                                                                   \
    {                                                                                              \
        REPEATED(__VA_ARGS__), REPEATED(__VA_ARGS__), REPEATED(__VA_ARGS__),                       \
            REPEATED(__VA_ARGS__), __VA_ARGS__                                                     \
    }

alignas(64) const uint8_t steering_key_mixing[TOEPLITZ_KEY_LEN] = KEY(0x6d, 0x5a, 0x56, 0xda);
alignas(64) const uint8_t steering_key_buckets[TOEPLITZ_KEY_LEN] = KEY(0x00, 0x00, 0x00, 0x01);

static void rule_begin(struct flow_rule *r)
{
    *r = (struct flow_rule){.attr = {.ingress = 1}};
    r->action[1].type = RTE_FLOW_ACTION_TYPE_END;
}

/* Ethernet / IP / UDP to the port that NICs expect ESP behind / ESP with (SPI & mask) == spi */
static void match_esp(struct flow_rule *r, unsigned ip_version, uint32_t spi, uint32_t mask)
{
    r->udp.hdr.dst_port = rte_cpu_to_be_16(WIRE_UDP_PORT);
    r->udp_mask.hdr.dst_port = RTE_BE16(0xffff);
    r->esp.hdr.spi = rte_cpu_to_be_32(spi);
    r->esp_mask.hdr.spi = rte_cpu_to_be_32(mask);

    r->pattern[0].type = RTE_FLOW_ITEM_TYPE_ETH;
    r->pattern[1].type = ip_version == 4 ? RTE_FLOW_ITEM_TYPE_IPV4 : RTE_FLOW_ITEM_TYPE_IPV6;
    r->pattern[2].type = RTE_FLOW_ITEM_TYPE_UDP;
    r->pattern[3].type = RTE_FLOW_ITEM_TYPE_ESP;
    if (mask) {
        r->pattern[2].spec = &r->udp;
        r->pattern[2].mask = &r->udp_mask;
        r->pattern[3].spec = &r->esp;
        r->pattern[3].mask = &r->esp_mask;
    }
    r->pattern[4].type = RTE_FLOW_ITEM_TYPE_END;
}

/* The bytes of such a packet, with the SPI as the only field that the mask selects. */
static void match_raw(struct flow_rule *r, unsigned ip_version)
{
    unsigned ip_len = ip_version == 4 ? IPV4_LEN : IPV6_LEN;
    uint8_t *ip = r->packet + ETH_LEN, *udp = ip + ip_len;
    uint16_t len = (uint16_t)(ETH_LEN + ip_len + UDP_LEN + sizeof(uint32_t));

    be16_store(ip - 2, ip_version == 4 ? 0x0800 : 0x86dd);
    ip[0] = ip_version == 4 ? 0x45 : 0x60;
    ip[ip_version == 4 ? 9 : 6] = PROTO_UDP;
    be16_store(udp + UDP_DST, WIRE_UDP_PORT);
    memset(r->packet_mask + len - sizeof(uint32_t), 0xff, sizeof(uint32_t));

    r->raw = (struct rte_flow_item_raw){.length = len, .pattern = r->packet};
    r->raw_mask = (struct rte_flow_item_raw){.length = len, .pattern = r->packet_mask};
    r->pattern[0] = (struct rte_flow_item){
        .type = RTE_FLOW_ITEM_TYPE_RAW,
        .spec = &r->raw,
        .mask = &r->raw_mask,
    };
    r->pattern[1].type = RTE_FLOW_ITEM_TYPE_END;
}

void flow_rule_rss(struct flow_rule *r, const struct rss_shape *shape, unsigned ip_version,
                   const uint8_t key[TOEPLITZ_KEY_LEN], const uint16_t *queue, unsigned queues)
{
    enum { RULE_KEY_LEN = 40 }; /* what every driver that takes a key here takes */

    rule_begin(r);
    if (shape->raw)
        match_raw(r, ip_version);
    else
        match_esp(r, ip_version, 0, 0);
    r->rss.func = RTE_ETH_HASH_FUNCTION_DEFAULT;
    r->rss.types = shape->raw ? 0 : RTE_ETH_RSS_ESP;
    if (!shape->bare) {
        r->rss.func = RTE_ETH_HASH_FUNCTION_TOEPLITZ;
        r->rss.key = key;
        r->rss.key_len = RULE_KEY_LEN;
        r->rss.queue = queue;
        r->rss.queue_num = queues;
    }
    r->action[0].type = RTE_FLOW_ACTION_TYPE_RSS;
    r->action[0].conf = &r->rss;
}

void flow_rule_bucket(struct flow_rule *r, unsigned ip_version, uint32_t spi, uint32_t mask,
                      uint16_t queue)
{
    rule_begin(r);
    match_esp(r, ip_version, spi, mask);
    r->queue.index = queue;
    r->action[0].type = RTE_FLOW_ACTION_TYPE_QUEUE;
    r->action[0].conf = &r->queue;
}

unsigned steering_buckets(unsigned lcores)
{
    return (lcores & (lcores - 1)) == 0 ? lcores : rte_align32pow2(4 * lcores);
}

static uint32_t reverse_bits(uint32_t v)
{
    uint32_t reversed = 0;

    for (unsigned i = 0; i < 32; i++)
        reversed |= (v >> i & 1) << (31 - i);
    return reversed;
}

uint32_t steering_bucket_spi(unsigned b, unsigned n, uint32_t *mask)
{
    *mask = reverse_bits(n - 1);
    return reverse_bits(b);
}

void steering_table(struct dataplane *dp, unsigned fold, const uint8_t key[TOEPLITZ_KEY_LEN])
{
    for (unsigned i = 0; i < JP_RETA_MAX; i++)
        dp->reta[i] = (uint8_t)((i & (fold - 1)) % dp->lcores);
    dp->reta_mask = JP_RETA_MAX - 1;
    memcpy(dp->toeplitz_key, key, TOEPLITZ_KEY_LEN);
}
