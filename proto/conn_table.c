/* What the sessions of a thread find by id: one table for all of them, so that a session costs
 * nothing for streams it does not have. */
#include "conn_state.h"

/* Ids are the peer's choice: the key makes their places unpredictable. */
static struct conn_entry **place_of(const struct conn *c, uint32_t key)
{
    uint64_t x = (uint64_t)(uintptr_t)c >> 6;

    x = (x << 17 ^ key ^ (uint64_t)c->pools->table_key << 32) * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return &c->pools->table[(x >> 32) & c->pools->table_mask];
}

struct conn_entry *entry_find(const struct conn *c, uint32_t key)
{
    struct conn_entry *e = *place_of(c, key);

    while (e && (e->conn != c || e->key != key))
        e = e->next;
    return e;
}

void entry_add(struct conn *c, struct conn_entry *e, uint32_t key)
{
    struct conn_entry **place = place_of(c, key);

    *e = (struct conn_entry){.next = *place, .conn = c, .key = key};
    *place = e;
}

void entry_remove(struct conn_entry *e)
{
    struct conn_entry **link = place_of(e->conn, e->key);

    while (*link != e)
        link = &(*link)->next;
    *link = e->next;
}

static struct conn_closed *page_of(const struct conn *c, uint32_t id)
{
    return (struct conn_closed *)entry_find(c, CONN_CLOSED + id / CONN_CLOSED_IDS);
}

bool closed_ids_has(const struct conn *c, uint32_t id)
{
    const struct conn_closed *page = c->closed_pages ? page_of(c, id) : NULL;
    uint32_t i = id % CONN_CLOSED_IDS;

    return page && page->bits[i / 64] >> (i % 64) & 1;
}

bool closed_ids_add(struct conn *c, uint32_t id)
{
    struct conn_closed *page = page_of(c, id);
    uint32_t i = id % CONN_CLOSED_IDS;

    if (!page) {
        page = pool_get(&c->pools->closed);
        if (!page)
            return false;
        *page = (struct conn_closed){.next = c->closed_pages};
        c->closed_pages = page;
        entry_add(c, &page->entry, CONN_CLOSED + id / CONN_CLOSED_IDS);
    }
    page->bits[i / 64] |= UINT64_C(1) << (i % 64);
    return true;
}

void closed_ids_fini(struct conn *c)
{
    while (c->closed_pages) {
        struct conn_closed *page = c->closed_pages;

        c->closed_pages = page->next;
        entry_remove(&page->entry);
        pool_put(&c->pools->closed, page);
    }
}

size_t conn_closed_size(void)
{
    return sizeof(struct conn_closed);
}
