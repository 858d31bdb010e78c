/* Questions to the data plane about its sessions, and who waits for their answers. */
#ifndef CONTROL_QUERY_H
#define CONTROL_QUERY_H

#include <stdint.h>

#include "dp.h"

enum { QUERIES_MAX = 64 };

/* Who asked. session comes 0 to JP_IPC_LIST_MAX times, then end once: result 0, -ETIMEDOUT or
 * -ENOTCONN; cursor as LIST_END's. Both may ask again. */
struct query_user {
    void (*session)(void *arg, const struct jp_ipc_session *session);
    void (*end)(void *arg, int result, uint64_t cursor);
};

struct query {
    const struct query_user *user; /* NULL: free */
    void *arg;
    uint64_t id;
    uint64_t deadline; /* us */
    unsigned sessions; /* answered */
};

struct queries {
    struct dp *dp;
    uint64_t last_id;
    struct query query[QUERIES_MAX];
};

void queries_init(struct queries *q, struct dp *dp);
/* Ask for up to max (<= JP_IPC_LIST_MAX) sessions from cursor on, or for one. 0, -ENOTCONN,
 * -EAGAIN: too much asked. */
int queries_list(struct queries *q, uint64_t cursor, uint32_t max, const struct query_user *user,
                 void *arg);
int queries_find(struct queries *q, uint32_t spi, const struct query_user *user, void *arg);
/* Forget what arg asked: nothing more is told. */
void queries_cancel(struct queries *q, const void *arg);

void queries_session(struct queries *q, const struct jp_ipc_session *session);
void queries_list_end(struct queries *q, const struct jp_ipc_list_end *end);
void queries_tick(struct queries *q, uint64_t now);
/* The connection is gone. */
void queries_down(struct queries *q);

#endif
