/* FEC of a session, each direction an object of pools->protection, taken when first needed. For the
 * conn_fec*.c files alone.
 *
 *   conn_fec.c          life and timers; what became of our sources
 *   conn_fec_send.c     sources and repairs out
 *   conn_fec_receive.c  sources and repairs in, reports out */
#ifndef PROTO_CONN_FEC_H
#define PROTO_CONN_FEC_H

#include "conn_state.h"

enum { FATES = 32, REPORTS = 8 };
enum fec_code { CODE_BLOCKS, CODE_WINDOW, CODES }; /* as FEC_RECOVERED says it */

/* The blocks that sources are dealt to in turn, as the plan was when the first came. */
struct round {
    struct fec_enc enc[REDUNDANCY_DEPTH_MAX];
    struct redundancy_plan plan;
    uint64_t opened_at;
    uint16_t n;      /* sources dealt; 0: none is open */
    uint16_t next;   /* repair to be sent: of block next % depth */
    uint8_t repairs; /* to be sent of each block */
};

/* What became of 64 sources: those of a block, or of the window from 64 * id on. A source that was
 * declared lost may still be recovered until its place is taken; then it stays lost. */
struct fate {
    uint64_t id;
    uint64_t sent;    /* bit j: source j was; 0: the place is free */
    uint64_t done;    /* bit j: it was acknowledged, or recovered */
    uint64_t missing; /* bit j: it was declared lost, and is not done */
    uint64_t bulk;    /* bit j: it is of that class */
};

struct conn_fec_tx {
    struct round open[REDUNDANCY_CLASSES];
    struct round ended[REDUNDANCY_CLASSES]; /* their repairs are being sent */
    struct rlc_enc window;
    uint64_t next_block;
    uint64_t flush_at;                 /* sources in the window wait for a repair until then */
    uint64_t forget_at;                /* it is of no use any more */
    uint32_t window_due;               /* repairs of the window to be sent */
    int32_t spare[REDUNDANCY_CLASSES]; /* repairs that the cap still allows, / RLC_RATIO_ONE */
    struct fate fate[CODES][FATES];    /* at id % FATES */
};

struct report {
    uint64_t first, mask;
    bool window;
};

struct conn_fec_rx {
    struct rlc_dec window;
    struct fec_dec blocks;
    struct report report[REPORTS];
    uint64_t touched[FEC_BLOCKS]; /* blocks of which this packet brought something */
    uint64_t window_last; /* when the window heard something; UINT64_MAX: it holds nothing */
    uint64_t sampled_at;  /* when `newer` was c->newest; `older` at least an age before */
    uint64_t older, newer;
    uint8_t n_touched, n_reports;
    bool window_touched, nack_due;
};

/* ---- conn_fec.c ---- */
/* An object for a direction, zeroed; NULL: no memory. */
void *fec_object(struct conn *c, size_t size);
/* A source leaves. */
void fate_sent(struct conn *c, enum fec_code code, uint64_t block, unsigned index,
               enum redundancy_class class);

/* ---- conn_fec_send.c ---- */
uint64_t fec_tx_deadline(const struct conn *c);
void fec_tx_timeout(struct conn *c, uint64_t now);
void fec_tx_fini(struct conn *c);

/* ---- conn_fec_receive.c ---- */
uint64_t fec_rx_deadline(const struct conn *c);
void fec_rx_timeout(struct conn *c, uint64_t now);
void fec_rx_fini(struct conn *c);

#endif
