/* jetplaned's configuration file. */
#include "config.h"
#include "fuzz.h"
#include "fuzz_config.h"

static bool is_rate(const struct rate *r)
{
    return r->per_second >= 1 && r->burst >= 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;

    if (load(data, size, &config) != 0)
        return 0;
    FUZZ_CHECK(strnlen(config.data_plane_socket, CONFIG_SOCKET_MAX) < CONFIG_SOCKET_MAX);
    FUZZ_CHECK(strnlen(config.control_socket, CONFIG_SOCKET_MAX) < CONFIG_SOCKET_MAX);
    FUZZ_CHECK(strnlen(config.identity_file, CONFIG_PATH_MAX) < CONFIG_PATH_MAX);
    FUZZ_CHECK(config.suites[0] != 0 && config.suites[0] != config.suites[1]);
    FUZZ_CHECK(config.idle_timeout_ms >= 1000 && config.max_streams >= 1);
    FUZZ_CHECK(is_rate(&config.handshakes) && is_rate(&config.prefix));
    FUZZ_CHECK(is_rate(&config.resets) && is_rate(&config.prefix_resets));
    return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    static const char text[] = "suites: [chacha20-poly1305]\nhandshakes: {per_second: 5}\n";

    memcpy(out, text, sizeof(text) - 1);
    return index == 0 ? sizeof(text) - 1 : 0;
}
