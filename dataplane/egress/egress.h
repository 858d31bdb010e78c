/* The transmit path: submit -> schedule -> frame -> fec -> encrypt -> tx. Whoever has something to
 * send submits it; egress_run takes everything submitted through the stages, in bursts. Packets are
 * handed over with their mbuf, whose struct packet says what it is; its headroom takes the headers.
 */
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

/* A session begins: take an FEC encoder of k sources to r repairs from the lcore's pool into
 * s->enc; k = 0: none. 0, -EINVAL, or -ENOBUFS when the pool is dry; s->enc is then NULL and the
 * session may go on unprotected. */
int egress_session_start(struct lcore *lc, struct session *s, unsigned k, unsigned r);
/* From now on s, whose max_packet is set, is sent to along path, through a port we have: sets path,
 * header and max_frames. When less fits the new one, what was submitted goes along the old and the
 * open FEC block ends without repairs. Not from within egress_run. */
void egress_session_path(struct lcore *lc, struct session *s, const struct jp_path *path);
/* A session ends, its keys and path still good: send everything submitted (a CLOSE gets out), then
 * give back its encoder. Nothing here points to s afterwards. Not from within egress_run. */
void egress_session_end(struct lcore *lc, struct session *s);

/* Send packet_of(m)'s data [data, data_len) as a frame of its own: STREAM (stream_id, node.seq,
 * node.offset, node.fin) or DATAGRAM (is_datagram), FEC-protected when the client asked for it.
 * Takes m; the data is sent from where it lies, so 128 bytes must be free in front of it and 64
 * behind. A fragment that does not fit the client's max_packet is cut into several; a datagram that
 * does not, and a stream the client does not allow, are refused. */
void egress_data(struct lcore *lc, struct session *s, struct rte_mbuf *m);
/* Send these frames (at most 1200 bytes, copied) in a packet of their own, unprotected: ACK, CLOSE,
 * PATH_RESPONSE. */
void egress_frames(struct lcore *lc, struct session *s, const uint8_t *frames, uint32_t len);
/* Close the session's open FEC block, sending its repairs (a partial block whose time is up, or a
 * full one). */
void egress_fec_flush(struct lcore *lc, struct session *s);
/* Data bytes that fit one packet to s for sure, as a STREAM fragment. */
uint32_t egress_data_max(const struct session *s);
/* Send a complete Ethernet frame out of a port of DPDK (ARP, NDP, ICMP answers). Takes m. */
void egress_raw(struct lcore *lc, struct rte_mbuf *m, uint16_t port);
/* Send a UDP payload along a path (handshake messages). Copies. */
void egress_datagram(struct lcore *lc, const struct jp_path *path, const uint8_t *bytes,
                     uint32_t len);

/* How many packets of full sessions may now be submitted to a port, by its index, before the next
 * egress_run; 0: it is full, and some still wait. What others send through a full port is dropped.
 */
unsigned egress_room(const struct lcore *lc, unsigned port);

/* Take everything submitted through the stages and send it; once a turn. Submitting into a full
 * queue does the same first. */
void egress_run(struct lcore *lc);

#endif
