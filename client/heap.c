#include "heap.h"

static bool before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

/* Join two roots; either may be NULL. */
static struct heap_entry *join(struct heap_entry *a, struct heap_entry *b)
{
    if (!a || !b)
        return a ? a : b;
    if (before(b, a)) {
        struct heap_entry *t = a;

        a = b;
        b = t;
    }
    b->next = a->child;
    if (b->next)
        b->next->back = b;
    b->back = a;
    a->child = b;
    return a;
}

/* Detach the head of a list of siblings. */
static struct heap_entry *pop(struct heap_entry **list)
{
    struct heap_entry *e = *list;

    if (e) {
        *list = e->next;
        e->next = e->back = NULL;
    }
    return e;
}

/* Join siblings in pairs, then the pairs from the last to the first. */
static struct heap_entry *join_siblings(struct heap_entry *list)
{
    struct heap_entry *pairs = NULL, *root = NULL;

    while (list) {
        struct heap_entry *a = pop(&list), *pair = join(a, pop(&list));

        pair->next = pairs;
        pairs = pair;
    }
    while (pairs)
        root = join(root, pop(&pairs));
    return root;
}

void heap_insert(struct heap *heap, struct heap_entry *e)
{
    e->child = e->next = e->back = NULL;
    heap->root = join(heap->root, e);
}

void heap_remove(struct heap *heap, struct heap_entry *e)
{
    struct heap_entry *orphans = join_siblings(e->child);

    if (e == heap->root) {
        heap->root = orphans;
        return;
    }
    if (e->back->child == e)
        e->back->child = e->next;
    else
        e->back->next = e->next;
    if (e->next)
        e->next->back = e->back;
    heap->root = join(heap->root, orphans);
}
