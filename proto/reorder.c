#include <stddef.h>

#include "reorder.h"

/* Positions are (message sequence, offset in the message), in that order. */
static bool before(uint64_t seq, uint32_t offset, uint64_t than_seq, uint32_t than_offset)
{
    return seq < than_seq || (seq == than_seq && offset < than_offset);
}

/* True when a, at or before b, reaches into b or ends the message in front of it. */
static bool overlaps(const struct reorder_node *a, const struct reorder_node *b)
{
    return a->seq == b->seq && (a->fin || a->offset + a->len > b->offset);
}

static bool is_next(const struct reorder_stream *s, const struct reorder_node *n)
{
    return n->seq == s->next_seq && n->offset == s->next_offset;
}

/* What follows n is next. */
static void advance(struct reorder_stream *s, const struct reorder_node *n)
{
    s->next_seq = n->seq + n->fin;
    s->next_offset = n->fin ? 0 : n->offset + n->len;
}

/* Move everything held that is next, without a gap, to the list ending in *end; returns its new
 * end. */
static struct reorder_node **release_run(struct reorder_stream *s, uint32_t *held,
                                         struct reorder_node **end)
{
    struct reorder_node *first = s->head, *last = NULL;

    for (struct reorder_node *n = first; n && is_next(s, n); n = n->next) {
        advance(s, n);
        last = n;
        s->held--;
        (*held)--;
    }
    if (!last)
        return end;
    s->head = last->next;
    if (s->head)
        s->head->prev = NULL;
    else
        s->tail = NULL;
    last->next = NULL;
    *end = first;
    return &last->next;
}

/* Give up what is missing before the first held node: release it and what follows without a gap. */
static struct reorder_node **skip_gap(struct reorder_stream *s, uint32_t *held,
                                      struct reorder_node **end)
{
    s->head->gap = true;
    s->next_seq = s->head->seq;
    s->next_offset = s->head->offset;
    return release_run(s, held, end);
}

/* Put n behind the last held node at or before it; false when it overlaps a neighbour. */
static bool insert(struct reorder_stream *s, struct reorder_node *n)
{
    struct reorder_node *prev = s->tail; /* most come in order behind a gap */

    if (prev && !before(s->head->seq, s->head->offset, n->seq, n->offset))
        prev = NULL; /* the gap itself, or the head again: no walk */
    while (prev && before(n->seq, n->offset, prev->seq, prev->offset))
        prev = prev->prev;
    struct reorder_node *next = prev ? prev->next : s->head;

    if ((prev && overlaps(prev, n)) || (next && overlaps(n, next)))
        return false;
    n->prev = prev;
    n->next = next;
    *(prev ? &prev->next : &s->head) = n;
    *(next ? &next->prev : &s->tail) = n;
    if (next && next->arrived < n->arrived)
        n->arrived = next->arrived; /* so the head's says how long its gap has waited */
    return true;
}

enum reorder_verdict reorder_push(struct reorder_stream *s, uint32_t *held,
                                  const struct reorder_limits *lim, struct reorder_node *n,
                                  uint64_t now, struct reorder_node **out)
{
    *out = NULL;
    n->gap = false;
    n->arrived = now;
    if (before(n->seq, n->offset, s->next_seq, s->next_offset) || (n->len == 0 && !n->fin))
        return REORDER_DUPLICATE;
    if (is_next(s, n)) {
        if (s->head && overlaps(n, s->head))
            return REORDER_DUPLICATE;
        advance(s, n);
        *out = n;
        n->next = NULL;
        release_run(s, held, &n->next);
        return REORDER_RELEASED;
    }
    if (!insert(s, n))
        return REORDER_DUPLICATE;
    s->held++;
    (*held)++;
    if (*held <= lim->max_held)
        return REORDER_HELD;
    skip_gap(s, held, out);
    return REORDER_OVERFLOW;
}

struct reorder_node *reorder_expire(struct reorder_stream *s, uint32_t *held,
                                    const struct reorder_limits *lim, uint64_t now)
{
    struct reorder_node *out = NULL, **end = &out;

    while (s->head && reorder_deadline(s, lim) <= now)
        end = skip_gap(s, held, end);
    return out;
}

uint64_t reorder_deadline(const struct reorder_stream *s, const struct reorder_limits *lim)
{
    return s->head ? s->head->arrived + lim->timeout_us : UINT64_MAX;
}

struct reorder_node *reorder_drain(struct reorder_stream *s, uint32_t *held)
{
    struct reorder_node *out = NULL, **end = &out;

    while (s->head)
        end = skip_gap(s, held, end);
    return out;
}
