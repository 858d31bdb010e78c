#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jetcat.h"

enum { STREAM = 1, CONTROL_MAX = 65536, FAREWELL = 2000000 };

/* ---- sending ---- */

/* The session is gone; the other end may have said why before. */
static void __attribute__((noreturn)) fail_closed(struct jetcat *j)
{
    jp_close closed = jp_socket_closed(j->socket);
    jp_received *received;

    while (jp_socket_read(j->socket, STREAM, &received, 0) == 0) {
        json_t *json = received->size ? json_loadb(received->data, received->size, 0, NULL) : NULL;
        const char *why = json_string_value(json_object_get(json, "error"));

        if (why)
            tool_fail(&j->tool, TOOL_FAILED, "the other end says: %s", why);
        json_decref(json);
        jp_received_free(received);
    }
    if (closed.by == JP_CLOSED_SILENT)
        tool_fail(&j->tool, TOOL_FAILED, "the other end is silent");
    tool_fail(&j->tool, TOOL_FAILED, "the session was closed: code %llu%s%s",
              (unsigned long long)closed.code, *closed.reason ? " " : "", closed.reason);
}

/* The other end gave up, and need not wait for us. */
static void __attribute__((noreturn)) fail_told(struct jetcat *j, const char *why)
{
    jp_socket_close(j->socket, JP_CODE_APPLICATION, "");
    jp_socket_finish(j->socket, FAREWELL);
    tool_fail(&j->tool, TOOL_FAILED, "the other end says: %s", why);
}

static void write_message(struct jetcat *j, const void *data, size_t size)
{
    int error = jp_socket_write(j->socket, STREAM, data, size, -1);

    if (error == JP_SEND_CLOSED)
        fail_closed(j);
    if (error)
        tool_fail_error(&j->tool, "sending", error);
}

void wire_tell(struct jetcat *j, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    if (!text)
        tool_fail(&j->tool, TOOL_FAILED, "out of memory, or a name that is not UTF-8");
    write_message(j, text, strlen(text));
    free(text);
    json_decref(object);
}

void wire_send(struct jetcat *j, size_t n)
{
    j->buffer[0] = 'd';
    write_message(j, j->buffer, n + 1);
}

void wire_fail(struct jetcat *j, int code, const char *format, ...)
{
    char text[512], plain[4 * sizeof(text)]; /* it may quote the other end */
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tool_plain(plain, sizeof(plain), text);
    wire_tell(j, json_pack("{s:s}", "error", plain));
    jp_socket_finish(j->socket, FAREWELL);
    tool_fail(&j->tool, code, "%s", plain);
}

/* ---- receiving ---- */

static json_t *parse(struct jetcat *j, const jp_received *received)
{
    json_t *json =
        received->size <= CONTROL_MAX ? json_loadb(received->data, received->size, 0, NULL) : NULL;
    const char *why = json_string_value(json_object_get(json, "error"));

    if (!json_is_object(json))
        wire_fail(j, TOOL_FAILED, "a message that is neither data nor an object");
    if (why)
        fail_told(j, why);
    return json;
}

json_t *wire_receive(struct jetcat *j, jp_received **data)
{
    jp_received *received;
    json_t *json;
    int error = jp_socket_read(j->socket, STREAM, &received, -1);

    if (error == JP_RECEIVE_CLOSED || (!error && received->end))
        fail_closed(j);
    if (error)
        tool_fail_error(&j->tool, "receiving", error);
    if (received->size && *(const char *)received->data == 'd') {
        *data = received;
        return NULL;
    }
    json = parse(j, received);
    jp_received_free(received);
    return json;
}

json_t *wire_expect(struct jetcat *j, const char *member)
{
    jp_received *data;
    json_t *json = wire_receive(j, &data);

    if (!json || !json_object_get(json, member))
        wire_fail(j, TOOL_FAILED, "expected %s", member);
    return json;
}

uint64_t wire_number(struct jetcat *j, json_t *object, const char *member)
{
    json_t *value = json_object_get(object, member);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        wire_fail(j, TOOL_FAILED, "%s is no number", member);
    return (uint64_t)json_integer_value(value);
}

/* ---- beginning and end ---- */

static const char *const roles[] = {"pipe", "send", "receive", NULL};

static void check_role(struct jetcat *j, const char *theirs)
{
    static const enum role partners[] = {ROLE_PIPE, ROLE_RECEIVE, ROLE_SEND};
    const char *wanted = roles[partners[j->role]];

    if (!theirs || strcmp(theirs, wanted) != 0)
        wire_fail(j, TOOL_FAILED, "one end wants to %s, the other to %s", roles[j->role],
                  theirs ? theirs : "do something else");
}

void wire_greet(struct jetcat *j)
{
    json_t *hello = json_pack("{s:i,s:s}", "jetcat", 1, "role", roles[j->role]), *theirs;
    int error;

    if (!j->tool.server) {
        error = jp_socket_open(j->socket, STREAM, NULL);
        if (error < 0)
            tool_fail_error(&j->tool, "stream", error);
        wire_tell(j, hello);
    }
    theirs = wire_expect(j, "jetcat");
    check_role(j, json_string_value(json_object_get(theirs, "role")));
    json_decref(theirs);
    if (j->tool.server)
        wire_tell(j, hello);
}

void wire_end(struct jetcat *j)
{
    jp_socket_finish(j->socket, FAREWELL); /* that the other end was faster is fine */
    jp_socket_free(j->socket);
}
