/* Frames: what is inside an authenticated packet. Types and fields are varints (varint.h) unless a
 * width is given. docs/protocol.md has the table; this file and frame.c are its only
 * implementation. */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_type {
    FRAME_PADDING = 0x00,
    FRAME_PING = 0x01,
    FRAME_ACK = 0x02,
    FRAME_CLOSE = 0x03,
    FRAME_PATH_CHALLENGE = 0x04,
    FRAME_PATH_RESPONSE = 0x05,
    FRAME_FEC_SOURCE = 0x08,
    FRAME_FEC_REPAIR = 0x09,
    FRAME_STREAM = 0x10,   /* 0x10-0x17: | FRAME_STREAM_OFF | FRAME_STREAM_FIN | FRAME_STREAM_LEN */
    FRAME_DATAGRAM = 0x20, /* 0x20-0x21: | FRAME_DATAGRAM_LEN */
};

enum { FRAME_STREAM_OFF = 1, FRAME_STREAM_FIN = 2, FRAME_STREAM_LEN = 4, FRAME_DATAGRAM_LEN = 1 };
enum { FRAME_STREAM_IDS = 1 << 16, FRAME_MESSAGE_MAX = 1 << 24 };
enum { FRAME_DATA_MAX = 16 }; /* STREAM and DATAGRAM frames in one packet */
enum {
    FRAME_ACK_RANGES_MAX = 32,
    FRAME_STREAM_HDR_MAX = 1 + 8 + 8 + 4 + 8,
    FRAME_FEC_HDR_MAX = 1 + 8 + 3 + 2
};

enum close_code {
    CLOSE_NONE = 0,
    CLOSE_PROTOCOL = 1, /* a frame broke the rules */
    CLOSE_IDLE = 2,
    CLOSE_SHUTDOWN = 3, /* the endpoint is stopping */
    CLOSE_ADMIN = 4,    /* retired by its operator */
    CLOSE_LIMIT = 5,    /* a limit of the endpoint was reached */
};

struct frame_ack_range {
    uint64_t first, last; /* packet numbers, inclusive */
};

/* One parsed frame. Pointers are into the packet and live as long as it does. */
struct frame {
    uint8_t type; /* FRAME_*, flag bits removed */
    union {
        struct {
            uint64_t largest;
            uint64_t delay_us;
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
            uint64_t seq;    /* message sequence number on the stream */
            uint32_t id;     /* stream id, 0-65535 */
            uint32_t offset; /* of this fragment in the message; it ends within 16 MiB */
            bool fin;        /* last fragment of the message */
            const uint8_t *data;
            uint32_t len;
        } stream;
        struct {
            const uint8_t *data;
            uint32_t len;
        } datagram;
    } u;
};

/* Parse the frame at *p and advance behind it; PADDING runs are skipped. A FEC_SOURCE frame only
 * marks what follows: *p moves to the first frame inside its symbol, to be read with `inner` set
 * and the symbol's end as end; the frames behind it begin at symbol + symbol_len. With `inner` set
 * (a source symbol, received or recovered, is being read) only PING, STREAM, DATAGRAM and PADDING
 * are legal. Returns 1 for a frame, 0 at the end, -EBADMSG for a cut, unknown or impossible one; *p
 * is then anywhere up to end. */
int frame_next(const uint8_t **p, const uint8_t *end, bool inner, struct frame *f);

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
uint8_t *frame_put_datagram_hdr(uint8_t *p);

#endif
