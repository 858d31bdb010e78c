/* Configuration files: YAML, read by libcyaml, with complaints on stderr that say where:
 * "file:line: key: what is wrong". Used once, when a program starts. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stdarg.h>

#include <cyaml/cyaml.h>

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

/* config_where.c: the line of a key in the file at `path`; 0 when it cannot be read. A key that is
 * not there has the line of where it should be. */
unsigned config_line(const char *path, const char *key);

#endif
