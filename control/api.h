/* The control socket that jetctl connects to: include/jetplane/ctl.h. Nothing a client does or
 * leaves undone holds up another client or a handshake; everything it can make us hold is bounded.
 */
#ifndef CONTROL_API_H
#define CONTROL_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jetplane/ctl.h"
#include "loop.h"

struct api;

enum client_state {
    CLIENT_READING,
    CLIENT_WAITING, /* for an answer from the data plane */
    CLIENT_WRITING,
};

struct client {
    struct api *api;
    struct loop_watch watch; /* fd -1: free */
    enum client_state state;
    uint64_t deadline; /* us; closed then */
    bool last;         /* close after this answer */
    size_t in_len;
    char in[JP_CTL_LINE_MAX];
    char *out;
    size_t out_len, out_sent;
    json_t *collected; /* CLIENT_WAITING: the answer so far; of the command that waits */
};

/* Answers one request with client_result or client_error, now or later. */
struct api_user {
    void (*request)(void *arg, struct client *client, const json_t *request);
    void (*gone)(void *arg, struct client *client); /* while CLIENT_WAITING: forget it */
    void *arg;
};

struct api {
    struct loop *loop;
    const struct api_user *user;
    const char *path;
    struct loop_watch listener;
    uint64_t clients_refused, clients_slow;
    struct client client[JP_CTL_CLIENTS_MAX];
};

/* Listen on path with mode 0660, and group unless it is "". A socket nobody listens on is replaced.
 * 0 or -errno, said in the log. The pointers must outlive api. */
int api_open(struct api *api, struct loop *loop, const char *path, const char *group,
             const struct api_user *user);
/* Gives answers under way a moment (at most 200 ms) to leave. */
void api_close(struct api *api);
void api_tick(struct api *api, uint64_t now);
unsigned api_clients(const struct api *api);

/* Both steal or copy what they are given. */
void client_result(struct client *client, json_t *result);
void client_error(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
