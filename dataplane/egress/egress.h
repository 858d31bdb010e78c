/* The transmit path: submit -> schedule -> frame -> fec -> encrypt -> tx. Whoever has something to send submits it;
 * egress_run takes everything submitted through the stages, in bursts. Packets are handed over with their mbuf, whose
 * struct packet says what it is; its headroom takes the headers. */
#ifndef DATAPLANE_EGRESS_H
#define DATAPLANE_EGRESS_H

#include <stdint.h>

#include <rte_mbuf.h>

struct lcore;
struct session;
struct jp_path;

struct egress;

/* The path of one lcore, from the given socket's memory; NULL when there is none left. */
struct egress *egress_new(int socket);

/* Send packet_of(m)'s data [data, data_len) as a frame of its own: STREAM (stream_id, node.seq, node.offset,
 * node.fin) or DATAGRAM (is_datagram), FEC-protected when the client asked for it. Takes m; the data is sent from
 * where it lies, so 128 bytes must be free in front of it and 64 behind. What does not fit the client's max_packet is
 * split into two packets. */
void egress_data(struct lcore *lc, struct session *s, struct rte_mbuf *m);
/* Send these frames (at most 1200 bytes, copied) in a packet of their own, unprotected: ACK, CLOSE, PATH_RESPONSE. */
void egress_frames(struct lcore *lc, struct session *s, const uint8_t *frames, uint32_t len);
/* Close the session's open FEC block, sending its repairs (a partial block whose time is up, or a full one). */
void egress_fec_flush(struct lcore *lc, struct session *s);
/* Send a complete Ethernet frame out of a port (ARP, NDP, ICMP answers). Takes m. */
void egress_raw(struct lcore *lc, struct rte_mbuf *m, uint16_t port);
/* Send a UDP payload along a path (handshake messages). Copies. */
void egress_datagram(struct lcore *lc, const struct jp_path *path, const uint8_t *bytes, uint32_t len);

/* Forget what was submitted for a session that ends (frees its packets). */
void egress_drop_session(struct lcore *lc, const struct session *s);
/* Take everything submitted through the stages and send it. */
void egress_run(struct lcore *lc);

/* Write the L2-UDP header template of a path into header (<= 66 bytes); returns its length. Shared by egress_datagram
 * and the session's cached header (path.c). */
uint16_t path_header(uint8_t header[66], const struct jp_path *path);

#endif
