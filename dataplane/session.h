/* A session in the data plane. It belongs to exactly one lcore, which alone reads and writes it. Around 3 KiB: what
 * only some sessions need (streams, FEC) comes from the lcore's pools when it is first used. */
#ifndef DATAPLANE_SESSION_H
#define DATAPLANE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "ack.h"
#include "epoch.h"
#include "fec.h"
#include "jetplane/ipc.h"
#include "lcore.h"
#include "reorder.h"
#include "replay.h"
#include "streams.h"
#include "wheel.h"

struct session {
    uint32_t server_spi;      /* in packets to us; 0: slot is free */
    uint32_t client_spi;      /* in packets to the client */
    uint8_t listener;         /* index into config.listener, by the port of the handshake */
    bool confirmed;           /* an authentic packet came */
    uint16_t max_packet;      /* largest UDP payload towards the client */
    uint16_t max_streams;     /* ids we may use are below it */
    uint16_t header_len;      /* bytes of `header` */
    uint32_t idle_timeout_ms;
    uint32_t held;            /* packets in this session's reorder queues */
    uint64_t last_rx;         /* us; of the last authentic packet */
    uint64_t created;         /* us */
    struct wheel_entry timer; /* the earliest of all that waits: idling, ACK, FEC, reorder, source */

    struct jp_path path;      /* where the newest authentic packet came from */
    uint8_t header[66];       /* L2 to UDP of packets to the client, lengths and checksums to be filled in */

    struct epoch_rx rx;
    struct replay replay;
    struct epoch_tx tx;
    struct ack ack;
    struct streams streams;
    struct fec_dec *dec;      /* NULL until the client sends FEC */
    struct fec_enc *enc;      /* NULL unless the client asked for FEC */
    uint64_t source_next;     /* us: when the source sink sends next; 0: not started */

    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, fec_recovered;
};

/* The sessions of one lcore, found by server SPI: an open-addressing index over a flat array. */
struct session_table;

/* Bytes a table for n sessions takes. */
size_t session_table_footprint(uint32_t n);
/* Make a table for n sessions in memory of the given socket; NULL when there is not enough. */
struct session_table *session_table_new(uint32_t n, int socket);
uint32_t session_table_count(const struct session_table *t);
/* NULL when there is none. */
struct session *session_find(const struct session_table *t, uint32_t spi);
/* The same for n <= BURST_MAX SPIs at once, prefetching; out[i] may be NULL. */
void session_find_bulk(const struct session_table *t, const uint32_t *spi, struct session **out, unsigned n);
/* Slot i (< capacity) for paging through, NULL when it is free. */
struct session *session_at(const struct session_table *t, uint32_t i);
uint32_t session_table_capacity(const struct session_table *t);

/* Install: keys derived, timers armed. 0, -EEXIST, -ENOSPC, -EINVAL. */
int session_install(struct lcore *lc, const struct jp_ipc_install *in);
/* End a session: tells the client (CLOSE with `code`, unless CLOSE_NONE) and the control plane, gives back all it
 * holds, wipes its keys. Never while a burst on the receive path may still point to it: use session_doom there. */
void session_end(struct lcore *lc, struct session *s, enum jp_retired why, uint64_t code);
/* From within a burst: end it once the burst is through. */
void session_doom(struct lcore *lc, struct session *s, enum jp_retired why, uint64_t code);
void sessions_reap(struct lcore *lc); /* the doomed ones */

/* Re-arm the session's timer after anything that may wait was changed. */
void session_schedule(struct lcore *lc, struct session *s);
/* Run what is due on this lcore's sessions (idling, ACKs, FEC flush and expiry, reorder gaps, source). */
void timers_run(struct lcore *lc);

/* Describe s for the control plane (request left to the caller). */
void session_describe(const struct lcore *lc, const struct session *s, struct jp_ipc_session *out);

#endif
