#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void die(const char *what, const char *detail)
{
    fprintf(stderr, "test vectors: %s: %s\n", what, detail);
    abort();
}

json_t *vectors_load(const char *name)
{
    char path[4096];
    json_error_t error;
    json_t *root;

    snprintf(path, sizeof(path), "%s/../shared/vectors/%s", JP_SOURCE_ROOT, name);
    if (access(path, F_OK) != 0) {
        fprintf(stderr, "absent, so not tested: %s\n", path);
        return NULL;
    }
    root = json_load_file(path, 0, &error);
    if (!root)
        die(path, error.text);
    return root;
}

void vectors_each(const json_t *root, vector_fn *fn, void *arg)
{
    json_t *group, *test;
    size_t i, j;

    json_array_foreach (json_object_get(root, "testGroups"), i, group) {
        json_array_foreach (json_object_get(group, "tests"), j, test)
            fn(group, test, arg);
    }
}

int vector_int(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value))
        die("not an integer", key);
    return (int)json_integer_value(value);
}

static const char *vector_string(const json_t *test, const char *key)
{
    const char *value = json_string_value(json_object_get(test, key));

    if (!value)
        die("not a string", key);
    return value;
}

bool vector_valid(const json_t *test)
{
    return strcmp(vector_string(test, "result"), "valid") == 0;
}

size_t vector_hex(const json_t *test, const char *key, uint8_t *out, size_t max)
{
    return hex_decode(out, max, vector_string(test, key));
}

size_t hex_decode(uint8_t *out, size_t max, const char *hex)
{
    size_t len = strlen(hex) / 2;

    if (strlen(hex) % 2 != 0 || len > max)
        die("hex of a wrong length", hex);
    for (size_t i = 0; i < len; i++) {
        if (sscanf(hex + 2 * i, "%2hhx", &out[i]) != 1)
            die("not hex", hex);
    }
    return len;
}
