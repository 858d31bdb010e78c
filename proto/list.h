/* A queue of what its nodes are in; each may leave it from anywhere. All zero is empty, and in
 * none. */
#ifndef PROTO_LIST_H
#define PROTO_LIST_H

#include <stddef.h>
#include <stdint.h>

struct list_node {
    struct list_node *next, **at; /* at: NULL when in none */
};
struct list {
    struct list_node *head, **tail; /* tail: NULL when empty */
    uint32_t n;
};

/* To the end, unless it is in one. */
static inline void list_add(struct list *l, struct list_node *n)
{
    if (n->at)
        return;
    *n = (struct list_node){.at = l->tail ? l->tail : &l->head};
    *n->at = n;
    l->tail = &n->next;
    l->n++;
}

/* Out of l, if it is in it. */
static inline void list_remove(struct list *l, struct list_node *n)
{
    if (!n->at)
        return;
    *n->at = n->next;
    if (n->next)
        n->next->at = n->at;
    else
        l->tail = l->head ? n->at : NULL;
    n->at = NULL;
    l->n--;
}

#endif
