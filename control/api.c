#include "api.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api_socket.h"
#include "clock.h"
#include "log.h"

enum {
    PATIENCE_US = JP_CTL_PATIENCE_S * CLOCK_SECOND,
    IDLE_US = JP_CTL_IDLE_S * CLOCK_SECOND,
};

static void on_client(void *arg, uint32_t events);

/* ---- one client ---- */

static void client_close(struct client *c)
{
    if (c->state == CLIENT_WAITING)
        c->api->user->gone(c->api->user->arg, c);
    loop_remove(c->api->loop, &c->watch);
    close(c->watch.fd);
    c->watch.fd = -1;
    json_decref(c->collected);
    c->collected = NULL;
    free(c->out);
    c->out = NULL;
}

/* What a client in this state may make us wait for: requests, or room to write. While it waits for
 * us, only for its end, which epoll always reports. */
static void enter(struct client *c, enum client_state state)
{
    static const uint32_t events[] = {
        [CLIENT_READING] = EPOLLIN,
        [CLIENT_WAITING] = 0,
        [CLIENT_WRITING] = EPOLLOUT,
    };

    c->state = state;
    c->deadline = clock_us() + (state == CLIENT_READING && c->in_len == 0 ? IDLE_US : PATIENCE_US);
    loop_change(c->api->loop, &c->watch, events[state]);
}

static void handle_line(struct client *c, const char *line, size_t len)
{
    json_error_t error;
    json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);

    if (!request)
        client_error(c, "request is not JSON: wrong at byte %d", error.position);
    else if (!json_is_object(request))
        client_error(c, "request is not a JSON object");
    else
        c->api->user->request(c->api->user->arg, c, request);
    json_decref(request);
}

/* Handle the first complete line. */
static void handle_input(struct client *c)
{
    char line[JP_CTL_LINE_MAX];
    const char *end = memchr(c->in, '\n', c->in_len);
    size_t len;

    if (!end) {
        if (c->in_len == sizeof(c->in)) {
            c->last = true; /* the rest of the line would be taken for requests */
            client_error(c, "request longer than %d bytes", JP_CTL_LINE_MAX);
        }
        return;
    }
    len = (size_t)(end - c->in);
    memcpy(line, c->in, len);
    c->in_len -= len + 1;
    memmove(c->in, end + 1, c->in_len);
    enter(c, CLIENT_WAITING);
    handle_line(c, line, len);
}

static void client_read(struct client *c)
{
    bool fresh = c->in_len == 0;
    ssize_t n = recv(c->watch.fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_close(c);
        return;
    }
    c->in_len += (size_t)n;
    if (fresh)
        c->deadline = clock_us() + PATIENCE_US;
    handle_input(c);
}

static void client_write(struct client *c)
{
    ssize_t n = send(c->watch.fd, c->out + c->out_sent, c->out_len - c->out_sent,
                     MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        client_close(c);
        return;
    }
    c->out_sent += n > 0 ? (size_t)n : 0;
    if (c->out_sent < c->out_len)
        return;
    if (c->last) {
        client_close(c);
        return;
    }
    free(c->out);
    c->out = NULL;
    enter(c, CLIENT_READING);
    handle_input(c); /* it may have sent more requests at once */
}

static void on_client(void *arg, uint32_t events)
{
    struct client *c = arg;

    if (events & EPOLLIN && c->state == CLIENT_READING)
        client_read(c);
    else if (events & EPOLLOUT && c->state == CLIENT_WRITING)
        client_write(c);
    else if (events & (EPOLLHUP | EPOLLERR))
        client_close(c);
}

/* ---- answers ---- */

/* Begin to write {key: value}; steals value. The loop does the writing, so a client with many
 * requests waits its turn. */
static void respond(struct client *c, const char *key, json_t *value)
{
    json_t *answer = json_pack("{s:o}", key, value);
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

    json_decref(answer);
    json_decref(c->collected);
    c->collected = NULL;
    c->state = CLIENT_WRITING; /* no longer waiting */
    if (!text) {
        client_close(c);
        return;
    }
    c->out = text;
    c->out_len = strlen(text);
    c->out[c->out_len++] = '\n'; /* in place of the terminator */
    c->out_sent = 0;
    enter(c, CLIENT_WRITING);
}

void client_result(struct client *c, json_t *result)
{
    respond(c, "result", result);
}

void client_error(struct client *c, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    respond(c, "error", json_string(text));
}

/* ---- all clients ---- */

static struct client *free_client(struct api *api)
{
    for (unsigned i = 0; i < JP_CTL_CLIENTS_MAX; i++)
        if (api->client[i].watch.fd < 0)
            return &api->client[i];
    return NULL;
}

static void refuse(struct api *api, int fd)
{
    static const char text[] = "{\"error\":\"too many clients\"}\n";

    send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
    api->clients_refused++;
}

static void on_listener(void *arg, uint32_t events)
{
    struct api *api = arg;
    struct client *c = free_client(api);
    int fd = accept4(api->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd < 0)
        return;
    if (!c) {
        refuse(api, fd);
        return;
    }
    *c = (struct client){.api = api, .watch = {.fd = fd, .ready = on_client, .arg = c}};
    if (loop_add(api->loop, &c->watch, EPOLLIN) < 0) {
        close(fd);
        c->watch.fd = -1;
        return;
    }
    enter(c, CLIENT_READING);
}

int api_open(struct api *api, struct loop *loop, const char *path, const char *group,
             const struct api_user *user)
{
    int fd = api_socket_listen(path, group);
    int rc;

    *api = (struct api){.loop = loop, .user = user, .path = path};
    for (unsigned i = 0; i < JP_CTL_CLIENTS_MAX; i++)
        api->client[i].watch.fd = -1;
    api->listener = (struct loop_watch){.fd = fd, .ready = on_listener, .arg = api};
    if (fd < 0)
        return fd;
    rc = loop_add(loop, &api->listener, EPOLLIN);
    if (rc < 0)
        log_error("control socket: %s", strerror(-rc));
    return rc;
}

void api_close(struct api *api)
{
    uint64_t deadline = clock_us() + CLOCK_SECOND / 5;

    if (api->listener.fd < 0)
        return;
    unlink(api->path);
    close(api->listener.fd);
    for (unsigned i = 0; i < JP_CTL_CLIENTS_MAX; i++) {
        struct client *c = &api->client[i];

        while (c->watch.fd >= 0 && c->state == CLIENT_WRITING && clock_us() < deadline) {
            client_write(c);
            usleep(1000);
        }
        if (c->watch.fd >= 0)
            client_close(c);
    }
}

void api_tick(struct api *api, uint64_t now)
{
    for (unsigned i = 0; i < JP_CTL_CLIENTS_MAX; i++) {
        struct client *c = &api->client[i];

        if (c->watch.fd < 0 || now < c->deadline)
            continue;
        if (c->state != CLIENT_READING || c->in_len > 0)
            api->clients_slow++;
        client_close(c);
    }
}

unsigned api_clients(const struct api *api)
{
    unsigned n = 0;

    for (unsigned i = 0; i < JP_CTL_CLIENTS_MAX; i++)
        n += api->client[i].watch.fd >= 0;
    return n;
}
