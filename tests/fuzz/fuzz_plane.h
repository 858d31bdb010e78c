/* A data plane for harnesses (tests/dataplane/plane.h), started with the first input. */
#ifndef TESTS_FUZZ_PLANE_H
#define TESTS_FUZZ_PLANE_H

#include <stdlib.h>

#include "bytes.h"
#include "plane.h"

/* cmocka's assertions hold outside of its tests, too, when they may abort. */
static inline struct plane *fuzz_plane_begin(void)
{
    void *state;

    setenv("CMOCKA_TEST_ABORT", "1", 0);
    plane_size.memory_mb = 256;
    plane_setup(&state);
    return state;
}

/* Every packet had its fate, and everything is back where it came from. */
static inline void fuzz_plane_end(struct plane *plane)
{
    void *state = plane;

    plane_teardown(&state);
}

#endif
