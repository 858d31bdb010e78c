/* The statistics that jetplane-dp shares: one memory file (memfd, sealed against resizing), mapped
 * read-only by whoever holds its descriptor. Every word has one writer, which stores it whole and
 * never locks: a reader sees values that are each right, taken at slightly different times.
 * Counters only grow while a data plane lives; nobody resets them. */
#ifndef JETPLANE_STATS_H
#define JETPLANE_STATS_H

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>

#include "jetplane/counters.h"

#define JP_STATS_MAGIC UINT32_C(0x4a505331) /* "JPS1" */

enum {
    JP_STATS_VERSION = 6,
    JP_LCORES_MAX = 32, /* workers */
    JP_PORTS_MAX = 16,
    JP_LISTENERS_MAX = 16,
    JP_RETA_MAX = 512,
    JP_NAME_MAX = 64,
};

/* How packets find the lcore that owns their session. */
enum jp_tier {
    JP_TIER_RSS = 1,      /* the NIC hashes the SPI */
    JP_TIER_FLOW = 2,     /* rte_flow rules send SPI buckets to queues */
    JP_TIER_SOFTWARE = 3, /* lcores hand packets over */
};

enum jp_sink {
    JP_SINK_ECHO = 1,
    JP_SINK_DISCARD = 2,
    JP_SINK_SOURCE = 3,
};

/* One worker lcore; written by it alone, but for what the main lcore counts: punted, punt_lost, and
 * what begins with relay_, except relay_tx_full. */
struct jp_stats_lcore {
    alignas(128) uint64_t counter[JP_COUNTER_COUNT]; /* enum jp_counter */
};

/* One port; written by the main lcore once a second. */
struct jp_stats_port {
    alignas(64) char name[JP_NAME_MAX]; /* as DPDK names it */
    char driver[32];
    char tier_why[JP_NAME_MAX]; /* why a better steering tier is not used, or "" */
    uint8_t mac[6];
    uint8_t link_up;
    uint8_t tier; /* enum jp_tier */
    uint16_t mtu;
    uint16_t queues;
    uint32_t speed_mbps;
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
    uint64_t rx_missed; /* dropped by the port: no free descriptor */
    uint64_t rx_errors, tx_errors, rx_nombuf;
};

struct jp_stats_listener {
    uint16_t udp_port;
    uint8_t sink; /* enum jp_sink */
    uint8_t pad;
};

struct jp_stats {
    uint32_t magic;
    uint16_t version;
    uint8_t lcores; /* workers */
    uint8_t ports;
    uint8_t tier; /* the worst of the ports' */
    uint8_t listeners;
    uint8_t hugepages;
    uint8_t pad;
    uint32_t pid;
    uint8_t boot_id[16]; /* random, of this run of the data plane */
    uint64_t tsc_hz;
    uint64_t started_at; /* CLOCK_MONOTONIC, ns */
    uint64_t heartbeat;  /* CLOCK_MONOTONIC, ns; the main lcore's last turn */
    uint64_t max_sessions;
    uint64_t memory_bytes; /* what the data plane reserved for sessions, pools and packet buffers */
    char program_version[16];
    char crypto[32]; /* AEAD backend */
    struct jp_stats_listener listener[JP_LISTENERS_MAX];
    uint32_t cpu[JP_LCORES_MAX]; /* of each worker */
    uint32_t mbufs, mbufs_free;  /* packet buffers, and those that nobody holds; once a second */
    struct jp_stats_port port[JP_PORTS_MAX];
    struct jp_stats_lcore lcore[JP_LCORES_MAX];
};

static_assert(sizeof(struct jp_stats_port) == 256, "shared layout");
static_assert(sizeof(struct jp_stats_lcore) % 128 == 0, "workers share no line");

#endif
