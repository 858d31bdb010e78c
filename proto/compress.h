/* Compression of messages, per stream: LZ4 blocks. It stops by itself where it does not pay and
 * probes now and then whether it does again.
 *
 * Off unless switched on, and to be left off for streams that carry secrets: encryption hides what
 * is written, not how long it is. Where one message holds both a secret and text somebody else
 * chose, its compressed length tells whether the text repeats the secret, and so the secret, guess
 * by guess (CRIME, BREACH). No message is compressed with the help of another, so what is alone in
 * its message gives away no more than how compressible it is.
 *
 * A compressed message is
 *
 *     raw length (varint, 1 to 16 MiB) || LZ4 block
 *
 * and the frame around it says that it is one: other messages go as they are. Owned by one thread;
 * a workspace serves all streams of a thread. */
#ifndef PROTO_COMPRESS_H
#define PROTO_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COMPRESS_MIN = 512,         /* bytes: shorter messages go as they are */
    COMPRESS_GAIN_SHIFT = 3,    /* pays when it saves 1/8 */
    COMPRESS_SKIP_MAX = 64,     /* messages between two probes, at most */
    COMPRESS_RATIO_MAX = 255,   /* an LZ4 block expands to so many times its size at most */
    COMPRESS_WORKSPACE = 16416, /* bytes, what LZ4_sizeofState says or more */
};

/* A stream's state; all zero is off. */
struct compress {
    bool on;
    uint8_t backoff; /* messages the next failure will skip; 0: it pays */
    uint8_t skip;    /* messages still to skip */
};

/* Compress n bytes (<= FRAME_MESSAGE_MAX) at src into dst, which has room for n. Returns the size
 * in dst, less than n by 1/8 or more, or 0: send the message as it is. The workspace is the
 * thread's, COMPRESS_WORKSPACE bytes, 8-byte aligned, of any content. */
size_t compress_message(struct compress *c, void *workspace, const uint8_t *src, size_t n,
                        uint8_t *dst);

/* The raw length of the n bytes at src that claim to be a compressed message; -EBADMSG when it is
 * cut, zero or more than n bytes can expand to, -EMSGSIZE when it is more than `max`. What it
 * returns is safe to allocate. */
int64_t compress_raw_length(const uint8_t *src, size_t n, size_t max);
/* Expand the message at src into dst, which has room for exactly the raw_len bytes that
 * compress_raw_length said. Returns 0, or -EBADMSG, dst undefined, when it is not a valid block of
 * exactly that length. */
int compress_expand(const uint8_t *src, size_t n, uint8_t *dst, size_t raw_len);

#endif
