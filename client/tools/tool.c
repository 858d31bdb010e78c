#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confine.h"

/* ---- what to say ---- */

void tool_print_json(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));

    for (const char *c = text; c && *c; c++)
        if (*c == 0x7f)
            fputs("\\u007f", stdout);
        else
            putchar(*c);
    putchar('\n');
    fflush(stdout);
    free(text);
    json_decref(object);
}

static void say(const struct tool *t, const char *kind, const char *format, va_list args)
{
    char text[512], plain[4 * sizeof(text)];

    vsnprintf(text, sizeof(text), format, args);
    tool_plain(plain, sizeof(plain), text);
    if (t->json)
        tool_print_json(json_pack("{s:s}", kind, plain));
    else
        fprintf(stderr, "%s: %s\n", t->name, plain);
}

void tool_warn(const struct tool *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(t, "warning", format, args);
    va_end(args);
}

void tool_exit(const struct tool *t, int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        exit(code);
    fprintf(stderr, "%s: cannot write the output\n", t->name);
    exit(code ? code : TOOL_FAILED);
}

void tool_fail(const struct tool *t, enum tool_exit code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(t, "error", format, args);
    va_end(args);
    if (code == TOOL_USAGE && !t->json)
        fprintf(stderr, "Try '%s --help'.\n", t->name);
    tool_exit(t, code);
}

void tool_fail_error(const struct tool *t, const char *what, int error)
{
    tool_fail(t, TOOL_FAILED, "%s: %s (%s)", what, jp_error_text(error), jp_error_detail());
}

/* ---- arguments ---- */

uint64_t tool_number(const struct tool *t, const char *what, const char *text, uint64_t min,
                     uint64_t max)
{
    static const char suffixes[] = "KMG";
    const char *suffix;
    uint64_t n, unit = 1;
    char *end;

    errno = 0;
    n = strtoull(text, &end, 10);
    suffix = *end ? strchr(suffixes, *end & ~0x20) : NULL;
    if (suffix) {
        unit <<= 10 * (suffix - suffixes + 1);
        end++;
    }
    if (errno || text[0] < '0' || text[0] > '9' || *end || n > UINT64_MAX / unit ||
        n * unit < min || n * unit > max)
        tool_fail(t, TOOL_USAGE, "%s: '%s' is not a number from %llu to %llu", what, text,
                  (unsigned long long)min, (unsigned long long)max);
    return n * unit;
}

uint64_t tool_seconds(const struct tool *t, const char *what, const char *text, double min,
                      double max)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end || !(seconds >= min && seconds <= max))
        tool_fail(t, TOOL_USAGE, "%s: '%s' is not a number of seconds from %g to %g", what, text,
                  min, max);
    return (uint64_t)(seconds * 1e6);
}

unsigned tool_choice(const struct tool *t, const char *what, const char *text,
                     const char *const choices[])
{
    char list[128] = "";
    unsigned i;

    for (i = 0; choices[i]; i++) {
        size_t used = strlen(list);

        if (strcmp(text, choices[i]) == 0)
            return i;
        snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", choices[i]);
    }
    tool_fail(t, TOOL_USAGE, "%s: '%s' is none of %s", what, text, list);
}

void tool_add_address(struct tool *t, const char *text, uint16_t port)
{
    if (t->n_addresses == TOOL_ADDRESSES)
        tool_fail(t, TOOL_USAGE, "more than %d addresses", TOOL_ADDRESSES);
    if (jp_address_parse(&t->addresses[t->n_addresses++], text, port) < 0)
        tool_fail(t, TOOL_USAGE, "%s", jp_error_detail());
}

/* ---- servers and clients ---- */

static void prepare_server(struct tool *t, jp_settings *settings)
{
    int error = jp_identity_open(&settings->identity, t->identity, 1);

    if (error)
        tool_fail_error(t, "--identity", error);
    if (t->n_addresses == 0) {
        tool_add_address(t, "0.0.0.0", JP_PORT);
        tool_add_address(t, "::", JP_PORT);
    }
}

static void prepare_client(struct tool *t, jp_settings *settings)
{
    jp_key key;
    int error;

    if (!t->key == !t->trust)
        tool_fail(t, TOOL_USAGE, "one of --key and --trust says which server to believe");
    if (t->learn && !t->trust)
        tool_fail(t, TOOL_USAGE, "--learn wants --trust");
    error = t->key ? jp_key_parse(&key, t->key) : 0;
    if (error)
        tool_fail(t, TOOL_USAGE, "--key: %s", jp_error_detail());
    error = t->key ? jp_trust_pin(&settings->trust, &key)
                   : jp_trust_file(&settings->trust, t->trust, t->learn);
    if (error)
        tool_fail_error(t, t->key ? "--key" : "--trust", error);
}

/* The file of this path, which is to be there before its directory is closed to us. Who opens it
 * will say why it is not. */
static const char *made(const char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | flags, 0600);

    if (fd >= 0)
        close(fd);
    return path;
}

/* A server may yet open a port that only root may. */
static void give_up_privileges(const struct tool *t)
{
    const char *writes[4] = {NULL};
    unsigned n = 0;
    const struct confine wanted = {
        .program = t->name,
        .keep = t->server ? UINT64_C(1) << CAP_NET_BIND_SERVICE : 0,
        .filter = CONFINE_TOOL,
        .writes = writes,
    };

    if (t->inbox)
        writes[n++] = t->inbox;
    if (t->keylog)
        writes[n++] = made(t->keylog, O_NOFOLLOW);
    if (t->learn)
        writes[n++] = made(t->trust, 0);
    confine_lock_memory(); /* else the library locks what is worth most */
    if (confine(&wanted) < 0)
        tool_fail(t, TOOL_FAILED, "cannot give up privileges");
}

static void prepare_keylog(const struct tool *t, jp_settings *settings)
{
    if (!t->keylog)
        return;
    settings->keylog = t->keylog;
    tool_warn(t, "key log %s: who reads it can read these sessions", t->keylog);
}

void tool_prepare(struct tool *t, jp_settings *settings)
{
    if (t->server == (t->peer != NULL))
        tool_fail(t, TOOL_USAGE, "either a server to connect to, or be one");
    if (t->server && (t->key || t->trust))
        tool_fail(t, TOOL_USAGE, "--key and --trust are for clients");
    if (!t->server && t->identity)
        tool_fail(t, TOOL_USAGE, "--identity is for servers");
    confine_no_dumps();
    jp_init();
    if (t->server)
        prepare_server(t, settings);
    else
        prepare_client(t, settings);
    prepare_keylog(t, settings);
    give_up_privileges(t);
}

void tool_announce(const struct tool *t, const jp_settings *settings, const jp_address *addresses,
                   unsigned n)
{
    jp_key key = jp_identity_key(settings->identity);
    char hex[JP_KEY_TEXT], address[JP_ADDRESS_TEXT];
    json_t *list = json_array();

    jp_key_format(&key, hex);
    for (unsigned i = 0; i < n; i++) {
        jp_address_format(&addresses[i], address, sizeof(address));
        json_array_append_new(list, json_string(address));
        if (!t->json)
            fprintf(stderr, "listening on %s\n", address);
    }
    if (t->json)
        tool_print_json(json_pack("{s:O,s:s}", "listening", list, "key", hex));
    else
        fprintf(stderr, "key %s\n", hex);
    json_decref(list);
}
