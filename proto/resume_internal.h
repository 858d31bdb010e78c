/* What both sides of a resumption share: where the fields of docs/protocol.md section 2.8 lie, and
 * the key schedule. */
#ifndef PROTO_RESUME_INTERNAL_H
#define PROTO_RESUME_INTERNAL_H

#include "handshake_internal.h"
#include "resume.h"

/* Where the fields lie; what is sealed from its own start. SPI, random and cookie of a ResumeHello
 * lie as in a ClientHello. */
enum {
    RH_SUITE = CH_SUITES,
    RH_TICKET_LEN = RH_SUITE + 1,
    RH_PARAMS_LEN = CH_PARAMS_LEN,
    RH_X25519 = CH_X25519,
    RH_PARAMS = RH_X25519 + HS_X25519_LEN,
    RH_TICKET = RH_PARAMS + HS_PARAMS_MAX,

    EARLY_LEN = 0,
    EARLY_FRAMES = EARLY_LEN + 2,

    RA_SPI = WIRE_HS_HDR,
    RA_X25519 = RA_SPI + 4,
    RA_SEALED = RA_X25519 + HS_X25519_LEN,

    ACCEPT_FINISHED = 0,
    ACCEPT_SPI = ACCEPT_FINISHED + KDF_HASH_LEN,
    ACCEPT_LEN = ACCEPT_SPI + 4,

    RR_SPI = WIRE_HS_HDR,
    RR_RANDOM = RR_SPI + 4,
};
static_assert(RH_TICKET_LEN + 1 == CH_COOKIE_LEN && RH_TICKET == (int)RESUME_TICKET_PLACE,
              "ResumeHello");
static_assert((int)RA_SEALED + ACCEPT_LEN + AEAD_TAG_LEN == (int)RESUME_ACCEPT_LEN, "ResumeAccept");
static_assert(RR_RANDOM + HS_RANDOM_LEN == (int)RESUME_REFUSE_LEN, "ResumeRefuse");
static_assert(RR_SPI == (int)CH_SPI && RR_RANDOM == (int)CH_RANDOM,
              "ResumeRefuse quotes both at once");

/* Where the sealed early data begins, and how long it is without its tag. */
static inline size_t early_place(const uint8_t *hello)
{
    return (size_t)RH_TICKET + hello[RH_TICKET_LEN];
}
static inline size_t early_text_len(const uint8_t *hello)
{
    return RESUME_HELLO_LEN - early_place(hello) - AEAD_TAG_LEN;
}

/* The key of a hello's early data, from all in front of it but the cookie; 0, -EINVAL for an
 * unknown suite. */
int resume_early_key(struct aead *aead, struct aead_key *key, const uint8_t *hello,
                     const uint8_t secret[KDF_HASH_LEN]);

/* T0 and hs, of the whole ResumeHello, the first RA_SEALED bytes of ResumeAccept and both secrets.
 */
void resume_schedule_start(struct hs_schedule *k, const uint8_t *hello, const uint8_t *accept,
                           const uint8_t secret[KDF_HASH_LEN], const uint8_t x25519[HS_X25519_LEN]);
/* T1 and the finished field, of the sealed part's SPI. */
void resume_schedule_finished(struct hs_schedule *k, const uint8_t sealed[ACCEPT_LEN],
                              uint8_t finished[KDF_HASH_LEN]);
/* The session's secrets, of a sealed part whose finished field is right. */
void resume_schedule_session(const struct hs_schedule *k, const uint8_t sealed[ACCEPT_LEN],
                             struct hs_result *result);

/* ---- resume_ticket.c ---- */

/* The secret in a ticket of ours, and the key it is sealed with; NULL when it is none. */
struct resume_key *resume_ticket_open(struct resume_tickets *t, const struct hs_server *s,
                                      const uint8_t *ticket, size_t len,
                                      uint8_t secret[KDF_HASH_LEN]);
/* Mark it used. False: it was. */
bool resume_ticket_use(struct resume_key *key, const uint8_t *ticket);

#endif
