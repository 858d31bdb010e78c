/* Ends of sessions joined by modelled links: each a struct conn with pools, a replay window and a
 * timer of its own. A packet on a link is what its UDP datagram would be, IP and UDP headers
 * counted, but its frames are in clear; what a link corrupts does not authenticate. */
#ifndef TESTS_PAIR_H
#define TESTS_PAIR_H

#include "conn.h"
#include "link.h"

enum {
    NET_LINKS = 2, /* pairs of links, one for each address of a server */
    NET_ENDS = 8,
    NET_IP_UDP = 28, /* bytes of headers */
    NET_OUTSIDE = 0xf000,
};
enum direction { UP, DOWN }; /* from clients, from servers */

/* Capacity of an end's pools. */
struct end_pools {
    uint32_t streams, sent, messages, ranges, in_messages, in_blocks, symbols, blocks, protection,
        closed;
};
extern const struct end_pools end_pools_default;

struct end {
    struct net *net;
    struct end *peer;
    struct conn *conn;
    void *app;
    struct replay replay;
    struct conn_pools pools;
    struct sim_timer timer;
    void *memory; /* of the session and its pools */
    size_t memory_size;
    uint64_t next_pn;
    uint32_t address;     /* its first one */
    uint32_t skip_one_in; /* packet numbers; 0: none */
    uint32_t mutate;      /* parts per million of the packets it sends are not what it meant */
    bool server;
    unsigned spins; /* timeouts at one time */
    uint64_t spun_at;
    uint64_t heard_at, spoke_at;        /* when a packet last got to it, and left it */
    uint64_t no_room, corrupt, unknown; /* packets dropped for that; from nobody that it knows */
    /* A test's: whether to lose this packet on its way out; may be NULL. */
    bool (*loses)(struct end *e, const struct conn_packet *p, uint64_t pn);
};

struct net {
    struct sim sim;
    struct link link[NET_LINKS][2];
    struct link_nat nat; /* of link 0, when its link_config asks for one */
    struct end ends[NET_ENDS];
    unsigned n;
};

/* All links are as `config` says. */
void net_init(struct net *n, uint64_t seed, const struct link_config *config);
void net_fini(struct net *n);
/* Clients behind link 0 are behind a NAT, until this is called again seen as a new address. */
void net_rebind(struct net *n);

/* The path of a client's end: its k-th address and the server's of link `link`. */
struct jp_path end_path(const struct end *e, unsigned k, unsigned link);

/* What conn_init takes, but for what the end itself knows. */
struct end_config {
    struct conn_config conn;
    struct end_pools pools;
    void *app; /* conn_user is the end, which has this */
};
/* Parameters and limits that any workload of a test can do with. */
struct end_config end_config_default(const struct conn_ops *ops);

/* A client and a server, now. Returns the client; its peer is the server. */
struct end *pair_start(struct net *n, const struct end_config *client,
                       const struct end_config *server);
/* Send what there is to send and set the timer: after anything was called on e->conn. */
void end_pump(struct end *e);
/* Ends the session: conn_fini. Its pools must be empty then. */
void end_fini(struct end *e);

/* Say what is wrong and with which seed, and abort. */
#define net_check(net, cond, ...)                                                                  \
    do {                                                                                           \
        if (!(cond))                                                                               \
            net_fail(net, #cond, __FILE__, __LINE__, __VA_ARGS__);                                 \
    } while (0)
_Noreturn void net_fail(const struct net *n, const char *what, const char *file, int line,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));
/* What net_fail says of the run. */
extern char net_label[128];

#endif
