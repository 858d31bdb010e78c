/* What the stages that read headers know of them (IEEE 802.1Q, RFC 791, RFC 8200, RFC 768). */
#ifndef DATAPLANE_HEADERS_H
#define DATAPLANE_HEADERS_H

enum { UDP_HDR = 8, IP4_MIN = 20, IP6_HDR = 40, VLAN_TAG = 4, VLAN_ID_MASK = 0x0fff };
enum { IP4_FRAGMENT_MASK = 0x3fff /* more fragments, or an offset */ };

#endif
