/* What the sessions of a loop hold for their streams and packets: pools with room for very busy
 * loops, of memory that costs nothing until it is used. */
#ifndef CLIENT_MEMORY_H
#define CLIENT_MEMORY_H

#include <stddef.h>

#include "conn.h"

struct memory {
    struct conn_pools pools;
    void *base;
    size_t size;
};

/* 0 or JP_NO_MEMORY. */
int memory_init(struct memory *m);
void memory_fini(struct memory *m);

#endif
