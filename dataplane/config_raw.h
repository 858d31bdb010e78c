/* The configuration file as text, before it is checked: one string a key, NULL where the file
 * leaves it out. The lists below are the only place that knows a number's key, default and range.
 */
#ifndef DATAPLANE_CONFIG_RAW_H
#define DATAPLANE_CONFIG_RAW_H

#include "config.h"

/* X(key and field of struct config, default, least, most) */
#define CONFIG_NUMBERS(X)                                                                          \
    X(lcores, 1, 1, JP_LCORES_MAX)                                                                 \
    X(idle_sleep_us, 0, 0, 1000000)                                                                \
    X(memory_mb, 0, 0, 16777216)                                                                   \
    X(max_sessions, 65536, 1, 16777216)                                                            \
    X(mbufs, 0, 0, 16777216)                                                                       \
    X(steer_ring, 4096, 64, 1048576)                                                               \
    X(fec_blocks, 4096, 8, 16777216)                                                               \
    X(fec_symbols, 16384, 64, 16777216)                                                            \
    X(stream_chunks, 0, 0, 16777216)                                                               \
    X(reorder_max, 256, 1, 1024)                                                                   \
    X(reorder_timeout_us, 50000, 1000, 10000000)                                                   \
    X(fec_flush_us, 5000, 1000, 1000000)                                                           \
    X(fec_expire_us, 100000, 1000, 10000000)                                                       \
    X(confirm_timeout_ms, 10000, 100, 600000)                                                      \
    X(idle_timeout_max_ms, 3600000, 1000, 86400000)                                                \
    X(max_streams, 100, 1, 65535)                                                                  \
    X(fec_k, 0, 0, 64)                                                                             \
    X(fec_r, 0, 0, 16)                                                                             \
    X(punt_rate, 2000, 0, 10000000)                                                                \
    X(punt_burst, 4000, 1, 10000000)                                                               \
    X(reset_rate, 100, 0, 10000000)                                                                \
    X(reset_burst, 200, 1, 10000000)                                                               \
    X(reset_total, 2000, 0, 10000000)

#define CONFIG_FULL_NUMBERS(X)                                                                     \
    X(sessions, 4096, 0, 16777216)                                                                 \
    X(max_message, 65536, 1024, 16777216)                                                          \
    X(window, 1048576, 1, 1073741823)                                                              \
    X(window_max, 16777216, 1, 1073741823)                                                         \
    X(stream_window, 262144, 1, 1073741823)                                                        \
    X(stream_window_max, 8388608, 1, 1073741823)                                                   \
    X(streams_mb, 64, 1, 1048576)                                                                  \
    X(receive_mb, 256, 8, 1048576)                                                                 \
    X(send_mb, 128, 1, 1048576)                                                                    \
    X(echo_mb, 256, 1, 1048576)                                                                    \
    X(fec_mb, 64, 1, 1048576)                                                                      \
    X(heartbeat_ms, 30000, 0, 3600000)

#define CONFIG_FULL_SWITCHES(X)                                                                    \
    X(fec, true)                                                                                   \
    X(ecn, true)                                                                                   \
    X(mtu_discovery, true)

#define CONFIG_PORT_NUMBERS(X)                                                                     \
    X(vlan, 0, 0, 4094)                                                                            \
    X(mtu, 1500, 1392, 9000)                                                                       \
    X(rx_descriptors, 1024, 64, 32768)                                                             \
    X(tx_descriptors, 1024, 64, 32768)

#define CONFIG_LISTENER_NUMBERS(X)                                                                 \
    X(udp_port, 0, 1, 65535)                                                                       \
    X(source_rate, 1000, 0, 1000000)                                                               \
    X(source_size, 1000, 1, 8900)

#define CONFIG_RAW_FIELD(key, ...) char *key;

struct raw_port {
    char *device;
    char **addresses;
    unsigned addresses_count;
    CONFIG_PORT_NUMBERS(CONFIG_RAW_FIELD)
};

struct raw_listener {
    char *sink;
    CONFIG_LISTENER_NUMBERS(CONFIG_RAW_FIELD)
};

struct raw_full {
    char *congestion;
    CONFIG_FULL_NUMBERS(CONFIG_RAW_FIELD)
    CONFIG_FULL_SWITCHES(CONFIG_RAW_FIELD)
};

struct raw_config {
    char *name;
    char *control_socket;
    char *user;
    char *group;
    char *hugepages;
    char *idle;
    struct raw_port *ports;
    unsigned ports_count;
    struct raw_listener *listeners;
    unsigned listeners_count;
    char **cpus;
    unsigned cpus_count;
    struct raw_full *full;
    CONFIG_NUMBERS(CONFIG_RAW_FIELD)
};

/* config_check.c: check what the file at `path` said and fill *config. Prints every complaint to
 * stderr; 0 or -EINVAL. */
int config_check(const char *path, const struct raw_config *raw, struct config *config);

#endif
