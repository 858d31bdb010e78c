/* PATH_DUPLICATE: what leaves along one path leaves along others, too, each time under a number of
 * its own. Whichever comes first is acknowledged for all; that a copy is lost means nothing. */
#include <stddef.h>
#include <string.h>

#include "conn_state.h"
#include "wire.h"

/* In a symbol's buffer, from the packet's sending until its last copy left. */
struct conn_copy {
    struct conn_path *path, *after; /* it took, and the copy so far took last */
    uint32_t len;
    uint8_t n;
    bool acks;
    struct sent_item items[SENT_ITEMS];
    uint8_t frames[];
};

void copy_drop(struct conn *c)
{
    if (c->copy)
        pool_put(&c->pools->fec.symbols, c->copy);
    c->copy = NULL;
}

void copy_keep(const struct build *b, uint32_t bytes)
{
    struct conn *c = b->c;
    size_t len = (size_t)(b->p - b->start);

    if (b->n == 0 || b->datagrams || !path_next_copy(c, b->path, NULL, bytes, b->now) ||
        offsetof(struct conn_copy, frames) + len > c->pools->fec.symbol_max)
        return;
    c->copy = pool_get(&c->pools->fec.symbols);
    if (!c->copy)
        return;
    *c->copy =
        (struct conn_copy){.path = b->path, .len = (uint32_t)len, .n = b->n, .acks = b->acks};
    memcpy(c->copy->items, b->items, b->n * sizeof(b->items[0]));
    memcpy(c->copy->frames, b->start, len);
}

struct conn_path *copy_next(struct conn *c, uint64_t now)
{
    struct conn_copy *copy = c->copy;
    struct conn_path *path;

    if (!copy)
        return NULL;
    path = path_next_copy(c, copy->path, copy->after, copy->len + WIRE_OVERHEAD_MAX, now);
    copy->after = path;
    if (!path)
        copy_drop(c);
    return path;
}

void copy_put(struct build *b)
{
    const struct conn_copy *copy = b->c->copy;

    memcpy(b->start, copy->frames, copy->len);
    memcpy(b->items, copy->items, copy->n * sizeof(copy->items[0]));
    b->p = b->start + copy->len;
    b->n = copy->n;
    b->acks = copy->acks;
    b->eliciting = b->copy = true;
}
