/* Reset, "I do not know this session": docs/protocol.md section 2.7. */
#include "handshake_internal.h"

#include <string.h>

void hs_reset_make(const struct hs_server *s, const uint8_t quote[WIRE_QUOTE],
                   uint8_t out[HS_RESET_LEN])
{
    wire_hs_hdr_put(out, WIRE_RESET);
    memcpy(out + RESET_QUOTE, quote, WIRE_QUOTE);
    hs_sign(out + RESET_SIGNATURE, s->identity_secret, hs_label_reset, quote);
}

const uint8_t *hs_reset_check(const uint8_t *msg, size_t len,
                              const uint8_t identity[HS_IDENTITY_LEN])
{
    if (len != HS_RESET_LEN || !hs_header_is(msg, len, WIRE_RESET) ||
        !hs_verify(msg + RESET_SIGNATURE, identity, hs_label_reset, msg + RESET_QUOTE))
        return NULL;
    return msg + RESET_QUOTE;
}
