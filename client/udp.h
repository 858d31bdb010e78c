/* Kernel UDP sockets for many packets at a time: recvmmsg, sendmmsg, GRO, GSO, ECN, source
 * addresses, path MTU probing. What a kernel lacks is done without. Knows no loop; a socket is used
 * by one thread at a time. Nothing here allocates after opening. */
#ifndef CLIENT_UDP_H
#define CLIENT_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jetplane/address.h>

enum {
    UDP_BUFFER_BYTES = 4 << 20, /* asked of the kernel, each way */
    UDP_RX_MESSAGES = 32,       /* per system call; each up to 64 packets, or 128 over loopback */
    UDP_RX_PACKETS = 2048,
    UDP_TX_MESSAGES = 32,
    UDP_TX_PACKETS = 256, /* per system call */
    UDP_PAYLOAD_MAX = 65507,
};

/* RFC 3168, the two bits as they stand in the IP header. */
enum udp_ecn { UDP_NOT_ECT = 0, UDP_ECT1 = 1, UDP_ECT0 = 2, UDP_CE = 3 };

/* One UDP payload. IPv4 is never v4-mapped here. */
struct udp_packet {
    jp_address peer;
    /* Received: the address it was sent to. To send: the address to send from, without port, or all
     * zeros for the kernel's choice. */
    jp_address local;
    uint8_t *data;
    uint16_t length;
    uint8_t ecn;
};

struct udp {
    int fd;
    jp_address local; /* as bound, the port filled in */
    bool gso;         /* may send trains of packets as one message */
};

enum {
    UDP_DUAL_STACK = 1, /* a socket on [::] takes IPv4 too; without it the two can be bound apart */
    UDP_REUSEPORT = 2,  /* other sockets, of this user, may be bound to the same address */
};

/* Open a non-blocking socket on address, port 0 for any. Returns 0 or an error of bind. To serve
 * several addresses, open a socket for each. */
int udp_open(struct udp *udp, const jp_address *address, unsigned flags);
void udp_close(struct udp *udp); /* again is nothing */

/* Receive buffers, for any number of sockets of one thread. */
struct udp_rx {
    unsigned count;
    struct udp_packet packets[UDP_RX_PACKETS];
    struct udp_rx_buffers *buffers;
};
int udp_rx_init(struct udp_rx *rx);
void udp_rx_free(struct udp_rx *rx);

/* Receive what is there, once, into rx->packets; data stays until the next call. Returns rx->count,
 * 0 when nothing waits, or an error of receive. */
int udp_receive(struct udp *udp, struct udp_rx *rx);

/* Send packets[0..n). Returns how many the kernel took, from the first; fewer than n when its
 * buffers are full, or when packets[result] failed. Nothing taken is an error about packets[0]:
 * JP_SEND_WOULD_BLOCK, or what is wrong with it. Neighbours of one destination, source, ECN, SPI
 * and length go as one GSO train, of which the last may be shorter. */
int udp_send(struct udp *udp, const struct udp_packet *packets, unsigned n);

/* Open n sockets on one address, one per loop, the kernel steering each packet to the socket that
 * owns it: a data packet by udp_owner of its SPI, a handshake packet (SPI 0) by that of the client
 * SPI in it. They must be closed together: a gap would shift the owners. On error none is open. */
int udp_open_group(struct udp *sockets, unsigned n, const jp_address *address, unsigned flags);

/* Which socket of a group gets packets for this SPI: a server picks SPIs by it. */
static inline unsigned udp_owner(uint32_t spi, unsigned n)
{
    return spi % n;
}

#endif
