/* A clock, a network and randomness for harnesses, in place of the kernel's: a program linked with
 * NET_WRAPS (meson.build) has its system calls here. What its sockets send by UDP waits to be
 * looked at, what they receive is given to them, and connections of TCP lead to the harness or to
 * another of its sockets. Nothing is lost, nothing happens by itself, and every run is the same. */
#ifndef TESTS_FUZZ_NET_H
#define TESTS_FUZZ_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jetplane/address.h>

enum net_tcp { NET_ACCEPTS, NET_REFUSES, NET_SILENT };

struct net_packet {
    struct net_packet *next;
    jp_address from, to;
    uint16_t segment; /* it is a train of packets of that length; 0: it is one */
    uint8_t ecn;
    size_t length;
    uint8_t bytes[];
};

extern struct net {
    uint64_t now;     /* us */
    unsigned open;    /* descriptors */
    unsigned waiting; /* packets given and not received yet */
    bool full;        /* no socket takes another packet */
    enum net_tcp tcp; /* how connections are answered */
    unsigned member;  /* which of several sockets of an address gets them */
    struct net_packet *sent, **sent_end;
} net;

/* Once, before the library is called. */
void net_start(void);
/* Randomness begins anew. */
void net_reseed(void);

/* A packet of these bytes; NULL, 0: not filled yet. */
struct net_packet *net_packet(const jp_address *from, const jp_address *to, const void *bytes,
                              size_t length);
/* What was sent first, or NULL; the caller's to free. */
struct net_packet *net_take(void);
/* Give it to that socket; takes it. */
void net_give(int fd, struct net_packet *p);
/* The UDP socket bound to that port, or -1. */
int net_bound(uint16_t port);

/* A connection of the harness's to whoever listens on that address; its descriptor at the other
 * end, -1: nobody does. Good until it is closed there. */
int net_dial(const jp_address *from, const jp_address *to);
/* Whether it still is that connection. */
bool net_is_from(int fd, const jp_address *from);
/* Say something to the end that has this descriptor; how many bytes it takes. */
size_t net_say(int fd, const void *bytes, size_t n);
/* No more is said; reset: nor heard. */
void net_hang_up(int fd, bool reset);
/* It takes no more, or takes all again. */
void net_stall(int fd, bool stalled);
/* Change a byte on its way to this end; false: there is none. */
bool net_change(int fd, size_t at, uint8_t by);
/* Connections, and those of them that come from this network (three bytes of IPv4, seven of IPv6).
 */
unsigned net_alike(const jp_address *from);

#endif
