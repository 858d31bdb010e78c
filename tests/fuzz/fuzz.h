/* What a fuzz harness is: one function that takes bytes and one that makes seeds for them. It runs
 * under libFuzzer and under fuzz_main.c, which needs no special compiler. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { FUZZ_INPUT_MAX = 4096 };

/* One input, on the heap in exactly size bytes. Returns 0; what must not be aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Write seed number `index` to out, FUZZ_INPUT_MAX bytes; its size, 0 when there are no more. */
size_t fuzz_seed(unsigned index, uint8_t *out);

/* Holds for every input, or the harness has found something. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(2, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
