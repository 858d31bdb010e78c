#include "sessions.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "toeplitz.h"
#include "wire.h"

enum {
    DRAWS = 4096
}; /* the RETA has at most 512 entries: failing this often is all but impossible */

static uint8_t owner(const struct sessions *s, uint32_t spi)
{
    return s->layout.reta[toeplitz_spi(s->layout.toeplitz_key, spi) & (s->layout.reta_size - 1u)];
}

static int set_init(struct spi_set *set, uint32_t capacity)
{
    uint32_t slots = 64;

    while (slots < 2 * capacity)
        slots *= 2;
    memset(set, 0, sizeof(*set));
    set->slot = calloc(slots, sizeof(*set->slot));
    set->mask = slots - 1;
    return set->slot ? 0 : -ENOMEM;
}

static void set_free(struct spi_set *set)
{
    free(set->slot);
    set->slot = NULL;
}

static uint32_t home(const struct spi_set *set, uint32_t spi)
{
    return (uint32_t)(spi * UINT64_C(0x9e3779b97f4a7c15) >> 32) & set->mask;
}

/* The slot that holds spi, or the empty one where it belongs. */
static uint32_t find(const struct spi_set *set, uint32_t spi)
{
    uint32_t i = home(set, spi);

    while (set->slot[i] != 0 && set->slot[i] != spi)
        i = (i + 1) & set->mask;
    return i;
}

static void set_add(struct spi_set *set, uint32_t spi, uint8_t lcore)
{
    uint32_t i = find(set, spi);

    if (set->slot[i] == spi)
        return;
    set->slot[i] = spi;
    set->count++;
    set->owned[lcore]++;
}

/* Empty the slot, then move back those behind it that it kept from their place. */
static void set_remove(struct spi_set *set, uint32_t spi, uint8_t lcore)
{
    uint32_t hole = find(set, spi), i = hole;

    if (set->slot[hole] != spi)
        return;
    set->count--;
    set->owned[lcore]--;
    set->slot[hole] = 0;
    while (set->slot[i = (i + 1) & set->mask] != 0) {
        uint32_t distance = (i - home(set, set->slot[i])) & set->mask;

        if (distance >= ((i - hole) & set->mask)) {
            set->slot[hole] = set->slot[i];
            set->slot[i] = 0;
            hole = i;
        }
    }
}

int sessions_init(struct sessions *s, const struct jp_ipc_data_hello *hello)
{
    memset(s, 0, sizeof(*s));
    s->layout = *hello;
    s->capacity = hello->max_sessions;
    for (unsigned i = 0; i < hello->reta_size; i++)
        s->owns[hello->reta[i]] = true;
    return set_init(&s->known, s->capacity);
}

void sessions_free(struct sessions *s)
{
    set_free(&s->known);
    set_free(&s->refill);
}

/* The lcore with the fewest sessions; among equals the next after the last chosen. */
static uint8_t choose_owner(struct sessions *s)
{
    unsigned lcores = s->layout.lcores, best = lcores;

    for (unsigned n = 1; n <= lcores; n++) {
        unsigned i = (s->last_owner + n) % lcores;

        if (s->owns[i] && (best == lcores || s->known.owned[i] < s->known.owned[best]))
            best = i;
    }
    s->last_owner = (uint8_t)best;
    return s->last_owner;
}

uint32_t sessions_reserve(struct sessions *s)
{
    uint8_t lcore = choose_owner(s);

    for (unsigned n = 0; n < DRAWS; n++) {
        uint32_t spi = randombytes_random();

        if (spi >= WIRE_SPI_MIN && owner(s, spi) == lcore &&
            s->known.slot[find(&s->known, spi)] == 0) {
            sessions_add(s, spi);
            return spi;
        }
    }
    return 0;
}

bool sessions_has(const struct sessions *s, uint32_t spi)
{
    return s->known.slot[find(&s->known, spi)] == spi;
}

void sessions_add(struct sessions *s, uint32_t spi)
{
    uint8_t lcore = owner(s, spi);

    if (spi < WIRE_SPI_MIN)
        return;
    if (s->known.count < s->capacity)
        set_add(&s->known, spi, lcore);
    if (s->refill.slot && s->refill.count < s->capacity)
        set_add(&s->refill, spi, lcore);
}

void sessions_remove(struct sessions *s, uint32_t spi)
{
    uint8_t lcore = owner(s, spi);

    if (spi < WIRE_SPI_MIN)
        return;
    set_remove(&s->known, spi, lcore);
    if (s->refill.slot)
        set_remove(&s->refill, spi, lcore);
}

int sessions_refill_begin(struct sessions *s)
{
    sessions_refill_cancel(s);
    return set_init(&s->refill, s->capacity);
}

void sessions_refill_end(struct sessions *s)
{
    set_free(&s->known);
    s->known = s->refill;
    s->refill.slot = NULL;
}

void sessions_refill_cancel(struct sessions *s)
{
    set_free(&s->refill);
}
