/* Frames: what is inside an authenticated packet. Types and fields are varints (varint.h) unless a
 * width is given. docs/protocol.md has the table; this file and frame.c are its only
 * implementation. */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "varint.h"

enum frame_type {
    FRAME_PADDING = 0x00,
    FRAME_PING = 0x01,
    FRAME_ACK = 0x02,
    FRAME_CLOSE = 0x03,
    FRAME_PATH_CHALLENGE = 0x04,
    FRAME_PATH_RESPONSE = 0x05,
    FRAME_ACK_ECN = 0x06,
    FRAME_PATH_USE = 0x07,
    FRAME_FEC_SOURCE = 0x08,
    FRAME_FEC_REPAIR = 0x09,
    FRAME_RLC_SOURCE = 0x0a,
    FRAME_RLC_REPAIR = 0x0b,
    FRAME_FEC_RECOVERED = 0x0c,
    FRAME_NACK = 0x0d,
    FRAME_MAX_DATA = 0x0e,
    FRAME_MAX_STREAMS = 0x0f,
    FRAME_STREAM = 0x10,   /* | FRAME_STREAM_*: 0x10-0x1f and 0x30-0x3f */
    FRAME_DATAGRAM = 0x20, /* 0x20-0x21: | FRAME_DATAGRAM_LEN */
    FRAME_MAX_STREAM_DATA = 0x22,
    FRAME_DATA_BLOCKED = 0x23,
    FRAME_STREAM_BLOCKED = 0x24,
    FRAME_FORWARD = 0x25,
    FRAME_STREAM_END = 0x26,
    FRAME_STREAM_RESET = 0x27,
    FRAME_TICKET = 0x28,
};

enum {
    FRAME_STREAM_OFF = 1,
    FRAME_STREAM_FIN = 2,
    FRAME_STREAM_LEN = 4,
    FRAME_STREAM_UNORDERED = 8,
    FRAME_STREAM_COMPRESSED = 0x20, /* with FIN: the message is (compress.h) */
    FRAME_STREAM_FLAGS = 0x2f,
    FRAME_DATAGRAM_LEN = 1
};
enum { FRAME_STREAM_IDS = 1 << 16, FRAME_MESSAGE_MAX = 1 << 24 };
enum { FRAME_DATA_MAX = 16 }; /* STREAM and DATAGRAM frames in one packet */
enum {
    FRAME_ACK_RANGES_MAX = 32,
    FRAME_STREAM_HDR_MAX = 1 + 8 + 8 + 4 + 8,
    FRAME_FEC_HDR_MAX = 1 + 8 + 3 + 2,
    FRAME_CONTROL_MAX = 1 + 8 + 8 + 8, /* a frame of up to three varints */
    FRAME_TICKET_MAX = 128,
};

/* What a path is for, as PATH_USE says of the one its packet takes. */
enum path_use {
    PATH_ABANDONED = 0,
    PATH_STANDBY = 1,   /* used when no other works */
    PATH_SHARE = 2,     /* takes its part, by its rate */
    PATH_DUPLICATE = 3, /* everything goes along it too */
};

enum close_code {
    CLOSE_NONE = 0,
    CLOSE_PROTOCOL = 1, /* a frame broke the rules */
    CLOSE_IDLE = 2,
    CLOSE_SHUTDOWN = 3, /* the endpoint is stopping */
    CLOSE_ADMIN = 4,    /* retired by its operator */
    CLOSE_LIMIT = 5,    /* a limit of the endpoint was reached */
    CLOSE_DEAD = 6,     /* never sent: the peer does not answer */
};

struct frame_ack_range {
    uint64_t first, last; /* packet numbers, inclusive */
};

struct frame_stream {
    uint64_t seq;    /* message sequence number on the stream */
    uint32_t id;     /* stream id, 0-65535 */
    uint32_t offset; /* of this fragment in the message; it ends within 16 MiB */
    bool fin;        /* last fragment of the message */
    bool unordered, compressed;
    const uint8_t *data;
    uint32_t len;
};

struct frame_datagram {
    const uint8_t *data;
    uint32_t len;
};

/* One parsed frame. Pointers are into the packet and live as long as it does. */
struct frame {
    uint8_t type; /* FRAME_*, flag bits removed */
    union {
        struct {
            uint64_t largest;
            uint64_t delay_us;
            uint64_t ect, ce; /* ACK_ECN: packets received so marked, ever; else 0 */
            uint32_t n;
            struct frame_ack_range ranges[FRAME_ACK_RANGES_MAX]; /* descending */
        } ack;
        struct {
            uint64_t code;
            const uint8_t *reason;
            uint32_t reason_len; /* <= 255 */
        } close;
        const uint8_t *path_data; /* 8 bytes */
        struct {
            uint64_t block;
            uint8_t index;         /* 0-63 */
            const uint8_t *symbol; /* length (2, big endian) || that many bytes of frames */
            uint32_t symbol_len;
        } fec_source;
        struct {
            uint64_t block;
            uint8_t k, r, index; /* 1-64, 1-16, < r */
            const uint8_t *symbol;
            uint32_t symbol_len;
        } fec_repair;
        struct {
            uint64_t id;
            const uint8_t *symbol; /* as in fec_source */
            uint32_t symbol_len;
        } rlc_source;
        struct {
            uint64_t first;
            uint8_t n; /* 1-64 */
            uint16_t seed;
            const uint8_t *symbol;
            uint32_t symbol_len;
        } rlc_repair;
        struct {
            uint8_t window; /* 0: of a block, 1: of the sliding window */
            uint64_t first; /* the block; or a source's id */
            uint64_t mask;  /* bit i: source i of the block, or first + i, was recovered */
        } recovered;
        struct {
            uint32_t
                stream;     /* MAX_STREAM_DATA, STREAM_BLOCKED, FORWARD, STREAM_END, STREAM_RESET */
            uint64_t value; /* NACK: largest packet number; MAX_*, *_BLOCKED: limit; FORWARD:
                               message sequence; STREAM_END: messages; PATH_USE: enum path_use */
            uint64_t total; /* FORWARD, STREAM_RESET: charged */
        } control;
        struct {
            const uint8_t *bytes;
            uint32_t len; /* 1 to FRAME_TICKET_MAX */
        } ticket;
        struct frame_stream stream;
        struct frame_datagram datagram;
    } u;
};

/* Parse the frame at *p and advance behind it; PADDING runs are skipped. A FEC_SOURCE or RLC_SOURCE
 * frame only marks what follows: *p moves to the first frame inside its symbol, to be read with
 * `inner` set and the symbol's end as end; the frames behind it begin at symbol + symbol_len. With
 * `inner` set (a source symbol, received or recovered, is being read) only PING, STREAM, DATAGRAM
 * and PADDING are legal. Returns 1 for a frame, 0 at the end, -EBADMSG for a cut, unknown or
 * impossible one; *p is then anywhere up to end. */
int frame_next(const uint8_t **p, const uint8_t *end, bool inner, struct frame *f);
/* The rest of a STREAM frame with these FRAME_STREAM_FLAGS: *p is behind its type, and moves behind
 * its data. False when it is cut or impossible. */
static inline bool frame_get_stream(const uint8_t **p, const uint8_t *end, unsigned flags,
                                    struct frame_stream *f)
{
    uint64_t id, seq, offset = 0, len;

    if (!varint_get(p, end, &id) || !varint_get(p, end, &seq))
        return false;
    if (flags & FRAME_STREAM_OFF && !varint_get(p, end, &offset))
        return false;
    if (!(flags & FRAME_STREAM_LEN))
        len = (uint64_t)(end - *p);
    else if (!varint_get(p, end, &len))
        return false;
    f->seq = seq;
    f->id = (uint32_t)id;
    f->offset = (uint32_t)offset;
    f->fin = flags & FRAME_STREAM_FIN;
    f->unordered = flags & FRAME_STREAM_UNORDERED;
    f->compressed = flags & FRAME_STREAM_COMPRESSED;
    f->len = (uint32_t)len;
    f->data = bytes_take(p, end, len);
    return f->data && id < FRAME_STREAM_IDS && offset < FRAME_MESSAGE_MAX &&
           len <= FRAME_MESSAGE_MAX - offset && (f->fin || !f->compressed);
}

/* The same of a DATAGRAM frame, flags FRAME_DATAGRAM_LEN or 0. */
static inline bool frame_get_datagram(const uint8_t **p, const uint8_t *end, unsigned flags,
                                      struct frame_datagram *f)
{
    uint64_t len = (uint64_t)(end - *p);

    if (flags & FRAME_DATAGRAM_LEN && !varint_get(p, end, &len))
        return false;
    f->data = bytes_take(p, end, len);
    f->len = (uint32_t)len;
    return f->data;
}

/* The data of a STREAM or DATAGRAM frame, of *len bytes. */
static inline const uint8_t *frame_data(const struct frame *f, uint32_t *len)
{
    *len = f->type == FRAME_STREAM ? f->u.stream.len : f->u.datagram.len;
    return f->type == FRAME_STREAM ? f->u.stream.data : f->u.datagram.data;
}

/* Writers: each stores its frame at p, which has room (sizes above, or the frame's varints plus
 * data), and returns the byte behind it. Data itself is not copied where only a header is said:
 * write it behind, or write the header in front of it. */
uint8_t *frame_put_ping(uint8_t *p);
/* n >= 1 ranges, descending, disjoint and not adjacent. */
uint8_t *frame_put_ack(uint8_t *p, uint64_t delay_us, const struct frame_ack_range *ranges,
                       unsigned n);
/* Of the reason, a C string, at most 255 bytes are sent. */
uint8_t *frame_put_close(uint8_t *p, uint64_t code, const char *reason);
uint8_t *frame_put_path(uint8_t *p, enum frame_type type, const uint8_t data[8]);
/* Header only, its 2-byte length field (= the start of the symbol) last. */
uint8_t *frame_put_fec_source_hdr(uint8_t *p, uint64_t block, uint8_t index, uint16_t len);
size_t frame_fec_source_hdr_size(uint64_t block);
/* Header only; the repair symbol extends to the end of the packet's frames. */
uint8_t *frame_put_fec_repair_hdr(uint8_t *p, uint64_t block, uint8_t k, uint8_t r, uint8_t index);
/* Header only, without LEN: the data extends to the end of the packet's frames. */
uint8_t *frame_put_stream_hdr(uint8_t *p, uint32_t id, uint64_t seq, uint32_t offset, bool fin);
size_t frame_stream_hdr_size(uint32_t id, uint64_t seq, uint32_t offset);
/* Header with LEN: other frames may follow the data. */
uint8_t *frame_put_stream_hdr_len(uint8_t *p, uint32_t id, uint64_t seq, uint32_t offset, bool fin,
                                  uint32_t len);
/* Header with any of FRAME_STREAM_FLAGS but OFF, which follows from the offset; len counts with
 * LEN. */
uint8_t *frame_put_stream_flags(uint8_t *p, unsigned flags, uint32_t id, uint64_t seq,
                                uint32_t offset, uint32_t len);
uint8_t *frame_put_datagram_hdr(uint8_t *p);
uint8_t *frame_put_datagram_hdr_len(uint8_t *p, uint32_t len);
/* frame_put_ack with the counts of packets that came marked ECT and CE. */
uint8_t *frame_put_ack_ecn(uint8_t *p, uint64_t delay_us, uint64_t ect, uint64_t ce,
                           const struct frame_ack_range *ranges, unsigned n);
/* A frame of u.control. */
uint8_t *frame_put_control(uint8_t *p, enum frame_type type, uint32_t stream, uint64_t value,
                           uint64_t total);
uint8_t *frame_put_recovered(uint8_t *p, bool window, uint64_t first, uint64_t mask);
/* Header only, its 2-byte length field (= the start of the symbol) last. */
uint8_t *frame_put_rlc_source_hdr(uint8_t *p, uint64_t id, uint16_t len);
size_t frame_rlc_source_hdr_size(uint64_t id);
/* Header only; the repair symbol extends to the end of the packet's frames. */
uint8_t *frame_put_rlc_repair_hdr(uint8_t *p, uint64_t first, uint8_t n, uint16_t seed);
uint8_t *frame_put_ticket(uint8_t *p, const uint8_t *ticket, uint32_t len);

#endif
