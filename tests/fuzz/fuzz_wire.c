/* The length gate, and the trailer of whatever it calls a data packet. */
#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "fuzz.h"
#include "wire.h"

/* The text of a data packet as if it had been decrypted: what strips is what we would have put. */
static void check_trailer(const uint8_t *text, size_t len)
{
    int frames_len = wire_trailer_strip(text, len);
    uint8_t trailer[WIRE_TRAILER_MAX];

    if (frames_len < 0) {
        FUZZ_CHECK(frames_len == -EBADMSG);
        return;
    }
    FUZZ_CHECK(wire_trailer_put(trailer, (size_t)frames_len) == len - (size_t)frames_len);
    FUZZ_CHECK(memcmp(trailer, text + frames_len, len - (size_t)frames_len) == 0);
}

static void check_data(const uint8_t *data, size_t size, const struct wire_info *info)
{
    uint8_t hdr[WIRE_DATA_HDR];

    FUZZ_CHECK(info->spi >= WIRE_SPI_MIN && info->text_len >= WIRE_TRAILER_MIN);
    FUZZ_CHECK(WIRE_DATA_HDR + info->text_len + WIRE_TAG == size);
    wire_data_hdr_put(hdr, info->spi, info->pn);
    FUZZ_CHECK(memcmp(hdr, data, sizeof(hdr)) == 0);
    check_trailer(data + WIRE_DATA_HDR, info->text_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_info info;

    switch (wire_classify(data, size, &info)) {
    case WIRE_DATA:
        check_data(data, size, &info);
        break;
    case WIRE_HANDSHAKE:
        FUZZ_CHECK(size >= WIRE_HS_HDR && be32_load(data) == 0);
        FUZZ_CHECK(info.hs_type == data[4] && data[5] == WIRE_VERSION);
        break;
    case WIRE_VERSION_UNKNOWN:
        FUZZ_CHECK(size >= WIRE_HS_HDR && be32_load(data) == 0 && data[5] != WIRE_VERSION);
        break;
    case WIRE_KEEPALIVE:
        FUZZ_CHECK(size == 1 && data[0] == 0xff);
        break;
    case WIRE_SHORT:
        FUZZ_CHECK(size < WIRE_DATA_HDR + WIRE_TRAILER_MIN + WIRE_TAG);
        break;
    case WIRE_RESERVED:
        FUZZ_CHECK(size >= 4 && be32_load(data) > 0 && be32_load(data) < WIRE_SPI_MIN);
        break;
    case WIRE_MISMATCH:
        FUZZ_CHECK(memcmp(data + 4, data + 12, 4) != 0);
        break;
    }
    return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    memset(out, 0, 256);
    if (index == 0) {
        out[0] = 0xff;
        return 1;
    }
    if (index <= 4) {
        wire_hs_hdr_put(out, index);
        return WIRE_HS_HDR + index;
    }
    if (index > 20)
        return 0;
    size_t frames_len = index * 3; /* data packets of all paddings */

    wire_data_hdr_put(out, 200 + index * 20, (uint64_t)index << 40 | index);
    return WIRE_DATA_HDR + frames_len +
           wire_trailer_put(out + WIRE_DATA_HDR + frames_len, frames_len) + WIRE_TAG;
}
