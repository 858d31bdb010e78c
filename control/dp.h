/* The connection to the data plane: include/jetplane/ipc.h's socket and the shared statistics.
 * Connects, and connects again, by itself. Nothing the other end sends or shares is believed before
 * it was checked. */
#ifndef CONTROL_DP_H
#define CONTROL_DP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jetplane/ipc.h"
#include "loop.h"

enum { DP_OUT_MAX = 64, DP_MESSAGE_MAX = sizeof(struct jp_ipc_install) };

enum dp_state {
    DP_AWAY,     /* no connection; tried again at retry_at */
    DP_GREETING, /* CONTROL_HELLO sent */
    DP_UP,
};

/* What the connection tells its user. */
struct dp_user {
    int (*up)(void *arg); /* DATA_HELLO came and is in dp->hello; an error closes the connection */
    void (*down)(void *arg);
    void (*message)(void *arg,
                    const struct jp_ipc_header *msg); /* of its type's size; but DATA_HELLO */
    int (*relay)(void *arg); /* about to say hello: the data plane's end of the relay, to be closed
                                by dp; < 0: there is none */
    void *arg;
};

struct dp_out {
    size_t len;
    uint8_t bytes[DP_MESSAGE_MAX];
};

struct dp {
    struct loop *loop;
    const char *path;
    const struct dp_user *user;
    enum dp_state state;
    struct loop_watch watch; /* fd -1: none */
    uint64_t deadline;       /* us; DP_AWAY: next try, DP_GREETING: give up, DP_UP: it lasts */
    bool silent;             /* comings and goings are not news any more */
    unsigned short_lived;    /* connections in a row that did not last */

    struct jp_ipc_data_hello hello;
    const struct jp_stats *stats; /* DP_UP: mapped read-only */

    struct dp_out *out; /* messages the socket had no room for; no message is read meanwhile */
    unsigned out_first, out_count;

    uint64_t connects;
    uint64_t violations;    /* connections closed for what the other end sent */
    uint64_t sends_dropped; /* DP_OUT_MAX was reached */
};

/* 0 or -ENOMEM. path and user must outlive dp. */
int dp_init(struct dp *dp, struct loop *loop, const char *path, const struct dp_user *user);
void dp_free(struct dp *dp);
/* Every tick: connect when it is time. */
void dp_tick(struct dp *dp, uint64_t now);

/* Send or queue one message; its copies are wiped. 0, -ENOTCONN, or -EAGAIN when the queue is full.
 * May close the connection, but calls no one back. */
int dp_send(struct dp *dp, const void *msg, size_t len);
/* Try for a moment (at most 200 ms) to send what is queued: before exiting. */
void dp_flush(struct dp *dp);

/* A counter or gauge now, of one lcore or summed; DP_UP only. */
uint64_t dp_counter(const struct dp *dp, unsigned lcore, enum jp_counter counter);
uint64_t dp_counter_sum(const struct dp *dp, enum jp_counter counter);

/* dp_check.c */

/* The size of messages of this type from the data plane; 0 if it sends none such. */
size_t dp_message_size(uint16_t type);
/* What is wrong with this hello; NULL if nothing. */
const char *dp_hello_wrong(const struct jp_ipc_data_hello *hello);
/* Map the statistics behind fd after checking that they are what hello says; NULL, with *wrong set,
 * if not. */
const struct jp_stats *dp_stats_map(int fd, const struct jp_ipc_data_hello *hello,
                                    const char **wrong);

#endif
