#include "compress.h"

#include <assert.h>
#include <errno.h>
#include <lz4.h>

#include "frame.h"
#include "varint.h"

/* It did not pay: skip twice as many as the last time. */
static void back_off(struct compress *c)
{
    unsigned next = c->backoff > 0 ? c->backoff * 2u : 1;

    c->backoff = (uint8_t)(next < COMPRESS_SKIP_MAX ? next : COMPRESS_SKIP_MAX);
    c->skip = c->backoff;
}

size_t compress_message(struct compress *c, void *workspace, const uint8_t *src, size_t n,
                        uint8_t *dst)
{
    assert(n <= FRAME_MESSAGE_MAX && LZ4_sizeofState() <= COMPRESS_WORKSPACE);
    if (!c->on || n < COMPRESS_MIN)
        return 0;
    if (c->skip > 0) {
        c->skip--;
        return 0;
    }
    uint8_t *block = varint_put(dst, n);
    size_t room = n - (n >> COMPRESS_GAIN_SHIFT) - (size_t)(block - dst);
    int size = LZ4_compress_fast_extState(workspace, (const char *)src, (char *)block, (int)n,
                                          (int)room, 1);

    if (size <= 0) {
        back_off(c);
        return 0;
    }
    c->backoff = 0;
    return (size_t)(block - dst) + (size_t)size;
}

int64_t compress_raw_length(const uint8_t *src, size_t n, size_t max)
{
    const uint8_t *end = src + n;
    uint64_t raw_len;

    if (!varint_get(&src, end, &raw_len) || raw_len == 0 ||
        raw_len > (uint64_t)(end - src) * COMPRESS_RATIO_MAX)
        return -EBADMSG;
    if (raw_len > max || raw_len > FRAME_MESSAGE_MAX)
        return -EMSGSIZE;
    return (int64_t)raw_len;
}

int compress_expand(const uint8_t *src, size_t n, uint8_t *dst, size_t raw_len)
{
    const uint8_t *end = src + n;
    uint64_t said;

    if (n > FRAME_MESSAGE_MAX || !varint_get(&src, end, &said))
        return -EBADMSG;
    int got = LZ4_decompress_safe((const char *)src, (char *)dst, (int)(end - src), (int)raw_len);

    return got >= 0 && (size_t)got == raw_len ? 0 : -EBADMSG;
}
