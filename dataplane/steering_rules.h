/* What steering asks of a NIC: rte_flow rules, and the table and hash key that make a NIC and
 * owner_of() agree. */
#ifndef DATAPLANE_STEERING_RULES_H
#define DATAPLANE_STEERING_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_flow.h>

#include "lcore.h"

enum { RULE_PACKET_MAX = 14 + 40 + 8 + 4 }; /* Ethernet to SPI */

/* One rule with all it points to; built in place, so never copied. */
struct flow_rule {
    struct rte_flow_attr attr;
    struct rte_flow_item pattern[5];
    struct rte_flow_action action[2];
    struct rte_flow_item_udp udp, udp_mask;
    struct rte_flow_item_esp esp, esp_mask;
    struct rte_flow_item_raw raw, raw_mask;
    uint8_t packet[RULE_PACKET_MAX], packet_mask[RULE_PACKET_MAX];
    struct rte_flow_action_rss rss;
    struct rte_flow_action_queue queue;
};

/* How a driver wants to be asked to hash the SPI. */
struct rss_shape {
    bool raw;  /* match by a packet's bytes, where ESP behind UDP has no name */
    bool bare; /* the port's own RETA and key count; else the rule brings its queues and key */
};

/* Spread ESP in UDP by its SPI over queue[0..queues), a power of two. */
void flow_rule_rss(struct flow_rule *r, const struct rss_shape *shape, unsigned ip_version,
                   const uint8_t key[TOEPLITZ_KEY_LEN], const uint16_t *queue, unsigned queues);
/* Send ESP in UDP whose (SPI & mask) == spi to one queue. */
void flow_rule_bucket(struct flow_rule *r, unsigned ip_version, uint32_t spi, uint32_t mask,
                      uint16_t queue);

/* Buckets that divide evenly enough (largest to smallest share <= 1.25) among n lcores; a power of
 * two. */
unsigned steering_buckets(unsigned lcores);
/* The SPIs of bucket b of n: (SPI & mask) == the value returned. Holds with steering_key_buckets
 * only. */
uint32_t steering_bucket_spi(unsigned b, unsigned n, uint32_t *mask);

/* Keys of 32-bit period, so that a NIC that hashes the SPI at any word of its input gets the same
 * result. With the first, every bit of the hash depends on half of the SPI's; with the second the
 * low bits of the hash are the high bits of the SPI, which a rule can match. */
extern const uint8_t steering_key_mixing[TOEPLITZ_KEY_LEN];
extern const uint8_t steering_key_buckets[TOEPLITZ_KEY_LEN];

/* Fill dp's table so that an owner depends on the lowest log2(fold) bits of the hash only: it then
 * agrees with every NIC whose table has fold entries or more. */
void steering_table(struct dataplane *dp, unsigned fold, const uint8_t key[TOEPLITZ_KEY_LEN]);

#endif
