/* A YAML file for one of the programs, whose config.h and fuzz.h come before. What holds: it is
 * taken in silence, or refused with complaints that say which file, and nothing stays behind. */
#ifndef TESTS_FUZZ_CONFIG_H
#define TESTS_FUZZ_CONFIG_H

#include <string.h>

#include "fuzz_file.h"
#include "fuzz_quiet.h"

/* Load the input; the result of config_load. */
static int load(const uint8_t *data, size_t size, struct config *config)
{
    const char *path = fuzz_file(data, size);
    struct quiet q;
    int rc;

    quiet_begin(&q);
    rc = config_load(path, config);
    quiet_end(&q);
    FUZZ_CHECK(rc == 0 ? q.len == 0 : rc < 0 && strncmp(q.text, path, strlen(path)) == 0);
    free(q.text);
    return rc;
}

#endif
