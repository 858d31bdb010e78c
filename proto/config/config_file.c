/* Reading the file, and making one line of what libcyaml says when it cannot. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_file.h"

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
    } else if (sscanf(text, " in mapping (line: %u", &line) != 1 && !c->what[0] &&
               strcmp(text, "Load: Backtrace:") != 0) {
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

/* libcyaml reads the first, and would silently leave out the rest. */
static int one_document(const char *path)
{
    unsigned line = config_second_document(path);

    if (!line)
        return 0;
    fprintf(stderr, "%s:%u: a second document begins here: there can be only one\n", path, line);
    return -EINVAL;
}

int config_file_load(const char *path, const cyaml_schema_value_t *schema, void **raw)
{
    struct complaint complaint = {0};
    const cyaml_config_t reader = {
        .log_fn = complaint_log,
        .log_ctx = &complaint,
        .log_level = CYAML_LOG_ERROR,
        .mem_fn = cyaml_mem,
    };
    cyaml_err_t err = cyaml_load_file(path, &reader, schema, (cyaml_data_t **)raw, NULL);

    if (err == CYAML_ERR_FILE_OPEN) {
        int reason = errno;

        fprintf(stderr, "%s: %s\n", path, strerror(reason));
        return -reason;
    }
    if (err != CYAML_OK) {
        /* libcyaml says nothing of such a key, and takes the one before for the place */
        if (!complaint.what[0] && err == CYAML_ERR_INTERNAL_ERROR)
            complaint = (struct complaint){"a key must be a word, not a list or mapping", "", 0};
        else if (!complaint.what[0])
            snprintf(complaint.what, sizeof(complaint.what), "%s", cyaml_strerror(err));
        complaint_print(&complaint, path);
        return -EINVAL;
    }
    if (one_document(path) != 0) {
        config_file_free(schema, *raw);
        *raw = NULL;
        return -EINVAL;
    }
    return 0;
}

void config_file_free(const cyaml_schema_value_t *schema, void *raw)
{
    const cyaml_config_t config = {.mem_fn = cyaml_mem};

    cyaml_free(&config, schema, raw, 0);
}

void complain(struct complaints *c, const char *key, const char *format, ...)
{
    unsigned line = config_line(c->path, key);
    va_list args;

    if (line)
        fprintf(stderr, "%s:%u: %s: ", c->path, line, key);
    else
        fprintf(stderr, "%s: %s: ", c->path, key);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    c->n++;
}

/* strtoll, without what it takes besides: blanks, +, and leading zeros, which some read as octal.
 */
static bool parse_decimal(const char *text, long long *value)
{
    const char *digits = text + (*text == '-');
    char *end;

    if (!isdigit((unsigned char)*digits) || (*digits == '0' && digits[1]))
        return false;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return !*end && !errno;
}

void config_number(struct complaints *c, const char *key, const char *text, uint32_t least,
                   uint32_t most, uint32_t *to)
{
    long long value;

    if (!text)
        return;
    if (!parse_decimal(text, &value))
        complain(c, key, "'%s' is not a number", text);
    else if (value < least || value > most)
        complain(c, key, "%lld is not between %u and %u", value, least, most);
    else
        *to = (uint32_t)value;
}

bool config_user(struct complaints *c, const char *user, const char *group, struct confine_user *to)
{
    int rc;

    if (group && !user)
        complain(c, "group", "wants a user, too");
    if (!user)
        return false;
    rc = confine_find(user, group, to);
    if (rc == -ENOENT)
        complain(c, "user", "no user is named '%s'", user);
    else if (rc == -ESRCH)
        complain(c, "group", "no group is named '%s'", group);
    return rc == 0;
}
