/* The index holds {SPI, slot} by linear probing at a load of at most a half. Removal shifts what
 * follows back, so there are no tombstones and the table never degrades. Slots are taken in
 * ascending order and given back to a free list: pages of sessions that never were stay untouched.
 */
#include <string.h>
#include <sys/mman.h>

#include <sodium.h>

#include <rte_prefetch.h>

#include "pages.h"
#include "session.h"

struct entry {
    uint32_t spi; /* 0: empty */
    uint32_t slot;
};

struct session_table {
    struct entry *index;
    struct session *sessions;
    struct session *free;
    uint32_t mask;     /* of the index */
    uint32_t capacity; /* sessions */
    uint32_t used;     /* slots that ever held one */
    uint32_t count;
};

static uint32_t index_size(uint32_t n)
{
    uint32_t size = 64;

    while (size < 2 * (uint64_t)n)
        size *= 2;
    return size;
}

size_t session_table_footprint(uint32_t n)
{
    return sizeof(struct session_table) + index_size(n) * sizeof(struct entry) +
           n * sizeof(struct session);
}

struct session_table *session_table_new(uint32_t n)
{
    struct session_table *t;
    uint32_t size = index_size(n);

    if (n == 0 || n > UINT32_MAX / 4 || !(t = calloc(1, sizeof(*t))))
        return NULL;
    t->mask = size - 1;
    t->capacity = n;
    t->index = pages_map(size * sizeof(struct entry));
    t->sessions = pages_map(n * sizeof(struct session));
    if (!t->index || !t->sessions) {
        session_table_free(t);
        return NULL;
    }
    return t;
}

void session_table_free(struct session_table *t)
{
    if (!t)
        return;
    if (t->index)
        munmap(t->index, ((size_t)t->mask + 1) * sizeof(struct entry));
    if (t->sessions)
        munmap(t->sessions, t->capacity * sizeof(struct session));
    free(t);
}

/* Where an SPI's search begins. SPIs of one lcore share hash bits (steering), so they are mixed. */
static uint32_t home(const struct session_table *t, uint32_t spi)
{
    return (uint32_t)(spi * UINT64_C(0x9e3779b97f4a7c15) >> 32) & t->mask;
}

/* The entry of spi, or the empty one where it would go. */
static struct entry *probe(const struct session_table *t, uint32_t spi)
{
    uint32_t i = home(t, spi);

    while (t->index[i].spi != spi && t->index[i].spi != 0)
        i = (i + 1) & t->mask;
    return &t->index[i];
}

static struct session *take_slot(struct session_table *t)
{
    struct session *s = t->free;

    if (s)
        t->free = s->next;
    else if (t->used < t->capacity)
        s = &t->sessions[t->used++];
    return s;
}

struct session *session_table_add(struct session_table *t, uint32_t spi)
{
    struct session *s = take_slot(t);

    if (!s)
        return NULL;
    *probe(t, spi) = (struct entry){.spi = spi, .slot = (uint32_t)(s - t->sessions)};
    s->next = NULL;
    s->server_spi = spi;
    t->count++;
    return s;
}

/* Empty entry i, moving back what would not be found behind a hole. */
static void shift_back(struct session_table *t, uint32_t i)
{
    for (uint32_t j = (i + 1) & t->mask; t->index[j].spi != 0; j = (j + 1) & t->mask) {
        uint32_t distance = (j - home(t, t->index[j].spi)) & t->mask;

        if (distance >= ((j - i) & t->mask)) { /* its home is at or before the hole */
            t->index[i] = t->index[j];
            i = j;
        }
    }
    t->index[i].spi = 0;
}

void session_table_remove(struct session_table *t, struct session *s)
{
    shift_back(t, (uint32_t)(probe(t, s->server_spi) - t->index));
    sodium_memzero(s, sizeof(*s));
    s->next = t->free;
    t->free = s;
    t->count--;
}

uint32_t session_table_count(const struct session_table *t)
{
    return t->count;
}

struct session *session_find(const struct session_table *t, uint32_t spi)
{
    const struct entry *e = probe(t, spi);

    return spi != 0 && e->spi == spi ? &t->sessions[e->slot] : NULL;
}

/* All that taking a packet in touches but the expanded key: misses then overlap. */
static void prefetch(const struct session *s)
{
    rte_prefetch0(s);
    rte_prefetch0(&s->ack);
    rte_prefetch0(&s->streams.first);
    rte_prefetch0(&s->rx.current.epoch);
}

void session_expect(const struct session_table *t, uint32_t spi)
{
    rte_prefetch0(&t->index[home(t, spi)]);
}

void session_find_bulk(const struct session_table *t, const uint32_t *spi, struct session **out,
                       unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        out[i] = session_find(t, spi[i]);
        if (out[i] && (i == 0 || out[i] != out[i - 1]))
            prefetch(out[i]);
    }
}

struct session *session_at(const struct session_table *t, uint32_t i)
{
    return i < t->used && t->sessions[i].server_spi != 0 ? &t->sessions[i] : NULL;
}

uint32_t session_table_slots(const struct session_table *t)
{
    return t->used;
}
