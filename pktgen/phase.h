/* What a script asks for: the parameters of a phase, checked. Only numbers: no DPDK. */
#ifndef PKTGEN_PHASE_H
#define PKTGEN_PHASE_H

#include <stdbool.h>
#include <stdint.h>

#include "impair.h"

enum phase_kind {
    PHASE_OPEN,  /* handshakes */
    PHASE_RUN,   /* messages */
    PHASE_FLOOD, /* hellos from spoofed addresses */
    PHASE_CLOSE,
};

struct open_params {
    uint32_t sessions;      /* over all workers */
    uint32_t inflight;      /* handshakes at once, over all workers */
    double rate;            /* handshakes begun a second; 0: no limit */
    double idle_timeout;    /* announced, seconds */
    uint32_t streams;       /* 1 to this are used in turn */
    uint8_t suite;          /* enum aead_alg; 0: both are offered */
    uint8_t fec_k, fec_r;   /* asked for and used for sending; 0: none */
    uint32_t fec_flush_us;  /* a partial block is closed after this */
    uint32_t fec_expire_us; /* an incomplete block of the peer is given up after this */
};

enum { PHASE_SIZES = 1024, PHASE_SESSIONS_MAX = 1 << 24 };

struct run_params {
    double seconds;    /* 0: until the messages are sent */
    uint64_t messages; /* stop after so many, over all workers; 0: no limit */
    double rate;       /* messages a second over all workers; 0: as fast as the window allows */
    uint32_t window;   /* messages under way at most, each worker; 0: no limit */
    uint32_t train;    /* messages a session sends before it is another's turn */
    uint16_t size[PHASE_SIZES]; /* of messages, drawn from this table */
    uint16_t size_max;
    double datagrams; /* share of messages sent as DATAGRAM */
    uint64_t
        rekey_every; /* packets of a session after which it goes on to the next epoch; 0: 2^22 */
    double drain;    /* seconds to wait for echoes in the end */
};

enum flood_cookies { FLOOD_NO_COOKIES, FLOOD_FORGED, FLOOD_GOOD };

struct flood_params {
    double seconds, rate; /* hellos a second; 0: as many as go */
    uint32_t sources;     /* prefixes they come from */
    bool valid;           /* well-formed hellos with real keys; else only their header is right */
    uint8_t cookies;      /* enum flood_cookies: what they have in their place */
};

struct phase {
    enum phase_kind kind;
    struct open_params open;
    struct run_params run;
    struct flood_params flood;
    struct impair_config impair; /* of open and run */
};

static inline const char *phase_name(enum phase_kind kind)
{
    static const char *const names[] = {"open", "run", "flood", "close"};

    return names[kind];
}

#endif
