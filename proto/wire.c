#include "wire.h"
#include "bytes.h"

static enum wire_kind classify_data(const uint8_t *udp, size_t len, uint32_t spi,
                                    struct wire_info *info)
{
    if (spi < WIRE_SPI_MIN)
        return WIRE_RESERVED;
    if (len < WIRE_DATA_MIN)
        return WIRE_SHORT;
    info->spi = spi;
    info->text_len = (uint32_t)(len - WIRE_DATA_HDR - WIRE_TAG);
    info->pn = be64_load(udp + 8);
    return be32_load(udp + 4) == (uint32_t)info->pn ? WIRE_DATA : WIRE_MISMATCH;
}

static enum wire_kind classify_handshake(const uint8_t *udp, size_t len, struct wire_info *info)
{
    if (len < WIRE_HS_HDR)
        return WIRE_SHORT;
    info->hs_type = udp[4];
    info->hs_version = udp[5];
    return info->hs_version == WIRE_VERSION ? WIRE_HANDSHAKE : WIRE_VERSION_UNKNOWN;
}

enum wire_kind wire_classify(const uint8_t *udp, size_t len, struct wire_info *info)
{
    if (len < 4)
        return len == 1 && udp[0] == 0xff ? WIRE_KEEPALIVE : WIRE_SHORT;
    uint32_t spi = be32_load(udp);

    if (spi != 0)
        return classify_data(udp, len, spi, info);
    return classify_handshake(udp, len, info);
}

void wire_data_hdr_put(uint8_t hdr[WIRE_DATA_HDR], uint32_t spi, uint64_t pn)
{
    be32_store(hdr, spi);
    be32_store(hdr + 4, (uint32_t)pn);
    be64_store(hdr + 8, pn);
}

void wire_hs_hdr_put(uint8_t hdr[WIRE_HS_HDR], enum wire_hs_type type)
{
    memset(hdr, 0, WIRE_HS_HDR);
    hdr[4] = (uint8_t)type;
    hdr[5] = WIRE_VERSION;
}

size_t wire_trailer_put(uint8_t *end, size_t frames_len)
{
    size_t pad = -(frames_len + WIRE_TRAILER_MIN) & 3;

    for (size_t i = 0; i < pad; i++)
        end[i] = (uint8_t)(i + 1);
    end[pad] = (uint8_t)pad;
    end[pad + 1] = WIRE_NEXT_HEADER;
    return pad + WIRE_TRAILER_MIN;
}
