/* ServerHellos sent lately, so that a repeated ClientHello gets the same one instead of a second
 * session. Keeps bytes that were on the wire and no secret; the oldest make room for new ones. */
#ifndef CONTROL_RECENT_H
#define CONTROL_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "handshake.h"

enum {
    RECENT_MAX = 16384,
    /* where in a ClientHello SPI, random, suites and cookie lie: what two different hellos differ
     * in. A hello that got a cookie is another one: the client cannot accept the answer to the one
     * before */
    RECENT_HELLO_ID = WIRE_HS_HDR,
    RECENT_HELLO_ID_LEN = 4 + HS_RANDOM_LEN + 4 + HS_COOKIE_LEN,
};

struct recent_reply {
    uint8_t hello_id[RECENT_HELLO_ID_LEN];
    uint8_t addr[HS_ADDR_LEN];
    bool used;
    bool installed; /* its session is in the data plane; before, the data plane has the reply and
                       sends it */
    uint16_t len;
    uint32_t next; /* in the hash chain */
    uint64_t at;   /* us */
    uint8_t bytes[WIRE_HS_MAX];
};

struct recent;

struct recent *recent_new(void); /* NULL: no memory */
void recent_free(struct recent *r);

/* The reply given to this well-formed hello (or its repetition) within the last 10 s; NULL if none.
 * Valid until the next recent_put. */
struct recent_reply *recent_find(struct recent *r, const uint8_t *hello,
                                 const uint8_t addr[HS_ADDR_LEN], uint64_t now);
/* Room for a new reply to a hello that recent_find does not find; the caller fills len and bytes.
 */
struct recent_reply *recent_put(struct recent *r, const uint8_t *hello,
                                const uint8_t addr[HS_ADDR_LEN], uint64_t now);
void recent_drop(struct recent *r, struct recent_reply *reply);
void recent_clear(struct recent *r);

#endif
