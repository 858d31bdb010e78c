/* Wycheproof JSON test vectors. The files are not part of the tree: they are looked for in
 * ../shared/vectors beside it, and a test skips what is absent. Malformed vectors abort the test.
 */
#ifndef VECTORS_H
#define VECTORS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The parsed file (json_decref it), or NULL after saying so when it is absent. */
json_t *vectors_load(const char *name);

typedef void vector_fn(const json_t *group, const json_t *test, void *arg);
/* Call fn for every test of every group. */
void vectors_each(const json_t *root, vector_fn *fn, void *arg);

int vector_int(const json_t *object, const char *key);
bool vector_valid(const json_t *test); /* "result" is "valid" */
/* Decode a test's hex member; returns its length, at most max. */
size_t vector_hex(const json_t *test, const char *key, uint8_t *out, size_t max);

/* Decode a C string of hex digits; returns the length, at most max. */
size_t hex_decode(uint8_t *out, size_t max, const char *hex);

#endif
