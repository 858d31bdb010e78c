/* The YAML file, read into strings; config_check.c makes the configuration of them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "config_raw.h"

#define OPTIONAL        (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define TEXT(type, key) CYAML_FIELD_STRING_PTR(#key, OPTIONAL, struct type, key, 0, CYAML_UNLIMITED)
#define LIST(type, key, entry)                                                                     \
    CYAML_FIELD_SEQUENCE(#key, OPTIONAL, struct type, key, entry, 0, CYAML_UNLIMITED)

static const cyaml_schema_value_t string_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

#define NUMBER(key, ...) TEXT(raw_port, key),
static const cyaml_schema_field_t port_fields[] = {
    TEXT(raw_port, device),
    LIST(raw_port, addresses, &string_value),
    CONFIG_PORT_NUMBERS(NUMBER) CYAML_FIELD_END,
};
#undef NUMBER
static const cyaml_schema_value_t port_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_port, port_fields),
};

#define NUMBER(key, ...) TEXT(raw_listener, key),
static const cyaml_schema_field_t listener_fields[] = {
    TEXT(raw_listener, sink),
    CONFIG_LISTENER_NUMBERS(NUMBER) CYAML_FIELD_END,
};
#undef NUMBER
static const cyaml_schema_value_t listener_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_listener, listener_fields),
};

#define NUMBER(key, ...) TEXT(raw_config, key),
static const cyaml_schema_field_t top_fields[] = {
    TEXT(raw_config, name),
    TEXT(raw_config, control_socket),
    TEXT(raw_config, hugepages),
    LIST(raw_config, ports, &port_value),
    LIST(raw_config, listeners, &listener_value),
    LIST(raw_config, cpus, &string_value),
    CONFIG_NUMBERS(NUMBER) CYAML_FIELD_END,
};
#undef NUMBER
static const cyaml_schema_value_t top_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, top_fields),
};

/* What libcyaml says about a file it cannot read: first the complaint, then a backtrace from the
 * innermost value outwards, of which the first line has the place. */
struct complaint {
    char what[200];
    char key[200];
    unsigned line;
};

static void complaint_prepend(struct complaint *c, const char *part)
{
    char rest[sizeof(c->key)];

    snprintf(rest, sizeof(rest), "%s", c->key);
    snprintf(c->key, sizeof(c->key), "%.60s%s%.100s", part, rest[0] && rest[0] != '[' ? "." : "",
             rest);
}

static void complaint_log(cyaml_log_t level, void *ctx, const char *format, va_list args)
{
    struct complaint *c = ctx;
    char text[200], field[64], index[32];
    unsigned entry, line = 0;

    (void)level;
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = 0;
    if (sscanf(text, " in mapping field '%60[^']' (line: %u", field, &line) == 2) {
        complaint_prepend(c, field);
    } else if (sscanf(text, " in sequence entry '%u' (line: %u", &entry, &line) == 2) {
        snprintf(index, sizeof(index), "[%u]", entry - 1);
        complaint_prepend(c, entry ? index : ""); /* 0: there is no first one yet */
    } else if (sscanf(text, " in mapping (line: %u", &line) != 1 && !c->what[0]) {
        snprintf(c->what, sizeof(c->what), "%s", strncmp(text, "Load: ", 6) ? text : text + 6);
    }
    if (!c->line)
        c->line = line;
}

/* Print it. libcyaml gives the place it had read last, so where the key can be found that is
 * better. */
static void complaint_print(struct complaint *c, const char *path)
{
    static const char unknown[] = "Unexpected key: ";
    char where[16] = "";
    unsigned line;

    if (!strncmp(c->what, unknown, strlen(unknown))) {
        size_t len = strlen(c->key);

        snprintf(c->key + len, sizeof(c->key) - len, "%s%.60s", len ? "." : "",
                 c->what + strlen(unknown));
        snprintf(c->what, sizeof(c->what), "there is no such key");
    }
    line = c->key[0] ? config_line(path, c->key) : 0;
    if (line || c->line)
        snprintf(where, sizeof(where), ":%u", line ? line : c->line);
    fprintf(stderr, "%s%s: %s%s%s\n", path, where, c->key, c->key[0] ? ": " : "", c->what);
}

int config_load(const char *path, struct config *config)
{
    struct complaint complaint = {0};
    const cyaml_config_t reader = {
        .log_fn = complaint_log,
        .log_ctx = &complaint,
        .log_level = CYAML_LOG_ERROR,
        .mem_fn = cyaml_mem,
    };
    struct raw_config *raw = NULL;
    cyaml_err_t err = cyaml_load_file(path, &reader, &top_value, (cyaml_data_t **)&raw, NULL);

    if (err == CYAML_ERR_FILE_OPEN) {
        int reason = errno;

        fprintf(stderr, "%s: %s\n", path, strerror(reason));
        return -reason;
    }
    if (err != CYAML_OK) {
        if (!complaint.what[0])
            snprintf(complaint.what, sizeof(complaint.what), "%s", cyaml_strerror(err));
        complaint_print(&complaint, path);
        return -EINVAL;
    }
    if (!raw) {
        fprintf(stderr, "%s: is empty\n", path);
        return -EINVAL;
    }

    int ret = config_check(path, raw, config);

    cyaml_free(&reader, &top_value, raw, 0);
    return ret;
}
