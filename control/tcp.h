/* TCP where UDP does not get through (docs/protocol.md section 8). Connections are taken here, and
 * what they are for is elsewhere: handshakes go where those by UDP go, data packets over the relay
 * to the data plane, which knows a connection as a path. No key is here.
 *
 *   tcp.c         connections: packets in and out, bounded; their time
 *   tcp_listen.c  the ports, and how many connections they take
 *   relay.c       data packets to and from the data plane */
#ifndef CONTROL_TCP_H
#define CONTROL_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "jetplane/ctl.h"
#include "jetplane/ipc.h"
#include "loop.h"
#include "relay.h"
#include "tcp_frame.h"

enum { TCP_IN_BYTES = 16384 };

#define TCP_INDEX(name, text) TCP_##name,
enum tcp_counter { JP_TCP(TCP_INDEX) TCP_COUNTERS };
#undef TCP_INDEX

struct tcp;

struct tcp_connection {
    struct tcp *tcp;
    struct loop_watch watch;
    struct jp_path path; /* its number, from which its slot follows, is peer_mac */
    uint32_t spi;        /* of its last data packet; 0: none */
    uint32_t session;    /* whose client proved its keys here, as the data plane says; 0: none */
    bool waits;          /* to be writable */
    bool touched;        /* in the list of those to be written to */
    struct tcp_connection *next_touched;
    uint64_t alone_since, received_at, whole_at, sent_at; /* us; whole: the last packet was */
    uint32_t in_used;
    uint8_t in[TCP_IN_BYTES];
    struct tcp_out out;
};

struct tcp_user {
    /* A ClientHello or ResumeHello came along path. */
    void (*hello)(void *arg, const struct jp_path *path, const uint8_t *hello, size_t len);
    /* Is there a session of this SPI, as far as is known? */
    bool (*has_session)(void *arg, uint32_t spi);
    void *arg;
};

struct tcp_port {
    struct tcp *tcp;
    struct loop_watch watch; /* fd -1: none */
};

struct tcp {
    struct loop *loop;
    const struct config_tcp *config;
    const struct tcp_user *user;
    struct relay_user relay_user;
    struct relay relay;
    struct tcp_port port[CONFIG_TCP_LISTEN_MAX];
    bool paused; /* no descriptors were left: nothing is accepted until the next tick */
    struct tcp_connection **slot; /* config->connections of them; NULL: free */
    uint64_t *network;            /* of the one in each slot */
    uint32_t *unused, n_unused;   /* slots */
    uint32_t next_number;
    struct tcp_connection *touched;
    uint64_t tick_at; /* us */
    uint64_t counter[TCP_COUNTERS];
};

/* Listen as config says: 0 or -errno, said in the log. The pointers must outlive t. */
int tcp_init(struct tcp *t, struct loop *loop, const struct config_tcp *config,
             const struct tcp_user *user);
void tcp_free(struct tcp *t);
void tcp_tick(struct tcp *t, uint64_t now);
/* Send a packet along a path by TCP, unless it has ended. */
void tcp_send(struct tcp *t, const struct jp_path *path, const uint8_t *packet, size_t len);

static inline uint32_t tcp_connections(const struct tcp *t)
{
    return t->config->connections - t->n_unused;
}

static inline void tcp_count(struct tcp *t, enum tcp_counter counter)
{
    t->counter[counter]++;
}

/* ---- between the files ---- */

/* A connection was made: fd, which it takes with success, along path; its number is to be chosen.
 * There must be an unused slot. 0 or -errno. */
int tcp_open(struct tcp *t, int fd, const struct jp_path *path, uint64_t network);

/* tcp_listen.c */
int tcp_listen(struct tcp *t);
void tcp_stop(struct tcp *t);
/* Accept again, after a pause. */
void tcp_resume(struct tcp *t);

#endif
