/* The transmit path: frames are sealed in batches, go through the phase's impairments, and leave in
 * bursts. */
#ifndef PKTGEN_SEND_H
#define PKTGEN_SEND_H

#include "recall.h"
#include "session.h"
#include "worker.h"

/* A packet buffer with room for all headers in front of its data and for trailer and tag behind it;
 * NULL, counted, when there is none. */
struct rte_mbuf *send_new(struct worker *w);
/* May this session send now, or does its next epoch wait for an ACK (counted)? */
bool send_may(struct worker *w, struct session *s);
/* Seal and send m, whose data is frames, with the given fate (enum impair_action). `message`:
 * extras may follow it. Takes m. */
void send_frames(struct worker *w, struct session *s, struct rte_mbuf *m, unsigned actions,
                 bool message);
/* A packet of these frames (copied), with a fate drawn here: ACK, PING, CLOSE. */
void send_control(struct worker *w, struct session *s, const uint8_t *frames, uint32_t len);
/* A packet with this UDP payload (copied), along the session's path: hellos. The fate is drawn
 * here. */
void send_datagram(struct worker *w, struct session *s, const uint8_t *bytes, uint32_t len);
/* The ACK that is due. */
void send_ack(struct worker *w, struct session *s);
/* Let go the packet the session keeps back. */
void send_held(struct worker *w, struct session *s);
/* Seal what is pending. To be called before a session's keys change. */
void send_seal(struct worker *w);
/* Seal and hand everything to the port. */
void send_flush(struct worker *w);
/* May more traffic be made, or is the port behind? */
bool send_room(const struct worker *w);

/* Put header, completed, in front of m's data, a UDP payload. */
void send_address(struct rte_mbuf *m, const uint8_t *header, uint16_t header_len,
                  unsigned ip_version);
/* Add a whole frame to one of the worker's queues. Takes m. */
void send_raw(struct worker *w, unsigned queue, struct rte_mbuf *m);

/* Protect m's frames as the next source of the session's FEC block, if it has FEC: puts FEC_SOURCE
 * in front. True when the block is now full: fec_flush is due once m has been sent. */
bool fec_protect(struct worker *w, struct session *s, struct rte_mbuf *m);
/* Close the session's open block and send its repairs. */
void fec_flush(struct worker *w, struct session *s);

/* Packets that do not belong, beside a message that was just sent: replays, forgeries, garbage. */
void noise_add(struct worker *w, struct session *s);

#endif
