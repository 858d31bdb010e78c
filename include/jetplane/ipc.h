/* jetplane-dp <-> jetplaned: fixed-size messages on a SOCK_SEQPACKET Unix socket that the data
 * plane listens on. Both ends run on one machine, so integers are in host order; SPIs too. Each
 * type has one size (struct below); a message of another size, version or type ends the connection.
 * One control plane at a time: a newer one replaces the older. The peer must run as the same user
 * or root (SO_PEERCRED).
 *
 *   connect; control sends CONTROL_HELLO; data plane answers DATA_HELLO, with the statistics'
 * descriptor (SCM_RIGHTS); then both send as they need. After a restart of either, control pages
 * through LIST.
 *
 * A control plane that takes TCP sends a second SOCK_SEQPACKET socket along with its CONTROL_HELLO:
 * the relay, where each message is one data packet, or a connection's end (struct jp_ipc_relay).
 * What finds no room there is dropped, as by a full UDP socket, and nothing else waits for it. */
#ifndef JETPLANE_IPC_H
#define JETPLANE_IPC_H

#include <assert.h>
#include <stdint.h>

#include "jetplane/stats.h"

#define JP_IPC_MAGIC UINT32_C(0x4a504950) /* "JPIP" */

enum {
    JP_IPC_VERSION = 2,
    JP_IPC_PACKET_MAX = 1400, /* a handshake packet */
    JP_IPC_QUOTE = 32,
    JP_IPC_SECRET = 32,
    JP_IPC_LIST_MAX = 64, /* sessions answered to one LIST */
    JP_IPC_PATHS = 4,     /* of a session */
    JP_IPC_TICKET_MAX = 128,
    JP_IPC_RELAY_MAX = 9216, /* a data packet */
    JP_IPC_RELAY_PORT = 255, /* in a path: the relay, no port of DPDK */
};

enum jp_ipc_type {
    /* control to data plane */
    JP_IPC_CONTROL_HELLO = 1, /* struct jp_ipc_control_hello */
    JP_IPC_INSTALL = 2,       /* struct jp_ipc_install: answered by INSTALLED */
    JP_IPC_RETIRE = 3,        /* struct jp_ipc_retire: answered by RETIRED */
    JP_IPC_SEND = 4,          /* struct jp_ipc_packet: send these bytes along this path */
    JP_IPC_LIST = 5,          /* struct jp_ipc_list: answered by SESSION... and LIST_END */
    JP_IPC_QUERY = 6,         /* struct jp_ipc_query: answered by SESSION (or not) and LIST_END */
    JP_IPC_STOP = 7,          /* header only: close all sessions and exit */
    /* data plane to control */
    JP_IPC_DATA_HELLO = 64,  /* struct jp_ipc_data_hello + descriptor */
    JP_IPC_PUNT = 65,        /* struct jp_ipc_packet: a ClientHello or ResumeHello came */
    JP_IPC_UNKNOWN_SPI = 66, /* struct jp_ipc_unknown: a data packet without session came */
    JP_IPC_INSTALLED = 67,   /* struct jp_ipc_installed */
    JP_IPC_RETIRED = 68,  /* struct jp_ipc_retired: also unasked, when a session ends by itself */
    JP_IPC_SESSION = 69,  /* struct jp_ipc_session */
    JP_IPC_LIST_END = 70, /* struct jp_ipc_list_end */
};

struct jp_ipc_header {
    uint32_t magic;
    uint16_t version;
    uint16_t type; /* enum jp_ipc_type */
};

/* Where a packet came from, and so where an answer goes: opaque to the control plane but for the
 * peer's address, which its rate limits and cookies need. IPv4 addresses are v4-mapped.
 *   A path by TCP is the control plane's: port is JP_IPC_RELAY_PORT, peer_mac the number it gave
 * the connection, never one it gave before, our_mac and vlan are 0. */
struct jp_path {
    uint8_t peer_ip[16];
    uint8_t our_ip[16];
    uint16_t peer_port;
    uint16_t our_port;
    uint8_t peer_mac[6];
    uint8_t our_mac[6];
    uint16_t vlan;      /* VLAN id, 0: untagged */
    uint8_t port;       /* of DPDK */
    uint8_t ip_version; /* 4 or 6 */
    uint8_t tcp;        /* it is a TCP connection: never the same as a path of UDP */
    uint8_t pad[11];
};

/* What a side announced of the full transport (hs_params). max_data 0: it is for light sessions
 * only. */
struct jp_ipc_credit {
    uint32_t max_data;
    uint32_t max_stream_data;
    uint32_t max_message;
};

struct jp_ipc_control_hello {
    struct jp_ipc_header h;
    uint32_t pid;
    uint32_t pad;
};

/* owner(SPI) = reta[toeplitz_spi(toeplitz_key, SPI) & (reta_size - 1)], a worker's index. */
struct jp_ipc_data_hello {
    struct jp_ipc_header h;
    uint8_t boot_id[16];
    uint32_t pid;
    uint32_t max_sessions;
    uint32_t stats_size;
    uint16_t reta_size; /* a power of two */
    uint8_t lcores;
    uint8_t tier;        /* enum jp_tier */
    uint16_t max_packet; /* largest UDP payload every port takes in */
    uint16_t max_streams;
    uint8_t fec_k, fec_r; /* FEC asked of clients, 0: none */
    uint8_t pad[6];
    uint8_t toeplitz_key[52];
    uint32_t idle_timeout_max_ms; /* no session's is longer */
    struct jp_ipc_credit credit;  /* to be announced as it is */
    uint8_t reta[JP_RETA_MAX];
};

struct jp_ipc_packet {
    struct jp_ipc_header h;
    struct jp_path path;
    uint16_t len;
    uint8_t pad[6];
    uint8_t bytes[JP_IPC_PACKET_MAX];
};

struct jp_ipc_unknown {
    struct jp_ipc_header h;
    struct jp_path path;
    uint8_t quote[JP_IPC_QUOTE];
};

/* The owner lcore derives the keys, puts the session into its table and only then sends `reply`
 * (the ServerHello or ResumeAccept) along the path: no client can be faster than its session. Then
 * it reads the early data, if any, as the session's packet number 0. */
struct jp_ipc_install {
    struct jp_ipc_header h;
    struct jp_path path;
    uint32_t server_spi;
    uint32_t client_spi;
    uint8_t c2s_secret[JP_IPC_SECRET];
    uint8_t s2c_secret[JP_IPC_SECRET];
    uint32_t idle_timeout_ms;
    uint16_t max_streams; /* ids the data plane may use towards this client are below it */
    uint16_t max_packet;  /* largest UDP payload the client takes */
    uint8_t alg;          /* enum aead_alg */
    uint8_t fec_k, fec_r; /* FEC the client asks for, 0: none */
    uint8_t pad;
    /* both sides gave credit: the session is full */
    uint16_t our_max_streams;          /* as announced */
    uint16_t reply_len;                /* 0: none */
    struct jp_ipc_credit ours, theirs; /* as announced */
    uint16_t early_len;                /* full sessions; 0: none */
    uint8_t ticket_len;                /* full sessions; 0: none */
    uint8_t pad2[5];
    uint8_t ticket[JP_IPC_TICKET_MAX]; /* for the client */
    uint8_t reply[JP_IPC_PACKET_MAX];  /* and behind it the early data */
};

struct jp_ipc_installed {
    struct jp_ipc_header h;
    uint32_t server_spi;
    int32_t result; /* 0, -EEXIST: SPI taken, -ENOSPC: no room for a session of its kind, -EINVAL:
                       not a session, -EAGAIN: busy */
};

struct jp_ipc_retire {
    struct jp_ipc_header h;
    uint32_t server_spi;
    uint32_t code; /* of the CLOSE frame sent to the client */
};

enum jp_retired {
    JP_RETIRED_OPERATOR = 1,
    JP_RETIRED_IDLE = 2,
    JP_RETIRED_UNCONFIRMED = 3,
    JP_RETIRED_PEER = 4, /* the peer sent CLOSE */
    JP_RETIRED_VIOLATION = 5,
    JP_RETIRED_UNKNOWN = 6, /* answer to RETIRE: no such session */
    JP_RETIRED_EVICTED = 7, /* memory for what it held ran out */
};

struct jp_ipc_retired {
    struct jp_ipc_header h;
    uint32_t server_spi;
    uint32_t reason; /* enum jp_retired */
};

/* 0 begins, else a cursor of LIST_END. Its upper half is the index of an lcore; a larger one is a
 * violation. */
struct jp_ipc_list {
    struct jp_ipc_header h;
    uint64_t request;
    uint64_t cursor;
    uint32_t max; /* <= JP_IPC_LIST_MAX */
    uint32_t pad;
};

struct jp_ipc_query {
    struct jp_ipc_header h;
    uint64_t request;
    uint32_t server_spi;
    uint32_t pad;
};

struct jp_ipc_path {
    struct jp_path path;
    uint64_t rtt_us, rtt_min_us;
    uint64_t rate;                 /* paced, bytes per second; 0: not yet */
    uint64_t sent, received, lost; /* packets */
    uint32_t cwnd, in_flight;      /* bytes */
    uint16_t mtu;                  /* UDP payload */
    uint8_t use;                   /* as PATH_USE says */
    uint8_t validated, active;
    uint8_t pad[3];
};

struct jp_ipc_session {
    struct jp_ipc_header h;
    uint64_t request;
    struct jp_path path;
    uint32_t server_spi;
    uint32_t client_spi;
    uint64_t age_ms;
    uint64_t idle_ms; /* since the last authentic packet */
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
    uint64_t rx_pn, tx_pn; /* highest received, next to send */
    uint64_t rx_epoch, tx_epoch;
    uint64_t fec_recovered;
    uint32_t idle_timeout_ms;
    uint32_t held;
    uint32_t streams;
    uint8_t lcore;
    uint8_t alg;
    uint8_t fec_k, fec_r;
    uint8_t confirmed;
    uint8_t sink; /* enum jp_sink */
    uint8_t full; /* the rest is only there then */
    uint8_t paths;
    uint8_t pad[4];
    uint64_t packets_lost, packets_late; /* late: declared lost, and acknowledged after all */
    uint64_t stream_bytes_sent, stream_bytes_again, stream_bytes_received; /* again: of sent */
    uint64_t fec_sources, fec_repairs, peer_recovered;                     /* of ours */
    uint64_t ce_received, ce_reported;
    uint64_t probe_timeouts;
    struct jp_ipc_path path_of[JP_IPC_PATHS];
};

struct jp_ipc_list_end {
    struct jp_ipc_header h;
    uint64_t request;
    uint64_t cursor; /* for the next LIST; 0: that was all */
};

/* In front of the packet in each message of the relay. */
struct jp_ipc_relay {
    struct jp_path path; /* the connection */
    /* To the data plane: the SPI in the packet. To control: the session's, 0 as long as its client
     * has not proven its keys, and for handshake packets. */
    uint32_t spi;
    uint16_t len; /* 0, to the data plane: the connection, last used for this SPI, has ended */
    uint8_t pad[2];
};

static_assert(sizeof(struct jp_ipc_header) == 8, "shared layout");
static_assert(sizeof(struct jp_path) == 64, "shared layout");
static_assert(sizeof(struct jp_ipc_control_hello) == 16, "shared layout");
static_assert(sizeof(struct jp_ipc_data_hello) == 632, "shared layout");
static_assert(sizeof(struct jp_ipc_packet) == 1480, "shared layout");
static_assert(sizeof(struct jp_ipc_unknown) == 104, "shared layout");
static_assert(sizeof(struct jp_ipc_install) == 1720, "shared layout");
static_assert(sizeof(struct jp_ipc_installed) == 16, "shared layout");
static_assert(sizeof(struct jp_ipc_retire) == 16, "shared layout");
static_assert(sizeof(struct jp_ipc_retired) == 16, "shared layout");
static_assert(sizeof(struct jp_ipc_list) == 32, "shared layout");
static_assert(sizeof(struct jp_ipc_query) == 24, "shared layout");
static_assert(sizeof(struct jp_ipc_path) == 128, "shared layout");
static_assert(sizeof(struct jp_ipc_session) == 800, "shared layout");
static_assert(sizeof(struct jp_ipc_list_end) == 24, "shared layout");
static_assert(sizeof(struct jp_ipc_relay) == 72, "shared layout");

#endif
