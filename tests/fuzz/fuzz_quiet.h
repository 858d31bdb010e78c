/* What the code under test says on stderr, kept instead: a harness may look at it. */
#ifndef TESTS_FUZZ_QUIET_H
#define TESTS_FUZZ_QUIET_H

#include <stdio.h>
#include <stdlib.h>

struct quiet {
    FILE *screen;
    char *text;
    size_t len;
};

static inline void quiet_begin(struct quiet *q)
{
    q->screen = stderr;
    stderr = open_memstream(&q->text, &q->len);
}

/* Afterwards q->text is what was said, to be freed. */
static inline void quiet_end(struct quiet *q)
{
    fclose(stderr);
    stderr = q->screen;
}

#endif
