/* The configuration of jetplane-dp: one YAML file (docs/jetplane-dp.yaml is the reference), read
 * once at start. */
#ifndef DATAPLANE_CONFIG_H
#define DATAPLANE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "confine.h"
#include "jetplane/stats.h"

enum { CONFIG_ADDRESSES_MAX = 8 };

/* An address of ours with its prefix, v4-mapped when IPv4. */
struct config_address {
    uint8_t ip[16];
    uint8_t prefix_len; /* of the IPv6 form: 96 + n for IPv4's n */
};

struct config_port {
    char device[256]; /* PCI address, or vdev string with its arguments */
    struct config_address address[CONFIG_ADDRESSES_MAX];
    uint8_t addresses;
    uint16_t vlan; /* 0: untagged */
    uint16_t mtu;  /* IP packet bytes; the least takes a ClientHello over IPv6 */
    uint16_t rx_descriptors, tx_descriptors;
};

struct config_listener {
    uint16_t udp_port;
    uint8_t sink;         /* enum jp_sink */
    uint32_t source_rate; /* JP_SINK_SOURCE: messages a second and session; 0: as fast as it goes */
    uint16_t source_size; /* bytes a message */
};

/* rest.c */
enum idle {
    IDLE_POLL,      /* goes on as ever */
    IDLE_PAUSE,     /* tells the CPU that it spins */
    IDLE_SLEEP,     /* sleeps, whatever comes */
    IDLE_INTERRUPT, /* sleeps until a port's receive interrupt */
    IDLE_MONITOR,   /* has the CPU wait for a port's next write to memory */
};

struct congestion_ops;

/* Sessions with the full transport (conn.h). */
struct config_full {
    uint32_t sessions;    /* over all lcores; 0: light sessions only */
    uint32_t max_message; /* bytes of the longest one taken */
    uint32_t window, window_max, stream_window, stream_window_max; /* bytes of credit */
    /* MiB of memory per lcore: of streams, what was received and not read, what was sent and not
     * acknowledged, messages on their way back, FEC */
    uint32_t streams_mb, receive_mb, send_mb, echo_mb, fec_mb;
    uint32_t heartbeat_ms; /* 0: none */
    const struct congestion_ops *congestion;
    bool fec, ecn, mtu_discovery;
};

struct config {
    char name[32]; /* of this instance: DPDK's file prefix */
    char control_socket[108];
    bool becomes; /* another user, once the ports have started: */
    struct confine_user user;
    struct config_port port[JP_PORTS_MAX];
    uint8_t ports;
    struct config_listener listener[JP_LISTENERS_MAX];
    uint8_t listeners;

    uint8_t lcores;                  /* workers */
    uint32_t cpu[JP_LCORES_MAX + 1]; /* of the main lcore, then of each worker; may repeat */
    uint8_t cpus;                    /* 0: spread over the CPUs this process may use */
    enum idle idle;                  /* of a worker that finds nothing for a while */
    uint32_t idle_sleep_us;          /* IDLE_SLEEP: this long */
    bool hugepages;
    uint32_t memory_mb; /* 0: what the sizes below need */

    uint32_t max_sessions;  /* over all lcores */
    uint32_t mbufs;         /* packet buffers, 0: from ports and lcores */
    uint32_t steer_ring;    /* slots of each lcore's ring for packets handed over, a power of two */
    uint32_t fec_blocks;    /* open FEC blocks per lcore */
    uint32_t fec_symbols;   /* symbol buffers per lcore */
    uint32_t stream_chunks; /* per lcore */
    uint32_t reorder_max;   /* packets held per session */
    uint32_t reorder_timeout_us;
    uint32_t fec_flush_us;        /* a partial block is closed after this */
    uint32_t fec_expire_us;       /* an incomplete block is given up after this */
    uint32_t confirm_timeout_ms;  /* a session whose client stays silent is forgotten after this */
    uint32_t idle_timeout_max_ms; /* cap on what clients ask for */
    uint16_t max_streams;         /* clients may use ids below */
    uint8_t fec_k, fec_r;         /* asked of clients; 0: none */

    /* per source prefix (IPv4 /24, IPv6 /56) and lcore, in packets */
    uint32_t punt_rate, punt_burst;   /* handshakes handed to the control plane; 0: no limit */
    uint32_t reset_rate, reset_burst; /* unknown SPIs reported to it */
    uint32_t reset_total;             /* the same over all prefixes; 0: no limit */

    struct config_full full;
};

/* Fill *config from the file, with defaults for what it leaves out. 0, or -EINVAL / -errno after
 * printing to stderr what is wrong and where. */
int config_load(const char *path, struct config *config);

#endif
