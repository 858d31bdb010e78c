#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"

static _Thread_local char detail[256];

const char *jp_error_text(int error)
{
    switch (error) {
    case JP_OK:
        return "success";
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        JP_ERRORS(X)
#undef X
    default:
        return "unknown error";
    }
}

const char *jp_error_name(int error)
{
    switch (error) {
    case JP_OK:
        return "JP_OK";
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return #name;
        JP_ERRORS(X)
#undef X
    default:
        return "unknown";
    }
}

const char *jp_error_operation(int error)
{
    static const char *const names[] = {"",       "address", "connect", "bind",    "listen",
                                        "accept", "send",    "receive", "identity"};

    return error <= 0 && error > -900 ? names[-error / 100] : "";
}

const char *jp_error_detail(void)
{
    return detail;
}

void failure_detail(const char *what, const char *format, ...)
{
    size_t used = what ? (size_t)snprintf(detail, sizeof(detail), "%s: ", what) : 0;
    va_list args;

    if (used >= sizeof(detail))
        return;
    va_start(args, format);
    vsnprintf(detail + used, sizeof(detail) - used, format, args);
    va_end(args);
}

const char *failure_text(const char *said)
{
    const char *text = strncmp(said, "jp_", 3) ? NULL : strstr(said, ": ");

    return text ? text + 2 : said;
}

struct translation {
    int system;
    int code;
};

/* What means the same whatever was tried. */
static const struct translation general[] = {
    {ENOMEM, JP_NO_MEMORY},      {ENOBUFS, JP_NO_MEMORY}, {EMFILE, JP_NO_DESCRIPTORS},
    {ENFILE, JP_NO_DESCRIPTORS}, {0, JP_SYSTEM},
};

/* By operation; an entry for 0 ends each list and stands for everything else. */
static const struct translation connect_codes[] = {
    {ECONNREFUSED, JP_CONNECT_REFUSED},
    {ENETUNREACH, JP_CONNECT_UNREACHABLE},
    {EHOSTUNREACH, JP_CONNECT_UNREACHABLE},
    {EADDRNOTAVAIL, JP_CONNECT_UNREACHABLE},
    {EAFNOSUPPORT, JP_CONNECT_UNREACHABLE},
    {ETIMEDOUT, JP_CONNECT_TIMEOUT},
    {EACCES, JP_CONNECT_PROHIBITED},
    {EPERM, JP_CONNECT_PROHIBITED},
    {0, JP_CONNECT_FAILED},
};

static const struct translation bind_codes[] = {
    {EADDRINUSE, JP_BIND_IN_USE},
    {EADDRNOTAVAIL, JP_BIND_UNAVAILABLE},
    {ENODEV, JP_BIND_UNAVAILABLE},
    {EACCES, JP_BIND_PROHIBITED},
    {EPERM, JP_BIND_PROHIBITED},
    {EAFNOSUPPORT, JP_BIND_UNSUPPORTED},
    {EPROTONOSUPPORT, JP_BIND_UNSUPPORTED},
    {0, JP_BIND_FAILED},
};

static const struct translation listen_codes[] = {
    {EADDRINUSE, JP_LISTEN_IN_USE},
    {0, JP_LISTEN_FAILED},
};

static const struct translation accept_codes[] = {
    {EAGAIN, JP_ACCEPT_WOULD_BLOCK},
    {ECONNABORTED, JP_ACCEPT_ABORTED},
    {0, JP_ACCEPT_FAILED},
};

static const struct translation send_codes[] = {
    {EAGAIN, JP_SEND_WOULD_BLOCK},
    {ENOBUFS, JP_SEND_WOULD_BLOCK}, /* a full device queue */
    {EMSGSIZE, JP_SEND_TOO_BIG},
    {ENETUNREACH, JP_SEND_UNREACHABLE},
    {EHOSTUNREACH, JP_SEND_UNREACHABLE},
    {ENETDOWN, JP_SEND_UNREACHABLE},
    {EAFNOSUPPORT, JP_SEND_UNREACHABLE},
    {EACCES, JP_SEND_PROHIBITED},
    {EPERM, JP_SEND_PROHIBITED},
    {EADDRNOTAVAIL, JP_SEND_SOURCE},
    {0, JP_SEND_FAILED},
};

static const struct translation receive_codes[] = {
    {EAGAIN, JP_RECEIVE_WOULD_BLOCK},
    {ECONNREFUSED, JP_RECEIVE_REFUSED},
    {0, JP_RECEIVE_FAILED},
};

static const struct translation address_codes[] = {
    {0, JP_ADDRESS_FAILED},
};

static const struct translation identity_codes[] = {
    {EACCES, JP_IDENTITY_FILE},
    {EPERM, JP_IDENTITY_FILE},
    {ENOENT, JP_IDENTITY_FILE},
    {0, JP_IDENTITY_FAILED},
};

static const struct translation *const codes[] = {
    [OP_GENERAL] = general, [OP_ADDRESS] = address_codes, [OP_CONNECT] = connect_codes,
    [OP_BIND] = bind_codes, [OP_LISTEN] = listen_codes,   [OP_ACCEPT] = accept_codes,
    [OP_SEND] = send_codes, [OP_RECEIVE] = receive_codes, [OP_IDENTITY] = identity_codes,
};

/* The entry for e, or the one that ends the list. */
static const struct translation *find(const struct translation *t, int e)
{
    while (t->system && t->system != e)
        t++;
    return t;
}

int error_of_errno(enum operation operation, int e)
{
    const struct translation *own = find(codes[operation], e), *common = find(general, e);

    return !own->system && common->system ? common->code : own->code;
}

int failure_errno(enum operation operation, int e, const char *what)
{
    return failure(error_of_errno(operation, e), what, "%s", strerror(e));
}
