/* A whole data plane without its main lcore: several workers on two ports of rings, stepped by hand
 * in one thread at a time of the test's choosing, and clients that speak the protocol to it. One
 * plane a program: DPDK starts once. */
#ifndef TESTS_PLANE_H
#define TESTS_PLANE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command.h"
#include "epoch.h"
#include "frame.h"
#include "lcore.h"
#include "rig.h"
#include "session.h"
#include "setup.h"
#include "wire.h"

enum { PLANE_LCORES = 4, PLANE_PORTS = 2, PLANE_VLAN = 0x123, PLANE_FRAME_MAX = 2048 };
enum { PLANE_UNTAGGED = 0, PLANE_TAGGED = 1 }; /* ports */
/* listeners; the first source has a pace, the other none */
enum { PLANE_ECHO = 4500, PLANE_DISCARD = 4501, PLANE_SOURCE = 4502, PLANE_FAST_SOURCE = 4503 };

/* How much of everything the plane has: a program that needs more says so before it sets one up. */
struct plane_size {
    bool hugepages;
    unsigned memory_mb, lcores; /* lcores <= PLANE_LCORES */
    unsigned sessions, mbufs, mbuf_cache, stream_chunks, fec_blocks, fec_symbols;
    unsigned tx_slots; /* of a port's transmit queue, whose packets stay there until plane_sent */
};
extern struct plane_size plane_size;

struct plane {
    struct dataplane dp;
    struct jp_stats stats;
    struct rte_mempool *mbufs;
    struct aead *aead; /* the clients' */
    struct rte_ring *in[PLANE_PORTS][PLANE_LCORES], *out[PLANE_PORTS][PLANE_LCORES];
    uint64_t now;
    bool stop;               /* atomic */
    bool stuck[PLANE_PORTS]; /* nothing leaves these */
    unsigned in_use;         /* mbufs when a test began */
};

/* cmocka set-up and tear-down: *state is the plane, with one worker, no session and counters at 0;
 * afterwards every packet must have had its fate and every object be back where it came from. */
int plane_setup(void **state);
int plane_teardown(void **state);

/* How many workers share the sessions from now on. */
void plane_workers(struct plane *plane, unsigned n);
/* A turn of every worker. */
void plane_turn(struct plane *plane);
/* Turns until nobody finds work. */
void plane_settle(struct plane *plane);
/* Let time pass, a turn each millisecond. */
void plane_pass(struct plane *plane, uint64_t us);
/* An Ethernet frame arrives at a worker's queue of a port. */
void plane_inject(struct plane *plane, unsigned port, unsigned queue, const uint8_t *frame,
                  uint32_t len);
/* A port's device asks to be reset, as its driver would say. */
void plane_ask_reset(const struct plane *plane, unsigned port);
/* The next packet sent, NULL when there is none. */
struct rte_mbuf *plane_sent(struct plane *plane);
/* Free all that was sent; returns how many. */
unsigned plane_ignore_sent(struct plane *plane);
/* The next event of any worker, copied out; false when there is none. */
bool plane_event(struct plane *plane, struct event *event);
void plane_command(struct plane *plane, unsigned worker, const struct command *command);
/* A counter, summed over the workers. */
uint64_t plane_count(const struct plane *plane, enum jp_counter counter);
/* Does sources = fates + drops + held hold? */
void plane_check_sum(const struct plane *plane);

struct client {
    struct plane *plane;
    struct jp_path path; /* as the plane sees it */
    unsigned queue;      /* where its packets arrive */
    uint32_t server_spi, client_spi;
    enum aead_alg alg;
    uint8_t fec_k, fec_r;        /* asked of the server */
    struct jp_ipc_credit credit; /* given to it: of a full session */
    uint32_t idle_timeout_ms;
    const uint8_t *early; /* frames of packet number 0, of a session that is resumed */
    uint16_t early_len;
    uint8_t ticket_len; /* of the ticket it gets: all 7 */
    uint8_t ecn;        /* of packets from it */
    struct epoch_tx tx;
    struct epoch_rx rx;
};

/* The path of client number n to a listener, over IP version 4 or 6. */
struct jp_path plane_path(unsigned n, uint16_t listener, unsigned ip_version);
/* A client with defaults, of worker `owner`; the caller may change it before client_install. */
struct client client_new(struct plane *plane, unsigned n, unsigned owner);
/* Install its session by command; returns the result the plane reports. */
int client_install(struct client *c);
/* A client over IPv4 with its session, to a listener. */
struct client client_start(struct plane *plane, unsigned n, uint16_t listener);
/* The plane's session of c, NULL when it has none. */
struct session *client_session(const struct client *c);

/* Build the Ethernet frame of a UDP payload from c; returns its length. */
uint32_t client_frame(const struct client *c, const uint8_t *payload, uint32_t len, uint8_t *out);
/* Seal text (with its trailer) as packet number pn under the current key; returns the UDP payload's
 * length. */
uint32_t client_seal_text(struct client *c, uint64_t pn, const uint8_t *text, uint32_t len,
                          uint8_t *payload);
/* Seal frames as packet number pn. */
uint32_t client_seal(struct client *c, uint64_t pn, const uint8_t *frames, uint32_t len,
                     uint8_t *payload);
/* Send a UDP payload. */
void client_send_payload(struct client *c, const uint8_t *payload, uint32_t len);
/* Send frames in the next packet; returns its number. */
uint64_t client_send(struct client *c, const uint8_t *frames, uint32_t len);
/* Send one STREAM fragment or DATAGRAM of len bytes, byte i being first + i. */
void client_send_stream(struct client *c, uint32_t id, uint64_t seq, uint32_t offset, bool fin,
                        uint32_t len, uint8_t first);
void client_send_datagram(struct client *c, uint32_t len, uint8_t first);

/* What the plane sent to c next, opened; fails the test when there is nothing. Free m. */
struct seen client_receive(struct client *c);
/* m was sent to c: take it apart, checked, and open it. Free m. */
struct seen client_open(struct client *c, struct rte_mbuf *m);
/* Receive exactly one packet with one data frame of len bytes from `first` up, and free it. */
struct frame client_expect_data(struct client *c, uint32_t len, uint8_t first);
void client_expect_nothing(struct client *c);

#endif
