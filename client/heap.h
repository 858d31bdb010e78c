/* A pairing heap with intrusive entries: O(1) insert and minimum, O(log n) amortised removal, no
 * memory of its own. Ordered by (at, order), so that equals leave in the order they came. */
#ifndef CLIENT_HEAP_H
#define CLIENT_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_entry {
    struct heap_entry *child, *next; /* first child, next sibling */
    struct heap_entry *back;         /* previous sibling, or parent of the first; NULL: the root */
    uint64_t at, order;
};

/* The minimum, or NULL; all zeros is an empty heap. */
struct heap {
    struct heap_entry *root;
};

/* Insert e, which is in no heap, with e->at and e->order set. */
void heap_insert(struct heap *heap, struct heap_entry *e);
/* Remove e, which is in this heap. */
void heap_remove(struct heap *heap, struct heap_entry *e);

#endif
