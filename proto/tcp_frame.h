/* Packets on a TCP connection (docs/protocol.md section 8): each has its length in front. */
#ifndef PROTO_TCP_FRAME_H
#define PROTO_TCP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TCP_PREFIX = 2,
    TCP_PACKET_MAX = 9216,
    TCP_OUT_BYTES = 131072,
    /* microseconds */
    TCP_STRANGER_US = 10000000,  /* for a session that proves itself */
    TCP_PARTIAL_US = 10000000,   /* for the rest of a packet */
    TCP_IDLE_US = 60000000,      /* nothing at all came: not even keepalives */
    TCP_KEEPALIVE_US = 15000000, /* of silence */
    TCP_UNSENT_MS = 30000,       /* bytes that nobody acknowledges: the kernel gives up */
};

/* The packet that begins with the n bytes received: its length, with *packet set; 0: it is not
 * there as a whole yet; -EBADMSG: no packet has that length, and the connection is to be closed. */
int tcp_frame_next(const uint8_t *bytes, size_t n, const uint8_t **packet);

/* What waits to be sent: bytes[at], for `used` bytes. */
struct tcp_out {
    uint32_t at, used;
    uint8_t bytes[TCP_OUT_BYTES];
};

/* Append a packet of 1 to TCP_PACKET_MAX bytes; false: there is no room, and it is lost. */
bool tcp_out_add(struct tcp_out *out, const uint8_t *packet, uint16_t len);
/* The first n bytes were sent. */
void tcp_out_sent(struct tcp_out *out, uint32_t n);

#endif
