/* Which SPIs the data plane has sessions for, so that a new one is free and goes to the lcore with
 * the fewest. The data plane knows best: this table is filled anew from it on connecting, and
 * whenever it was found to differ. */
#ifndef CONTROL_SESSIONS_H
#define CONTROL_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "jetplane/ipc.h"

/* A set of SPIs: open addressing, 0 is an empty slot. */
struct spi_set {
    uint32_t *slot;
    uint32_t mask;
    uint32_t count;
    uint32_t owned[JP_LCORES_MAX]; /* count by owner lcore */
};

struct sessions {
    struct jp_ipc_data_hello layout; /* lcores, RETA and hash key */
    uint32_t capacity;
    struct spi_set known;
    struct spi_set refill;    /* what will replace `known`; slot NULL: no refill going on */
    bool owns[JP_LCORES_MAX]; /* the RETA sends packets to this lcore */
    uint8_t last_owner;
};

/* Empty, for this data plane; hello must be checked. 0 or -ENOMEM. */
int sessions_init(struct sessions *s, const struct jp_ipc_data_hello *hello);
void sessions_free(struct sessions *s);

/* A random SPI that is not known, owned by the lcore with the fewest sessions; it is then known
 * (while there is room). 0 if none was found. */
uint32_t sessions_reserve(struct sessions *s);
bool sessions_has(const struct sessions *s, uint32_t spi);
void sessions_add(struct sessions *s, uint32_t spi);
void sessions_remove(struct sessions *s, uint32_t spi);

/* Between begin and end, whatever is not added is forgotten. 0 or -ENOMEM. */
int sessions_refill_begin(struct sessions *s);
void sessions_refill_end(struct sessions *s);
void sessions_refill_cancel(struct sessions *s);

#endif
