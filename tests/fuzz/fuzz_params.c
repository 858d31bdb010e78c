/* Handshake parameters: whatever decodes is valid, and decodes the same after we encoded it. */
#include <string.h>

#include "fuzz.h"
#include "handshake_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hs_params params, again;
    uint8_t out[PARAMS_ENCODED_MAX];

    if (!params_decode(&params, data, size))
        return 0;
    FUZZ_CHECK(hs_params_valid(&params));
    size_t n = params_encode(out, &params);

    FUZZ_CHECK(n <= sizeof(out));
    FUZZ_CHECK(params_decode(&again, out, n));
    FUZZ_CHECK(again.idle_timeout_ms == params.idle_timeout_ms);
    FUZZ_CHECK(again.max_streams == params.max_streams && again.max_packet == params.max_packet);
    FUZZ_CHECK(again.fec_k == params.fec_k && again.fec_r == params.fec_r);
    return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    struct hs_params params = hs_params_default;

    if (index >= 20)
        return 0;
    params.idle_timeout_ms = 1000 + index * 100000;
    params.max_streams = (uint16_t)(1 + index * 3000);
    params.fec_k = (uint8_t)(index * 3);
    params.fec_r = index > 0 ? (uint8_t)(1 + index % 16) : 0;
    size_t n = params_encode(out, &params);

    if (index % 4 == 3) { /* an unknown id behind */
        memcpy(out + n, "\x2a\x03xyz", 5);
        n += 5;
    }
    return n;
}
