/* The headers of packets along a path: Ethernet, VLAN, IPv4 or IPv6, UDP. A template is written
 * once a path and completed for each packet. */
#ifndef PROTO_PATH_H
#define PROTO_PATH_H

#include <stdint.h>

#include "jetplane/ipc.h"

enum { PATH_HEADER_MAX = 66 };

/* Write the L2-UDP header template of packets from path's `our` end to its peer into header;
 * returns its length. Lengths are 0, the IPv4 checksum is that of length 0, an IPv6 UDP checksum
 * field holds the pseudo header's sum without length. */
uint16_t path_header(uint8_t header[PATH_HEADER_MAX], const struct jp_path *path);

/* Complete a copy of the template, its UDP header at udp, for udp_len bytes (UDP header included).
 * IPv4 goes without a UDP checksum. For IPv6 its field then holds the pseudo header's sum: the
 * port, or path_checksum, goes on from it over the udp_len bytes (RFC 8200 section 8.1). */
void path_header_fill(uint8_t *udp, unsigned ip_version, uint16_t udp_len);
void path_checksum(uint8_t *udp, uint16_t udp_len);

#endif
