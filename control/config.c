#include "config.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aead.h"
#include "config_file.h"

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
    .tcp = {.connections = 4096, .connections_per_prefix = 256, .idle_timeout_ms = 60000},
};

/* The file as libcyaml reads it: NULL is what it leaves out. */
struct rate_document {
    char *per_second;
    char *burst;
};

struct tcp_document {
    char **listen;
    unsigned listen_count;
    char *connections;
    char *connections_per_prefix;
    char *idle_timeout_ms;
};

struct document {
    char *data_plane_socket;
    char *control_socket;
    char *control_group;
    char *user;
    char *group;
    char *identity_file;
    char *log_level;
    char *cookie;
    char *idle_timeout_ms;
    char *max_streams;
    char **suites;
    unsigned suites_count;
    struct rate_document *handshakes;
    struct rate_document *prefix;
    struct rate_document *resets;
    struct rate_document *prefix_resets;
    struct tcp_document *tcp;
};

static const char *const policies[] = {
    [COOKIE_AUTO] = "auto", [COOKIE_ALWAYS] = "always", [COOKIE_NEVER] = "never"};

static const char *const suites[] = {
    [AEAD_AES256_GCM] = "aes-256-gcm", [AEAD_CHACHA20_POLY1305] = "chacha20-poly1305"};

static const cyaml_schema_value_t address = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, CONFIG_ADDRESS_TEXT - 1),
};

static const cyaml_schema_value_t suite = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

#define OPTIONAL (CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER)

static const cyaml_schema_field_t rate_fields[] = {
    CYAML_FIELD_STRING_PTR("per_second", OPTIONAL, struct rate_document, per_second, 0,
                           CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("burst", OPTIONAL, struct rate_document, burst, 0, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t tcp_fields[] = {
    CYAML_FIELD_SEQUENCE("listen", OPTIONAL, struct tcp_document, listen, &address, 0,
                         CONFIG_TCP_LISTEN_MAX),
    CYAML_FIELD_STRING_PTR("connections", OPTIONAL, struct tcp_document, connections, 0,
                           CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("connections_per_prefix", OPTIONAL, struct tcp_document,
                           connections_per_prefix, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("idle_timeout_ms", OPTIONAL, struct tcp_document, idle_timeout_ms, 0,
                           CYAML_UNLIMITED),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_STRING_PTR("data_plane_socket", OPTIONAL, struct document, data_plane_socket, 1,
                           CONFIG_SOCKET_MAX - 1),
    CYAML_FIELD_STRING_PTR("control_socket", OPTIONAL, struct document, control_socket, 1,
                           CONFIG_SOCKET_MAX - 1),
    CYAML_FIELD_STRING_PTR("control_group", OPTIONAL, struct document, control_group, 0, 63),
    CYAML_FIELD_STRING_PTR("user", OPTIONAL, struct document, user, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("group", OPTIONAL, struct document, group, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("identity_file", OPTIONAL, struct document, identity_file, 1,
                           CONFIG_PATH_MAX - 1),
    CYAML_FIELD_STRING_PTR("log_level", OPTIONAL, struct document, log_level, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("cookie", OPTIONAL, struct document, cookie, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("idle_timeout_ms", OPTIONAL, struct document, idle_timeout_ms, 0,
                           CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("max_streams", OPTIONAL, struct document, max_streams, 0,
                           CYAML_UNLIMITED),
    CYAML_FIELD_SEQUENCE("suites", OPTIONAL, struct document, suites, &suite, 1, CYAML_UNLIMITED),
    CYAML_FIELD_MAPPING_PTR("handshakes", OPTIONAL, struct document, handshakes, rate_fields),
    CYAML_FIELD_MAPPING_PTR("handshakes_per_prefix", OPTIONAL, struct document, prefix,
                            rate_fields),
    CYAML_FIELD_MAPPING_PTR("resets", OPTIONAL, struct document, resets, rate_fields),
    CYAML_FIELD_MAPPING_PTR("resets_per_prefix", OPTIONAL, struct document, prefix_resets,
                            rate_fields),
    CYAML_FIELD_MAPPING_PTR("tcp", OPTIONAL, struct document, tcp, tcp_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct document, fields),
};

static void take_rate(struct complaints *c, const char *key, const struct rate_document *given,
                      struct rate *to)
{
    char per_second[64], burst[64];

    if (!given)
        return;
    snprintf(per_second, sizeof(per_second), "%s.per_second", key);
    snprintf(burst, sizeof(burst), "%s.burst", key);
    config_number(c, per_second, given->per_second, 1, 1000000, &to->per_second);
    config_number(c, burst, given->burst, 1, 1000000, &to->burst);
}

static void take_string(const char *given, char *to, size_t size)
{
    if (given)
        snprintf(to, size, "%s", given);
}

/* Which of n names is given for `key`; `otherwise` when none is. Some places may have no name. */
static unsigned take_name(struct complaints *c, const char *key, const char *given,
                          const char *const *names, unsigned n, unsigned otherwise)
{
    char all[128] = "";

    if (!given)
        return otherwise;
    for (unsigned i = 0; i < n; i++) {
        size_t len = strlen(all);

        if (names[i] && strcmp(names[i], given) == 0)
            return i;
        if (names[i])
            snprintf(all + len, sizeof(all) - len, "%s%s", len ? ", " : "", names[i]);
    }
    complain(c, key, "'%s' is none of %s", given, all);
    return otherwise;
}

static void take_suites(struct complaints *c, const struct document *d, struct config *config)
{
    char key[24];

    if (d->suites_count > CYAML_ARRAY_LEN(config->suites)) {
        complain(c, "suites", "has more than %zu entries", CYAML_ARRAY_LEN(config->suites));
        return;
    }
    for (unsigned i = 0; i < d->suites_count; i++) {
        snprintf(key, sizeof(key), "suites[%u]", i);
        config->suites[i] =
            (uint8_t)take_name(c, key, d->suites[i], suites, CYAML_ARRAY_LEN(suites), 0);
    }
    if (d->suites_count == 1)
        config->suites[1] = 0;
    else if (d->suites_count == 2 && config->suites[0] == config->suites[1])
        complain(c, "suites[1]", "'%s' is here twice", d->suites[1]);
}

/* ADDRESS:PORT or [ADDRESS]:PORT. */
static bool parse_address(const char *text, struct config_address *to)
{
    static const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                          .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(text, ':');
    struct addrinfo *found;
    char host[CONFIG_ADDRESS_TEXT];
    size_t len = colon ? (size_t)(colon - text) : 0;
    unsigned long port;
    bool brackets = len > 2 && text[0] == '[' && text[len - 1] == ']';

    if (len == 0 || len >= sizeof(host) || brackets != (memchr(text, ':', len) != NULL))
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)len - 2 * brackets, text + brackets);
    port = strtoul(colon + 1, NULL, 10); /* what is no number getaddrinfo refuses */
    if (port == 0 || port > UINT16_MAX || getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return false;
    memcpy(&to->bytes, found->ai_addr, found->ai_addrlen);
    to->len = found->ai_addrlen;
    freeaddrinfo(found);
    snprintf(to->text, sizeof(to->text), "%s", text);
    return true;
}

static void take_tcp(struct complaints *c, const struct tcp_document *d, struct config_tcp *tcp)
{
    char key[24];

    if (!d)
        return;
    for (unsigned i = 0; i < d->listen_count; i++) {
        snprintf(key, sizeof(key), "tcp.listen[%u]", i);
        if (!parse_address(d->listen[i], &tcp->listen[i]))
            complain(c, key, "'%s' is not ADDRESS:PORT or [ADDRESS]:PORT", d->listen[i]);
    }
    tcp->listens = d->listen_count;
    config_number(c, "tcp.connections", d->connections, 1, 16384, &tcp->connections);
    config_number(c, "tcp.connections_per_prefix", d->connections_per_prefix, 1, 16384,
                  &tcp->connections_per_prefix);
    config_number(c, "tcp.idle_timeout_ms", d->idle_timeout_ms, 20000, 3600000,
                  &tcp->idle_timeout_ms);
}

/* Who becomes another gives the control socket to that user's group, unless told otherwise. */
static void take_user(struct complaints *c, const struct document *d, struct config *config)
{
    const struct group *group = NULL;

    config->becomes = config_user(c, d->user, d->group, &config->user);
    if (config->becomes && !d->control_group)
        group = getgrgid(config->user.gid);
    if (group)
        take_string(group->gr_name, config->control_group, sizeof(config->control_group));
}

static void take_document(struct complaints *c, const struct document *d, struct config *config)
{
    uint32_t max_streams = config->max_streams;

    take_string(d->data_plane_socket, config->data_plane_socket, sizeof(config->data_plane_socket));
    take_string(d->control_socket, config->control_socket, sizeof(config->control_socket));
    if (strcmp(config->control_socket, config->data_plane_socket) == 0)
        complain(c, d->control_socket ? "control_socket" : "data_plane_socket",
                 "'%s' is the path of the other socket too", config->control_socket);
    take_string(d->control_group, config->control_group, sizeof(config->control_group));
    take_user(c, d, config);
    take_string(d->identity_file, config->identity_file, sizeof(config->identity_file));
    config->log_level =
        take_name(c, "log_level", d->log_level, log_level_names, LOG_LEVELS, config->log_level);
    config->cookie =
        take_name(c, "cookie", d->cookie, policies, CYAML_ARRAY_LEN(policies), config->cookie);
    take_suites(c, d, config);
    config_number(c, "idle_timeout_ms", d->idle_timeout_ms, 1000, 86400000,
                  &config->idle_timeout_ms);
    config_number(c, "max_streams", d->max_streams, 1, 65535, &max_streams);
    take_rate(c, "handshakes", d->handshakes, &config->handshakes);
    take_rate(c, "handshakes_per_prefix", d->prefix, &config->prefix);
    take_rate(c, "resets", d->resets, &config->resets);
    take_rate(c, "resets_per_prefix", d->prefix_resets, &config->prefix_resets);
    take_tcp(c, d->tcp, &config->tcp);
    config->max_streams = (uint16_t)max_streams;
}

int config_load(const char *path, struct config *config)
{
    struct complaints complaints = {.path = path};
    struct document *document = NULL;
    int rc;

    *config = defaults;
    if (!path)
        return 0;
    rc = config_file_load(path, &schema, (void **)&document);
    if (rc < 0)
        return rc;
    if (document) /* an empty file is fine */
        take_document(&complaints, document, config);
    config_file_free(&schema, document);
    return complaints.n ? -EINVAL : 0;
}
