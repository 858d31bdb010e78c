/* Resumption: a client that was there before begins with data in its first packet. Instead of the
 * server's identity and ML-KEM a secret of the last handshake stands, which the server gave the
 * client sealed in a ticket. Sans I/O, as handshake.h; docs/protocol.md section 2.8 has every byte.
 *
 *   ResumeHello (ticket, early data) -> ResumeAccept, or Retry as ever, or
 *   ResumeHello -> ResumeRefuse: then a full handshake, and the early data is sent again in it
 *
 * Early data is delivered at most once for one ticket, but who refuses it may see it again in the
 * handshake that follows, and it has no forward secrecy: it must be idempotent. Only full sessions
 * are resumed (conn.h). */
#ifndef PROTO_RESUME_H
#define PROTO_RESUME_H

#include "frame.h"
#include "handshake.h"

enum {
    RESUME_HELLO_LEN = HS_CLIENT_HELLO_LEN, /* always: so nothing that answers it is longer */
    RESUME_ACCEPT_LEN = 96,
    RESUME_REFUSE_LEN = 44,
    RESUME_TICKET_LEN = 72,    /* of our servers: nonce (24), secret (32), tag (16) */
    RESUME_TICKET_PLACE = 160, /* in a ResumeHello; behind the ticket lies the early data */
    RESUME_EARLY_MAX = RESUME_HELLO_LEN - RESUME_TICKET_PLACE - 1 - 2 - AEAD_TAG_LEN,
    RESUMPTION_MAX = 4 + HS_IDENTITY_LEN + KDF_HASH_LEN + HS_PARAMS_MAX + FRAME_TICKET_MAX,
    RESUME_KEY_LIFETIME_S = 3600, /* a ticket is good for one to two of them */
    RESUME_USED_BITS = 1 << 22,
};

/* ---- client ---- */

/* What a client keeps of a session, to begin the next one with the same server. Secret. */
struct resumption {
    uint8_t secret[KDF_HASH_LEN];
    uint8_t identity[HS_IDENTITY_LEN];
    struct hs_params server; /* the next session's, too: a server with others takes no ticket */
    uint8_t alg;
    uint8_t ticket_len; /* 0: none came */
    uint8_t ticket[FRAME_TICKET_MAX];
};

/* Begin to keep: of a handshake that ended, without its ticket, which a frame brings later. */
void resumption_keep(struct resumption *r, const struct hs_result *result);
/* A ticket came, 1 to FRAME_TICKET_MAX bytes: the newest is kept. */
void resumption_ticket(struct resumption *r, const uint8_t *ticket, uint32_t len);
/* With its ticket, as bytes to be kept anywhere; returns their length. */
size_t resumption_write(const struct resumption *r, uint8_t out[RESUMPTION_MAX]);
/* 0, or -EINVAL: these bytes are not what resumption_write wrote. */
int resumption_read(struct resumption *r, const uint8_t *data, size_t len);
/* Bytes of frames a ResumeHello with this ticket has room for. */
size_t resumption_room(const struct resumption *r);

struct resume_client {
    uint32_t client_spi;
    uint8_t alg;
    uint8_t retries; /* as of struct hs_client */
    struct hs_params server;
    uint8_t identity[HS_IDENTITY_LEN];
    uint8_t secret[KDF_HASH_LEN];
    uint8_t x25519_secret[HS_X25519_LEN];
    uint8_t hello[RESUME_HELLO_LEN];
};

/* Use *r up, which is wiped, and make the ResumeHello (c->hello, sent and resent as a ClientHello):
 * with `len` bytes of frames, those of the client's packet number 0; its next packet is number 1.
 * 0, or with *r as it was: -EINVAL for a bad configuration, -ENOENT when *r has no ticket or not
 * one of the pinned identity with a suite of the configuration, -EMSGSIZE. Draws X25519 secret,
 * client random. */
int resume_client_start(struct resume_client *c, struct aead *aead,
                        const struct hs_client_config *config, struct resumption *r,
                        const uint8_t *frames, size_t len, const struct hs_random *rnd);

enum resume_verdict {
    RESUME_IGNORE, /* not ours, or forged: change nothing, go on waiting */
    RESUME_SEND,   /* c->hello changed (cookie added): send it again */
    RESUME_DONE,   /* *result filled; the client's next data packet is due at once */
    RESUME_REFUSED /* nobody proved this: shake hands in full */
};
enum resume_verdict resume_client_input(struct resume_client *c, struct aead *aead,
                                        const uint8_t *msg, size_t len, struct hs_result *result);
void resume_client_wipe(struct resume_client *c);

/* ---- server ---- */

/* What tickets are sealed with and which were used. Keys are made here and nowhere kept: a server
 * that starts anew refuses all tickets, and so all replays, of the time before. One thread at a
 * time; about 1 MiB.
 *
 * The used ones are a set that may say "used" of a ticket that was not (as many in 2^22 as were
 * used with its key) but never the other way round; it has no size to outgrow. */
struct resume_tickets {
    struct resume_key {
        uint8_t key[32];
        uint64_t used[RESUME_USED_BITS / 64];
    } keys[2];
    uint64_t since_s; /* when the newer key was made */
    uint8_t newer;    /* which it is */
};

/* Make both keys. */
void resume_tickets_init(struct resume_tickets *t, const struct hs_random *rnd, uint64_t now_s);
/* Make a new key when it is time: at least once a minute. Seconds of a monotonic clock. */
void resume_tickets_tick(struct resume_tickets *t, const struct hs_random *rnd, uint64_t now_s);
void resume_tickets_wipe(struct resume_tickets *t);

/* A ticket for the peer of the session with this hs_result.resumption; good for this server's
 * identity and parameters only. Draws the nonce. */
void resume_ticket_make(const struct resume_tickets *t, const struct hs_server *s,
                        const uint8_t resumption[KDF_HASH_LEN], const struct hs_random *rnd,
                        uint8_t out[RESUME_TICKET_LEN]);

/* Cheap part, as hs_server_check: HS_OK, HS_MALFORMED or HS_BAD_COOKIE (hs_server_retry answers
 * it). */
enum hs_server_error resume_server_check(const struct hs_server *s, const uint8_t *hello,
                                         size_t len, const uint8_t addr[HS_ADDR_LEN],
                                         uint64_t now_s, bool need_cookie);

/* What a ResumeHello held. Secret. */
struct resume_early {
    uint8_t secret[KDF_HASH_LEN];
    uint16_t len;
    uint8_t frames[RESUME_EARLY_MAX]; /* of packet number 0 */
};
/* Open a checked hello's ticket and early data, and mark the ticket used. HS_OK; HS_NO_SUITE or
 * HS_BAD_TICKET: answer with resume_server_refuse, nothing was changed. A hello that is repeated
 * must get the answer of the first, so look for that before. */
enum hs_server_error resume_server_open(const struct hs_server *s, struct resume_tickets *t,
                                        struct aead *aead, const uint8_t *hello,
                                        struct resume_early *early);
/* Answer an opened hello with a session under server_spi. HS_OK or HS_BAD_SHARE. Draws the X25519
 * secret. */
enum hs_server_error resume_server_answer(const struct hs_server *s, struct aead *aead,
                                          const uint8_t *hello, const struct resume_early *early,
                                          uint32_t server_spi, const struct hs_random *rnd,
                                          struct hs_result *result, uint8_t out[RESUME_ACCEPT_LEN]);
/* Write the ResumeRefuse for a checked hello. */
void resume_server_refuse(const uint8_t *hello, uint8_t out[RESUME_REFUSE_LEN]);

#endif
