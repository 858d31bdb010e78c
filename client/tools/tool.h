/* What jetperf and jetcat share: arguments, keys, and saying what went wrong. */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <jetplane/jetplane.h>

enum tool_exit {
    TOOL_OK = 0,
    TOOL_FAILED = 1, /* no connection, it broke, or something local */
    TOOL_USAGE = 2,
    TOOL_WRONG = 3, /* data arrived otherwise than it was sent */
};

enum { TOOL_ADDRESSES = 8 };

/* Options of both. */
struct tool {
    const char *name;
    bool json; /* speak JSON on standard output, errors too */
    bool server;
    const char *peer;                     /* a client's server */
    const char *identity;                 /* key file of a server; NULL: a new key */
    const char *key;                      /* of the server, or */
    const char *trust;                    /* a file of servers' keys */
    bool learn;                           /* adding new ones to it */
    const char *keylog;                   /* file for sessions' secrets; NULL: none */
    const char *inbox;                    /* directory that files are received into; NULL: none */
    jp_address addresses[TOOL_ADDRESSES]; /* to listen on, or to send from */
    unsigned n_addresses;
};

/* Say it, plainly whatever it quotes, and exit; TOOL_USAGE points to --help. */
void __attribute__((noreturn, format(printf, 3, 4)))
tool_fail(const struct tool *t, enum tool_exit code, const char *format, ...);
/* "what: text (detail)" of a failed call of the library, and exit with TOOL_FAILED. */
void __attribute__((noreturn)) tool_fail_error(const struct tool *t, const char *what, int error);
/* Say it on standard error (and as JSON), and go on. */
void __attribute__((format(printf, 2, 3))) tool_warn(const struct tool *t, const char *format, ...);
/* Exit with this code once the output is written. */
void __attribute__((noreturn)) tool_exit(const struct tool *t, int code);
/* Print an object as one line of printable ASCII, and forget it. */
void tool_print_json(json_t *object);

/* A number of these bounds; 64K, 2M, 1G are powers of 1024. */
uint64_t tool_number(const struct tool *t, const char *what, const char *text, uint64_t min,
                     uint64_t max);
/* Seconds, as microseconds. */
uint64_t tool_seconds(const struct tool *t, const char *what, const char *text, double min,
                      double max);
/* The place of text in a list that NULL ends. */
unsigned tool_choice(const struct tool *t, const char *what, const char *text,
                     const char *const choices[]);
/* One more address to listen on or send from. */
void tool_add_address(struct tool *t, const char *text, uint16_t port);

/* Check what belongs together, and complete it: a server's addresses and identity, or a client's
 * trust, go into the settings. Then give up privileges, before anything of a peer is read. */
void tool_prepare(struct tool *t, jp_settings *settings);
/* Say where we listen, and by which key we are known. */
void tool_announce(const struct tool *t, const jp_settings *settings, const jp_address *addresses,
                   unsigned n);

/* ---- tool_text.c: what others wrote, and our user's terminal is to show ---- */

/* Whether it is UTF-8 in which a terminal finds nothing to obey: no control (C0, DEL, C1), no
 * change of direction, no separator of lines. */
bool tool_is_plain(const char *text);
/* The same, with \xNN instead of each byte that keeps it from being plain; cut off at this size. */
void tool_plain(char *out, size_t size, const char *text);

#endif
