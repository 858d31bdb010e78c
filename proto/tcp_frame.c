#include "tcp_frame.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"

int tcp_frame_next(const uint8_t *bytes, size_t n, const uint8_t **packet)
{
    uint16_t len;

    if (n < TCP_PREFIX)
        return 0;
    len = be16_load(bytes);
    if (len == 0 || len > TCP_PACKET_MAX)
        return -EBADMSG;
    *packet = bytes + TCP_PREFIX;
    return n - TCP_PREFIX < len ? 0 : len;
}

bool tcp_out_add(struct tcp_out *out, const uint8_t *packet, uint16_t len)
{
    uint32_t need = TCP_PREFIX + (uint32_t)len;

    if (out->used + need > TCP_OUT_BYTES)
        return false;
    if (out->at + out->used + need > TCP_OUT_BYTES) {
        memmove(out->bytes, out->bytes + out->at, out->used);
        out->at = 0;
    }
    be16_store(out->bytes + out->at + out->used, len);
    memcpy(out->bytes + out->at + out->used + TCP_PREFIX, packet, len);
    out->used += need;
    return true;
}

void tcp_out_sent(struct tcp_out *out, uint32_t n)
{
    out->used -= n;
    out->at = out->used > 0 ? out->at + n : 0;
}
