/* The outer packet: what travels as UDP payload, and the one length gate every received byte
 * passes.
 *
 *   data       SPI (4) | low half of packet number (4) | packet number (8) | ciphertext | tag (16)
 *   handshake  0 (4) | type (1) | version (1) | reserved, 0 (2) | body
 *   keepalive  0xFF
 *
 * Data packets are ESP in UDP: RFC 4303, RFC 3948, with the 64-bit packet number as explicit IV
 * (RFC 4106, RFC 7634). The plaintext ends with the ESP trailer: padding 1, 2, 3 ... to a multiple
 * of four bytes, pad length, next header. */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

enum {
    WIRE_DATA_HDR = 16,
    WIRE_TAG = 16,
    WIRE_TRAILER_MIN = 2,
    WIRE_TRAILER_MAX = 5,
    WIRE_DATA_MIN = WIRE_DATA_HDR + WIRE_TRAILER_MIN + WIRE_TAG, /* bytes of a data packet */
    WIRE_HS_HDR = 8,
    WIRE_SPI_MIN = 256,     /* 1-255 are reserved by RFC 4303 */
    WIRE_NEXT_HEADER = 253, /* RFC 3692 experimental protocol number */
    WIRE_VERSION = 1,
    WIRE_HS_MAX = 1400,   /* a handshake packet fits one 1400-byte UDP payload */
    WIRE_UDP_PORT = 4500, /* RFC 3948: NICs know ESP behind it */
    WIRE_QUOTE = 32,      /* leading bytes of a data packet that a RESET quotes */
};
#define WIRE_OVERHEAD_MAX (WIRE_DATA_HDR + WIRE_TRAILER_MAX + WIRE_TAG)

enum wire_hs_type {
    WIRE_CLIENT_HELLO = 1,
    WIRE_SERVER_HELLO = 2,
    WIRE_RETRY = 3,
    WIRE_RESET = 4,
    WIRE_RESUME_HELLO = 5, /* these three: resume.h */
    WIRE_RESUME_ACCEPT = 6,
    WIRE_RESUME_REFUSE = 7,
};

enum wire_kind {
    WIRE_DATA,
    WIRE_HANDSHAKE,
    WIRE_KEEPALIVE,
    WIRE_SHORT,    /* shorter than its kind's fixed parts */
    WIRE_RESERVED, /* SPI 1-255 */
    WIRE_MISMATCH, /* the low 32 bits do not repeat the packet number's */
    WIRE_VERSION_UNKNOWN,
};

/* spi and text_len lie apart: read as one word right after they were stored as two, they would make
 * the processor wait. */
struct wire_info {
    uint64_t pn;     /* WIRE_DATA */
    uint32_t spi;    /* WIRE_DATA */
    uint8_t hs_type; /* WIRE_HANDSHAKE, WIRE_VERSION_UNKNOWN */
    uint8_t hs_version;
    uint32_t text_len; /* WIRE_DATA: ciphertext bytes, tag excluded */
};

/* The length gate. Classifies a UDP payload of len bytes and fills what its kind carries; a kind
 * other than the first three means drop. Reads no byte it has not checked. */
enum wire_kind wire_classify(const uint8_t *udp, size_t len, struct wire_info *info);

/* Write the 16-byte data header. */
void wire_data_hdr_put(uint8_t hdr[WIRE_DATA_HDR], uint32_t spi, uint64_t pn);

/* Write the 8-byte handshake header. */
void wire_hs_hdr_put(uint8_t hdr[WIRE_HS_HDR], enum wire_hs_type type);

/* Append the ESP trailer behind frames_len bytes of frames; returns its length (2-5). */
size_t wire_trailer_put(uint8_t *end, size_t frames_len);

/* Length of the frames in front of the ESP trailer of text_len bytes of plaintext, or -EBADMSG when
 * the trailer is not one of ours. How much padding there is is anybody's guess, so no branch that
 * good packets take depends on it, but for the longest. Only for text that was authentic. */
static inline int wire_trailer_strip(const uint8_t *text, size_t text_len)
{
    /* the last four bytes by pad length: those that are fixed, and what they are */
    static const uint32_t fixed[4] = {0x0000ffff, 0x00ffffff, 0xffffffff, 0xffffffff};
    static const uint32_t value[4] = {0x00fd, 0x0101fd, 0x010202fd, 0x020303fd};

    static_assert(WIRE_NEXT_HEADER == 0xfd, "is in the table");
    if (text_len < 4 || text_len % 4 != 0)
        return -EBADMSG;
    uint32_t last = be32_load(text + text_len - 4), pad = last >> 8 & 0xff;
    bool longest = pad == 3; /* its first byte of padding lies in front of the last four */

    if (pad > 3 || ((last ^ value[pad]) & fixed[pad]) != 0 || (longest && text_len < 8) ||
        (longest && text[text_len - 5] != 1))
        return -EBADMSG;
    return (int)(text_len - WIRE_TRAILER_MIN - pad);
}

#endif
