/* The handshake: one round trip, X25519 + ML-KEM-768, server authenticated by Ed25519. Sans I/O:
 * bytes in, bytes out, time and randomness are arguments. docs/protocol.md has every byte. The
 * process has called sodium_init() before.
 *
 *   ClientHello -> ServerHello, or ClientHello -> Retry -> ClientHello + cookie -> ServerHello
 *
 * The client's first data packet confirms its keys; the server's Finished inside ServerHello
 * confirms its. */
#ifndef PROTO_HANDSHAKE_H
#define PROTO_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aead.h"
#include "kdf.h"
#include "mlkem.h"
#include "wire.h"

enum {
    HS_X25519_LEN = 32,
    HS_RANDOM_LEN = 32,
    HS_COOKIE_LEN = 24,   /* time (8) || MAC (16) */
    HS_IDENTITY_LEN = 32, /* Ed25519 public key */
    HS_SIGNATURE_LEN = 64,
    HS_ADDR_LEN = 18, /* IPv6 or v4-mapped address (16) || UDP port (2) */
    HS_PARAMS_MAX = 56,
    HS_CLIENT_HELLO_LEN =
        1344, /* every ClientHello, cookie or not: padded, so an answer never amplifies */
    HS_RESET_LEN = WIRE_HS_HDR + WIRE_QUOTE + HS_SIGNATURE_LEN,
    HS_COOKIE_LIFETIME_S = 10,
    HS_RETRIES_MAX = 3,
};

/* What each side announces. Encoded as (id varint, length varint, value varint) triples; unknown
 * ids are skipped, a missing id has the default. */
struct hs_params {
    uint32_t
        idle_timeout_ms;  /* id 1, default 30000; the session lives by the smaller of both sides' */
    uint16_t max_streams; /* id 2, default 100: ids the peer may use are below it */
    uint16_t
        max_packet; /* id 3, default 1472: largest UDP payload the announcer takes, 1280-9000 */
    uint8_t fec_k,
        fec_r; /* id 4, 5, default 0: FEC the announcer asks the peer to send with; 0: none */
    /* id 6, 7, default 0: credit the peer has from the start, of the session and of each stream
     * (flow.h), below 2^30. When both sides give some the session uses the full transport (conn.h).
     */
    uint32_t max_data, max_stream_data;
    uint32_t max_message; /* id 8, default 2^24: bytes of the longest the announcer takes */
};
extern const struct hs_params hs_params_default;
/* Every value in the range of docs/protocol.md section 2.6, fec_k and fec_r both zero or both not,
 * as max_data and max_stream_data. */
bool hs_params_valid(const struct hs_params *params);
static inline bool hs_params_full(const struct hs_params *a, const struct hs_params *b)
{
    return a->max_data > 0 && b->max_data > 0;
}

/* Fills n random bytes; a fixed one makes the worked example. */
struct hs_random {
    void (*fill)(void *arg, uint8_t *out, size_t n);
    void *arg;
};
/* libsodium's generator. */
extern const struct hs_random hs_random_system;

/* What a finished handshake leaves. Secrets: wipe after the session is installed. */
struct hs_result {
    uint8_t c2s_secret[KDF_HASH_LEN]; /* epoch 0, client to server */
    uint8_t s2c_secret[KDF_HASH_LEN];
    uint8_t resumption[KDF_HASH_LEN]; /* what a ticket of this session holds: resume.h */
    uint32_t client_spi;              /* in packets to the client */
    uint32_t server_spi;              /* in packets to the server */
    enum aead_alg alg;
    struct hs_params peer; /* the other side's parameters */
    uint8_t server_identity[HS_IDENTITY_LEN];
};

/* ---- client ---- */

struct hs_client_config {
    uint32_t client_spi; /* >= WIRE_SPI_MIN, unique on the socket */
    uint8_t suites[2];   /* enum aead_alg, preferred first; 0 ends the list */
    struct hs_params params;
    const uint8_t
        *pinned; /* HS_IDENTITY_LEN bytes the server must prove, or NULL: any (caller decides) */
};

struct hs_client {
    struct hs_client_config config;
    uint8_t pin[HS_IDENTITY_LEN];
    uint8_t x25519_secret[HS_X25519_LEN];
    uint8_t dk[MLKEM_DK_LEN];
    uint8_t hello[HS_CLIENT_HELLO_LEN];
    uint8_t retries; /* Retry messages followed, at most HS_RETRIES_MAX */
};

/* Make keys and the ClientHello (c->hello, HS_CLIENT_HELLO_LEN bytes, to be sent as it is and
 * resent on timeout). 0, -EINVAL for a bad configuration, -ENOMEM. Draws X25519 secret, ML-KEM
 * seed, client random. */
int hs_client_start(struct hs_client *c, const struct hs_client_config *config,
                    const struct hs_random *rnd);

enum hs_verdict {
    HS_IGNORE, /* not ours, or forged: change nothing, go on waiting */
    HS_SEND,   /* c->hello changed (cookie added): send it again */
    HS_DONE,   /* *result filled; the client's first data packet is due at once */
};
/* A handshake packet (UDP payload) arrived for this client. A ServerHello that does not
 * authenticate is ignored, so nobody off path can end a handshake. `aead` is the calling thread's.
 */
enum hs_verdict hs_client_input(struct hs_client *c, struct aead *aead, const uint8_t *msg,
                                size_t len, struct hs_result *result);
/* The SPI an answer to a hello is for (the client's): of ServerHello, Retry, ResumeAccept and
 * ResumeRefuse; 0 if msg is none of them. */
uint32_t hs_client_spi_of(const uint8_t *msg, size_t len);
void hs_client_wipe(struct hs_client *c);

/* ---- server ---- */

struct hs_server {
    uint8_t identity[HS_IDENTITY_LEN];
    uint8_t identity_secret[64]; /* Ed25519, libsodium's layout */
    uint8_t cookie_key[32];
    struct hs_params
        params;        /* announced, must be valid; fec_*: what it asks clients to send with */
    uint8_t suites[2]; /* allowed, preferred first; the server's order wins */
};

enum hs_server_error {
    HS_OK = 0,
    HS_MALFORMED = -1, /* length, version, SPI, suites or parameters are wrong */
    HS_NO_SUITE = -2,
    HS_BAD_COOKIE =
        -3, /* absent (when required), expired or not ours: answer with hs_server_retry */
    HS_BAD_SHARE = -4,  /* an all-zero X25519 result or an invalid encapsulation key */
    HS_BAD_TICKET = -5, /* not ours, too old, used before, or not its owner's: resume.h */
};
const char *hs_server_error_name(enum hs_server_error error);

/* Does a ClientHello or ResumeHello (of HS_CLIENT_HELLO_LEN bytes, else unchecked) bring a cookie,
 * good or not? */
bool hs_hello_has_cookie(const uint8_t *hello);
/* Cheap part: parse the hello and, when it carries a cookie or `need_cookie`, check that (constant
 * time). addr is the client's; now_s is wall-clock seconds. No state, no KEM. */
enum hs_server_error hs_server_check(const struct hs_server *s, const uint8_t *hello, size_t len,
                                     const uint8_t addr[HS_ADDR_LEN], uint64_t now_s,
                                     bool need_cookie);
/* Write the Retry for a hello that hs_server_check or resume_server_check found well-formed;
 * returns its length (< 100). */
size_t hs_server_retry(const struct hs_server *s, const uint8_t *hello,
                       const uint8_t addr[HS_ADDR_LEN], uint64_t now_s, uint8_t *out);
/* Expensive part: answer a checked hello with a session under server_spi. Writes the ServerHello
 * (at most WIRE_HS_MAX bytes) and *result. HS_OK, HS_NO_SUITE or HS_BAD_SHARE. Draws X25519 secret,
 * ML-KEM m, server random. */
enum hs_server_error hs_server_answer(const struct hs_server *s, struct aead *aead,
                                      const uint8_t *hello, uint32_t server_spi,
                                      const struct hs_random *rnd, struct hs_result *result,
                                      uint8_t out[WIRE_HS_MAX], size_t *out_len);

/* ---- reset: "I do not know this session" ---- */

/* Sign the first WIRE_QUOTE bytes of a data packet whose SPI is unknown: only the identity's holder
 * can make one, and it is good for that one packet. */
void hs_reset_make(const struct hs_server *s, const uint8_t quote[WIRE_QUOTE],
                   uint8_t out[HS_RESET_LEN]);
/* The quoted bytes when msg is a RESET signed by `identity`, else NULL. The caller must then check
 * that it sent a packet beginning so (at least: SPI and a packet number it sent recently). */
const uint8_t *hs_reset_check(const uint8_t *msg, size_t len,
                              const uint8_t identity[HS_IDENTITY_LEN]);

#endif
