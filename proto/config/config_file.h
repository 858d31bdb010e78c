/* Configuration files: YAML, read by libcyaml, with complaints on stderr that say where:
 * "file:line: key: what is wrong". Used once, when a program starts. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <cyaml/cyaml.h>

#include "confine.h"

/* Read the file at path into *raw, which stays NULL when it is empty; config_file_free it. 0, or
 * -errno (-EINVAL: the file is wrong) after complaining. */
int config_file_load(const char *path, const cyaml_schema_value_t *schema, void **raw);
void config_file_free(const cyaml_schema_value_t *schema, void *raw);

/* Checking what a file says goes on after a complaint, to find them all. */
struct complaints {
    const char *path;
    unsigned n;
};

/* About a key ("ports[1].mtu"). */
__attribute__((format(printf, 3, 4))) void complain(struct complaints *c, const char *key,
                                                    const char *format, ...);

/* The number `text` says for a key, into *to unless text is NULL: a decimal between least and most,
 * without leading zeros, or a complaint. */
void config_number(struct complaints *c, const char *key, const char *text, uint32_t least,
                   uint32_t most, uint32_t *to);

/* Who the keys `user` and `group`, NULL where they are not there, say to become, into *to. False:
 * nobody, or nobody there is, after a complaint. */
bool config_user(struct complaints *c, const char *user, const char *group,
                 struct confine_user *to);

/* config_where.c: the line of a key in the file at `path`; 0 when it cannot be read. A key that is
 * not there has the line of where it should be. */
unsigned config_line(const char *path, const char *key);
/* The line where the file's second document begins; 0 when there is none. */
unsigned config_second_document(const char *path);

#endif
