/* Handshakes of one worker: so many at once, begun at a rate, repeated until answered. */
#ifndef PKTGEN_HANDSHAKES_H
#define PKTGEN_HANDSHAKES_H

#include "session.h"

/* Begin some of those that wait. Returns how many. */
unsigned handshakes_run(struct worker *w);
/* Are there handshakes waiting or under way? */
bool handshakes_busy(const struct worker *w);
/* A ServerHello or Retry came for s, which is in SESSION_HELLO. */
void handshake_input(struct worker *w, struct session *s, uint8_t type, const uint8_t *msg,
                     uint32_t len);
/* A Reset came for s, which is up. */
void handshake_reset(struct worker *w, struct session *s, const uint8_t *msg, uint32_t len);
/* The session's timer fired during its handshake. */
void handshake_timer(struct worker *w, struct session *s);

#endif
