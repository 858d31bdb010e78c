/* A session in the data plane. It belongs to exactly one lcore, which alone reads and writes it.
 * Around 3 KiB: what only some sessions need (further streams, FEC) comes from the lcore's pools
 * when it is first used. */
#ifndef DATAPLANE_SESSION_H
#define DATAPLANE_SESSION_H

#include <stdalign.h>
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

struct transport;

/* What packets along a session's path begin with, for packet_is_along. */
struct flow {
    uint8_t peer_mac[6];
    uint8_t port; /* index into dataplane.port */
    uint8_t ip_version;
    uint8_t ip4[8]; /* as in IPv4 packets: source, destination */
    uint8_t ports[4];
};

/* Packets to us touch three lines, one of `replay` and the key; those from us the lines behind. */
struct session {
    uint32_t server_spi;    /* in packets to us; 0: slot is free */
    uint32_t client_spi;    /* in packets to the client */
    struct transport *full; /* its transport; NULL: a light session */
    struct flow flow;       /* of `path` */
    uint8_t listener;       /* index into config.listener, by the port of the handshake */
    bool confirmed;         /* an authentic packet came */
    bool epoch_acked;     /* an ACK of a packet of rx.current.epoch was sent: the next may begin */
    bool unproven;        /* light: `path` changed, and nobody there has answered yet */
    uint8_t doom;         /* enum jp_retired: about to be ended; 0: alive */
    bool fec_refused;     /* no decoder was free when FEC began: sources are read, nothing is
                             recovered */
    uint64_t last_rx;     /* us; of the last authentic packet */
    struct replay replay; /* its end in the first line */

    alignas(64) struct ack ack;
    uint64_t rx_packets, rx_bytes;
    struct streams streams;

    struct jp_path path; /* where the newest authentic packet came from */

    struct wheel_entry
        timer;            /* the earliest of all that waits: idling, ACK, FEC, reorder, source */
    uint64_t timer_at;    /* us */
    struct fec_dec *dec;  /* NULL until the client sends FEC */
    struct fec_enc *enc;  /* NULL unless the client asked for FEC */
    uint32_t held;        /* packets in this session's reorder queues */
    uint16_t max_packet;  /* largest UDP payload the client takes */
    uint16_t max_frames;  /* bytes of frames in a packet that the client and the path take */
    uint16_t max_streams; /* ids we may use are below it */
    uint16_t header_len;  /* bytes of `header` */
    uint32_t idle_timeout_ms;
    uint64_t source_next; /* us: when the source sink sends next; 0: not started */
    uint64_t created;     /* us */
    uint64_t doom_code;   /* of the CLOSE when it ends */
    uint64_t fec_recovered;
    struct session *next; /* of the free slots, or of the doomed sessions */

    struct epoch_rx rx;

    struct epoch_tx tx;
    uint64_t tx_packets, tx_bytes;
    uint64_t challenge_at; /* us; an unproven path is not challenged again before */
    uint32_t room;         /* bytes that an unproven path may get yet */
    bool challenged;       /* with `challenge`, along this path */
    uint8_t challenge[8];
    uint8_t
        header[66]; /* L2 to UDP of packets to the client, lengths and checksums to be filled in */
};

static_assert(sizeof(struct session) <= 3392, "a million sessions fit in 4 GiB");
static_assert(offsetof(struct session, replay.bits) == 64, "what is checked is in the first line");
static_assert(offsetof(struct session, streams.first) == offsetof(struct session, ack) + 64,
              "what is counted is in another, and the first stream in the next");

/* The sessions of one lcore, found by server SPI: an open-addressing index over a flat array. */
struct session_table;

/* Bytes a table for n sessions takes when it is full. */
size_t session_table_footprint(uint32_t n);
/* Make a table for n sessions; NULL when there is not enough memory. Its pages come with the first
 * session that needs them, from the memory of the worker's own socket. */
struct session_table *session_table_new(uint32_t n);
void session_table_free(struct session_table *t);
/* Take a slot for spi: zeroed but for server_spi. NULL when the table is full. The SPI must not be
 * there yet. */
struct session *session_table_add(struct session_table *t, uint32_t spi);
/* Wipe s and give its slot back. */
void session_table_remove(struct session_table *t, struct session *s);
uint32_t session_table_count(const struct session_table *t);
/* NULL when there is none. */
struct session *session_find(const struct session_table *t, uint32_t spi);
/* It will be looked for soon: have its place in the index fetched. */
void session_expect(const struct session_table *t, uint32_t spi);
/* Find n <= BURST_MAX at once, of SPIs that are expected, and have them fetched; out[i] may be
 * NULL. */
void session_find_bulk(const struct session_table *t, const uint32_t *spi, struct session **out,
                       unsigned n);
/* For paging through: the session in slot i < session_table_slots (those used so far), NULL when it
 * is free. */
struct session *session_at(const struct session_table *t, uint32_t i);
uint32_t session_table_slots(const struct session_table *t);

/* Install: keys derived, timers armed. 0, -EEXIST, -ENOSPC, -EINVAL. */
int session_install(struct lcore *lc, const struct jp_ipc_install *in);
/* End a session, once nothing on the receive path can point to it any more; the first to say so
 * says why. */
void session_doom(struct lcore *lc, struct session *s, enum jp_retired why, uint64_t code);
/* End the doomed: tell the client (CLOSE with the code, unless it is CLOSE_NONE or the client is
 * unconfirmed) and the control plane, give back all they hold, wipe their keys. Only with empty
 * packet queues. */
void sessions_reap(struct lcore *lc);
/* Close everything, for at most limit_us, at the lcore's end. */
void sessions_shutdown(struct lcore *lc, uint64_t limit_us);

/* See that the session's timer fires by `at` (us); cheap when it does already. */
void session_wake(struct lcore *lc, struct session *s, uint64_t at);
/* Re-arm the session's timer for the earliest of all that waits. */
void session_schedule(struct lcore *lc, struct session *s);
/* Run what is due on this lcore's sessions (idling, ACKs, FEC flush and expiry, reorder gaps,
 * source), some at a time. Returns how many timers fired. */
unsigned timers_run(struct lcore *lc);

/* Send the ACK that is pending. */
void session_ack(struct lcore *lc, struct session *s);

/* Describe s for the control plane (request left to the caller). */
void session_describe(const struct lcore *lc, const struct session *s, struct jp_ipc_session *out);

#endif
