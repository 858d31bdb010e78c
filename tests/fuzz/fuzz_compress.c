/* A compressed message from a peer: the first byte is the receiver's cap, in 64 KiB. Whatever it
 * claims, no more than the cap and what LZ4 can expand to is allocated or written. */
#include <errno.h>
#include <string.h>

#include "compress.h"
#include "frame.h"
#include "fuzz.h"

static uint64_t workspace[COMPRESS_WORKSPACE / 8];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t max = (size_t)data[0] << 16;
    int64_t raw_len = compress_raw_length(++data, --size, max);

    FUZZ_CHECK(raw_len == -EBADMSG || raw_len == -EMSGSIZE || raw_len > 0);
    if (raw_len <= 0)
        return 0;
    FUZZ_CHECK((size_t)raw_len <= max && (size_t)raw_len <= size * COMPRESS_RATIO_MAX);
    uint8_t *raw = malloc((size_t)raw_len), *again = malloc((size_t)raw_len);
    struct compress c = {.on = true};

    FUZZ_CHECK(raw && again);
    if (compress_expand(data, size, raw, (size_t)raw_len) == 0) {
        size_t packed = compress_message(&c, workspace, raw, (size_t)raw_len, again);

        if (packed > 0) { /* what we write of it reads the same */
            FUZZ_CHECK(compress_raw_length(again, packed, max) == raw_len);
            uint8_t *twice = malloc((size_t)raw_len);

            FUZZ_CHECK(twice && compress_expand(again, packed, twice, (size_t)raw_len) == 0);
            FUZZ_CHECK(memcmp(twice, raw, (size_t)raw_len) == 0);
            free(twice);
        }
    }
    free(again);
    free(raw);
    return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    struct compress c = {.on = true};
    static uint8_t raw[FUZZ_INPUT_MAX];
    size_t n = COMPRESS_MIN + index * 100;

    if (index >= 20)
        return 0;
    for (size_t i = 0; i < n; i++)
        raw[i] = (uint8_t)(i % 50 < 45 ? i % (index + 5) : i * i);
    out[0] = (uint8_t)(index + 1);
    return 1 + compress_message(&c, workspace, raw, n, out + 1);
}
