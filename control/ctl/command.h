/* What a command of jetctl is. */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "client.h"

/* Options a command takes besides --json, --socket and --help. */
enum {
    TAKES_WATCH = 1,
    TAKES_LCORE = 2,
    TAKES_RATE = 4,
    TAKES_LIMIT = 8,
    TAKES_SPI = 16, /* an argument, needed */
};

struct arguments {
    const char *socket;
    bool json;
    double watch; /* seconds; 0: once */
    int lcore;    /* -1: all */
    bool rate;
    uint64_t limit; /* 0: all */
    uint32_t spi;
    json_t *before; /* --rate: the last sample, kept while watching */
};

struct command {
    const char *name;
    const char *usage; /* arguments and options of its own */
    const char *help;
    unsigned takes;
    struct answer (*fetch)(struct arguments *arguments);
    void (*print)(const json_t *result, const struct arguments *arguments);
};

/* One file a subject; main.c has the table. */
struct answer status_fetch(struct arguments *arguments);
void status_print(const json_t *result, const struct arguments *arguments);
struct answer version_fetch(struct arguments *arguments);
void version_print(const json_t *result, const struct arguments *arguments);
struct answer stop_fetch(struct arguments *arguments);
void stop_print(const json_t *result, const struct arguments *arguments);
struct answer stats_fetch(struct arguments *arguments);
void stats_print(const json_t *result, const struct arguments *arguments);
struct answer drops_fetch(struct arguments *arguments);
void drops_print(const json_t *result, const struct arguments *arguments);
struct answer ports_fetch(struct arguments *arguments);
void ports_print(const json_t *result, const struct arguments *arguments);
struct answer sessions_fetch(struct arguments *arguments);
void sessions_print(const json_t *result, const struct arguments *arguments);
struct answer session_fetch(struct arguments *arguments);
void session_print(const json_t *result, const struct arguments *arguments);

/* {"command": name}. */
static inline struct answer ask(const struct arguments *arguments, const char *name)
{
    return client_ask(arguments->socket, json_pack("{s:s}", "command", name));
}

/* Members of a JSON object: 0 or "" when absent. */
static inline double num(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* Exact, unlike num. */
static inline json_int_t whole(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_real(value) ? (json_int_t)json_real_value(value) : json_integer_value(value);
}

static inline const char *str(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

#endif
