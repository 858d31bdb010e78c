/* What a phase counted: one list of names, for the workers, the table, JSON and scripts. */
#ifndef PKTGEN_RESULTS_H
#define PKTGEN_RESULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

/* X(name, description) */
#define JETGEN_COUNTERS(X)                                                                         \
    X(handshakes_ok, "handshakes completed")                                                       \
    X(handshakes_failed, "handshakes given up after 5 s")                                          \
    X(hellos_sent, "ClientHellos sent, repeats included")                                          \
    X(hellos_repeated, "ClientHellos sent again")                                                  \
    X(hellos_rejected, "answers that are not the pinned server's")                                 \
    X(retries, "Retries followed")                                                                 \
    X(tx_packets, "packets given to the port")                                                     \
    X(tx_bytes, "their bytes, from Ethernet header to end of payload")                             \
    X(rx_packets, "packets taken from the port")                                                   \
    X(rx_bytes, "their bytes")                                                                     \
    X(sent_messages, "messages sent, injected losses included")                                    \
    X(held_back, "messages due and never made: the port had no room, or no session was up")        \
    X(delivered, "echoes delivered, every byte checked")                                           \
    X(delivered_bytes, "payload bytes of these")                                                   \
    X(corrupt_delivered, "echoes delivered with bytes that were not sent")                         \
    X(duplicate_delivered, "echoes delivered twice")                                               \
    X(late_delivered, "echoes of an earlier phase, or too late to tell whether they came twice")   \
    X(out_of_order, "echoes delivered behind a later one of their stream")                         \
    X(messages_lost, "messages whose packet was lost or corrupted on purpose")                     \
    X(fec_recovered, "echoes of these: the peer's FEC brought them back")                          \
    X(fec_recovered_rx, "lost packets that FEC recovered on the way back")                         \
    X(repairs_sent, "FEC repairs sent")                                                            \
    X(repairs_received, "FEC repairs received")                                                    \
    X(lost_injected, "packets not sent on purpose")                                                \
    X(reordered, "packets overtaken on purpose")                                                   \
    X(duplicated, "packets sent twice")                                                            \
    X(corrupted, "packets sent with a flipped bit")                                                \
    X(replays_injected, "old packets sent again")                                                  \
    X(forgeries_injected, "forged packets sent")                                                   \
    X(garbage_random, "packets of random bytes sent")                                              \
    X(garbage_truncated, "packets cut short sent")                                                 \
    X(garbage_wrong_spi, "packets with an unknown SPI sent")                                       \
    X(garbage_hellos, "hellos from spoofed addresses sent")                                        \
    X(garbage_headers, "packets with damaged headers sent")                                        \
    X(lost_rx, "received packets dropped on purpose")                                              \
    X(acks_sent, "ACKs sent")                                                                      \
    X(acks_received, "ACKs received")                                                              \
    X(rekeys, "epochs entered, both directions")                                                   \
    X(blocked, "packets not sent because the next epoch waits for an ACK")                         \
    X(resets, "resets believed: session lost, handshaken anew")                                    \
    X(resets_ignored, "resets not believed")                                                       \
    X(closed, "sessions closed by the peer")                                                       \
    X(server_hellos, "ServerHellos that answered no handshake of ours")                            \
    X(server_retries, "Retries that answered no handshake of ours")                                \
    X(neighbours, "ARP and neighbour discovery, answered or learned from")                         \
    X(rx_other, "received packets that are not for us")                                            \
    X(rx_malformed, "received packets with wrong lengths or checksums")                            \
    X(rx_unknown_spi, "received packets without session")                                          \
    X(rx_auth_failed, "received packets whose tag is wrong")                                       \
    X(rx_replayed, "received packets whose number was seen or is too old")                         \
    X(rx_bad_frame, "received packets with malformed frames")                                      \
    X(misdirected, "received packets handed to another worker")                                    \
    X(misdirected_dropped, "received packets that found its ring full")                            \
    X(tx_dropped, "packets dropped because the port took none for a second")                       \
    X(no_mbuf, "packets not sent for want of a packet buffer")                                     \
    X(tx_cycles, "TSC cycles spent making and sending packets")                                    \
    X(rx_cycles, "TSC cycles spent on received packets")

#define JETGEN_COUNTER_INDEX(name, text) C_##name,
enum counter { JETGEN_COUNTERS(JETGEN_COUNTER_INDEX) COUNTERS };
#undef JETGEN_COUNTER_INDEX

/* What rates are made of. */
struct traffic {
    double seconds; /* from the start to the last packet sent or received */
    uint64_t tx_packets, tx_bytes, rx_packets, rx_bytes;
    double open_seconds; /* the same of open phases */
};

struct results {
    char phase[16];         /* open, run, flood, close; or total */
    struct traffic traffic; /* of the phase; of all run phases in a total */
    double tsc_per_us;      /* what the histograms count */
    uint32_t sessions;      /* up at the end */
    uint64_t counter[COUNTERS];
    struct histogram latency;   /* TSC cycles from making a message to reading its echo */
    struct histogram handshake; /* TSC cycles from the first ClientHello to the keys */
};

/* Numbers that follow from a phase's: name and value, for the table, JSON and scripts. */
struct derived {
    const char *name, *text;
    double (*of)(const struct results *r);
};
extern const struct derived derived[];
extern const unsigned derived_count;

extern const char *const counter_name[COUNTERS], *const counter_text[COUNTERS];

/* Take the traffic of a phase of so many seconds from its counters. */
void results_close(struct results *r, double seconds);
/* total += r, a phase that ended. */
void results_add(struct results *total, const struct results *r);
/* Value of a counter or derived number; false when there is none of that name. */
bool results_find(const struct results *r, const char *name, double *value);

#endif
