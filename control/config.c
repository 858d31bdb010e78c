#include "config.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "aead.h"

static const struct config defaults = {
    .data_plane_socket = "/run/jetplane/dp.sock",
    .control_socket = "/run/jetplane/jetctl.sock",
    .identity_file = "/var/lib/jetplane/identity.key",
    .log_level = LOG_INFO,
    .cookie = COOKIE_AUTO,
    .suites = {AEAD_AES256_GCM, AEAD_CHACHA20_POLY1305},
    .idle_timeout_ms = 30000,
    .max_streams = 1024,
    .handshakes = {.per_second = 4000, .burst = 4000},
    .prefix = {.per_second = 1000, .burst = 2000},
    .resets = {.per_second = 2000, .burst = 2000},
    .prefix_resets = {.per_second = 100, .burst = 200},
};

/* The file as libcyaml reads it: NULL is what it leaves out. */
struct rate_document {
    uint64_t *per_second;
    uint64_t *burst;
};

struct document {
    char *data_plane_socket;
    char *control_socket;
    char *control_group;
    char *identity_file;
    enum log_level *log_level;
    enum cookie_policy *cookie;
    uint64_t *idle_timeout_ms;
    uint64_t *max_streams;
    enum aead_alg *suites;
    unsigned suites_count;
    struct rate_document *handshakes;
    struct rate_document *prefix;
    struct rate_document *resets;
    struct rate_document *prefix_resets;
};

static const cyaml_strval_t levels[] = {
    {"error", LOG_ERROR},
    {"warning", LOG_WARNING},
    {"info", LOG_INFO},
    {"debug", LOG_DEBUG},
};

static const cyaml_strval_t policies[] = {
    {"auto", COOKIE_AUTO},
    {"always", COOKIE_ALWAYS},
    {"never", COOKIE_NEVER},
};

static const cyaml_strval_t suites[] = {
    {"aes-256-gcm", AEAD_AES256_GCM},
    {"chacha20-poly1305", AEAD_CHACHA20_POLY1305},
};

static const cyaml_schema_value_t suite = {
    CYAML_VALUE_ENUM(CYAML_FLAG_DEFAULT, enum aead_alg, suites, CYAML_ARRAY_LEN(suites)),
};

#define OPTIONAL (CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER)

static const cyaml_schema_field_t rate_fields[] = {
    CYAML_FIELD_UINT_PTR("per_second", OPTIONAL, struct rate_document, per_second),
    CYAML_FIELD_UINT_PTR("burst", OPTIONAL, struct rate_document, burst),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_STRING_PTR("data_plane_socket", OPTIONAL, struct document, data_plane_socket, 1,
                           CONFIG_SOCKET_MAX - 1),
    CYAML_FIELD_STRING_PTR("control_socket", OPTIONAL, struct document, control_socket, 1,
                           CONFIG_SOCKET_MAX - 1),
    CYAML_FIELD_STRING_PTR("control_group", OPTIONAL, struct document, control_group, 0, 63),
    CYAML_FIELD_STRING_PTR("identity_file", OPTIONAL, struct document, identity_file, 1,
                           CONFIG_PATH_MAX - 1),
    CYAML_FIELD_ENUM_PTR("log_level", OPTIONAL, struct document, log_level, levels,
                         CYAML_ARRAY_LEN(levels)),
    CYAML_FIELD_ENUM_PTR("cookie", OPTIONAL, struct document, cookie, policies,
                         CYAML_ARRAY_LEN(policies)),
    CYAML_FIELD_UINT_PTR("idle_timeout_ms", OPTIONAL, struct document, idle_timeout_ms),
    CYAML_FIELD_UINT_PTR("max_streams", OPTIONAL, struct document, max_streams),
    CYAML_FIELD_SEQUENCE("suites", OPTIONAL, struct document, suites, &suite, 1, 2),
    CYAML_FIELD_MAPPING_PTR("handshakes", OPTIONAL, struct document, handshakes, rate_fields),
    CYAML_FIELD_MAPPING_PTR("handshakes_per_prefix", OPTIONAL, struct document, prefix,
                            rate_fields),
    CYAML_FIELD_MAPPING_PTR("resets", OPTIONAL, struct document, resets, rate_fields),
    CYAML_FIELD_MAPPING_PTR("resets_per_prefix", OPTIONAL, struct document, prefix_resets,
                            rate_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct document, fields),
};

static void log_cyaml(cyaml_log_t level, void *arg, const char *format, va_list args)
{
    char text[256];
    const char *path = arg;

    (void)level;
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    log_error("%s: %s", path, text);
}

static const cyaml_config_t cyaml = {
    .log_fn = log_cyaml,
    .log_level = CYAML_LOG_ERROR,
    .mem_fn = cyaml_mem,
};

/* The number given for `key`, if there is one, into *to; false when it is out of range. */
static bool take(const char *key, const uint64_t *given, uint32_t min, uint32_t max, uint32_t *to)
{
    if (!given)
        return true;
    if (*given < min || *given > max) {
        log_error("%s: %llu is not between %u and %u", key, (unsigned long long)*given, min, max);
        return false;
    }
    *to = (uint32_t)*given;
    return true;
}

static bool take_rate(const char *key, const struct rate_document *given, struct rate *to)
{
    char per_second[64], burst[64];

    if (!given)
        return true;
    snprintf(per_second, sizeof(per_second), "%s.per_second", key);
    snprintf(burst, sizeof(burst), "%s.burst", key);
    return take(per_second, given->per_second, 1, 1000000, &to->per_second) &&
           take(burst, given->burst, 1, 1000000, &to->burst);
}

static void take_string(const char *given, char *to, size_t size)
{
    if (given)
        snprintf(to, size, "%s", given);
}

static bool take_suites(const struct document *d, struct config *c)
{
    if (d->suites_count == 0)
        return true;
    if (d->suites_count == 2 && d->suites[0] == d->suites[1]) {
        log_error("suites: the same one twice");
        return false;
    }
    c->suites[0] = (uint8_t)d->suites[0];
    c->suites[1] = d->suites_count == 2 ? (uint8_t)d->suites[1] : 0;
    return true;
}

static bool take_document(const struct document *d, struct config *c)
{
    uint32_t max_streams = c->max_streams;

    take_string(d->data_plane_socket, c->data_plane_socket, sizeof(c->data_plane_socket));
    take_string(d->control_socket, c->control_socket, sizeof(c->control_socket));
    take_string(d->control_group, c->control_group, sizeof(c->control_group));
    take_string(d->identity_file, c->identity_file, sizeof(c->identity_file));
    if (d->log_level)
        c->log_level = *d->log_level;
    if (d->cookie)
        c->cookie = *d->cookie;
    if (!take_suites(d, c) ||
        !take("idle_timeout_ms", d->idle_timeout_ms, 1000, 86400000, &c->idle_timeout_ms) ||
        !take("max_streams", d->max_streams, 1, 65535, &max_streams) ||
        !take_rate("handshakes", d->handshakes, &c->handshakes) ||
        !take_rate("handshakes_per_prefix", d->prefix, &c->prefix) ||
        !take_rate("resets", d->resets, &c->resets) ||
        !take_rate("resets_per_prefix", d->prefix_resets, &c->prefix_resets))
        return false;
    c->max_streams = (uint16_t)max_streams;
    return true;
}

int config_load(const char *path, struct config *config)
{
    struct document *document = NULL;
    cyaml_config_t logged = cyaml;
    cyaml_err_t error;
    bool ok;

    *config = defaults;
    if (!path)
        return 0;
    logged.log_ctx = (void *)(uintptr_t)path;
    error = cyaml_load_file(path, &logged, &schema, (cyaml_data_t **)&document, NULL);
    if (error == CYAML_ERR_FILE_OPEN) {
        log_error("%s: cannot open", path);
        return -ENOENT;
    }
    if (error != CYAML_OK) {
        log_error("%s: %s", path, cyaml_strerror(error));
        return -EINVAL;
    }
    ok = !document || take_document(document, config); /* an empty file is fine */
    cyaml_free(&cyaml, &schema, document, 0);
    if (!ok)
        log_error("%s: not a valid configuration", path);
    return ok ? 0 : -EINVAL;
}
