/* The input of a harness as the decisions it makes, from the front; past its end all are 0. */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *p, *end;
};

static inline unsigned take8(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static inline unsigned take16(struct input *in)
{
    unsigned high = take8(in);

    return high << 8 | take8(in);
}

/* Up to n bytes; *at points to them. */
static inline size_t take_bytes(struct input *in, size_t n, const uint8_t **at)
{
    size_t left = (size_t)(in->end - in->p);

    *at = in->p;
    n = n < left ? n : left;
    in->p += n;
    return n;
}

#endif
