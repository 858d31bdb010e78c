#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "log.h"

static const char away[] = "the data plane is away";

/* ---- answered at once ---- */

static void run_status(struct daemon *d, struct client *c, const json_t *request)
{
    (void)request;
    client_result(c, describe_status(d));
}

static void run_version(struct daemon *d, struct client *c, const json_t *request)
{
    (void)request;
    client_result(c, describe_version(d));
}

static void run_stats(struct daemon *d, struct client *c, const json_t *request)
{
    (void)request;
    client_result(c, describe_stats(&d->dp));
}

static void run_ports(struct daemon *d, struct client *c, const json_t *request)
{
    (void)request;
    client_result(c, describe_ports(&d->dp));
}

/* Stops the data plane, if there is one, and this process. */
static void run_stop(struct daemon *d, struct client *c, const json_t *request)
{
    struct jp_ipc_header stop = {JP_IPC_MAGIC, JP_IPC_VERSION, JP_IPC_STOP};
    bool sent = d->dp.state == DP_UP && dp_send(&d->dp, &stop, sizeof(stop)) == 0;

    (void)request;
    log_info("asked to stop%s", sent ? ", with the data plane" : "; the data plane is away");
    client_result(c, json_pack("{s:b}", "data_plane_stopped", sent));
    loop_stop(&d->loop);
}

/* ---- answered by the data plane ---- */

static void on_session(void *arg, const struct jp_ipc_session *session)
{
    struct client *c = arg;

    json_array_append_new(json_object_get(c->collected, "sessions"), describe_session(session));
}

static bool failed(struct client *c, int result)
{
    if (result == -ENOTCONN)
        client_error(c, "%s", away);
    else if (result < 0)
        client_error(c, "the data plane does not answer: %s", strerror(-result));
    return result < 0;
}

static void on_sessions_end(void *arg, int result, uint64_t cursor)
{
    struct client *c = arg;
    json_t *collected;
    char text[24];

    if (failed(c, result))
        return;
    snprintf(text, sizeof(text), "%llu", (unsigned long long)cursor);
    collected = json_incref(c->collected);
    if (cursor != 0)
        json_object_set_new(collected, "cursor", json_string(text));
    client_result(c, collected);
}

static void on_session_end(void *arg, int result, uint64_t cursor)
{
    struct client *c = arg;
    json_t *first;

    (void)cursor;
    if (failed(c, result))
        return;
    first = json_array_get(json_object_get(c->collected, "sessions"), 0);
    if (first)
        client_result(c, json_incref(first));
    else
        client_error(c, "no such session");
}

static const struct query_user list_user = {.session = on_session, .end = on_sessions_end};
static const struct query_user find_user = {.session = on_session, .end = on_session_end};

/* A number given as JSON string or absent (0): cursors use all 64 bits, which JSON numbers do not.
 * The data plane hangs up on one whose upper half names no lcore of it. */
static bool cursor_given(const json_t *request, unsigned lcores, uint64_t *cursor)
{
    const json_t *given = json_object_get(request, "cursor");
    const char *text = json_string_value(given);
    char *end;

    *cursor = 0;
    if (!given)
        return true;
    if (!text || text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *cursor = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *cursor >> 32 < lcores;
}

static bool number_given(const json_t *request, const char *key, json_int_t otherwise,
                         json_int_t min, json_int_t max, json_int_t *number)
{
    const json_t *given = json_object_get(request, key);

    *number = given ? json_integer_value(given) : otherwise;
    return (!given || json_is_integer(given)) && *number >= min && *number <= max;
}

static void run_sessions(struct daemon *d, struct client *c, const json_t *request)
{
    uint64_t cursor;
    json_int_t max;

    if (!cursor_given(request, d->dp.hello.lcores, &cursor)) {
        client_error(c, "cursor: not one given by an earlier answer");
        return;
    }
    if (!number_given(request, "max", JP_IPC_LIST_MAX, 1, JP_IPC_LIST_MAX, &max)) {
        client_error(c, "max: not a number from 1 to %d", JP_IPC_LIST_MAX);
        return;
    }
    c->collected = json_pack("{s:[]}", "sessions");
    failed(c, queries_list(&d->queries, cursor, (uint32_t)max, &list_user, c));
}

static void run_session(struct daemon *d, struct client *c, const json_t *request)
{
    json_int_t spi;

    if (!number_given(request, "spi", 0, 1, UINT32_MAX, &spi)) {
        client_error(c, "spi: not a number from 1 to %u", UINT32_MAX);
        return;
    }
    c->collected = json_pack("{s:[]}", "sessions");
    failed(c, queries_find(&d->queries, (uint32_t)spi, &find_user, c));
}

/* ---- the table ---- */

struct command {
    const char *name;
    void (*run)(struct daemon *d, struct client *c, const json_t *request);
    bool needs_data_plane;
};

static const struct command commands[] = {
    {"status", run_status, false},  {"version", run_version, false},
    {"stop", run_stop, false},      {"stats", run_stats, true},
    {"ports", run_ports, true},     {"sessions", run_sessions, true},
    {"session", run_session, true},
};

void commands_request(void *arg, struct client *client, const json_t *request)
{
    struct daemon *d = arg;
    const char *name = json_string_value(json_object_get(request, "command"));

    for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        if (commands[i].needs_data_plane && d->dp.state != DP_UP)
            client_error(client, "%s", away);
        else
            commands[i].run(d, client, request);
        return;
    }
    client_error(client, name ? "unknown command" : "request has no command");
}

void commands_gone(void *arg, struct client *client)
{
    struct daemon *d = arg;

    queries_cancel(&d->queries, client);
}
