/* The YAML file, read into strings; config_check.c makes the configuration of them. */
#include <errno.h>
#include <stdio.h>

#include "config_file.h"
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

#define KEY(key, ...) TEXT(raw_full, key),
static const cyaml_schema_field_t full_fields[] = {
    TEXT(raw_full, congestion),
    CONFIG_FULL_NUMBERS(KEY) CONFIG_FULL_SWITCHES(KEY) CYAML_FIELD_END,
};
#undef KEY

#define NUMBER(key, ...) TEXT(raw_config, key),
static const cyaml_schema_field_t top_fields[] = {
    TEXT(raw_config, name),
    TEXT(raw_config, control_socket),
    TEXT(raw_config, user),
    TEXT(raw_config, group),
    TEXT(raw_config, hugepages),
    TEXT(raw_config, idle),
    LIST(raw_config, ports, &port_value),
    LIST(raw_config, listeners, &listener_value),
    LIST(raw_config, cpus, &string_value),
    CYAML_FIELD_MAPPING_PTR("full", OPTIONAL, struct raw_config, full, full_fields),
    CONFIG_NUMBERS(NUMBER) CYAML_FIELD_END,
};
#undef NUMBER
static const cyaml_schema_value_t top_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, top_fields),
};

int config_load(const char *path, struct config *config)
{
    struct raw_config *raw = NULL;
    int ret = config_file_load(path, &top_value, (void **)&raw);

    if (ret == 0 && !raw) {
        fprintf(stderr, "%s: is empty\n", path);
        ret = -EINVAL;
    }
    if (ret == 0)
        ret = config_check(path, raw, config);
    config_file_free(&top_value, raw);
    return ret;
}
