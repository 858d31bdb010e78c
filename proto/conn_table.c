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

/* ---- ids that are no more ---- */

/* Either side uses its ids, odd or even ones, in order: so pages fill up. */
static uint32_t page_number(uint32_t id)
{
    return id % 2 * (CONN_CLOSED_PAGES / 2) + id / (2 * CONN_CLOSED_IDS);
}

static struct conn_closed *page_find(const struct conn *c, uint32_t number)
{
    return (struct conn_closed *)entry_find(c, CONN_CLOSED + number);
}

static struct conn_closed *page_new(struct conn *c, uint32_t number)
{
    struct conn_closed *page = pool_get(&c->pools->closed);

    if (!page)
        return NULL;
    *page = (struct conn_closed){.next = c->closed_pages};
    c->closed_pages = page;
    entry_add(c, &page->entry, CONN_CLOSED + number);
    holding_note(c, CONN_HELD_CLOSED, ++c->n_closed_pages, 0);
    return page;
}

static void page_free(struct conn *c, struct conn_closed *page)
{
    struct conn_closed **link = &c->closed_pages;

    while (*link != page)
        link = &(*link)->next;
    *link = page->next;
    entry_remove(&page->entry);
    pool_put(&c->pools->closed, page);
    holding_note(c, CONN_HELD_CLOSED, --c->n_closed_pages, 0);
}

static bool is_full(const struct conn_closed *page)
{
    for (unsigned i = 0; i < CONN_CLOSED_IDS / 64; i++)
        if (page->bits[i] != UINT64_MAX)
            return false;
    return true;
}

bool closed_ids_has(const struct conn *c, uint32_t id)
{
    uint32_t number = page_number(id), i = id / 2 % CONN_CLOSED_IDS;
    const struct conn_closed *page = c->closed_pages ? page_find(c, number) : NULL;

    return page ? page->bits[i / 64] >> (i % 64) & 1
                : c->closed_full[number / 64] >> (number % 64) & 1;
}

bool closed_ids_add(struct conn *c, uint32_t id)
{
    uint32_t number = page_number(id), i = id / 2 % CONN_CLOSED_IDS;
    struct conn_closed *page = page_find(c, number);

    if (!page && !(page = page_new(c, number)))
        return false;
    page->bits[i / 64] |= UINT64_C(1) << (i % 64);
    if (is_full(page)) {
        c->closed_full[number / 64] |= UINT64_C(1) << (number % 64);
        page_free(c, page);
    }
    return true;
}

void closed_ids_fini(struct conn *c)
{
    while (c->closed_pages)
        page_free(c, c->closed_pages);
}

size_t conn_closed_size(void)
{
    return sizeof(struct conn_closed);
}
