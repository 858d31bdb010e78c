/* What test_drops.c, drops_headers.c and drops_relay.c share: good frames to spoil, and the
 * provocations by broken headers and by TCP. */
#ifndef TEST_DROPS_H
#define TEST_DROPS_H

#include "plane.h"

enum {
    CLIENT = 7,
    ETH = 0,
    IP = 14,
    UDP = 34,
    PAYLOAD = 42
}; /* offsets in an untagged IPv4 frame */

/* A frame that would be good but for what the test changes. */
struct good {
    uint8_t bytes[PLANE_FRAME_MAX];
    uint32_t len;
};

struct good good_frame(const struct client *c, const uint8_t *payload, uint32_t len);
struct good good_data(struct plane *plane);
void fix_checksum(struct good *g);
void inject(struct plane *plane, const struct good *g);
struct good good_hello(const struct client *c, uint8_t type, uint8_t version, uint32_t len);
void eth_other(struct plane *plane);
void eth_other_vlan(struct plane *plane);
void eth_short(struct plane *plane);
void arp_other(struct plane *plane);
void ip_longer_than_frame(struct plane *plane);
void ip_short_header(struct plane *plane);
void ip_shorter_than_its_header(struct plane *plane);
void ip_cut(struct plane *plane);
void ip6_longer_than_frame(struct plane *plane);
void ip_checksum(struct plane *plane);
void ip_fragment(struct plane *plane);
void ip_last_fragment(struct plane *plane);
void ip6_fragment(struct plane *plane);
void ip_not_ours(struct plane *plane);
void ip6_not_ours(struct plane *plane);
void ip_other(struct plane *plane);
void udp_malformed_long(struct plane *plane);
void udp_malformed_short(struct plane *plane);
void udp_cut(struct plane *plane);
void udp_checksum(struct plane *plane);
void put_udp_checksum(struct good *g, uint16_t delta);
void udp_checksum_hello(struct plane *plane);
void udp_checksum_none6(struct plane *plane);
void udp_checksum_moved(struct plane *plane);
void ip_other_mac(struct plane *plane);
void ip_broadcast_mac(struct plane *plane);
void ip6_other_mac(struct plane *plane);
void from4(struct plane *plane, uint8_t first);
void ip_source_none(struct plane *plane);
void ip_source_loopback(struct plane *plane);
void ip_source_multicast(struct plane *plane);
void ip_source_broadcast(struct plane *plane);
void from6(struct plane *plane, const uint8_t ip[16]);
void ip6_source_none(struct plane *plane);
void ip6_source_mapped(struct plane *plane);
void ip6_source_multicast(struct plane *plane);

void relay_long(struct plane *plane);
void relay_full(struct plane *plane);

#endif
