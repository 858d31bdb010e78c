/* jetplane-dp's configuration file. */
#include "config.h"
#include "fuzz.h"
#include "fuzz_config.h"

static void check_port(const struct config_port *port)
{
    FUZZ_CHECK(strnlen(port->device, sizeof(port->device)) < sizeof(port->device));
    FUZZ_CHECK(port->addresses >= 1 && port->addresses <= CONFIG_ADDRESSES_MAX);
    FUZZ_CHECK(port->mtu >= 1392 && port->mtu <= 9000 && port->vlan < 4096);
    for (unsigned i = 0; i < port->addresses; i++)
        FUZZ_CHECK(port->address[i].prefix_len <= 128);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config config;

    if (load(data, size, &config) != 0)
        return 0;
    FUZZ_CHECK(config.ports >= 1 && config.ports <= JP_PORTS_MAX);
    FUZZ_CHECK(config.listeners >= 1 && config.listeners <= JP_LISTENERS_MAX);
    FUZZ_CHECK(config.lcores >= 1 && config.lcores <= JP_LCORES_MAX);
    FUZZ_CHECK(config.cpus == 0 || config.cpus == config.lcores + 1);
    FUZZ_CHECK((config.fec_k == 0) == (config.fec_r == 0) && config.fec_k <= 64);
    FUZZ_CHECK(config.max_sessions >= 1 && (config.steer_ring & (config.steer_ring - 1)) == 0);
    FUZZ_CHECK(config.full.congestion);
    for (unsigned i = 0; i < config.ports; i++)
        check_port(&config.port[i]);
    return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    static const char text[] = "ports:\n- device: net_ring0\n  addresses: [198.18.0.1/24]\n";

    memcpy(out, text, sizeof(text) - 1);
    return index == 0 ? sizeof(text) - 1 : 0;
}
