/* Listeners: who accepts sessions, and what keeps strangers from crowding it. */
#ifndef CLIENT_LISTEN_H
#define CLIENT_LISTEN_H

#include "limit.h"
#include "session.h"
#include "udp.h"

/* ServerHellos given lately, so that a repeated hello gets the same one, not a second session. */
enum { ANSWER_SETS = 1024, ANSWER_WAYS = 4, HELLO_ID = 16 };

struct answer {
    uint8_t hello[HELLO_ID]; /* keyed hash of it, and of where it came from */
    uint64_t at;             /* 0: free */
    uint16_t length;
    uint8_t bytes[WIRE_HS_MAX];
};

struct jp_listener {
    struct endpoint *endpoint;
    jp_context *context;
    jp_listener_group *group; /* NULL: alone */
    unsigned index, members;  /* SPIs are index modulo members */
    unsigned users;           /* the program, and sessions */
    unsigned sessions, unconfirmed;
    bool freed;
    struct socket **sockets; /* an address each */
    size_t n_sockets;
    struct tcp_port *ports;
    struct tcp *connections;
    unsigned n_connections;

    struct prefix_limit proven, resets; /* by network */
    struct bucket unproven, all_resets;
    uint8_t answers_key[32];
    struct answer (*answers)[ANSWER_WAYS]; /* ANSWER_SETS */

    alignas(max_align_t) unsigned char extension[];
};

/* accept.c */
void accept_init(jp_listener *l);
bool accept_may_reset(jp_listener *l, const struct jp_path *path);

/* group.c */
void group_leave(jp_listener *l);

/* listener.c */
/* A listener with place for n sockets, none open yet; listener_discard takes it back as it is. */
int listener_new(jp_listener **listener, jp_loop *loop, jp_context *context, size_t n,
                 size_t extension, const char *what);
int listener_add(jp_listener *l, const jp_address *address, const struct udp *opened);

#endif
